"""How a spinning LiDAR fires: the order and directions of its beams in one turn, and where the sensor is at each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.actor import Track
from fusion.simulate.rig import LidarMount

_FIRING_SHARE = 0.8
"""Share of a step in which its beams fire, one after the other; the rest is a pause."""


@dataclass(frozen=True, kw_only=True)
class Firing:
    """One turn of a sensor, the same for every sweep. S steps, R rings.

    Attributes:
        before_s: `(S,)` from each step to the end of the turn, seconds.
        azimuth_rad: `(S, R)` of each beam in the axes of the sensor's body (0 forward, pi/2 left), descending: clockwise from above.
        directions_ego: `(S, R, 3)` float64 unit vectors in ego axes.
    """

    before_s: np.ndarray
    azimuth_rad: np.ndarray
    directions_ego: np.ndarray

    @classmethod
    def of(cls, mount: LidarMount) -> Firing:
        """The turn of a mount: beams fire in pairs from the lower and the upper half of the rings, as in Velodyne's 32-beam sensors."""
        rings, steps = len(mount.elevations_deg), mount.azimuth_steps
        if rings < 1 or steps < 1 or mount.rate_hz <= 0:
            raise ValueError(f"{mount.name}: expected beams, azimuth steps and a rate above 0, got {rings}, {steps}, {mount.rate_hz}")
        half = (rings + 1) // 2
        place = np.array([2 * ring if ring < half else 2 * (ring - half) + 1 for ring in range(rings)])
        turned = 2 * np.pi * (np.arange(steps)[:, None] + _FIRING_SHARE * place / rings) / steps
        azimuth = np.radians(mount.start_deg - mount.yaw_deg) - turned
        elevation = np.radians(np.asarray(mount.elevations_deg, np.float64))
        directions = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                               np.broadcast_to(np.sin(elevation), azimuth.shape)], axis=-1)
        return cls(before_s=(1.0 - np.arange(steps) / steps) / mount.rate_hz, azimuth_rad=azimuth,
                   directions_ego=directions @ mount.ego_T_body[:3, :3].T)

    def runs_towards(self, azimuth_rad: float, half_width_rad: float) -> list[tuple[int, int]]:
        """Steps whose beams may point within `half_width_rad` of an azimuth in the body's axes: half-open runs, two where the seam lies within."""
        steps = len(self.before_s)
        per_step = 2 * np.pi / steps
        middle = float(np.mod(self.azimuth_rad[0, 0] - azimuth_rad, 2 * np.pi)) / per_step
        half = half_width_rad / per_step + 2
        first, last = int(np.floor(middle - half)), int(np.ceil(middle + half))
        if last - first >= steps:
            return [(0, steps)]
        if first < 0:
            return [(0, last), (steps + first, steps)]
        if last > steps:
            return [(0, last - steps), (first, steps)]
        return [(first, last)]


def poses_at(track: Track, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a body is at N times: positions `(N, 3)` and rotations global_R_body `(N, 3, 3)`; `Track.matrix` for many times."""
    pose = track.at(np.asarray(times_s, np.float64))
    cy, cp, cr = np.cos(pose[:, 3:]).T
    sy, sp, sr = np.sin(pose[:, 3:]).T
    rotation = np.empty((len(pose), 3, 3))
    rotation[:, 0] = np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], axis=-1)
    rotation[:, 1] = np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], axis=-1)
    rotation[:, 2] = np.stack([-sp, cp * sr, cp * cr], axis=-1)
    return pose[:, :3], rotation
