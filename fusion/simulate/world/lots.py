"""Land cut into lots along the streets, and what stands on each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.world.land import REACH_M, Cover
from fusion.simulate.world.plan import Block, Plan
from fusion.simulate.world.warp import Warp

_CUT: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "downtown": ((11, 34), (13, 26)), "residential": ((12, 20), (22, 30)), "commercial": ((34, 64), (38, 60)),
    "industrial": ((34, 60), (36, 55)), "construction": ((30, 50), (25, 40)), "park": ((30, 55), (30, 45)), "lot": ((34, 60), (30, 42)),
}
"""Width along the street and depth of a lot by use, metres."""

_KINDS: dict[str, dict[str, float]] = {
    "downtown": {"tower": 0.84, "parking": 0.09, "plaza": 0.07},
    "residential": {"house": 0.93, "yard": 0.07},
    "commercial": {"shop": 0.5, "docks": 0.12, "trailers": 0.06, "parking": 0.32},
    "industrial": {"depot": 0.3, "docks": 0.22, "trailers": 0.34, "parking": 0.14},
    "construction": {"works": 0.56, "trailers": 0.19, "tower": 0.25},
    "park": {"yard": 1.0},
    "lot": {"parking": 0.6, "trailers": 0.24, "shop": 0.16},
}


@dataclass(frozen=True, kw_only=True)
class Lot:
    """A rectangle of land with its front on a sidewalk.

    Attributes:
        kind: "tower", "house", "shop", "depot", "docks", "trailers", "parking", "works", "plaza" or "yard".
        front_xy: `(2,)` middle of the front, global.
        yaw: heading of the lot's x axis, along the front; its y axis points away from the street.
        width_m, depth_m: sizes along x and y.
        drive_m: x of a driveway across the sidewalk, None without one.
        curb_m: distance from the front to the kerb.
    """

    kind: str
    front_xy: np.ndarray
    yaw: float
    width_m: float
    depth_m: float
    drive_m: float | None
    curb_m: float

    def xy(self, x: float | np.ndarray, y: float | np.ndarray) -> np.ndarray:
        """`(..., 2)` global places of the lot's own coordinates."""
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        out: np.ndarray = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1) + self.front_xy
        return out

    def corners(self, x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
        """`(4, 2)` global corners of a rectangle in the lot."""
        return self.xy(np.array([x0, x1, x1, x0]), np.array([y0, y0, y1, y1]))

    def covers(self) -> list[tuple[np.ndarray, Cover]]:
        """What the ground of the lot is covered with."""
        w, d = self.width_m / 2, self.depth_m
        ground = {"tower": Cover.PLAZA, "house": Cover.GRASS, "shop": Cover.LOT, "depot": Cover.LOT, "docks": Cover.LOT, "trailers": Cover.LOT,
                  "parking": Cover.LOT, "works": Cover.SOIL, "plaza": Cover.PLAZA, "yard": Cover.GRASS}[self.kind]
        out = [(self.corners(-w, w, 0.0, d), ground)]
        if self.kind == "shop":
            out.append((self.corners(-w, w, 0.0, 1.6), Cover.GRASS))
        if self.kind == "parking":
            out += [(self.corners(-w, w, 0.0, 1.1), Cover.GRASS), (self.corners(-w, w, d - 1.0, d), Cover.GRASS)]
        if self.drive_m is not None:
            half = 1.7 if self.kind == "house" else 3.2
            reach = 7.5 if self.kind == "house" else 1.7
            out.append((self.corners(self.drive_m - half, self.drive_m + half, -self.curb_m - 0.6, reach), Cover.DRIVE))
        return out


def make_lots(plan: Plan, warp: Warp, ego_xy: np.ndarray, rng: np.random.Generator) -> list[Lot]:
    """Every lot within reach of the ego's way."""
    return [lot for block in plan.blocks for lot in _cut(block, plan, warp, ego_xy, rng)]


def _cut(block: Block, plan: Plan, warp: Warp, ego_xy: np.ndarray, rng: np.random.Generator) -> list[Lot]:
    widths, depths = _CUT[block.use]
    kinds = _KINDS[block.use]
    names, chance = list(kinds), np.array(list(kinds.values()))
    size = np.subtract(block.hi, block.lo)
    depth = min(float(rng.uniform(*depths)), size[0] / 2, size[1] / 2)
    lots = []
    for axis in (0, 1):
        inset = 0.0 if axis == 0 else depth
        for side in (-1, 1):
            edge = block.lo[1 - axis] if side < 0 else block.hi[1 - axis]
            street = min((s for s in plan.streets if s.axis == axis), key=lambda s: abs(s.at + s.outer_m(-side) * -side - edge))
            if abs(street.at - side * street.outer_m(-side) - edge) > 0.1:
                continue  # no street here: the land goes on
            at, end = block.lo[axis] + inset, block.hi[axis] - inset
            while at < end - 6:
                width = float(rng.uniform(*widths))
                if end - at - width < widths[0] * 0.7:
                    width = min(end - at, widths[1] * 1.3)
                middle = at + width / 2
                uv = street.uv(middle, edge - street.at)
                kind = names[int(rng.choice(len(names), p=chance / chance.sum()))]
                drive = float(rng.uniform(-0.32, 0.32) * width)
                if kind == "house":  # beside the house
                    drive = float(np.sign(drive)) * (width / 2 - 2.2)
                has_drive = kind in ("shop", "depot", "docks", "trailers", "parking") or (kind == "house" and rng.random() < 0.75)
                at += width
                xy = warp.xy(uv)
                if np.hypot(*(ego_xy - xy).T).min() > REACH_M + 15:
                    continue
                into = np.array([0.0, -side]) if axis == 0 else np.array([-side, 0.0])
                yaw = float(warp.yaw(uv, into)) - np.pi / 2
                lots.append(Lot(kind=kind, front_xy=xy, yaw=yaw, width_m=width - 0.4, depth_m=depth, drive_m=drive if has_drive else None,
                                curb_m=street.outer_m(-side) - street.edge_m(-side)))
    return lots
