"""Projection on paper, through moving frames, and against the nuScenes devkit on real data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fusion.geometry.projection import cam_T_ego_at_reference, lidar_to_image, project, ref_T_lidar
from fusion.geometry.transforms import pose, transform_points
from fusion.types import LidarReading, SensorSet

INTRINSICS = np.array([[100, 0, 64], [0, 100, 32], [0, 0, 1.0]])


def test_project_known_points() -> None:
    uv, depth = project(np.array([[0, 0, 2], [1, -0.5, 2]]), INTRINSICS)
    np.testing.assert_array_equal(uv, [[64, 32], [114, 7]])
    np.testing.assert_array_equal(depth, [2, 2])


def test_points_not_in_front_have_no_pixel() -> None:
    uv, depth = project(np.array([[1, 1, 0], [1, 1, -3.0]]), INTRINSICS)
    assert np.isnan(uv).all()
    np.testing.assert_array_equal(depth, [0, -3])


def _at_poses(sensor_set: SensorSet, camera: np.ndarray | None, lidar: np.ndarray | None, ref: np.ndarray | None) -> SensorSet:
    assert sensor_set.lidar is not None
    cameras = {name: reading and replace(reading, global_T_ego=camera) for name, reading in sensor_set.cameras.items()}
    return replace(sensor_set, cameras=cameras, lidar=replace(sensor_set.lidar, global_T_ego=lidar), global_T_ego=ref)


def test_both_routes_to_the_image_agree_while_the_ego_moves() -> None:
    poses = [pose([np.cos(a), 0.01, 0, np.sin(a)], [600 + 3 * a, 1600, 1]) for a in (0.1, 0.12, 0.17)]
    sensors = _at_poses(SensorSet.example(), *poses)
    reading, lidar = sensors.cameras["CAM_0"], sensors.lidar
    assert reading is not None
    assert lidar is not None
    uv, depth = lidar_to_image(sensors, "CAM_0")
    via_reference = cam_T_ego_at_reference(sensors, reading) @ ref_T_lidar(sensors)
    expected_uv, expected_depth = project(transform_points(via_reference, lidar.points[:, :3]), reading.intrinsics)
    assert (depth > 0).any()
    np.testing.assert_allclose(depth, expected_depth, atol=1e-9)
    far = depth > 0.1
    np.testing.assert_allclose(uv[far], expected_uv[far], atol=1e-6)
    standing = lidar_to_image(SensorSet.example(), "CAM_0")[1]
    assert np.abs(standing - depth).max() > 1e-3  # the motion mattered


def test_unknown_poses_mean_simultaneous() -> None:
    somewhere = pose([1, 0, 0, 0], [5, 6, 0])
    plain = lidar_to_image(SensorSet.example(), "CAM_1")[1]
    partly = lidar_to_image(_at_poses(SensorSet.example(), None, somewhere, somewhere), "CAM_1")[1]
    np.testing.assert_array_equal(plain, partly)


def test_absent_readings_raise() -> None:
    sensors = SensorSet.example()
    with pytest.raises(ValueError, match=r"camera 'CAM_0': expected one of \['CAM_1'\]"):
        lidar_to_image(sensors.without("CAM_0"), "CAM_0")
    with pytest.raises(ValueError, match="LIDAR_TOP"):
        lidar_to_image(sensors.without("LIDAR_TOP"), "CAM_0")
    with pytest.raises(ValueError, match="LIDAR_TOP"):
        ref_T_lidar(sensors.without("LIDAR_TOP"))


def test_equals_devkit_on_scene_0523(scene0523: Path, tmp_path_factory: pytest.TempPathFactory,
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """Every camera of two keyframes equals the devkit's own chain to 1e-6 px.

    The devkit keeps clouds in float32, which costs 1e-2 px at global coordinates. Its own code runs here unchanged on the same
    points widened to float64, so that what is compared is the geometry and not its rounding.
    """
    from nuscenes.nuscenes import NuScenes
    from nuscenes.utils.data_classes import LidarPointCloud

    from fusion.data.nuscenes import NuScenesSource

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    source = NuScenesSource(scene0523, "v1.0-mini", ["scene-0523"])
    devkit = NuScenes("v1.0-mini", str(scene0523), verbose=False)
    from_file = LidarPointCloud.from_file

    def from_file_float64(path: str) -> LidarPointCloud:
        cloud = from_file(path)
        cloud.remove_close(1.0)  # the source drops the vehicle's own points
        cloud.points = cloud.points.astype(np.float64)
        return cloud

    monkeypatch.setattr(LidarPointCloud, "from_file", staticmethod(from_file_float64))
    tokens = source.tokens("scene-0523")
    compared = 0
    for token in (tokens[0], tokens[20]):
        sensors = source.load(token)
        assert isinstance(sensors.lidar, LidarReading)
        data = devkit.get("sample", token)["data"]
        assert sum(name.startswith("CAM") for name in data) == len(sensors.cameras) == 6
        for name, reading in sensors.cameras.items():
            assert reading is not None
            expected, expected_depth, _ = devkit.explorer.map_pointcloud_to_image(data["LIDAR_TOP"], data[name])
            uv, depth = lidar_to_image(sensors, name)
            height, width = reading.image.shape[:2]
            shown = (depth > 1) & (uv[:, 0] > 1) & (uv[:, 0] < width - 1) & (uv[:, 1] > 1) & (uv[:, 1] < height - 1)
            np.testing.assert_allclose(uv[shown], expected[:2].T, rtol=0, atol=1e-6)
            np.testing.assert_allclose(depth[shown], expected_depth, rtol=0, atol=1e-8)
            compared += int(shown.sum())
    assert compared > 20_000
