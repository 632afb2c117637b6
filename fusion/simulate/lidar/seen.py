"""When the LiDAR sees what: the time at which a turning beam passes each actor."""

from __future__ import annotations

import numpy as np

from fusion.simulate.actor import Track
from fusion.simulate.lidar.firing import poses_at
from fusion.simulate.rig import Rig
from fusion.simulate.scenery import Scenery

_ROUNDS = 3  # a car at 20 m/s moves a metre in a turn, so the first guess is within milliseconds and the third is exact


def seen_at(scenery: Scenery, rig: Rig, t_s: float) -> np.ndarray:
    """When the beam passes the actors in the turn that ends at a time.

    Args:
        scenery: gives actors and the ego's way.
        rig: gives the LiDAR; without one everything is seen at `t_s`.
        t_s: end of the turn (the sweep's stamp), seconds.

    Returns:
        `(A,)` float64 seconds in `[t_s - 1 / rate, t_s]`.
    """
    seen = np.full(len(scenery.actors), float(t_s))
    mount = rig.lidar
    if mount is None:
        return seen
    if not len(seen):
        return seen
    for _ in range(_ROUNDS):
        ego_m, global_R_ego = poses_at(scenery.ego, seen)
        where = np.array([_place(actor.track, t) for actor, t in zip(scenery.actors, seen, strict=True)])
        away = mount.to_body(np.einsum("aji,aj->ai", global_R_ego, where - ego_m) - np.asarray(mount.position_m))
        seen = t_s - mount.before_stamp_s(np.arctan2(away[:, 1], away[:, 0]))
    return seen


def _place(track: Track, t_s: float) -> tuple[float, float, float]:
    """x, y, z of `Track.at`, without the rest: a scene asks hundreds of actors for every sweep."""
    if len(track.times_s) == 1:
        x, y, z = track.poses[0, :3].tolist()
    else:
        x, y, z = (float(np.interp(t_s, track.times_s, track.poses[:, axis])) for axis in range(3))
    return x, y, z
