"""What stands along streets: parked rows, trees, lamps, wires, benches, bins, signs, walls, work zones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box, cylinder
from fusion.simulate.world.borders import border
from fusion.simulate.world.combination import Combination, semi, towed
from fusion.simulate.world.draw import choose, many, maybe, span
from fusion.simulate.world.kit import wall
from fusion.simulate.world.open_lots import seat
from fusion.simulate.world.plan import PARKING_M, Plan
from fusion.simulate.world.plants import shrub
from fusion.simulate.world.roadside import Roadside
from fusion.simulate.world.site import Site
from fusion.simulate.world.warp import Warp
from fusion.simulate.world.works import work_zone

_PARKED = {"vehicle.car": 0.845, "vehicle.truck": 0.07, "vehicle.motorcycle": 0.022, "vehicle.trailer": 0.014,
           "vehicle.bus.rigid": 0.012, "vehicle.construction": 0.013, "towed": 0.006, "semi": 0.007}
_OF_TRADE = ("industrial", "construction", "commercial")
_AT_KERB = {"bin": 3.0, "wheelie_bin": 3.0, "hydrant": 2.0, "mailbox": 1.5, "cabinet": 1.5, "newspaper_box": 1.5,
            "sign_post": 3.0, "traffic_sign": 3.0,
            "bollard": 3.0, "parking_meter": 3.0, "planter": 1.5, "shrub": 1.5, "bike_rack": 1.0, "utility_pole": 0.7, "box_pile": 0.7,
            "grass_tuft": 2.0,
            "fence_segment": 0.7, "advertising_column": 0.4, "bus_shelter": 0.4, "guard_rail": 0.6}
_AT_BACK = {"bin": 2.0, "wheelie_bin": 3.0, "dumpster": 1.0, "cabinet": 2.0, "box_pile": 2.0, "planter": 2.5, "shrub": 2.5, "pallets": 1.0,
            "rocks": 1.0, "bench": 1.5,
            "fence_segment": 1.5, "parasol": 0.8, "big_sign": 0.7, "ladder": 0.3, "scaffold": 0.5, "shopping_cart": 0.7, "newspaper_box": 1.0,
            "hedge": 1.5,
            "bike_rack": 1.0, "statue": 0.2, "tent": 0.3, "grass_tuft": 1.5}


def kerbsides(plan: Plan, warp: Warp, site: Site) -> None:
    """Furnish both sides and the median of every street near the ego's way."""
    rng = site.rng
    for street in plan.streets:
        fill = span(rng, 0.05, 0.8)
        works = maybe(rng, 0.9 if plan.character == "construction" else 0.3)
        for sign in (-1, 1):
            side = Roadside(plan=plan, street=street, warp=warp, site=site, sign=sign)
            if works:
                for at in list(side.places(110.0, 45.0, 10.0))[:2]:
                    work_zone(side, at)
            if maybe(rng, 0.3):
                _barriers(side)
            if street.parking[int(sign > 0)]:
                _parked_row(side, fill)
            _lamps(side)
            _trees(side)
            _clutter(side)
            _cycles(side)
        if street.median_m > 0:
            _median(Roadside(plan=plan, street=street, warp=warp, site=site, sign=1))


def _parked_row(side: Roadside, fill: float) -> None:
    site, rng, street = side.site, side.site.rng, side.street
    out = street.edge_m(side.sign) - 0.25 - PARKING_M / 2
    at = max(street.lo, -330.0) + span(rng, 0, 5)
    while at < min(street.hi, 380.0):
        if not maybe(rng, fill) or site.near(side.xy(at, out)) > 85:
            at += span(rng, 3, 8)
            continue
        whole = _parked(side)
        cycle = whole.bodies[0].category == "vehicle.motorcycle"
        length, width = (1.2, 2.0) if cycle else (whole.length_m, whole.width_m)
        middle = at + length / 2
        drive = site.land.frame.read(site.land.low_kerb, side.xy(middle + length / 2 * np.linspace(-1, 1, 5), street.edge_m(side.sign) + 0.2))
        if side.clear(middle, 8.5 + length / 2) and drive.max() < 0.3 and width < PARKING_M + 0.7:
            turn = np.pi / 2 if cycle else np.pi if maybe(rng, 0.06) else 0.0
            inwards = max(0.0, (width - PARKING_M) / 2 + 0.1)
            turn += float(rng.normal(0, 0.025))
            site.stand_together([(whole, side.xy(middle, out - inwards + float(rng.normal(0, 0.08))), side.yaw(middle) + turn)], 0.08)
        at += length + span(rng, 0.5, 2.2)


