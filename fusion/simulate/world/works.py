"""Building sites on lots and work zones at the kerb: machines, workers, cones and barriers in rows, heaps, scaffolds."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.world.barriers import barrier_row
from fusion.simulate.world.borders import front_border
from fusion.simulate.world.combination import Combination
from fusion.simulate.world.draw import choose, many, maybe, span
from fusion.simulate.world.kit import blob, boxes
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.plan import PARKING_M
from fusion.simulate.world.roadside import Roadside
from fusion.simulate.world.site import Site

_WORKER = "human.pedestrian.construction_worker"
_STOCK = {"pallets": 3.0, "box_pile": 2.0, "soil_heap": 2.0, "dumpster": 2.0, "scaffold": 1.5, "fence_segment": 2.0,
          "ladder": 0.5, "rocks": 1.0, "cabinet": 0.5}


def building_site(site: Site, lot: Lot) -> None:
    """Bare soil with machines and a shell of concrete behind a hoarding, or open behind barriers."""
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    if maybe(rng, 0.6):
        _shell(site, lot, w * 1.3, d * 0.35, d * 0.62)
    trailer = choose(rng, {"semi": 0.3, "light": 0.15, "site": 0.55})
    for category, sort, low, high in (("vehicle.construction", "", 1, 4), ("vehicle.truck", "", 0, 2), ("vehicle.trailer", trailer, 0, 1)):
        for _ in many(rng, low, high):
            room = max(w - 4, 0.0)  # a narrow lot has its machines along the middle
            def place(room: float = room) -> tuple[np.ndarray, float]:
                return lot.xy(span(rng, -room, room), span(rng, 5, max(d * 0.6, 5.0))), site.any_yaw()

            site.find(Combination(bodies=(site.pool.shape(category, sort=sort),)), place, 0.4)
    for _ in many(rng, 1, 4):
        r = span(rng, 1.2, 3.2)
        heap = blob((r, r * 0.9, r * 0.55), (0, 0, 0), rng, Material.SOIL, (0.24, 0.18, 0.11), 4, 9)
        site.put(heap, lot.xy(span(rng, -w, w), span(rng, 4, d)), 0.0, 0.2)
    for _ in many(rng, 1, 4):
        person = _WORKER if maybe(rng, 0.8) else "human.pedestrian.adult"
        site.stand(person, lot.xy(span(rng, -w + 1, w - 1), span(rng, 1.5, 12)), site.any_yaw(), state="")
    for _ in range(6):
        site.put(site.pool.thing(choose(rng, _STOCK)), lot.xy(span(rng, -w, w), span(rng, 2, d)), site.any_yaw(), 0.3)
    if maybe(rng, 0.45):
        front_border(site, lot, {"fence": 0.5, "boards": 0.5}, 3.0)
        return
    gate = span(rng, -0.6, 0.6) * w
    for left, right in ((-w + 0.5, gate - 2.5), (gate + 2.5, w - 0.5)):
        if right - left > 3:
            x = np.linspace(left, right, int(right - left) + 2)
            barrier_row(site, lot.xy(x, 0.8), 1)


def _shell(site: Site, lot: Lot, width: float, depth: float, y: float) -> None:
    """Floors on columns with a scaffold in front."""
    rng = site.rng
    site.take(lot.xy(0.0, y + depth / 2 - 0.7), lot.yaw, width, depth + 1.5)
    xy, levels, grey = lot.xy(0.0, y), int(rng.integers(1, 5)), (0.4, 0.39, 0.37)
    floors, top = np.arange(levels + 1), 3.2 * levels + 2
    columns = np.array([[x, b, 1.6 * levels] for x in np.linspace(-width / 2 + 0.3, width / 2 - 0.3, 6) for b in (0.3, depth - 0.3)])
    poles = np.array([[x, -1.2, 1.7 * levels] for x in np.linspace(-width / 2, width / 2, int(width / 2.2) + 1)])
    decks = np.array([[0.0, -0.7, 3.2 * k + 2.0] for k in range(levels)])
    for mesh in (boxes(np.column_stack([0 * floors, 0 * floors + depth / 2, 3.2 * floors]), np.array([width, depth, 0.3]), Material.CONCRETE, grey),
                 boxes(columns, np.array([0.4, 0.4, top]), Material.CONCRETE, grey),
                 boxes(poles, np.array([0.07, 0.07, top + 0.5]), Material.METAL, (0.4, 0.4, 0.42)),
                 boxes(decks, np.array([width, 1.0, 0.08]), Material.WOOD, (0.35, 0.27, 0.18))):
        site.put(mesh, xy, lot.yaw)


def work_zone(side: Roadside, start: float) -> None:
    """Cones or barriers along the edge of the traffic, with a machine, workers and heaps where cars would park."""
    site, rng, street = side.site, side.site.rng, side.street
    length, parking = span(rng, 14, 40), street.parking[int(side.sign > 0)]
    inner = street.edge_m(side.sign) - (PARKING_M if parking else -0.6) + 0.25
    outer = street.edge_m(side.sign) + 0.5
    if maybe(rng, 0.65):
        side.barriers(start, length, inner, 7.0, maybe(rng, 0.3))
    else:
        for at in np.arange(start, start + length, span(rng, 1.8, 3.5)):
            if side.clear(float(at), 7):
                site.cone(side.xy(float(at), inner))
    for end in (start - 1.2, start + length + 1.0):
        for k in range(4):
            if side.clear(end, 7):
                site.cone(side.xy(end + 0.3 * k, inner + 0.6 * k))
    if maybe(rng, 0.5):  # a sign board, a light tower or a generator, before the works
        ahead = -side.sign if street.axis == 0 else side.sign
        at = start + length / 2 - ahead * (length / 2 + 4.0)
        board = site.pool.shape("vehicle.trailer", sort="site")
        out = inner + 0.6 + float(board.size_lwh[1]) / 2
        if side.clear(at, 8):
            site.stand(board.category, side.xy(at, out), side.yaw(at) + float(rng.normal(0, 0.06)), 0.1, board)
    middle = start + length / 2
    if not side.clear(middle, 12):
        return
    for at in (middle - length / 4, middle + length / 4):
        shape = site.pool.shape(choose(rng, {"vehicle.construction": 0.65, "vehicle.truck": 0.35}))
        if parking:
            turn = 0.0 if maybe(rng, 0.7) else np.pi
            site.stand(shape.category, side.xy(at, inner + 0.5 + float(shape.size_lwh[1]) / 2), side.yaw(at) + turn, 0.1, shape)
    for _ in many(rng, 1, 4):
        site.stand(_WORKER, side.xy(start + span(rng, 0, length), outer + span(rng, -1.2, 1.2)), site.any_yaw(), state="")
    for _ in range(2):
        r = span(rng, 0.5, 1.1)
        site.put(blob((r, r, r * 0.6), (0, 0, 0), rng, Material.SOIL, (0.25, 0.19, 0.12)), side.xy(start + span(rng, 0, length), outer), 0.0, 0.1)
    site.put(site.pool.thing(choose(rng, _STOCK)), side.xy(start + span(rng, 0, length), outer), side.yaw(middle), 0.1)
