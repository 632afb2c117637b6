"""When the LiDAR sees what: the time at which a turning beam passes each actor."""

from __future__ import annotations

import numpy as np

from fusion.simulate.actor import Track
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
    lidar_xy = np.asarray(mount.position_m[:2])
    for _ in range(_ROUNDS):
        ego = scenery.ego.at(seen).reshape(-1, 6)
        where = np.array([_place(actor.track, t) for actor, t in zip(scenery.actors, seen, strict=True)]).reshape(-1, 2)
        away = where - ego[:, :2]
        cos, sin = np.cos(ego[:, 3]), np.sin(ego[:, 3])
        forward = cos * away[:, 0] + sin * away[:, 1] - lidar_xy[0]
        left = cos * away[:, 1] - sin * away[:, 0] - lidar_xy[1]
        seen = t_s - mount.before_stamp_s(np.arctan2(left, forward))
    return seen


def _place(track: Track, t_s: float) -> tuple[float, float]:
    """x, y of `Track.at`, without the rest: a scene asks hundreds of actors for every sweep."""
    if len(track.times_s) == 1:
        return float(track.poses[0, 0]), float(track.poses[0, 1])
    return float(np.interp(t_s, track.times_s, track.poses[:, 0])), float(np.interp(t_s, track.times_s, track.poses[:, 1]))
