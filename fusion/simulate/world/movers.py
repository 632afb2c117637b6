"""Who moves: vehicles with their routes, the ego among them, people on sidewalks and crosswalks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.shapes.shape import Shape
from fusion.simulate.world.ego import EGO_LWH
from fusion.simulate.world.plan import CYCLE_S, GREEN_S, Plan, Street
from fusion.simulate.world.routes import Route, drive_route
from fusion.simulate.world.site import Pool
from fusion.simulate.world.traffic import DT_S, along, simulate
from fusion.simulate.world.warp import Warp

WARM_S = 10.0
"""Traffic runs so long before the scene begins: queues have formed by then."""


@dataclass(frozen=True, kw_only=True)
class Mover:
    """A shape on its way: `(T,)` times from the start of the scene and `(T, 3)` x, y, yaw of its centre. Members of one `group` belong together."""

    shape: Shape
    times_s: np.ndarray
    poses: np.ndarray
    group: int


@dataclass(frozen=True, kw_only=True)
class _Vehicle:
    shape: Shape | None
    route: Route
    start_m: float
    wish_mps: float
    half_lw: tuple[float, float]
    trailer: Shape | None = None


_MIX = {"vehicle.car": 0.72, "vehicle.truck": 0.095, "vehicle.bus.rigid": 0.04, "vehicle.bus.bendy": 0.01, "vehicle.motorcycle": 0.05, "vehicle.bicycle": 0.06,
        "vehicle.construction": 0.01, "vehicle.trailer": 0.015}


def ego_route(plan: Plan, warp: Warp, rng: np.random.Generator) -> tuple[Route, str, float]:
    """The ego's way, what it does at the first junction and its speed on a free road."""
    street = plan.streets[0]
    turn = str(rng.choice(["straight", "left", "right"], p=[0.6, 0.2, 0.2]))
    lanes = street.lanes[1]
    lane = 0 if turn == "left" else lanes - 1 if turn == "right" else int(rng.integers(lanes))
    ahead = sorted(plan.streets[j.v].at for j in plan.junctions if j.u == 0 and plan.streets[j.v].at > -40)
    start = ahead[0] - float(rng.uniform(35, 120)) if ahead else -60.0
    route = drive_route(plan, warp, 0, 1, lane, max(start, -150.0), 420.0, rng, [turn])
    wish = 0.0 if rng.random() < 0.06 else float(rng.uniform(5.0, 12.0))
    return route, turn, wish


def drive(plan: Plan, warp: Warp, pool: Pool, ego: tuple[Route, float], crossers: list[Mover], duration_s: float,
          rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[Mover]]:
    """Simulate traffic.

    Returns:
        times `(T,)` from 0 on, the ego's `(T, 3)` x, y, yaw of its centre, and everybody else.
    """
    vehicles = [_Vehicle(shape=None, route=ego[0], start_m=3.0, wish_mps=ego[1], half_lw=(EGO_LWH[0] / 2, EGO_LWH[1] / 2)), *_spawn(plan, warp, pool, ego[0], rng)]
    steps = round((duration_s + WARM_S) / DT_S) + 1
    times = -WARM_S + np.arange(steps) * DT_S
    walkers = np.full((len(crossers), steps, 2), np.nan)
    for i, walker in enumerate(crossers):
        for c in range(2):
            walkers[i, :, c] = np.interp(times, walker.times_s, walker.poses[:, c])
    times, poses = simulate(plan, [v.route for v in vehicles], np.array([v.half_lw for v in vehicles]), np.array([v.start_m for v in vehicles]),
                            np.array([v.wish_mps for v in vehicles]), -WARM_S, duration_s, walkers)
    keep = times > -1e-9
    movers = []
    for i, vehicle in enumerate(vehicles[1:], start=1):
        if np.hypot(*(poses[i, keep, :2] - poses[0, keep, :2]).T).min() > 80 or vehicle.shape is None:
            continue
        if vehicle.trailer is None:
            movers.append(Mover(shape=vehicle.shape, times_s=times[keep], poses=poses[i, keep], group=i))
            continue
        truck, trailer = float(vehicle.shape.size_lwh[0]), float(vehicle.trailer.size_lwh[0])
        whole = vehicle.half_lw[0] * 2
        way = _way_of(vehicle.route, poses[i, keep])
        for shape, shift in ((vehicle.shape, (whole - truck) / 2), (vehicle.trailer, -(whole - trailer) / 2)):
            movers.append(Mover(shape=shape, times_s=times[keep], poses=along(vehicle.route, np.maximum(way + shift, 0.0)), group=i))
    return times[keep], poses[0, keep], movers


def _way_of(route: Route, poses: np.ndarray) -> np.ndarray:
    """Way along a route of poses that lie on it."""
    step = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    first = float(np.argmin(np.hypot(*(route.xy - poses[0, :2]).T))) * 0.5
    out: np.ndarray = first + np.concatenate([[0.0], np.cumsum(step)])
    return out


