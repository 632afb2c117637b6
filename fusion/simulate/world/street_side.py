"""Along the kerbs: parked rows, trees, lamps, signs, bins and whatever else stands on sidewalks, and work zones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box, cylinder
from fusion.simulate.shapes.catalogue import CLUTTER
from fusion.simulate.world.kit import blob, wall
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.plan import PARKING_M, Plan, Street
from fusion.simulate.world.plants import hedge, shrub, tufts
from fusion.simulate.world.land import Cover
from fusion.simulate.world.settle import _tree, place_barrier
from fusion.simulate.world.site import Site
from fusion.simulate.world.warp import Warp

_PARKED = {"vehicle.car": 0.915, "vehicle.truck": 0.035, "vehicle.motorcycle": 0.02, "vehicle.trailer": 0.012, "vehicle.bus.rigid": 0.008, "vehicle.construction": 0.01}


def kerbsides(plan: Plan, warp: Warp, site: Site, lots: list[Lot]) -> None:
    """Everything along every street near the ego's way."""
    rng = site.rng
    for street in plan.streets:
        zone = float(rng.uniform(-120, 160)) if rng.random() < (0.75 if plan.character == "construction" else 0.22) else 1e6
        fill = float(rng.uniform(0.35, 0.95))
        for side in (-1, 1):
            if zone < 1e5 and rng.random() < 0.6:
                _work_zone(plan, street, warp, site, side, zone)
            if street.parking[int(side > 0)]:
                _parked_row(plan, street, warp, site, side, fill)
            _poles(plan, street, warp, site, side)
            _clutter(plan, street, warp, site, side)
        if street.median_m > 0:
            _median(plan, street, warp, site)
    _signals(plan, warp, site)


def _along(street: Street, warp: Warp, site: Site, step: float, reach: float) -> Iterator[float]:
    """Places along a street that are near the ego's way."""
    at = max(street.lo, -330.0)
    while at < min(street.hi, 380.0):
        at += step * float(site.rng.uniform(0.6, 1.4))
        if site.near(warp.xy(street.uv(at, 0.0))) < reach:
            yield at


def _clear(plan: Plan, street: Street, at: float, room: float) -> bool:
    """Whether a place is at least `room` away from crossing streets' kerbs."""
    return not any(other.axis != street.axis and other.lo <= street.at <= other.hi and abs(other.at - at) < max(other.edge_m(-1), other.edge_m(1)) + room
                   for other in plan.streets)


def _heading(street: Street, warp: Warp, at: float, across: float, direction: float) -> float:
    along = np.array([direction, 0.0]) if street.axis == 0 else np.array([0.0, direction])
    return float(warp.yaw(street.uv(at, across), along))


def _with_traffic(street: Street, side: int) -> int:
    """Direction of the traffic on a side of a street."""
    return -side if street.axis == 0 else side


def _parked_row(plan: Plan, street: Street, warp: Warp, site: Site, side: int, fill: float) -> None:
    rng = site.rng
    names, chance = list(_PARKED), np.array(list(_PARKED.values()))
    across = side * (street.edge_m(side) - 0.25 - PARKING_M / 2)
    at = max(street.lo, -330.0) + float(rng.uniform(0, 5))
    while at < min(street.hi, 380.0):
        if site.near(warp.xy(street.uv(at, across))) > 85:
            at += 5
            continue
        if rng.random() > fill:
            at += float(rng.uniform(3, 8))
            continue
        shape = site.pool.shape(names[int(rng.choice(len(names), p=chance / chance.sum()))])
        length, width = float(shape.size_lwh[0]), float(shape.size_lwh[1])
        if shape.category == "vehicle.motorcycle" or width > PARKING_M + 0.35:
            length = length if width > PARKING_M else 1.2
        middle = at + length / 2
        xy = warp.xy(street.uv(middle, across + side * 0.0 + float(rng.normal(0, 0.08))))
        drop = site.land.frame.read(site.land.low_kerb, np.array([warp.xy(street.uv(middle + d * length / 2, side * (street.edge_m(side) + 0.2))) for d in (-1, 0, 1)]))
        if _clear(plan, street, middle, 8.5 + length / 2) and drop.max() < 0.3 and width < PARKING_M + 0.5:
            wrong = rng.random() < 0.06
            yaw = _heading(street, warp, middle, across, _with_traffic(street, side) * (-1 if wrong else 1))
            if shape.category == "vehicle.motorcycle":
                yaw += np.pi / 2
            site.stand(shape.category, xy, yaw + float(rng.normal(0, 0.025)), "vehicle.parked" if shape.moving.startswith("vehicle") else None, 0.08, shape)
        at += length + float(rng.uniform(0.5, 2.2))


