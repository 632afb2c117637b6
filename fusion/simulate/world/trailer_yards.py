"""Where trailers and trucks stand: rows side by side in yards and at docks, box trucks and containers in rows like them, the yards of firms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusion.simulate.world.borders import front_border
from fusion.simulate.world.combination import Combination, semi
from fusion.simulate.world.draw import choose, many, maybe, span
from fusion.simulate.world.houses import hall
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.open_lots import BULKY, people, scatter
from fusion.simulate.world.site import Site

LONG_M = 17.0
"""Depth of a row of the longest trailers."""

COUPLED_M = 23.0
"""The same with tractors in front of them."""

_CLUTTER = {"dumpster": 2.0, "pallets": 3.0, "box_pile": 2.0, "cabinet": 1.0, "big_sign": 0.5, "container": 1.5}
_FIRM = {("vehicle.trailer", "semi"): 0.1, ("vehicle.trailer", "light"): 0.04, ("vehicle.trailer", "site"): 0.03, ("vehicle.truck", ""): 0.4,
         ("vehicle.car", ""): 0.33, ("vehicle.construction", ""): 0.1}
_FRONT = {"fence": 0.4, "cloth": 0.14, "wall": 0.04, "": 0.42}


def trailer_yard(site: Site, lot: Lot) -> None:
    """A row along the front, another at the back where the lot is deep enough."""
    rng, depth = site.rng, lot.depth_m
    y = span(rng, 1.7, 3.0)
    if depth < y + LONG_M:
        front, room = "box trucks", depth - y
    elif depth < y + LONG_M + 14:
        front, room = choose(rng, {"trailers": 0.8, "box trucks": 0.2}), depth - y
    else:
        front, room = choose(rng, {"trailers": 0.72, "box trucks": 0.14, "containers": 0.14}), LONG_M
        back = choose(rng, {"trailers": 0.6, "containers": 0.25, "": 0.15})
        if back:
            _fill(site, lot, (1 - lot.width_m / 2, lot.width_m / 2 - 1), depth - 0.8, -1, back, LONG_M)
    for side in (-1, 1):
        ends = sorted((side * (lot.width_m / 2 - 1), (lot.drive_m or 0.0) + side * 4.0))
        if (ends[1] - ends[0]) > (6.0 if side * (lot.drive_m or 0.0) < 0 else 12.0):
            _fill(site, lot, (ends[0], ends[1]), y, 1, front, room)
    front_border(site, lot, _FRONT, 4.0)
    scatter(site, lot, _CLUTTER, 3, (2.0, depth - 1))
    people(site, lot, 0.3, 14.0)


def docks(site: Site, lot: Lot) -> None:
    """A warehouse and trailers backed against its gates; a yard where there is no room for both."""
    rng = site.rng
    front, width = span(rng, 19.0, 27.0), lot.width_m * span(rng, 0.75, 0.95)
    if lot.depth_m < front + 7 or width < 12:
        trailer_yard(site, lot)
        return
    count = int(width / span(rng, 3.15, 3.6))
    site.take(lot.xy(0.0, front + (lot.depth_m - front - 1) / 2), lot.yaw, width, lot.depth_m - front - 1)
    corners = site.land.height(lot.corners(-width / 2, width / 2, front, front))
    site.put(hall(width, lot.depth_m - front - 1, rng, count), lot.xy(0.0, front), lot.yaw,
             rise_m=float(corners.mean() - site.land.height(lot.xy(0.0, front))))
    bays = width / count * (np.arange(count) - (count - 1) / 2)
    full = span(rng, 0.5, 1.0)
    row(site, lot, [(float(x), _trailer(site, front > COUPLED_M + 1.5)) for x in bays if maybe(rng, full)], front - 1.05, -1, -1)
    front_border(site, lot, _FRONT, 4.5)
    scatter(site, lot, _CLUTTER, 2, (1.5, front - 2))
    people(site, lot, 0.4, 12.0)


def firm_yard(site: Site, lot: Lot) -> None:
    """What stands before a firm's hall: perhaps a short row beside the driveway, trucks, trailers, machines, cars, pallets behind a fence."""
    rng, front = site.rng, 15.0
    if maybe(rng, 0.45):
        gate, half = lot.drive_m or 0.0, lot.width_m / 2 - 1
        _fill(site, lot, (gate + 4, half) if gate < 0 else (-half, gate - 4), span(rng, 1.6, 3.0), 1, "box trucks", front)
    for _ in many(rng, 3, 7):
        category, sort = choose(rng, _FIRM)
        whole = Combination(bodies=(site.pool.shape(category, "rests", sort),))

        def anywhere(length: float = whole.length_m) -> tuple[np.ndarray, float]:
            turn = np.pi / 2 * choose(rng, {0: 0.4, 1: 0.3, 3: 0.3} if length < 11 else {0: 0.5, 2: 0.5})
            return lot.xy(span(rng, -0.45, 0.45) * lot.width_m, span(rng, 4, front)), lot.yaw + turn + float(rng.normal(0, 0.04))

        site.find(whole, anywhere)
    scatter(site, lot, BULKY, 5, (2.0, 18.0))
    front_border(site, lot, {"fence": 0.5, "cloth": 0.15, "wall": 0.15, "": 0.2}, 4.0)
    people(site, lot, 0.4, 12.0)


