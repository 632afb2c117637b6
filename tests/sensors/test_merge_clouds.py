"""Several clouds as one: places by hand, ages, ego motion."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.geometry.projection import ref_T_lidar
from fusion.geometry.transforms import pose_from_angles, transform_points
from fusion.sensors.merge_clouds import merge_clouds
from fusion.types import LidarReading, SensorSet

MS = 1_000_000


def cloud(points: list[list[float]], place: list[float], *, yaw: float = 0.0, stamp_ns: int = 0, pose: np.ndarray | None = None) -> LidarReading:
    return LidarReading(points=np.array(points, np.float32).reshape(-1, 5), ego_T_lidar=pose_from_angles(place, yaw=yaw), stamp_ns=stamp_ns,
                        global_T_ego=pose)


def test_two_lidars_by_hand() -> None:
    roof = cloud([[10, 0, -1.5, 0.5, 0]], [1, 0, 2])
    left = cloud([[3, 0, 0, 0.25, 0], [0, 1, 0, 1, 0.01]], [0, 1, 0.5], yaw=np.pi / 2)  # looks to the left
    merged = merge_clouds([roof, left], stamp_ns=0)
    np.testing.assert_allclose(merged.points, [[11, 0, 0.5, 0.5, 0], [0, 4, 0.5, 0.25, 0], [-1, 1, 0.5, 1, 0.01]], atol=1e-6)
    np.testing.assert_array_equal(merged.ego_T_lidar, np.eye(4))
    assert (merged.stamp_ns, merged.global_T_ego, merged.points.dtype) == (0, None, np.float32)


def test_ages_count_from_the_reference_stamp_and_are_never_negative() -> None:
    before = cloud([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0.05]], [0, 0, 0], stamp_ns=100 * MS)
    after = cloud([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0.05]], [0, 0, 0], stamp_ns=220 * MS)
    merged = merge_clouds([before, after], stamp_ns=200 * MS)
    np.testing.assert_allclose(merged.points[:, 4], [0.1, 0.15, 0, 0.03], atol=1e-7)


def test_points_move_with_the_ego_where_poses_are_known() -> None:
    start, reference = pose_from_angles([1000, 2000, 5], yaw=0.0), pose_from_angles([1002, 2000, 5], yaw=np.pi / 2)
    still = [[10, 0, 0, 0, 0]]
    for first, now, wanted in ((start, reference, [0, -8, 0]), (start, None, [10, 0, 0]), (None, reference, [10, 0, 0])):
        merged = merge_clouds([cloud(still, [0, 0, 0], pose=first)], stamp_ns=50 * MS, global_T_ego=now)
        np.testing.assert_allclose(merged.points[0, :3], wanted, atol=1e-5)
    assert merged.global_T_ego is reference


def test_agrees_with_the_chain_that_the_network_uses() -> None:
    poses = [pose_from_angles([1000, 50, 2], yaw=0.4), pose_from_angles([1001, 50.5, 2], yaw=0.45)]
    reading = cloud(np.random.default_rng(0).uniform(0, 1, (50, 5)).tolist(), [1, 2, 3], yaw=0.3, stamp_ns=0, pose=poses[0])
    reference = SensorSet(cameras={}, lidar=reading, stamp_ns=100 * MS, global_T_ego=poses[1])
    merged = merge_clouds([reading], stamp_ns=100 * MS, global_T_ego=poses[1])
    np.testing.assert_allclose(merged.points[:, :3], transform_points(ref_T_lidar(reference), reading.points[:, :3]), atol=1e-5)


def test_one_cloud_at_the_reference_comes_back_as_it_is() -> None:
    reading = cloud([[1, 2, 3, 0.5, 0]], [1, 0, 2], stamp_ns=7)
    assert merge_clouds([reading], stamp_ns=7) is reading


def test_inputs_are_not_changed_and_empty_clouds_are_fine() -> None:
    readings = [cloud([], [0, 0, 0]), cloud([[1, 2, 3, 0.5, 0]], [1, 0, 2], stamp_ns=-5)]
    before = [reading.points.copy() for reading in readings]
    assert len(merge_clouds(readings, stamp_ns=0).points) == 1
    assert merge_clouds(readings[:1], stamp_ns=9).points.shape == (0, 5)
    for reading, points in zip(readings, before, strict=True):
        np.testing.assert_array_equal(reading.points, points)
    with pytest.raises(ValueError, match="at least one"):
        merge_clouds([], stamp_ns=0)
