"""Lots come to life: buildings first, then gardens, car parks, yards and building sites around them."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.primitives import box
from fusion.simulate.world.borders import front_border, lot_border
from fusion.simulate.world.draw import choose, many, maybe, span
from fusion.simulate.world.houses import hall, house, tower
from fusion.simulate.world.land import REACH_M
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.open_lots import car_park, park, plaza
from fusion.simulate.world.plants import shrub
from fusion.simulate.world.site import Site
from fusion.simulate.world.trailer_yards import docks, firm_yard, trailer_yard
from fusion.simulate.world.works import building_site


def settle(site: Site, lots: list[Lot]) -> None:
    """Put up every lot."""
    lots = [lot for lot in lots if site.near(lot.front_xy) < REACH_M]
    build = {"tower": _tower, "house": _house, "shop": _hall, "depot": _hall, "docks": docks}
    furnish = {"house": _garden, "shop": car_park, "depot": firm_yard, "trailers": trailer_yard, "parking": car_park, "works": building_site,
               "plaza": plaza, "yard": park}
    for steps in (build, furnish):
        for lot in lots:
            if lot.kind in steps:
                steps[lot.kind](site, lot)


def place(site: Site, lot: Lot, width: float, depth: float, x: float, y: float) -> tuple[np.ndarray, float]:
    """Claim a building's ground; returns its front middle and how far to lift its base to the mean ground along its front."""
    site.take(lot.xy(x, y + depth / 2), lot.yaw, width, depth)
    front = lot.xy(x, y)
    ground = site.land.height(lot.corners(x - width / 2, x + width / 2, y, y))
    return front, float(ground.mean() - site.land.height(front))


def _tower(site: Site, lot: Lot) -> None:
    rng = site.rng
    setback = span(rng, 0.0, 0.4) if maybe(rng, 0.7) else span(rng, 1, 3.5)
    width, depth = lot.width_m - choose(rng, {0.0: 0.7, 2.5: 0.3}), lot.depth_m - setback - 0.5
    if width >= 5 and depth >= 5:
        xy, lift = place(site, lot, width, depth, 0.0, setback)
        site.put(tower(width, depth, int(rng.integers(1, 12)), rng, maybe(rng, 0.75)), xy, lot.yaw, rise_m=lift)


def _house(site: Site, lot: Lot) -> None:
    rng = site.rng
    front = span(rng, 3.5, 8.5)
    side = 3.4 if lot.drive_m is not None else 1.2
    width, depth = lot.width_m - side - span(rng, 1.0, 3.0), min(span(rng, 7, 11), lot.depth_m - front - 1)
    if width >= 5 and depth >= 4:
        x = 0.0 if lot.drive_m is None else -float(np.sign(lot.drive_m)) * side / 2
        xy, lift = place(site, lot, width, depth, x, front)
        site.take(lot.xy(x, front - 1.0), lot.yaw, width, 2.0)  # the porch
        site.put(house(width, depth, rng), xy, lot.yaw, rise_m=lift)


def _hall(site: Site, lot: Lot) -> None:
    front = span(site.rng, 17, 26)
    depth, width = lot.depth_m - front - 1, lot.width_m * span(site.rng, 0.6, 0.95)
    if depth >= 6 and width >= 10:
        xy, lift = place(site, lot, width, depth, 0.0, front)
        site.take(lot.xy(0.0, front - 1.1), lot.yaw, width, 2.2)  # canopy, docks
        site.put(hall(width, depth, site.rng), xy, lot.yaw, rise_m=lift)


def _garden(site: Site, lot: Lot) -> None:
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    if lot.drive_m is not None and maybe(rng, 0.6):
        nose = np.pi / 2 if maybe(rng, 0.4) else -np.pi / 2
        shape = site.pool.shape("vehicle.car") if maybe(rng, 0.88) else site.pool.shape("vehicle.truck", sort="light")
        site.stand(shape.category, lot.xy(lot.drive_m, span(rng, 3.2, 4.6)), lot.yaw + nose, shape=shape)
    front_border(site, lot, {"hedge": 0.29, "wall": 0.18, "fence": 0.26, "boards": 0.12, "": 0.15}, 2.0 if lot.drive_m is not None else 0.8)
    side = choose(rng, {"hedge": 0.2, "fence": 0.2, "boards": 0.2, "": 0.4})
    if side:
        lot_border(site, lot, (w - 0.1, 1.2), (w - 0.1, d - 0.5), side)
    if maybe(rng, 0.6):
        site.tree(lot.xy(span(rng, -w, w), span(rng, 1.5, 5)))
    for _ in range(2):
        site.tree(lot.xy(span(rng, -w, w), d - span(rng, 0.5, 6)))
    for _ in many(rng, 1, 4):
        site.put(shrub(rng, span(rng, 0.6, 2.2)), lot.xy(span(rng, -w, w), span(rng, 1.2, 5.0)), site.any_yaw(), 0.1)
    for _ in many(rng, 0, 2):
        kind = choose(rng, {"wheelie_bin": 4, "planter": 2, "box_pile": 1, "bench": 1, "ladder": 0.4, "rocks": 1, "grass_tuft": 2, "statue": 0.3})
        site.put(site.pool.thing(kind), lot.xy(span(rng, -w, w), span(rng, 0.8, 6)), lot.yaw - np.pi / 2, 0.15)
    if maybe(rng, 0.35):  # a shed
        size = (span(rng, 2, 5), span(rng, 1.8, 3), span(rng, 1.6, 2.6))
        site.put(box(size, Material.WOOD, rng.uniform(0.15, 0.5, 3), (0, 0, size[2] / 2 - 0.2)), lot.xy(span(rng, -w, w), d - 3), lot.yaw, 0.2)
