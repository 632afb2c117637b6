"""Things that move, or could: a shape, a track through time, and what nuScenes calls them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.geometry.transforms import pose_from_angles
from fusion.simulate.mesh import Mesh
from fusion.types.checks import check_shape

MOVING_MPS = 0.3
"""Speed from which an actor counts as moving."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """Motion sampled in time, interpolated linearly between samples and held at the ends.

    Attributes:
        times_s: `(T,)` ascending, seconds from the start of the scene.
        poses: `(T, 6)` x, y, z (metres), yaw, pitch, roll (radians, yaw unwrapped) in the global frame.
    """

    times_s: np.ndarray
    poses: np.ndarray

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("times_s", self.times_s, ("T",), dims)
        check_shape("poses", self.poses, ("T", 6), dims)

    @classmethod
    def at_rest(cls, x: float, y: float, z: float, yaw: float) -> Track:
        """Never moves."""
        return cls(times_s=np.zeros(1), poses=np.array([[x, y, z, yaw, 0.0, 0.0]]))

    def at(self, t_s: float | np.ndarray) -> np.ndarray:
        """Pose `(6,)`, or `(N, 6)` for `(N,)` times."""
        columns = [np.interp(t_s, self.times_s, self.poses[:, c]) for c in range(6)]
        poses: np.ndarray = np.stack(columns, axis=-1)
        return poses

    def matrix(self, t_s: float) -> np.ndarray:
        """`(4, 4)` `global_T_body` at one time."""
        x, y, z, yaw, pitch, roll = self.at(t_s)
        return pose_from_angles((x, y, z), yaw=yaw, pitch=pitch, roll=roll)

    def speed(self, t_s: float, over_s: float = 0.2) -> float:
        """Horizontal speed around a time, m/s."""
        before, after = self.at(t_s - over_s / 2), self.at(t_s + over_s / 2)
        return float(np.hypot(*(after - before)[:2]) / over_s)

    def distance(self, t_s: float) -> float:
        """Way gone from the first sample to a time, metres."""
        steps = np.hypot(np.diff(self.poses[:, 0]), np.diff(self.poses[:, 1]))
        return float(np.interp(t_s, self.times_s, np.concatenate([[0.0], np.cumsum(steps)])))


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One object with a label.

    Attributes:
        category: nuScenes' category, such as "vehicle.car" or "human.pedestrian.adult".
        size_lwh: `(3,)` length, width, height of its box, metres.
        meshes: its shape in the box's frame (origin at the gravity centre, x forward); several are phases of a gait.
        stride_m: way after which the phases repeat; 0 with one mesh.
        track: of the box's centre.
        moving, resting: nuScenes attribute while it moves and while it does not; "" for none.
    """

    category: str
    size_lwh: np.ndarray
    meshes: tuple[Mesh, ...]
    track: Track
    stride_m: float = 0.0
    moving: str = ""
    resting: str = ""

    def mesh_at(self, t_s: float) -> Mesh:
        """The shape in the box's frame at a time."""
        if len(self.meshes) == 1 or self.stride_m <= 0:
            return self.meshes[0]
        return self.meshes[int(self.track.distance(t_s) / self.stride_m * len(self.meshes)) % len(self.meshes)]

    def attribute(self, t_s: float) -> str:
        """nuScenes' attribute at a time."""
        return self.moving if self.track.speed(t_s) >= MOVING_MPS else self.resting

    def box(self, t_s: float) -> np.ndarray:
        """`(7,)` x y z l w h yaw in the global frame."""
        x, y, z, yaw = self.track.at(t_s)[:4]
        return np.array([x, y, z, *self.size_lwh, yaw])
