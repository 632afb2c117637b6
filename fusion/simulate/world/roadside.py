"""One side of one street, with places counted from its centre line outwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusion.simulate.world.barriers import barrier_row
from fusion.simulate.world.draw import span
from fusion.simulate.world.plan import Plan, Street
from fusion.simulate.world.site import Site
from fusion.simulate.world.warp import Warp


@dataclass(frozen=True, kw_only=True)
class Roadside:
    """Attributes: `sign` is -1 for the low side (of the other axis), +1 for the high side."""

    plan: Plan
    street: Street
    warp: Warp
    site: Site
    sign: int

    def xy(self, along: float | np.ndarray, out: float | np.ndarray) -> np.ndarray:
        """`(..., 2)` global place `out` metres away from the centre line."""
        return self.warp.xy(self.street.uv(along, self.sign * np.asarray(out, np.float64)))

    def yaw(self, along: float) -> float:
        """Heading of the traffic on this side."""
        way = -self.sign if self.street.axis == 0 else self.sign
        return float(self.warp.yaw(self.street.uv(along, 0.0), np.eye(2)[self.street.axis] * way))

    def yaw_to_road(self, along: float) -> float:
        """Heading from the sidewalk to the road."""
        return float(self.warp.yaw(self.street.uv(along, 0.0), np.eye(2)[1 - self.street.axis] * -self.sign))

    def clear(self, along: float, room: float) -> bool:
        """Whether a place is on the street and at least `room` away from crossing streets' kerbs."""
        return self.street.lo < along < self.street.hi and not self.plan.crossed(self.street, along, room)

    def places(self, step: float, reach: float, room: float) -> Iterator[float]:
        """Irregular places near the ego's way, `step` metres apart on average, `room` away from crossing streets."""
        rng = self.site.rng
        at = max(self.street.lo, -330.0)
        while at < min(self.street.hi, 380.0):
            at += step * span(rng, 0.5, 1.5)
            if self.site.near(self.warp.xy(self.street.uv(at, 0.0))) < reach and self.clear(at, room):
                yield at

    def barriers(self, start: float, length: float, out: float, room: float, closed: bool = False) -> None:
        """A row of barriers of one sort along the street, fences on its far side; `closed` turns its ends towards the houses."""
        at = np.arange(start, start + length + 0.5, 0.75)
        clear = np.array([self.clear(float(a), room) for a in at])
        if not clear[0]:
            return
        at = at[:len(at) if clear.all() else int(np.argmin(clear))]
        line = self.xy(at, out)
        if len(line) < 2:
            return
        away, (dx, dy) = self.xy(at[0], out + 1.0) - line[0], line[1] - line[0]
        if closed:
            short = np.array([2.2, 1.5, 0.75])
            line = np.concatenate([self.xy(at[0], out + short), line, self.xy(at[-1], out + short[::-1])])
        barrier_row(self.site, line, 1 if dx * away[1] - dy * away[0] > 0 else -1)
