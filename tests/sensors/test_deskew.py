"""Points of a sensor that drives and turns, by hand and against what an exact pose per point gives."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.geometry.transforms import invert, pose_from_angles, transform_points
from fusion.sensors.deskew import deskew


def test_a_wall_ahead_of_a_car_that_drives_towards_it_is_one_wall() -> None:
    """10 m/s; at the reference the wall is 20 m ahead, a tenth of a second later 19 m, and a tenth before it was 21 m."""
    points = np.array([[20, 0, 1, 0.5, 0], [19, 3, 1, 0.5, 0], [19.5, -3, 1, 0.5, 0], [21, 4, 1, 0.5, 0]], np.float32)
    times = np.array([0, 0.1, 0.05, -0.1])
    moments = np.array([-0.1, 0, 0.1])
    driven = np.stack([pose_from_angles([10 * moment, 0, 0], yaw=0.0) for moment in moments])
    moved = deskew(points, times, moments, driven)
    np.testing.assert_allclose(moved[:, :3], [[20, 0, 1], [20, 3, 1], [20, -3, 1], [20, 4, 1]], atol=1e-6)
    np.testing.assert_array_equal(moved[:, 3], points[:, 3])
    assert moved.dtype == np.float32 and points[1, 0] == 19  # inputs are not changed


def test_a_turn_is_followed_to_millimetres() -> None:
    """15 m/s and 1 rad/s, poses every 20 ms, the reference at the start."""
    def pose(time_s: float) -> np.ndarray:
        return pose_from_angles([15 * np.sin(time_s), 15 * (1 - np.cos(time_s)), 0], yaw=time_s)

    rng = np.random.default_rng(0)
    world, times = rng.uniform(-40, 40, (500, 3)), np.sort(rng.uniform(0, 0.1, 500))
    seen = np.stack([transform_points(invert(pose(time)), point) for time, point in zip(times, world, strict=True)])
    moments = np.linspace(0, 0.1, 6)
    moved = deskew(np.column_stack([seen, np.zeros((500, 2))]).astype(np.float32), times, moments, np.stack([pose(time) for time in moments]))
    assert np.abs(moved[:, :3] - world).max() < 4e-3 < 1 < np.abs(seen - world).max()


def test_beyond_the_moments_the_nearest_counts_and_one_is_enough() -> None:
    points, step = np.array([[1, 2, 3]] * 3, np.float32), pose_from_angles([5, 0, 0], yaw=0.0)
    np.testing.assert_allclose(deskew(points, np.array([-1, 0.05, 9]), np.array([0, 0.1]), np.stack([np.eye(4), step]))[:, 0], [1, 3.5, 6])
    np.testing.assert_allclose(deskew(points, np.array([-1, 0, 9]), np.array([0.0]), step[None])[:, 0], [6, 6, 6])
    assert deskew(points[:0], np.zeros(0), np.array([0, 0.1]), np.stack([step, step])).shape == (0, 3)


def test_moments_that_do_not_increase_are_refused() -> None:
    for moments, transforms in (([0.1, 0.1], [np.eye(4)] * 2), ([], np.zeros((0, 4, 4))), ([0.0], [np.eye(4)] * 2)):
        with pytest.raises(ValueError, match="expected increasing"):
            deskew(np.zeros((1, 3), np.float32), np.zeros(1), np.array(moments), np.array(transforms))