def _trailer(site: Site, coupled: bool) -> Combination:
    if coupled and maybe(site.rng, 0.2):
        return semi(site.pool, site.rng)
    return Combination(bodies=(site.pool.shape("vehicle.trailer", sort="semi"),))


def _fill(site: Site, lot: Lot, x: tuple[float, float], y: float, into: int, what: str, room: float) -> None:
    """A row of 4-15 somewhere between two x, its ends in line at `y`, bodies on the side `into`."""
    rng = site.rng
    count, gap = int(rng.integers(4, 16)), span(rng, 0.2, 0.6)
    if what == "containers":
        start = x[0] + span(rng, 0.0, max(x[1] - x[0] - 2.8 * count, 0.0))
        for k in range(min(count, int((x[1] - start) / 2.8))):
            mesh = site.pool.thing("container")
            site.put(mesh, lot.xy(start + 2.8 * (k + 0.5), y + into * float(mesh.bounds[1, 0])), lot.yaw + np.pi / 2, 0.02)
        return
    sort, per = ("semi", 2.75 + gap) if what == "trailers" else ("box", 2.5 + gap)
    start = x[0] + span(rng, 0.0, max(x[1] - x[0] - per * count, 0.0))
    items: list[tuple[float, Combination]] = []
    while len(items) < count:
        whole = _trailer(site, room > COUPLED_M) if sort == "semi" else Combination(bodies=(site.pool.shape("vehicle.truck", sort="box"),))
        if start + whole.width_m > x[1]:
            break
        items.append((start + whole.width_m / 2, whole))
        start += whole.width_m + float(np.clip(rng.normal(gap, 0.1), 0.12, 1.0)) + (3.1 if maybe(rng, 0.05) else 0.0)
    row(site, lot, items, y, into, 1 if maybe(rng, 0.5) else -1)


def row(site: Site, lot: Lot, items: Sequence[tuple[float, Combination]], y: float, into: int, nose: int) -> int:
    """Vehicles side by side, at their x each; returns how many stand.

    Args:
        y: where their ends are in line, within a step.
        into: +1 for bodies beyond that line, -1 for bodies between the street and it.
        nose: +1 for noses away from the street, -1 for noses towards it.
    """
    rng = site.rng
    wholes = []
    for x, whole in items:
        end = y + into * (whole.length_m / 2 + float(np.clip(rng.normal(0, 0.2), -0.45, 0.45)))
        wholes.append((whole, lot.xy(x, end), float(lot.yaw + nose * np.pi / 2 + np.clip(rng.normal(0, 0.005), -0.01, 0.01))))
    return sum(site.stand_together(wholes, 0.0))