def _spawn(plan: Plan, warp: Warp, pool: Pool, ego: Route, rng: np.random.Generator) -> list[_Vehicle]:
    out: list[_Vehicle] = []
    names, chance = list(_MIX), np.array(list(_MIX.values()))
    busy = float(rng.choice([0.6, 1.0, 1.5], p=[0.3, 0.45, 0.25]))
    seen = ego.xy[:int(260 / 0.5)]
    for index, street in enumerate(plan.streets):
        for direction in (-1, 1):
            for lane in range(street.lanes[int(direction > 0)]):
                at = -280.0 + float(rng.uniform(0, 40))
                while at < 330:
                    at += 10 + float(rng.exponential(34 if index == 0 else 50)) / busy
                    if not street.lo < at < street.hi:
                        continue
                    xy = warp.xy(street.uv(at, street.lane_offset(direction, lane)))
                    gap = np.hypot(*(seen - xy).T).min()
                    if gap > 130 or np.hypot(*(ego.xy[6] - xy)) < 10 or _in_junction(plan, street, at):
                        continue
                    category = names[int(rng.choice(len(names), p=chance / chance.sum()))]
                    out.append(_vehicle(plan, warp, pool, index, direction, lane, at, category, rng))
                    at += out[-1].half_lw[0] * 2
    return out


def _vehicle(plan: Plan, warp: Warp, pool: Pool, street: int, direction: int, lane: int, at: float, category: str, rng: np.random.Generator) -> _Vehicle:
    slow = category in ("vehicle.bicycle",)
    trailer = pool.shape("vehicle.trailer") if category == "vehicle.trailer" else None
    shape = pool.shape("vehicle.truck" if category == "vehicle.trailer" else category)
    length, width = float(shape.size_lwh[0]), float(shape.size_lwh[1])
    turns = ["straight"] * 9 if trailer is not None or length > 9 else None
    if trailer is not None:
        length, width = length + 0.8 + float(trailer.size_lwh[0]), max(width, float(trailer.size_lwh[1]))
    outer = lane == plan.streets[street].lanes[int(direction > 0)] - 1
    shift = plan.streets[street].lane_m / 2 - 0.75 if slow and outer else 0.0
    route = drive_route(plan, warp, street, direction, lane, at, 430.0, rng, turns, shift)
    wish = float(rng.uniform(3.2, 6.0)) if slow else float(rng.uniform(6, 12.5)) if category != "vehicle.construction" else float(rng.uniform(3, 6))
    return _Vehicle(shape=shape, route=route, start_m=length / 2 + 1, wish_mps=wish, half_lw=(length / 2, width / 2), trailer=trailer)


def _in_junction(plan: Plan, street: Street, at: float) -> bool:
    return any(other.axis != street.axis and other.lo <= street.at <= other.hi and abs(other.at - at) < max(other.edge_m(-1), other.edge_m(1)) + 8
               for other in plan.streets)


def crossing_people(plan: Plan, warp: Warp, pool: Pool, ego: Route, duration_s: float, rng: np.random.Generator) -> list[Mover]:
    """People who wait at a corner, cross while the traffic they cross is held, and walk on."""
    out: list[Mover] = []
    seen = ego.xy[:int(200 / 0.5)]
    for index, junction in enumerate(plan.junctions):
        for axis, sign, there in ((0, -1, junction.arms[0]), (0, 1, junction.arms[1]), (1, -1, junction.arms[2]), (1, 1, junction.arms[3])):
            street = plan.streets[junction.u if axis == 0 else junction.v]
            other = plan.streets[junction.v if axis == 0 else junction.u]
            at = other.at + sign * (other.edge_m(sign) + 3.1)
            if not there or np.hypot(*(seen - warp.xy(street.uv(at, 0.0))).T).min() > 60:
                continue
            for member in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.4, 0.25, 0.17, 0.1, 0.08]))):
                speed = float(rng.uniform(1.0, 1.8))
                green = (CYCLE_S / 2 if axis == 0 else 0.0) - junction.offset_s
                start = green + CYCLE_S * np.round((float(rng.uniform(-6, duration_s)) - green) / CYCLE_S) + float(rng.uniform(0.5, GREEN_S * 0.45))
                way = float(rng.choice([-1, 1]))
                lane = at + float(rng.uniform(-1.1, 1.1))
                edges = (street.edge_m(int(-way)), street.edge_m(int(way)))
                turn = float(rng.choice([-1.0, 1.0]))
                uv = np.array([street.uv(lane, -way * (edges[0] + 0.7 + 0.5 * member)), street.uv(lane, way * (edges[1] + 1.0)),
                               street.uv(lane + sign * (8.0 if turn > 0 else 0.4), way * (edges[1] + 1.2)), street.uv(lane + sign * 30.0, way * (edges[1] + 1.3))])
                times = [-WARM_S - 1, start, *(start + np.cumsum(np.hypot(*np.diff(uv, axis=0).T)) / speed)]
                out.append(walk(pool.shape(_person(rng)), warp, np.concatenate([uv[:1], uv]), np.array(times), duration_s, 1000 + 10 * index + member))
    return out


