"""Open land: car parks, squares and parks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fusion.simulate.world.borders import border, front_border
from fusion.simulate.world.draw import choose, many, maybe, span
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.plants import shrub
from fusion.simulate.world.site import Site

_PARKED = {("vehicle.car", ""): 0.9, ("vehicle.truck", "light"): 0.085, ("vehicle.motorcycle", ""): 0.011, ("vehicle.trailer", "light"): 0.004}
"""What fits into a bay: nothing of a lorry's size."""

_TAKEN = 0.03, 0.7
"""Share of bays that are taken in the emptiest and in the fullest car park; most are rather empty, as many are in sight at once."""

BULKY = {"dumpster": 3.0, "box_pile": 2.0, "pallets": 2.0, "rocks": 1.0, "shrub": 1.5, "hedge": 1.0, "fence_segment": 1.0, "cabinet": 1.0,
          "big_sign": 1.0, "shopping_cart": 1.0, "bus_shelter": 0.6, "scaffold": 0.4, "tent": 0.5}
_SQUARE = {"bench": 3.0, "planter": 3.0, "bollard": 2.0, "statue": 0.6, "advertising_column": 0.8, "parasol": 1.5, "tent": 0.5,
           "bin": 2.0, "bike_rack": 1.0,  "shrub": 1.5, "sign_post": 1.0}
_GREEN = {"bench": 2.0, "grass_tuft": 4.0, "rocks": 2.0, "statue": 0.4, "bin": 1.0, "sign_post": 1.0, "tent": 0.4}


def car_park(site: Site, lot: Lot) -> None:
    """Rows of parked vehicles side by side, with aisles between, trees and clutter at the edges."""
    rng = site.rng
    front = lot.depth_m - 1.0 if lot.kind == "parking" else 17.0
    _rows(site, lot, 1.4, front, _TAKEN[0] + (_TAKEN[1] - _TAKEN[0]) * span(rng, 0.0, 1.0) ** 2)
    front_border(site, lot, {"hedge": 0.25, "wall": 0.2, "fence": 0.25, "rail": 0.1, "": 0.2}, 3.7)
    w = lot.width_m / 2
    for x in np.arange(-w + 2, w - 1, span(rng, 6, 12)):
        site.tree(lot.xy(float(x), 0.55))
        site.tree(lot.xy(float(x), lot.depth_m - 0.5))
    scatter(site, lot, BULKY, 2, (2.0, front))
    people(site, lot, 0.35, front)


def _rows(site: Site, lot: Lot, y0: float, y1: float, fill: float) -> None:
    rng = site.rng
    y, pitch = y0 + 2.7, span(rng, 2.55, 2.95)
    slant = choose(rng, {0.0: 0.6, 0.35: 0.2, -0.35: 0.2})
    while y < y1 - 2.5:
        for k in range(int((lot.width_m - 2.5) / pitch)):
            x = -lot.width_m / 2 + 1.3 + pitch * (k + 0.5)
            if not maybe(rng, fill) or (lot.drive_m is not None and abs(x - lot.drive_m) < 3.6):
                continue
            xy = lot.xy(x + float(rng.normal(0, 0.1)), y + float(rng.normal(0, 0.2)))
            nose = 0.0 if maybe(rng, 0.6) else np.pi
            category, sort = choose(rng, _PARKED)
            shape = site.pool.shape(category, "rests", sort)
            site.stand(category, xy, float(lot.yaw + np.pi / 2 + slant + nose + rng.normal(0, 0.03)), shape=shape)
        y += 11.8 if maybe(rng, 0.6) else 6.0


def scatter(site: Site, lot: Lot, kinds: Mapping[str, float], count: int, depth: tuple[float, float]) -> None:
    """Clutter anywhere on a lot."""
    rng = site.rng
    for _ in range(count):
        xy = lot.xy(span(rng, -0.48, 0.48) * lot.width_m, span(rng, *depth))
        site.put(site.pool.thing(choose(rng, kinds)), xy, lot.yaw + np.pi / 2 * int(rng.integers(4)) + float(rng.normal(0, 0.15)), 0.25)


