"""Where many actors are at one time, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.actor import Actor
from fusion.simulate.camera.kernel import exact_kernel


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """All actors' tracks one after the other; gives what `Track.at`, `Track.matrix` and `Actor.mesh_at` give, for all at once.

    Attributes:
        first: `(A + 1,)` int64 where each track's samples start.
        times_s: `(N,)` float64.
        poses: `(N, 7)` float64 as `Track.poses`, and the way gone, metres.
        stride_m, phases: `(A,)` of the gaits.
    """

    first: np.ndarray
    times_s: np.ndarray
    poses: np.ndarray
    stride_m: np.ndarray
    phases: np.ndarray

    @classmethod
    def of(cls, actors: tuple[Actor, ...]) -> Tracks:
        """Collect the tracks of actors; done once."""
        rows = []
        for actor in actors:
            steps = np.hypot(np.diff(actor.track.poses[:, 0]), np.diff(actor.track.poses[:, 1]))
            rows.append(np.column_stack([actor.track.poses, np.concatenate([[0.0], np.cumsum(steps)])]))
        walks = [len(actor.meshes) > 1 and actor.stride_m > 0 for actor in actors]
        return cls(first=np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64),
                   times_s=np.concatenate([np.zeros(0), *(actor.track.times_s for actor in actors)]).astype(np.float64),
                   poses=np.concatenate([np.zeros((0, 7)), *rows]).astype(np.float64),
                   stride_m=np.array([actor.stride_m if walk else 1.0 for actor, walk in zip(actors, walks, strict=True)], np.float64),
                   phases=np.array([len(actor.meshes) if walk else 1 for actor, walk in zip(actors, walks, strict=True)], np.int64))

    def at(self, t_s: float) -> np.ndarray:
        """`(A, 7)` x, y, z, yaw, pitch, roll and the way gone of every actor."""
        return _interpolate(self.first, self.times_s, self.poses, float(t_s))

    def phase(self, poses: np.ndarray) -> np.ndarray:
        """`(A,)` int64 which mesh of its gait each actor shows."""
        return np.asarray((poses[:, 6] / self.stride_m * self.phases).astype(np.int64) % self.phases)


def matrices(poses: np.ndarray) -> np.ndarray:
    """`(A, 6+)` poses to `(A, 4, 4)` global_T_body, as `pose_from_angles`."""
    cy, sy, cp, sp, cr, sr = (f(poses[:, c]) for c in (3, 4, 5) for f in (np.cos, np.sin))
    result = np.zeros((len(poses), 4, 4))
    result[:, 0, :3] = np.column_stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr])
    result[:, 1, :3] = np.column_stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr])
    result[:, 2, :3] = np.column_stack([-sp, cp * sr, cp * cr])
    result[:, :3, 3] = poses[:, :3]
    result[:, 3, 3] = 1.0
    return result


@exact_kernel
def _interpolate(first: np.ndarray, times: np.ndarray, poses: np.ndarray, t: float) -> np.ndarray:
    count, columns = len(first) - 1, poses.shape[1]
    result = np.empty((count, columns))
    for a in range(count):
        low, high = first[a], first[a + 1] - 1
        if t <= times[low] or low == high:
            result[a] = poses[low]
            continue
        if t >= times[high]:
            result[a] = poses[high]
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if times[middle] <= t:
                low = middle
            else:
                high = middle
        share = (t - times[low]) / (times[high] - times[low])
        for c in range(columns):
            result[a, c] = poses[low, c] + share * (poses[high, c] - poses[low, c])
    return result
