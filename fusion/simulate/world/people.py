"""People on sidewalks and crosswalks."""

from __future__ import annotations

import numpy as np

from fusion.simulate.shapes.shape import Shape
from fusion.simulate.world.draw import choose, maybe, span
from fusion.simulate.world.mover import WARM_S, Mover
from fusion.simulate.world.plan import CYCLE_S, GREEN_S, Plan, Street
from fusion.simulate.world.pool import Pool
from fusion.simulate.world.routes import STEP_M, Route
from fusion.simulate.world.traffic import DT_S
from fusion.simulate.world.warp import Warp

_WHO = {"human.pedestrian.adult": 0.894, "human.pedestrian.child": 0.05, "human.pedestrian.wheelchair": 0.006,
        "human.pedestrian.construction_worker": 0.035, "human.pedestrian.police_officer": 0.015}
_DENSITY = {"downtown": 1.0, "residential": 0.45, "commercial": 0.5, "construction": 0.75, "park": 0.9, "industrial": 0.3}
"""Groups per 15 m of sidewalk."""


def crossing_people(plan: Plan, warp: Warp, pool: Pool, ego: Route, duration_s: float, rng: np.random.Generator) -> list[Mover]:
    """People who wait at a corner, cross while the traffic that they cross is held, and walk on."""
    out: list[Mover] = []
    seen = ego.xy[:int(220 / STEP_M):8]
    for junction in plan.junctions:
        for arm, there in enumerate(junction.arms):
            axis, sign = arm // 2, (-1, 1)[arm % 2]
            street, other = (plan.streets[i] for i in ((junction.u, junction.v) if axis == 0 else (junction.v, junction.u)))
            at = other.at + sign * (other.edge_m(sign) + 3.1)
            if not there or np.hypot(*(seen - warp.xy(street.uv(at, 0.0))).T).min() > 60:
                continue
            begin, green = GREEN_S[1 - axis]
            begin -= junction.offset_s
            for member in range(choose(rng, {0: 0.5, 1: 0.23, 2: 0.15, 3: 0.08, 4: 0.04})):
                start = begin + CYCLE_S * np.round((span(rng, -6, duration_s) - begin) / CYCLE_S) + span(rng, 0.5, green * 0.45)
                uv, speed = _crossing(street, at, sign, member, rng), span(rng, 1.0, 1.8)
                times = np.array([-WARM_S - 1, start, *(start + np.cumsum(np.hypot(*np.diff(uv, axis=0).T)) / speed)])
                out.append(walk(pool.shape(choose(rng, _WHO), "moves"), warp, np.concatenate([uv[:1], uv]), times, duration_s, 1000 + len(out)))
    return out


def _crossing(street: Street, at: float, sign: int, member: int, rng: np.random.Generator) -> np.ndarray:
    """`(4, 2)` plan places: where one waits, the other side, and on along the sidewalk."""
    way, lane = (1, -1)[int(rng.integers(2))], at + span(rng, -1.1, 1.1)
    near, far = street.edge_m(-way), street.edge_m(way)
    back = 0.8 + min(street.verge_m + street.walk_m - 0.4, 1.5)
    return np.array([street.uv(lane, -way * (near + 0.7 + 0.55 * member)), street.uv(lane, way * (far + 0.9)),
                     street.uv(lane + sign * 2.5, way * (far + back)), street.uv(lane + sign * 40.0, way * (far + back))])