def people(site: Site, lot: Lot, mean: float, depth: float) -> None:
    """People who stand about, alone or in twos and threes who face each other."""
    rng = site.rng
    for _ in range(int(rng.poisson(mean))):
        middle = lot.xy(span(rng, -0.45, 0.45) * lot.width_m, span(rng, 0.7, min(depth, 14.0)))
        count, turn = choose(rng, {1: 0.55, 2: 0.3, 3: 0.15}), site.any_yaw()
        for k in range(count):
            angle = turn + 2 * np.pi * k / count
            out = np.array([np.cos(angle), np.sin(angle)]) * (0.55 if count > 1 else 0.0)
            site.stand("human.pedestrian.adult", middle + out, angle + np.pi + float(rng.normal(0, 0.2)), 0.02)


def seat(site: Site, xy: np.ndarray, yaw: float) -> None:
    """A bench that looks along a heading, sometimes with somebody on it."""
    if site.put(site.pool.thing("bench"), xy, yaw, 0.1) and maybe(site.rng, 0.5):
        shape = site.pool.shape("human.pedestrian.adult", "sits")
        if shape.resting == "pedestrian.sitting_lying_down":
            ahead = np.array([np.cos(yaw), np.sin(yaw)]) * 0.08 + np.array([-np.sin(yaw), np.cos(yaw)]) * span(site.rng, -0.4, 0.4)
            site.stand(shape.category, xy + ahead, yaw, None, shape)


def plaza(site: Site, lot: Lot) -> None:
    """A paved square with trees, planters, low curved walls and people."""
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    for _ in many(rng, 3, 8):
        site.tree(lot.xy(span(rng, -w, w), span(rng, 1, d)))
    _arc(site, lot)
    scatter(site, lot, _SQUARE, int(rng.integers(4, 11)), (0.5, d))
    for _ in range(2):
        seat(site, lot.xy(span(rng, -w, w), span(rng, 1, d)), site.any_yaw())
    people(site, lot, 1.2, d)


def park(site: Site, lot: Lot) -> None:
    """Grass, trees, bushes, benches, a wall or a hedge along the street."""
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    front_border(site, lot, {"wall": 0.4, "fence": 0.25, "hedge": 0.2, "rail": 0.05, "": 0.1}, 1.2)
    for _ in range(int(lot.width_m * d / 75)):
        site.tree(lot.xy(span(rng, -w, w), span(rng, 1.2, d)))
    for _ in many(rng, 4, 12):
        site.put(shrub(rng, span(rng, 0.7, 2.6)), lot.xy(span(rng, -w, w), span(rng, 0.8, d)), site.any_yaw(), 0.2)
    _arc(site, lot)
    scatter(site, lot, _GREEN, int(rng.integers(4, 10)), (1.0, d))
    seat(site, lot.xy(span(rng, -w, w), span(rng, 1.5, 6)), lot.yaw - np.pi / 2)
    people(site, lot, 0.5, d)


def _arc(site: Site, lot: Lot) -> None:
    """A curved low wall, hedge or rail where there is room."""
    rng = site.rng
    radius, start, sweep = span(rng, 3, 12), site.any_yaw(), span(rng, 0.8, 2.8)
    angle = np.linspace(start, start + sweep, max(3, int(radius * sweep)))
    centre = lot.xy(span(rng, -0.3, 0.3) * lot.width_m, lot.depth_m * span(rng, 0.3, 0.7))
    xy = centre + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    local = (xy - lot.front_xy) @ np.array([[np.cos(lot.yaw), -np.sin(lot.yaw)], [np.sin(lot.yaw), np.cos(lot.yaw)]])
    inside = (np.abs(local[:, 0]) < lot.width_m / 2 - 0.5) & (local[:, 1] > 0.6) & (local[:, 1] < lot.depth_m - 0.5)
    if inside.all() and site.near(centre) < 90 and all(site.free(p, 0.0, 0.8, 0.8) for p in xy):
        border(site, xy, choose(rng, {"wall": 0.5, "hedge": 0.25, "rail": 0.25}))