def _parked(side: Roadside) -> Combination:
    """What stands at a kerb: full-size trailers where goods are handled, small ones elsewhere."""
    rng, pool, trade = side.site.rng, side.site.pool, side.plan.character in _OF_TRADE
    kind = choose(rng, _PARKED)
    if kind == "semi" and trade:
        return semi(pool, rng)
    if kind in ("towed", "semi"):
        return towed(pool, rng)
    sort = "" if kind != "vehicle.trailer" else "semi" if trade and maybe(rng, 0.6) else choose(rng, {"light": 0.6, "site": 0.4})
    return Combination(bodies=(pool.shape(kind, "rests", sort),))


def _furniture_m(side: Roadside) -> float:
    """Where things stand that belong to the kerb."""
    return side.street.edge_m(side.sign) + (side.street.verge_m / 2 if side.street.verge_m > 0.8 else 0.6)


def _trees(side: Roadside) -> None:
    rng = side.site.rng
    if maybe(rng, 0.62):
        for at in side.places(span(rng, 6, 14), 100, 7):
            side.site.tree(side.xy(at, _furniture_m(side)))


def _lamps(side: Roadside) -> None:
    """Lamps in a row, wires between them now and then."""
    site, rng = side.site, side.site.rng
    lamp, wires = _lamp(rng), maybe(rng, 0.3)
    tops: list[np.ndarray | None] = []
    for at in np.arange(max(side.street.lo, -320.0) + 9, min(side.street.hi, 360.0), span(rng, 24, 38)):
        xy = side.xy(float(at), _furniture_m(side))
        if side.clear(float(at), 4) and site.free(xy, 0.0, 0.4, 0.4) and site.put(lamp, xy, side.yaw_to_road(float(at))):
            site.take(xy, 0.0, 0.4, 0.4)
            tops.append(np.array([*xy, float(site.land.height(xy)) + 7.6]))
        else:
            tops.append(None)
    for a, b in pairwise(tops):
        if wires and a is not None and b is not None:
            t = np.linspace(0, 1, 7)[:, None]
            sag = np.array([0.0, 0.0, 3.0]) * t * (1 - t)
            for low in (0.0, 0.35, 0.8):
                site.meshes.append(wall(a + t * (b - a) - sag - [0, 0, low], 0.03, 0.03, Material.RUBBER, (0.02, 0.02, 0.02)))


