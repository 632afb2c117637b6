"""Where the sensors sit and what they are. The default is a nuScenes car: six cameras and a 32-beam LiDAR on the roof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fusion.geometry.transforms import pose_from_angles

CAM_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""`(3, 3)` body_R_cam: a camera frame (x right, y down, z forward) in a body frame (x forward, y left, z up)."""

LIDAR_AXES = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""`(3, 3)` body_R_lidar: nuScenes' LiDAR frame (x right, y forward, z up) in a body frame."""


@dataclass(frozen=True, kw_only=True)
class CameraMount:
    """One pinhole camera.

    Attributes:
        name: channel, such as "CAM_FRONT".
        size_wh: image width and height, pixels.
        focal_px: focal length, pixels.
        centre_px: principal point, pixels.
        position_m: x, y, z in the ego frame.
        yaw_deg, pitch_deg, roll_deg: where it looks, from straight ahead; pitch is positive downwards.
        individual: which one of its make, any whole number from 0: decides its exposure's bias and its tint.
    """

    name: str
    size_wh: tuple[int, int] = (1600, 900)
    focal_px: float = 1260.0
    centre_px: tuple[float, float] = (816.0, 480.0)
    position_m: tuple[float, float, float]
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    individual: int = 0

    @property
    def intrinsics(self) -> np.ndarray:
        """`(3, 3)` float64, pixels."""
        return np.array([[self.focal_px, 0.0, self.centre_px[0]], [0.0, self.focal_px, self.centre_px[1]], [0.0, 0.0, 1.0]])

    @property
    def ego_T_cam(self) -> np.ndarray:
        """`(4, 4)` float64."""
        matrix = pose_from_angles(self.position_m, yaw=np.radians(self.yaw_deg), pitch=np.radians(self.pitch_deg), roll=np.radians(self.roll_deg))
        matrix[:3, :3] = matrix[:3, :3] @ CAM_AXES
        return matrix

    def scaled(self, factor: float) -> CameraMount:
        """The same view in an image of another size; pixel centres are at integer coordinates."""
        width, height = (max(1, round(side * factor)) for side in self.size_wh)
        exact = width / self.size_wh[0]
        return replace(self, size_wh=(width, height), focal_px=self.focal_px * exact,
                       centre_px=((self.centre_px[0] + 0.5) * exact - 0.5, (self.centre_px[1] + 0.5) * exact - 0.5))


@dataclass(frozen=True, kw_only=True)
class LidarMount:
    """A spinning LiDAR.

    Attributes:
        name: channel.
        position_m: x, y, z in the ego frame.
        yaw_deg, pitch_deg, roll_deg: of its body, from level and straight ahead, where the LiDAR frame's y axis points forward; left and nose
            down are positive. Beams turn about the body's z axis.
        elevations_deg: of the beams, ring 0 (lowest) first.
        azimuth_steps: firings in a turn.
        rate_hz: turns a second, clockwise from above.
        start_deg: ego azimuth (0 forward, 90 left) at which a turn of a level mount starts and ends.
        range_m: nearest and farthest return; real sweeps of nuScenes hold nothing nearer than half a metre.
        individual: which one of its make, any whole number from 0: decides the errors of its rings.
    """

    name: str = "LIDAR_TOP"
    position_m: tuple[float, float, float] = (0.95, 0.0, 1.84)
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    elevations_deg: Sequence[float] = field(default_factory=lambda: tuple(np.linspace(-30.67, 10.67, 32)))
    azimuth_steps: int = 1084
    rate_hz: float = 20.0
    start_deg: float = 90.0
    range_m: tuple[float, float] = (0.5, 100.0)
    individual: int = 0

    @property
    def ego_T_body(self) -> np.ndarray:
        """`(4, 4)` float64; of the body, x forward, y left, z the axis that the beams turn about."""
        return pose_from_angles(self.position_m, yaw=np.radians(self.yaw_deg), pitch=np.radians(self.pitch_deg), roll=np.radians(self.roll_deg))

    @property
    def ego_T_lidar(self) -> np.ndarray:
        """`(4, 4)` float64."""
        matrix = self.ego_T_body
        matrix[:3, :3] = matrix[:3, :3] @ LIDAR_AXES
        return matrix

    def to_body(self, away_ego: np.ndarray) -> np.ndarray:
        """`(..., 3)` vectors in ego axes -> in the body's axes."""
        turned: np.ndarray = np.asarray(away_ego, np.float64) @ self.ego_T_body[:3, :3]
        return turned

    def before_stamp_s(self, azimuth_rad: np.ndarray | float) -> np.ndarray:
        """How long before the end of a turn (the sweep's stamp) the beams look at an azimuth in the body's axes, seconds in (0, 1 / rate]."""
        clockwise = np.mod(np.radians(self.start_deg - self.yaw_deg) - np.asarray(azimuth_rad, np.float64), 2 * np.pi)
        before: np.ndarray = (1.0 - clockwise / (2 * np.pi)) / self.rate_hz
        return before


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Attributes: `cameras`, in order; `lidar`, or None for a rig without."""

    cameras: tuple[CameraMount, ...]
    lidar: LidarMount | None

    def scaled(self, factor: float) -> Rig:
        """The rig with images of another size."""
        return replace(self, cameras=tuple(camera.scaled(factor) for camera in self.cameras))

    def shutter_before_s(self, camera: CameraMount) -> float:
        """A camera's shutter opens when the LiDAR looks its way: seconds before the sweep's stamp; 0 without LiDAR."""
        if self.lidar is None:
            return 0.0
        forward, left, _ = self.lidar.to_body(camera.ego_T_cam[:3, 2])
        return float(self.lidar.before_stamp_s(np.arctan2(left, forward)))


def nuscenes_rig() -> Rig:
    """A nuScenes car, figures rounded; its LiDAR looks down a little: 2.65 degrees in a Boston car, 1.39 in Singapore's."""
    return Rig(lidar=LidarMount(pitch_deg=2.0, roll_deg=0.25), cameras=(
        CameraMount(name="CAM_FRONT", position_m=(1.70, 0.0, 1.51), yaw_deg=0.0),
        CameraMount(name="CAM_FRONT_RIGHT", position_m=(1.55, -0.50, 1.51), yaw_deg=-56.0),
        CameraMount(name="CAM_BACK_RIGHT", position_m=(1.05, -0.48, 1.55), yaw_deg=-110.0),
        CameraMount(name="CAM_BACK", position_m=(0.05, 0.0, 1.57), yaw_deg=180.0, focal_px=805.0, centre_px=(830.0, 482.0)),
        CameraMount(name="CAM_BACK_LEFT", position_m=(1.05, 0.48, 1.55), yaw_deg=110.0),
        CameraMount(name="CAM_FRONT_LEFT", position_m=(1.55, 0.50, 1.51), yaw_deg=56.0),
    ))