def sidewalk_people(plan: Plan, warp: Warp, pool: Pool, ego_xy: np.ndarray, duration_s: float, rng: np.random.Generator) -> list[Mover]:
    """Singles, pairs and small groups who walk along sidewalks or stand there."""
    density = _DENSITY[plan.character] * span(rng, 0.5, 1.5)
    out: list[Mover] = []
    for street in plan.streets:
        for side in (-1, 1):
            at, base = -260.0, street.edge_m(side) + street.verge_m
            while at < 320:
                at += float(rng.exponential(18.0)) / density
                if (not street.lo < at < street.hi or plan.crossed(street, at, 1.5)
                        or np.hypot(*(ego_xy[::4] - warp.xy(street.uv(at, side * base))).T).min() > 58):
                    continue
                size, stands = choose(rng, {1: 0.6, 2: 0.25, 3: 0.1, 4: 0.05}), maybe(rng, 0.1)
                speed, lane = span(rng, 0.8, 1.8), span(rng, 0.3, 0.75)
                ahead, back = (_free_way(plan, street, at, w, 50.0) + span(rng, 0, 25) for w in (1.0, -1.0))
                way = 1.0 if ahead > back else -1.0
                for member in range(size):
                    beside = street.walk_m * lane + 0.65 * (member - (size - 1) / 2)
                    across = side * (base + float(np.clip(beside, 0.5, max(street.walk_m - 0.3, 0.6))))
                    begin = at + float(rng.normal(0, 0.3)) + (0.8 * member if stands else 1.0 * (member // 2))
                    shape = pool.shape(choose(rng, _WHO), "rests" if stands else "moves")
                    reach = 0.0 if stands else _free_way(plan, street, begin, way, speed * (duration_s + WARM_S))
                    places = begin + way * np.linspace(0, reach, max(2, int(reach / 3)))
                    times = np.linspace(-WARM_S, -WARM_S + max(reach, 0.1) / speed, len(places))
                    mover = walk(shape, warp, street.uv(places, across), times, duration_s, 5000 + len(out))
                    if size == 1 and not stands and shape.category == "human.pedestrian.adult" and maybe(rng, 0.01):
                        out.append(pushed(pool.shape("human.pedestrian.stroller"), mover))
                    out.append(mover if not stands else Mover(shape=shape, times_s=mover.times_s[[0, -1]], group=mover.group,
                                                              poses=np.column_stack([mover.poses[[0, -1], :2], np.full(2, span(rng, -3.1, 3.1))])))
    return out


def pushed(shape: Shape, walker: Mover) -> Mover:
    """Something on wheels that a walker pushes, a hand's width ahead of the walker's box."""
    ahead = float(shape.size_lwh[0] + walker.shape.size_lwh[0]) / 2 + 0.1
    yaw = walker.poses[:, 2]
    poses = walker.poses + ahead * np.column_stack([np.cos(yaw), np.sin(yaw), np.zeros(len(yaw))])
    return Mover(shape=shape, times_s=walker.times_s, poses=poses, group=walker.group)


def _free_way(plan: Plan, street: Street, begin: float, way: float, longest: float) -> float:
    """How far one can walk before a crossing street."""
    reach = 0.0
    while reach < longest and not plan.crossed(street, begin + way * reach, 1.0):
        reach += 1.0
    return reach


def walk(shape: Shape, warp: Warp, uv: np.ndarray, times_s: np.ndarray, duration_s: float, group: int) -> Mover:
    """A walk through `(N, 2)` plan places at `(N,)` times, starts, stops and corners rounded over a second, facing where one goes."""
    times = np.arange(-WARM_S, duration_s + 1e-6, DT_S)
    place = np.column_stack([np.interp(times, times_s, uv[:, c]) for c in range(2)])
    kernel = np.ones(9) / 9
    for _ in range(2):
        place = np.column_stack([np.convolve(np.pad(place[:, c], 4, mode="edge"), kernel, "valid") for c in range(2)])
    xy = warp.xy(place)
    velocity = np.gradient(xy, DT_S, axis=0)
    moving = np.hypot(*velocity.T) > 0.15
    if moving.any():
        yaw = np.interp(times, times[moving], np.unwrap(np.arctan2(velocity[moving, 1], velocity[moving, 0])))
    else:
        ahead = warp.xy(uv[-1]) - xy[0]
        yaw = np.full(len(times), float(np.arctan2(ahead[1], ahead[0])))
    return Mover(shape=shape, times_s=times, poses=np.column_stack([xy, _calm(yaw)]), group=group)


def _calm(yaw: np.ndarray) -> np.ndarray:
    """Headings smoothed over half a second, so that nobody spins on the spot."""
    out: np.ndarray = np.convolve(np.pad(yaw, 4, mode="edge"), np.ones(9) / 9, "valid")
    return out