def _person(rng: np.random.Generator) -> str:
    return str(rng.choice(["human.pedestrian.adult", "human.pedestrian.child", "human.pedestrian.construction_worker", "human.pedestrian.police_officer"],
                          p=[0.92, 0.04, 0.03, 0.01]))


def walk(shape: Shape, warp: Warp, uv: np.ndarray, times_s: np.ndarray, duration_s: float, group: int) -> Mover:
    """A walk through `(N, 2)` plan places at `(N,)` times, corners rounded over a second, facing where one goes."""
    times = np.arange(-WARM_S, duration_s + 1e-6, DT_S)
    place = np.column_stack([np.interp(times, times_s, uv[:, c]) for c in range(2)])
    kernel = np.ones(9) / 9
    for _ in range(2):
        place = np.column_stack([np.convolve(np.pad(place[:, c], 4, mode="edge"), kernel, "valid") for c in range(2)])
    xy = warp.xy(place)
    velocity = np.gradient(xy, DT_S, axis=0)
    speed = np.hypot(*velocity.T)
    moving = speed > 0.15
    if not moving.any():
        yaw = np.full(len(times), float(np.arctan2(*(warp.xy(uv[-1]) - xy[0])[::-1])) if np.hypot(*(warp.xy(uv[-1]) - xy[0])) > 0.1 else 0.0)
    else:
        heading = np.unwrap(np.arctan2(velocity[moving, 1], velocity[moving, 0]))
        yaw = np.interp(times, times[moving], heading)
    return Mover(shape=shape, times_s=times, poses=np.column_stack([xy, yaw]), group=group)


def sidewalk_people(plan: Plan, warp: Warp, pool: Pool, ego_xy: np.ndarray, duration_s: float, rng: np.random.Generator) -> list[Mover]:
    """Singles, pairs and small groups who walk along sidewalks or stand there."""
    density = {"downtown": 1.0, "residential": 0.4, "commercial": 0.5, "construction": 0.7, "park": 0.9, "industrial": 0.25}[plan.character] * float(rng.uniform(0.5, 1.4))
    out: list[Mover] = []
    group = 5000
    for street in plan.streets:
        for side in (-1, 1):
            at = -260.0
            while at < 320:
                at += float(rng.exponential(20.0)) / density
                here = street.uv(at, side * (street.edge_m(side) + street.verge_m + street.walk_m * 0.5))
                if not street.lo < at < street.hi or _in_junction(plan, street, at) or np.hypot(*(ego_xy - warp.xy(here)).T).min() > 58:
                    continue
                group += 1
                size = int(rng.choice([1, 2, 3, 4], p=[0.62, 0.24, 0.09, 0.05]))
                stands = rng.random() < 0.22
                speed, way = float(rng.uniform(0.8, 1.8)), float(rng.choice([-1, 1]))
                for member in range(size):
                    across = side * (street.edge_m(side) + street.verge_m + float(np.clip(street.walk_m * rng.uniform(0.3, 0.75) + 0.6 * (member - (size - 1) / 2), 0.5, street.walk_m - 0.3)))
                    begin = at + float(rng.normal(0, 0.4)) + (0.8 * member if stands else 0.9 * (member // 2))
                    if stands:
                        out.append(_stander(pool.shape(_person(rng)), warp, street, begin, across, duration_s, group * 10 + member, rng))
                        continue
                    reach, length = 0.0, speed * (duration_s + WARM_S)
                    while reach < length and not _near_junction(plan, street, begin + way * reach):
                        reach += 1.0
                    uv = np.array([street.uv(begin + way * s, across) for s in np.linspace(0, reach, max(2, int(reach / 3)))])
                    halt = -WARM_S + reach / speed
                    out.append(walk(pool.shape(_person(rng)), warp, uv, np.linspace(-WARM_S, halt, len(uv)), duration_s, group * 10 + member))
    return out


def _near_junction(plan: Plan, street: Street, at: float) -> bool:
    return any(other.axis != street.axis and other.lo <= street.at <= other.hi and abs(other.at - at) < max(other.edge_m(-1), other.edge_m(1)) + 1.5
               for other in plan.streets)


def _stander(shape: Shape, warp: Warp, street: Street, at: float, across: float, duration_s: float, group: int, rng: np.random.Generator) -> Mover:
    xy = warp.xy(street.uv(at, across))
    times = np.array([0.0, duration_s])
    yaw = float(rng.uniform(-np.pi, np.pi))
    return Mover(shape=shape, times_s=times, poses=np.array([[*xy, yaw], [*xy, yaw]]), group=group)