def _poles(plan: Plan, street: Street, warp: Warp, site: Site, side: int) -> None:
    """Lamps and trees in a row near the kerb, wires between poles now and then."""
    rng = site.rng
    across = side * (street.edge_m(side) + (street.verge_m / 2 if street.verge_m > 0.8 else 0.65))
    if rng.random() < 0.62:
        spacing = float(rng.uniform(7, 16))
        for at in _along(street, warp, site, spacing, 100):
            if _clear(plan, street, at, 7) and rng.random() < 0.85:
                _tree(site, warp.xy(street.uv(at, across)))
    tops = []
    lamp = _lamp(rng)
    wires = rng.random() < 0.3
    for at in np.arange(max(street.lo, -320.0) + 9, min(street.hi, 360.0), float(rng.uniform(24, 38))):
        xy = warp.xy(street.uv(float(at), across))
        if site.near(xy) > 100 or not _clear(plan, street, float(at), 4):
            tops.append(None)
            continue
        into = np.array([0.0, -side]) if street.axis == 0 else np.array([-side, 0.0])
        yaw = float(warp.yaw(street.uv(float(at), across), into))
        if site.put(lamp, xy, yaw) and site.free(xy, 0.0, 0.5, 0.5):
            site.take(xy, 0.0, 0.5, 0.5)
        tops.append(np.array([*xy, float(site.land.height(xy)) + 7.6]))
    if wires:
        for a, b in zip(tops, tops[1:], strict=False):
            if a is not None and b is not None:
                t = np.linspace(0, 1, 7)[:, None]
                for shift in (0.0, 0.35, 0.8):
                    site.meshes.append(wall(a + t * (b - a) - [0, 0, shift] - np.array([0, 0, 1.0]) * 3 * t * (1 - t), 0.03, 0.03, Material.RUBBER, (0.02, 0.02, 0.02)))


