"""Pinhole projection and the chain of frames between sensors that fire at different times."""

from __future__ import annotations

import numpy as np

from fusion.geometry.transforms import invert, transform_points
from fusion.types.checks import check_shape
from fusion.types.sensor_set import CameraReading, LidarReading, SensorSet


def project(points_cam: np.ndarray, intrinsics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project points to the image plane.

    Args:
        points_cam: `(..., 3)` metres, camera frame (x right, y down, z forward).
        intrinsics: `(3, 3)` pixels, pixel centres at integer coordinates.

    Returns:
        uv: `(..., 2)` float64 pixels; NaN for points that are not in front of the camera, so that any bounds check fails.
        depth: `(...)` float64 metres along the optical axis.
    """
    check_shape("intrinsics", intrinsics, (3, 3), {})
    points = np.asarray(points_cam, dtype=np.float64)
    if points.shape[-1:] != (3,):
        raise ValueError(f"points_cam: expected (..., 3), got {points.shape}")
    depth = points[..., 2]
    homogeneous = points @ np.asarray(intrinsics, dtype=np.float64).T
    scale = np.where(depth > 0, homogeneous[..., 2], np.nan)
    return homogeneous[..., :2] / scale[..., None], depth


def _ego_T_ego(to_pose: np.ndarray | None, from_pose: np.ndarray | None) -> np.ndarray:
    """Motion of the ego between two stamps; identity where either pose is unknown (sensors taken as simultaneous)."""
    if to_pose is None or from_pose is None:
        return np.eye(4)
    moved: np.ndarray = invert(to_pose) @ from_pose
    return moved


def cam_T_ego_at_reference(sensor_set: SensorSet, reading: CameraReading) -> np.ndarray:
    """`(4, 4)` from the ego frame at the set's reference stamp to the camera frame at the camera's own stamp."""
    ego_cam_T_ego_ref = _ego_T_ego(reading.global_T_ego, sensor_set.global_T_ego)
    matrix: np.ndarray = invert(reading.ego_T_cam) @ ego_cam_T_ego_ref
    return matrix


def ref_T_lidar(sensor_set: SensorSet) -> np.ndarray:
    """`(4, 4)` from the LiDAR frame to the ego frame at the set's reference stamp; ValueError where the LiDAR is absent."""
    lidar = _lidar(sensor_set)
    matrix: np.ndarray = _ego_T_ego(sensor_set.global_T_ego, lidar.global_T_ego) @ lidar.ego_T_lidar
    return matrix


def lidar_to_image(sensor_set: SensorSet, camera_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Project the cloud into one camera: LiDAR -> ego (LiDAR stamp) -> global -> ego (camera stamp) -> camera -> pixels.

    Args:
        sensor_set: holds both readings.
        camera_name: a camera of the rig that gave a reading.

    Returns:
        uv `(P, 2)` and depth `(P,)` as `project`; points outside the image are not removed.

    Raises:
        ValueError: the camera is unknown or absent, or the LiDAR is absent.
    """
    reading = sensor_set.cameras.get(camera_name)
    if reading is None:
        present = [name for name, camera in sensor_set.cameras.items() if camera is not None]
        raise ValueError(f"camera {camera_name!r}: expected one of {present}, got no reading")
    lidar = _lidar(sensor_set)
    ego_cam_T_ego_lidar = _ego_T_ego(reading.global_T_ego, lidar.global_T_ego)
    cam_T_lidar = invert(reading.ego_T_cam) @ ego_cam_T_ego_lidar @ lidar.ego_T_lidar
    return project(transform_points(cam_T_lidar, lidar.points[:, :3]), reading.intrinsics)


def _lidar(sensor_set: SensorSet) -> LidarReading:
    if sensor_set.lidar is None:
        raise ValueError(f"lidar {sensor_set.lidar_name!r}: expected a reading, got none")
    return sensor_set.lidar
