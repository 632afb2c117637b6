"""One instant of raw sensor readings, as NumPy, before anything is resized, padded or transformed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fusion.types.checks import check_dtype, check_rigid, check_shape

POINT_FIELDS = ("x", "y", "z", "intensity", "age_s")
"""Columns of every point array: metres, intensity in [0, 1], age relative to the reference stamp in seconds (>= 0)."""


@dataclass(frozen=True, kw_only=True)
class CameraReading:
    """One undistorted pinhole image.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        intrinsics: `(3, 3)` float64, pixels; pixel centres at integer coordinates, as in nuScenes.
        ego_T_cam: `(4, 4)` float64; camera frame x right, y down, z forward; ego frame x forward, y left, z up.
        stamp_ns: shutter time, nanoseconds.
        global_T_ego: `(4, 4)` float64 ego pose at `stamp_ns`, or None where unknown.
    """

    image: np.ndarray
    intrinsics: np.ndarray
    ego_T_cam: np.ndarray
    stamp_ns: int
    global_T_ego: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_shape("image", self.image, ("H", "W", 3), {})
        check_dtype("image", self.image, np.uint8)
        check_shape("intrinsics", self.intrinsics, (3, 3), {})
        if not np.isfinite(self.intrinsics).all() or self.intrinsics[0, 0] <= 0 or self.intrinsics[1, 1] <= 0:
            raise ValueError(f"intrinsics: expected finite, positive focal lengths, got {self.intrinsics.tolist()}")
        check_rigid("ego_T_cam", self.ego_T_cam)
        if self.global_T_ego is not None:
            check_rigid("global_T_ego", self.global_T_ego)


@dataclass(frozen=True, kw_only=True)
class LidarReading:
    """One LiDAR point cloud, possibly several motion-compensated sweeps, in the LiDAR frame at `stamp_ns`.

    Attributes:
        points: `(P, 5)` float32, columns `POINT_FIELDS`, finite.
        ego_T_lidar: `(4, 4)` float64.
        stamp_ns: reference time of the cloud, nanoseconds.
        global_T_ego: `(4, 4)` float64 ego pose at `stamp_ns`, or None where unknown.
    """

    points: np.ndarray
    ego_T_lidar: np.ndarray
    stamp_ns: int
    global_T_ego: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_shape("points", self.points, ("P", len(POINT_FIELDS)), {})
        check_dtype("points", self.points, np.float32)
        if not np.isfinite(self.points).all():
            bad = int((~np.isfinite(self.points).all(axis=1)).sum())
            raise ValueError(f"points: expected finite numbers, got {bad} rows with NaN or infinity of {len(self.points)}")
        check_rigid("ego_T_lidar", self.ego_T_lidar)
        if self.global_T_ego is not None:
            check_rigid("global_T_ego", self.global_T_ego)


@dataclass(frozen=True, kw_only=True)
class SensorSet:
    """All readings that belong to one instant. Absence is None, never zeros.

    Attributes:
        cameras: name -> reading, or None where the camera exists in the rig but gave nothing. Order is the rig's order.
        lidar: the cloud, or None.
        stamp_ns: reference time; detections are given for this time, in the ego frame of this time.
        global_T_ego: `(4, 4)` ego pose at `stamp_ns`, or None where unknown (then sensors are taken as simultaneous).
        token: identifies the instant in its data set ("" where there is none).
        warnings: one line for each reading that was expected and could not be used.
    """

    cameras: Mapping[str, CameraReading | None]
    lidar: LidarReading | None
    stamp_ns: int
    global_T_ego: np.ndarray | None = None
    token: str = ""
    lidar_name: str = "LIDAR_TOP"
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.global_T_ego is not None:
            check_rigid("global_T_ego", self.global_T_ego)

    @property
    def sensors_present(self) -> tuple[str, ...]:
        """Names of the sensors that gave a reading, cameras in rig order, LiDAR last."""
        names = [name for name, reading in self.cameras.items() if reading is not None]
        return (*names, *([self.lidar_name] if self.lidar is not None else []))

    def without(self, *names: str) -> SensorSet:
        """The same instant with the named sensors absent (unknown names raise ValueError)."""
        known = {*self.cameras, self.lidar_name}
        for name in names:
            if name not in known:
                raise ValueError(f"sensor {name!r}: not in this rig; expected one of {sorted(known)}")
        cameras = {n: (None if n in names else r) for n, r in self.cameras.items()}
        lidar = None if self.lidar_name in names else self.lidar
        return SensorSet(
            cameras=cameras, lidar=lidar, stamp_ns=self.stamp_ns, global_T_ego=self.global_T_ego,
            token=self.token, lidar_name=self.lidar_name, warnings=self.warnings,
        )

    @classmethod
    def example(cls, cameras: int = 2, points: int = 200, seed: int = 0, size_hw: tuple[int, int] = (90, 160)) -> SensorSet:
        """A valid random instant: cameras around the ego at 1.5 m height, a cloud within 20 m."""
        rng = np.random.default_rng(seed)
        readings: dict[str, CameraReading | None] = {}
        for index in range(cameras):
            yaw = 2 * np.pi * index / max(cameras, 1)
            forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
            right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
            pose = np.eye(4)
            pose[:3, :3] = np.stack([right, [0.0, 0.0, -1.0], forward], axis=1)
            pose[:3, 3] = forward + [0, 0, 1.5]
            focal = 0.8 * size_hw[1]
            intrinsics = np.array([[focal, 0, size_hw[1] / 2], [0, focal, size_hw[0] / 2], [0, 0, 1.0]])
            image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
            readings[f"CAM_{index}"] = CameraReading(image=image, intrinsics=intrinsics, ego_T_cam=pose, stamp_ns=0)
        cloud = np.concatenate([rng.uniform(-20, 20, (points, 2)), rng.uniform(-2, 1, (points, 1)),
                                rng.uniform(0, 1, (points, 1)), np.zeros((points, 1))], axis=1).astype(np.float32)
        ego_T_lidar = np.eye(4)
        ego_T_lidar[2, 3] = 1.8
        return cls(cameras=readings, lidar=LidarReading(points=cloud, ego_T_lidar=ego_T_lidar, stamp_ns=0), stamp_ns=0)