def _lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp, its arm along +x."""
    height, arm, grey = span(rng, 5, 10), span(rng, 0.8, 2.8), np.full(3, span(rng, 0.05, 0.45))
    return join([cylinder(span(rng, 0.07, 0.14), height + 0.5, Material.METAL, grey, (0, 0, height / 2 - 0.25), sides=7, top_radius_m=0.05),
                 box((arm, 0.09, 0.09), Material.METAL, grey, (arm / 2, 0, height)), box((0.7, 0.25, 0.14), Material.METAL, grey, (arm, 0, height)),
                 box((0.5, 0.18, 0.04), Material.LAMP, (0.9, 0.85, 0.7), (arm, 0, height - 0.09)),
                 cylinder(0.2, 0.6, Material.METAL, grey, (0, 0, 0.2), sides=7)])


def _clutter(side: Roadside) -> None:
    """Things at the kerb and at the back of the sidewalk, walls and rails along it."""
    site, rng, street = side.site, side.site.rng, side.street
    step = {"downtown": 4.0, "commercial": 6.5, "residential": 6.0, "park": 5.5, "construction": 4.0, "industrial": 7.0}[side.plan.character]
    room = street.verge_m + street.walk_m
    for at in side.places(step, 88, 2.0):
        kerb = maybe(rng, 0.5)
        mesh = site.pool.thing(choose(rng, _AT_KERB if kerb else _AT_BACK))
        low, high = mesh.bounds
        deep = float(high[0] - low[0])
        if deep > (1.5 if kerb else 2.4) or (float(high[1] - low[1]) > 2.5 and not side.clear(at, 6)):
            continue
        out = street.edge_m(side.sign) + (0.3 + deep / 2 if kerb else room - 0.1 - deep / 2 + span(rng, -0.1, 0.3))
        site.put(mesh, side.xy(at, out), side.yaw_to_road(at) + float(rng.normal(0, 0.1)) + (np.pi / 2 if maybe(rng, 0.15) else 0.0), 0.1)
    for at in side.places(40.0, 85, 6.0):
        if maybe(rng, 0.4):
            seat(site, side.xy(at, street.edge_m(side.sign) + 0.8), side.yaw_to_road(at) + np.pi)
        else:
            site.put(shrub(rng, span(rng, 0.5, 1.4)), side.xy(at, street.edge_m(side.sign) + span(rng, 0.8, room)), 0.0, 0.1)
    if maybe(rng, 0.35):
        start, kind = span(rng, -150, 200), choose(rng, {"hedge": 0.3, "wall": 0.4, "rail": 0.3})
        run: list[np.ndarray] = []
        for at in np.arange(start, start + span(rng, 15, 70), 1.5):
            xy = side.xy(float(at), street.edge_m(side.sign) + room - 0.2)
            if side.clear(float(at), 3) and site.near(xy) < 95 and site.free(xy, side.yaw(float(at)), 1.5, 0.8):
                run.append(xy)
                continue
            border(site, np.array(run), kind)
            run = []
        border(site, np.array(run), kind)


def _cycles(side: Roadside) -> None:
    """Parked bicycles and motorcycles side by side, and lone cones."""
    site, rng, street = side.site, side.site.rng, side.street
    for at in side.places(130.0, 80, 7.0):
        kind = choose(rng, {"bicycle": 0.45, "motorcycle": 0.2, "cone": 0.35})
        for k in many(rng, 1, 4):
            along = at + {"bicycle": 0.8, "motorcycle": 1.2, "cone": 2.0}[kind] * k
            if kind == "cone":
                site.cone(side.xy(along, street.edge_m(side.sign) - 0.35))
            else:
                yaw = side.yaw_to_road(along) + float(rng.normal(0, 0.12))
                site.stand(f"vehicle.{kind}", side.xy(along, street.edge_m(side.sign) + 1.15), yaw, 0.02)


def _barriers(side: Roadside) -> None:
    """A row of barriers along the kerb, as before an event or a hole in the sidewalk."""
    rng = side.site.rng
    for start in list(side.places(90.0, 50.0, 12.0))[:2]:
        out = side.street.edge_m(side.sign) + choose(rng, {0.45: 0.6, -0.4: 0.4})
        side.barriers(start, span(rng, 12.0, 75.0), out, 5.0)


def _median(side: Roadside) -> None:
    """Trees, bushes, a concrete barrier or a fence in the middle of the street."""
    site, rng, street = side.site, side.site.rng, side.street
    style = choose(rng, {"trees": 0.25, "bushes": 0.25, "wall": 0.2, "fence": 0.15, "bare": 0.15})
    if style == "bare":
        return
    for at in side.places(7.0 if style == "trees" else 2.6, 95, 11.5):
        if style == "trees" and street.median_m > 1.8:
            site.tree(side.xy(at, 0.0))
        elif style in ("trees", "bushes"):
            site.put(shrub(rng, min(span(rng, 0.5, 1.3), street.median_m - 0.7)), side.xy(at, 0.0), 0.0, 0.05)
        elif style == "wall":
            site.put(box((2.7, 0.45, 0.85), Material.CONCRETE, (0.45, 0.44, 0.42), (0, 0, 0.42), (2.7, 0.18)), side.xy(at, 0.0), side.yaw(at))
        else:
            site.put(box((3.4, 0.08, 1.0), Material.FENCE, (0.3, 0.3, 0.3), (0, 0, 0.6)), side.xy(at, 0.0), side.yaw(at))