def _lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp, its arm along +x."""
    height, arm = float(rng.uniform(5, 10)), float(rng.uniform(0.8, 2.8))
    grey = np.full(3, float(rng.uniform(0.05, 0.45)))
    return join([cylinder(float(rng.uniform(0.07, 0.14)), height + 0.5, Material.METAL, grey, (0, 0, height / 2 - 0.25), sides=7, top_radius_m=0.05),
                 box((arm, 0.09, 0.09), Material.METAL, grey, (arm / 2, 0, height)), box((0.7, 0.25, 0.14), Material.METAL, grey, (arm, 0, height)),
                 box((0.5, 0.18, 0.04), Material.LAMP, (0.9, 0.85, 0.7), (arm, 0, height - 0.09)), cylinder(0.2, 0.6, Material.METAL, grey, (0, 0, 0.2), sides=7)])


def _clutter(plan: Plan, street: Street, warp: Warp, site: Site, side: int) -> None:
    rng = site.rng
    kinds = sorted(CLUTTER)
    density = {"downtown": 1.0, "commercial": 0.7, "residential": 0.7, "park": 0.8, "construction": 1.0, "industrial": 0.6}[plan.character]
    for at in _along(street, warp, site, 5.0 / density, 85):
        kerb = rng.random() < 0.55
        room = street.verge_m + street.walk_m
        across = side * (street.edge_m(side) + (float(rng.uniform(0.35, 0.8)) if kerb else room - float(rng.uniform(0.2, 0.6))))
        if not _clear(plan, street, at, 2.0 if rng.random() < 0.3 else 6.0):
            continue
        mesh = site.pool.thing(kinds[int(rng.integers(len(kinds)))])
        size = mesh.bounds[1] - mesh.bounds[0]
        if max(size[:2]) > (1.4 if kerb else 2.6):
            continue
        site.put(mesh, warp.xy(street.uv(at, across)), _heading(street, warp, at, across, float(_with_traffic(street, side))) + np.pi / 2 * int(rng.integers(4)), 0.12)
    for at in _along(street, warp, site, 60.0, 85):
        _special(street, warp, site, side, at)
    if rng.random() < 0.3:
        _rail(plan, street, warp, site, side)


def _special(street: Street, warp: Warp, site: Site, side: int, at: float) -> None:
    """Bicycles in a rack, a bush, cones, a bench."""
    rng = site.rng
    across = side * (street.edge_m(side) + 1.0)
    kind = str(rng.choice(["rack", "bush", "cones", "motorcycles"], p=[0.4, 0.3, 0.2, 0.1]))
    if kind == "rack":
        for k in range(int(rng.integers(1, 5))):
            where = at + 0.75 * k
            site.stand("vehicle.bicycle", warp.xy(street.uv(where, across)), _heading(street, warp, where, across, 1.0) + np.pi / 2 + float(rng.normal(0, 0.1)),
                       "cycle.without_rider", 0.02, _riderless(site, "vehicle.bicycle"))
    elif kind == "motorcycles":
        for k in range(int(rng.integers(1, 4))):
            where = at + 1.2 * k
            site.stand("vehicle.motorcycle", warp.xy(street.uv(where, across)), _heading(street, warp, where, across, 1.0) + np.pi / 2 + float(rng.normal(0, 0.15)),
                       "cycle.without_rider", 0.05, _riderless(site, "vehicle.motorcycle"))
    elif kind == "bush":
        site.put(shrub(rng, float(rng.uniform(0.6, 1.6))), warp.xy(street.uv(at, across)), 0.0, 0.1)
    else:
        for k in range(int(rng.integers(1, 5))):
            site.stand("movable_object.trafficcone", warp.xy(street.uv(at + 1.6 * k, side * (street.edge_m(side) - 0.35))), float(rng.uniform(-3, 3)), None, 0.05)


def _riderless(site: Site, category: str):  # type: ignore[no-untyped-def]
    """A cycle without rider if a few tries give one."""
    for _ in range(6):
        shape = site.pool.shape(category)
        if shape.resting == "cycle.without_rider":
            return shape
    return shape


def _rail(plan: Plan, street: Street, warp: Warp, site: Site, side: int) -> None:
    """A guard rail, low wall or hedge along the property line for a while."""
    rng = site.rng
    start, length = float(rng.uniform(-150, 200)), float(rng.uniform(15, 70))
    along = np.arange(start, start + length, 1.5)
    along = along[[_clear(plan, street, float(a), 4) for a in along]]
    across = side * (street.edge_m(side) + street.verge_m + street.walk_m - 0.15)
    xy = warp.xy(street.uv(along, across))
    ok = np.array([site.near(p) < 95 and site.free(p, 0.0, 0.7, 0.7) for p in xy], bool)
    kind = rng.random()
    height, colour = float(rng.uniform(0.5, 1.4)), rng.uniform(0.2, 0.5, 3)
    for run in np.split(np.arange(len(ok)), np.nonzero(~ok[1:] | ~ok[:-1] | (np.diff(along) > 2))[0] + 1) if len(ok) > 3 else []:
        if len(run) < 3 or not ok[run].all():
            continue
        line = np.column_stack([xy[run], site.land.height(xy[run])])
        if kind < 0.35:
            site.meshes.append(hedge(line, height, 0.7, rng))
        elif kind < 0.7:
            site.meshes.append(wall(line - [0, 0, 0.3], height + 0.3, 0.3, Material.CONCRETE, colour))
        else:
            site.meshes.append(wall(line + [0, 0, 0.4], 0.32, 0.08, Material.METAL, (0.45, 0.45, 0.46)))
            for p in line[::2]:
                site.meshes.append(box((0.1, 0.12, 1.0), Material.METAL, (0.4, 0.4, 0.4), (float(p[0]), float(p[1]), float(p[2]) + 0.3)))
        for p in xy[run]:
            site.take(p, 0.0, 0.6, 0.6)


def _work_zone(plan: Plan, street: Street, warp: Warp, site: Site, side: int, start: float) -> None:
    """Cones or barriers along the edge of the traffic, a machine, workers and a heap where cars would park."""
    rng = site.rng
    length = float(rng.uniform(14, 40))
    inner = side * (street.edge_m(side) - (PARKING_M if street.parking[int(side > 0)] else 0.0) - 0.05 + (0.0 if street.parking[int(side > 0)] else 0.6))
    outer = side * (street.edge_m(side) + 0.5)
    barriers = rng.random() < 0.55
    yaw = _heading(street, warp, start, inner, 1.0)
    for at in np.arange(start, start + length, 2.75 if barriers else float(rng.uniform(1.8, 3.5))):
        if not _clear(plan, street, float(at), 7) or site.near(warp.xy(street.uv(float(at), inner))) > 80:
            continue
        xy, yaw = warp.xy(street.uv(float(at), inner + side * 0.3)), _heading(street, warp, float(at), inner, 1.0)
        if barriers:
            place_barrier(site, xy, yaw)
        else:
            site.stand("movable_object.trafficcone", xy, float(rng.uniform(-3, 3)), None, 0.02)
    for end in (start - 1.0, start + length):
        for k in range(3):
            site.stand("movable_object.trafficcone", warp.xy(street.uv(end, inner + side * (0.4 + 0.7 * k))), 0.0, None, 0.02)
    middle = start + length / 2
    if not _clear(plan, street, middle, 12):
        return
    across = (inner + outer) / 2 + side * 0.4
    shape = site.pool.shape("vehicle.construction" if rng.random() < 0.6 else "vehicle.truck")
    if float(shape.size_lwh[1]) < PARKING_M + 1.0 and street.parking[int(side > 0)]:
        site.stand(shape.category, warp.xy(street.uv(middle, across + side * 0.5)), _heading(street, warp, middle, across, float(_with_traffic(street, side))), "vehicle.parked", 0.1, shape)
    for _ in range(int(rng.integers(1, 4))):
        at = start + float(rng.uniform(0, length))
        site.stand("human.pedestrian.construction_worker", warp.xy(street.uv(at, outer + side * float(rng.uniform(-1.2, 1.2)))), float(rng.uniform(-3, 3)), None)
    for _ in range(2):
        at, r = start + float(rng.uniform(0, length)), float(rng.uniform(0.5, 1.1))
        site.put(blob((r, r, r * 0.6), (0, 0, 0), rng, Material.SOIL, (0.25, 0.19, 0.12)), warp.xy(street.uv(at, outer)), 0.0, 0.1)


def _median(plan: Plan, street: Street, warp: Warp, site: Site) -> None:
    rng = site.rng
    style = str(rng.choice(["trees", "bushes", "wall", "bare", "rail"]))
    for at in _along(street, warp, site, 7.0 if style == "trees" else 2.6, 95):
        if not _clear(plan, street, at, 11.5):
            continue
        xy = warp.xy(street.uv(at, 0.0))
        if style == "trees" and street.median_m > 1.8:
            _tree(site, xy)
        elif style == "bushes":
            site.put(shrub(rng, min(float(rng.uniform(0.5, 1.3)), street.median_m - 0.7)), xy, 0.0, 0.05)
        elif style in ("wall", "rail"):
            yaw = _heading(street, warp, at, 0.0, 1.0)
            shape = box((2.7, 0.45, 0.85), Material.CONCRETE, (0.45, 0.44, 0.42), (0, 0, 0.42), (2.7, 0.18)) if style == "wall" else \
                box((3.4, 0.08, 1.0), Material.FENCE, (0.3, 0.3, 0.3), (0, 0, 0.6))
            site.put(shape, xy, yaw)


def _signals(plan: Plan, warp: Warp, site: Site) -> None:
    """Traffic lights on posts, some with an arm over the road, and stop signs where there are none."""
    rng = site.rng
    for junction in plan.junctions:
        u, v = plan.streets[junction.u], plan.streets[junction.v]
        if site.near(warp.xy(np.array([v.at, u.at]))) > 95:
            continue
        for su in (-1, 1):
            for sv in (-1, 1):
                uv = np.array([v.at + su * (v.edge_m(su) + 2.4), u.at + sv * (u.edge_m(sv) + 2.4)])
                xy = warp.xy(uv)
                if not site.free(xy, 0.0, 0.4, 0.4):
                    continue
                yaw = float(warp.yaw(uv, np.array([0.0, -float(sv)])))
                grey = np.full(3, float(rng.uniform(0.04, 0.4)))
                if junction.lit:
                    arm = float(rng.uniform(3, 6)) if rng.random() < 0.45 else 0.5
                    height = 5.6 if arm > 1 else 3.2
                    heads = [box((0.32, 0.32, 0.95), Material.PLASTIC, (0.03, 0.03, 0.03), (x, 0, height - 0.1)) for x in ((arm, arm * 0.6) if arm > 1 else (arm,))]
                    lamps = [box((0.18, 0.36, 0.18), Material.LAMP, (0.8, 0.1, 0.05) if rng.random() < 0.5 else (0.05, 0.7, 0.3), (x, 0, height + 0.1))
                             for x in ((arm, arm * 0.6) if arm > 1 else (arm,))]
                    post = join([cylinder(0.1, height + 0.4, Material.METAL, grey, (0, 0, height / 2 - 0.2), sides=7), box((arm, 0.1, 0.1), Material.METAL, grey, (arm / 2, 0, height)),
                                 *heads, *lamps, box((0.3, 0.36, 0.4), Material.PLASTIC, (0.05, 0.05, 0.05), (0, 0, 2.3))])
                elif su == sv:
                    post = join([cylinder(0.04, 2.6, Material.METAL, grey, (0, 0, 1.1), sides=6), cylinder(0.38, 0.03, Material.RETRO, (0.5, 0.03, 0.03), (0, 0, 2.3), axis=0, sides=8)])
                else:
                    continue
                site.put(post, xy, yaw)
                site.take(xy, 0.0, 0.4, 0.4)


def grass(site: Site) -> Mesh:
    """Tufts on grass near the ego's way."""
    rng, land = site.rng, site.land
    size = np.array(land.frame.shape[::-1]) * land.frame.m_per_px
    count = int(min(size[0] * size[1] * 0.25, 40000))
    xy = rng.uniform(0, 1, (count, 2)) * size + land.frame.origin_xy
    keep = (land.frame.pick(land.way_m, xy) < 50) & (land.frame.pick(land.cover, xy) == int(Cover.GRASS)) & (land.frame.pick(site.taken, xy) == 0)
    xy = xy[keep][:5000]
    return tufts(np.column_stack([xy, land.height(xy)]), rng)
