"""The street plan on paper: straight streets along two axes (u, v), the blocks between them and the character of the quarter."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

Character = Literal["downtown", "residential", "commercial", "construction", "park", "industrial"]
CHARACTERS: tuple[Character, ...] = ("downtown", "residential", "commercial", "construction", "park", "industrial")
PACE_MPS = 12.5
"""Speed of the fastest on a free road in town."""

FAR_M = 700.0
"""Streets run on to here, far beyond what is built, so that traffic does not end in view."""


@dataclass(frozen=True, kw_only=True)
class Street:
    """One street of the plan.

    Attributes:
        axis: 0 along u, 1 along v.
        at: its centre line's coordinate on the other axis, metres.
        lo, hi: where it begins and ends along its axis, metres.
        lanes: number of lanes in the negative and in the positive direction.
        lane_m: width of a lane.
        parking: whether there is a parking lane on the low and on the high side (of the other axis).
        median_m: width of a kerbed strip in the middle; 0 for a painted line.
        verge_m: width of grass between kerb and sidewalk.
        walk_m: width of the sidewalk.
        pace_mps: speed of the fastest on a free road.
    """

    axis: int
    at: float
    lo: float = -FAR_M
    hi: float = FAR_M
    lanes: tuple[int, int] = (1, 1)
    lane_m: float = 3.3
    parking: tuple[bool, bool] = (True, True)
    median_m: float = 0.0
    verge_m: float = 0.0
    walk_m: float = 2.5
    pace_mps: float = PACE_MPS

    def edge_m(self, side: int) -> float:
        """Distance of the kerb from the centre line on the low (-1) or the high (+1) side. Traffic keeps right: along +u the
        right hand is the low side; along +v it is the high side."""
        positive = (side < 0) == (self.axis == 0)
        return self.median_m / 2 + self.lanes[int(positive)] * self.lane_m + PARKING_M * self.parking[int(side > 0)] + 0.3

    def lane_offset(self, direction: int, lane: int) -> float:
        """Offset of a lane's centre from the street's (0 is the innermost lane) for traffic along +1 or -1."""
        right = -direction if self.axis == 0 else direction
        return right * (self.median_m / 2 + (lane + 0.5) * self.lane_m)

    def uv(self, along: float | np.ndarray, across: float | np.ndarray) -> np.ndarray:
        """`(..., 2)` plan coordinates of a place given along and across (from the centre line)."""
        along, across = np.broadcast_arrays(np.asarray(along, np.float64), np.asarray(across, np.float64) + self.at)
        return np.stack([along, across] if self.axis == 0 else [across, along], axis=-1)

    def outer_m(self, side: int) -> float:
        """Distance of the property line from the centre line."""
        return self.edge_m(side) + self.verge_m + self.walk_m


PARKING_M = 2.3


@dataclass(frozen=True, kw_only=True)
class Junction:
    """Where street `u` (axis 0) meets street `v` (axis 1); `lit` with traffic lights; at `offset_s` its cycle of `CYCLE_S` begins."""

    u: int
    v: int
    lit: bool
    offset_s: float
    arms: tuple[bool, bool, bool, bool]
    """Whether it goes on to -u, +u, -v, +v."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A rectangle of land between streets: `lo`, `hi` corners `(u, v)` at the property lines, and what stands on it."""

    lo: tuple[float, float]
    hi: tuple[float, float]
    use: Character | Literal["lot"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Streets, junctions and blocks; `streets[0]` is the one on which the ego starts, towards +u."""

    character: Character
    streets: tuple[Street, ...]
    junctions: tuple[Junction, ...]
    blocks: tuple[Block, ...]

    def crossed(self, street: Street, along: float, room_m: float) -> bool:
        """Whether a place on a street lies within another street's kerbs or closer than `room_m` to them."""
        return any(other.axis != street.axis and other.lo <= street.at <= other.hi
                   and abs(other.at - along) < max(other.edge_m(-1), other.edge_m(1)) + room_m for other in self.streets)

    def stretches(self, street: Street, room_m: float, reach_m: float) -> list[tuple[float, float]]:
        """Parts of a street within +-`reach_m` that are `room_m` away from crossing streets' kerbs and at least 3 m long."""
        crossing = sorted((other.at, max(other.edge_m(-1), other.edge_m(1)) + room_m) for other in self.streets
                          if other.axis != street.axis and street.lo <= other.at <= street.hi and other.lo <= street.at <= other.hi)
        edges = [(max(street.lo, -reach_m), 0.0), *crossing, (min(street.hi, reach_m), 0.0)]
        return [(a + ra, b - rb) for (a, ra), (b, rb) in pairwise(edges) if b - rb > a + ra + 3]


_USES: dict[Character, dict[str, float]] = {
    "downtown": {"downtown": 0.72, "lot": 0.12, "park": 0.08, "construction": 0.08},
    "residential": {"residential": 0.85, "park": 0.07, "lot": 0.08},
    "commercial": {"commercial": 0.5, "lot": 0.3, "downtown": 0.1, "park": 0.1},
    "construction": {"construction": 0.33, "downtown": 0.28, "lot": 0.21, "industrial": 0.18},
    "park": {"park": 0.5, "residential": 0.2, "downtown": 0.2, "lot": 0.1},
    "industrial": {"industrial": 0.6, "lot": 0.2, "commercial": 0.2},
}


def make_plan(character: Character, rng: np.random.Generator) -> Plan:
    """Streets around the origin: one main street along u, 1-3 parallels, 3-6 cross streets, some of which end in a T."""
    wide = character in ("commercial", "industrial") or (character in ("downtown", "construction", "park") and rng.random() < 0.4)
    main = _street(0, 0.0, character, wide, rng)
    vs = [float(rng.uniform(55, 115))] if rng.random() < 0.75 else []
    vs += [-float(rng.uniform(55, 115))] if rng.random() < 0.75 else []
    along = [main] + [_street(0, v, character, False, rng) for v in vs]
    us, u = [], -200.0 + float(rng.uniform(0, 70))
    while u < 260:
        us.append(u)
        u += float(rng.uniform(62, 130))
    order = sorted(along, key=lambda street: street.at)
    across = []
    for u in us:
        style = rng.random()
        lo, hi = -FAR_M, FAR_M
        if style < 0.2:
            lo = main.at
        elif style < 0.4:
            hi = main.at
        elif style < 0.5 and len(order) > 1:
            lo = order[0].at
        across.append(_street(1, u, character, rng.random() < 0.25, rng, lo, hi))
    streets = [*along, *across]
    junctions, wave = [], bool(rng.random() < 0.55)
    for i in range(len(along)):
        for j in range(len(along), len(streets)):
            side = streets[j]
            at = streets[i].at
            if side.lo <= at <= side.hi:
                lit = character not in ("residential",) and rng.random() < 0.75
                offset = float(rng.uniform(0, CYCLE_S))
                if wave and i == 0:  # lights of the main street turn green one after the other
                    offset = float(rng.uniform(2, 12)) - (side.at + 60) / 8.5 + 10
                junctions.append(Junction(u=i, v=j, lit=lit, offset_s=offset,
                                          arms=(True, True, side.lo < at, side.hi > at)))
    return Plan(character=character, streets=tuple(streets), junctions=tuple(junctions), blocks=tuple(_blocks(character, order, across, rng)))


CYCLE_S = 44.0
GREEN_S = ((0.0, 23.0), (27.0, 13.0))
"""A junction's cycle: when green begins for traffic along u and along v, and how long it lasts (the end of green is what a yellow light is)."""


def _street(axis: int, at: float, character: Character, wide: bool, rng: np.random.Generator, lo: float = -FAR_M, hi: float = FAR_M) -> Street:
    count = int(rng.choice([2, 3])) if wide else 1
    lanes = (count, count) if rng.random() < 0.8 else (count, count + (1 if count < 3 else 0))
    chance = {"downtown": 0.75, "residential": 0.75, "commercial": 0.25, "construction": 0.6, "park": 0.7, "industrial": 0.5}[character]
    green = 0.6 if character in ("residential", "park", "commercial") else 0.25
    parking = (bool(rng.random() < chance), bool(rng.random() < chance))
    return Street(axis=axis, at=at, lo=lo, hi=hi, lanes=lanes, lane_m=float(rng.uniform(3.1, 3.6)), parking=parking,
                  median_m=float(rng.uniform(1.4, 4.0)) if wide and rng.random() < 0.55 else 0.0,
                  verge_m=float(rng.uniform(0.9, 2.2)) if rng.random() < green else 0.0,
                  walk_m=float(rng.uniform(3.0, 5.5) if character == "downtown" else rng.uniform(1.7, 3.2)),
                  pace_mps=float(rng.choice([PACE_MPS, 16.0, 20.0], p=[0.45, 0.25, 0.3])) if wide else PACE_MPS)


def _blocks(character: Character, along: list[Street], across: list[Street], rng: np.random.Generator) -> list[Block]:
    """Land between neighbouring streets, band by band; beyond the outermost streets blocks are 120 m deep."""
    uses = _USES[character]
    names, weights = list(uses), np.array(list(uses.values()))
    bands: list[tuple[Street | None, Street | None]] = list(zip([None, *along], [*along, None], strict=True))
    blocks = []
    for low, high in bands:
        v_lo = low.at + low.outer_m(1) if low else along[0].at - along[0].outer_m(-1) - 120
        v_hi = high.at - high.outer_m(-1) if high else along[-1].at + along[-1].outer_m(1) + 120
        middle = (v_lo + v_hi) / 2
        cuts = [street for street in across if street.lo < middle < street.hi]
        for left, right in zip([None, *cuts], [*cuts, None], strict=True):
            u_lo = left.at + left.outer_m(1) if left else -420.0
            u_hi = right.at - right.outer_m(-1) if right else 480.0
            use = names[int(rng.choice(len(names), p=weights / weights.sum()))]
            blocks.append(Block(lo=(u_lo, v_lo), hi=(u_hi, v_hi), use=use))  # type: ignore[arg-type]
    return blocks
