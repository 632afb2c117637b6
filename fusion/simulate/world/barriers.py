"""Barriers as they stand: pieces of one shape end to end, with or without a fence behind."""

from __future__ import annotations

import numpy as np

from fusion.simulate.world.borders import border
from fusion.simulate.world.combination import Combination
from fusion.simulate.world.draw import choose, maybe, span
from fusion.simulate.world.site import Site

_SORTS = {"jersey": 0.52, "plastic": 0.2, "boards": 0.1, "crowd": 0.18}
_CHANCE_OF_FENCE = {"jersey": 0.45, "plastic": 0.3, "boards": 0.1, "crowd": 0.05}


def barrier_row(site: Site, line: np.ndarray, behind: int = 0, sort: str = "") -> int:
    """A closed row along a way.

    Args:
        site: pieces stand wherever there is room on it.
        line: `(N, 2)` places, global, at most a metre apart.
        behind: +1 for a side on which a fence may stand that is left of the way, -1 for the right, 0 for neither.
        sort: of barriers; "" for any.

    Returns:
        How many pieces stand.
    """
    rng = site.rng
    sort = sort or choose(rng, _SORTS)
    shape = site.pool.shape("movable_object.barrier", sort=sort)
    thin, long = (float(side) for side in shape.size_lwh[:2])
    pitch = long + (span(rng, 0.2, 1.2) if sort == "boards" and maybe(rng, 0.5) else span(rng, 0.0, 0.1))
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    starts = np.arange(0.0, way[-1] - long + 1e-6, pitch)
    if len(starts) == 0:
        return 0
    tail, nose = (np.column_stack([np.interp(at, way, line[:, c]) for c in range(2)]) for at in (starts, starts + long))
    yaw = np.arctan2(*(nose - tail).T[::-1])
    left = np.column_stack([-np.sin(yaw), np.cos(yaw)])
    middle = (tail + nose) / 2 + rng.normal(0, 0.02, (len(starts), 1)) * left
    fence = behind if maybe(rng, _CHANCE_OF_FENCE[sort]) else 0
    away = thin / 2 + span(rng, 0.05, 0.3)
    open_behind = [fence != 0 and site.free(m + fence * away * n, float(turn), long, 0.6) for m, n, turn in zip(middle, left, yaw, strict=True)]
    whole = Combination(bodies=(shape,))
    stands = site.stand_together([(whole, m, float(turn + np.pi / 2 + rng.normal(0, 0.006))) for m, turn in zip(middle, yaw, strict=True)], 0.0)
    _fence(site, np.stack([tail, nose], axis=1) + fence * away * left[:, None], np.logical_and(stands, open_behind))
    return sum(stands)


def _fence(site: Site, ends: np.ndarray, here: np.ndarray) -> None:
    """A fence, often with a cloth, behind those pieces `(N, 2, 2)` tail and nose where it has room."""
    kind = choose(site.rng, {"fence": 0.55, "cloth": 0.45})
    for run in np.split(np.arange(len(here)), np.flatnonzero(np.diff(here.astype(int))) + 1):
        if here[run[0]]:
            pieces = ends[run]
            places = np.concatenate([pieces[:, :1], pieces.mean(axis=1, keepdims=True)], axis=1).reshape(-1, 2)
            border(site, np.concatenate([places, pieces[-1:, 1]]), kind)
