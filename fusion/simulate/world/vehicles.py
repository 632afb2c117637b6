"""Vehicles on the roads, the ego among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusion.simulate.world.combination import Combination, bendy_bus, semi, towed
from fusion.simulate.world.draw import choose, maybe, span
from fusion.simulate.world.ego import EGO_LWH
from fusion.simulate.world.mover import WARM_S, Mover
from fusion.simulate.world.plan import PACE_MPS, Plan
from fusion.simulate.world.pool import Pool
from fusion.simulate.world.routes import STEP_M, Route, drive_route
from fusion.simulate.world.traffic import DT_S, along, simulate
from fusion.simulate.world.warp import Warp

_MIX = {"vehicle.car": 0.66, "vehicle.truck": 0.12, "vehicle.bus.rigid": 0.06, "vehicle.bus.bendy": 0.015, "vehicle.motorcycle": 0.045,
        "vehicle.bicycle": 0.06, "vehicle.construction": 0.015, "semi": 0.024, "towed": 0.011}
"""Shares of what drives."""


@dataclass(frozen=True, kw_only=True)
class _Vehicle:
    """One that drives: all its bodies, its way, where on it its middle is at first, its speed on a free road."""

    whole: Combination
    route: Route
    start_m: float
    wish_mps: float


def ego_route(plan: Plan, warp: Warp, rng: np.random.Generator) -> tuple[Route, str, float]:
    """The ego's way, what it does at the first junction, and its speed on a free road (0: it stands)."""
    lanes, pace = plan.streets[0].lanes[1], min(plan.streets[0].pace_mps, 17.0)
    turn = choose(rng, {"straight": 0.6, "left": 0.2, "right": 0.2})
    lane = 0 if turn == "left" else lanes - 1 if turn == "right" else int(rng.integers(lanes))
    ahead = sorted(plan.streets[j.v].at for j in plan.junctions if j.u == 0 and plan.streets[j.v].at > -40)
    start = ahead[0] - span(rng, 45, 150) if ahead else -60.0
    route = drive_route(plan, warp, 0, 1, lane, max(start, -170.0), max(420.0, 34 * pace), rng, [turn])
    return route, turn, 0.0 if maybe(rng, 0.05) else span(rng, 0.52 * pace, pace)


def drive(plan: Plan, warp: Warp, pool: Pool, ego: tuple[Route, float], crossers: list[Mover], duration_s: float,
          rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[Mover]]:
    """Simulate traffic.

    Args:
        ego: its route and speed on a free road.
        crossers: people whom everybody lets cross.

    Returns:
        times `(T,)` from 0 on, the ego's `(T, 3)` x, y, yaw of its centre, and everybody else who comes near it.
    """
    others = list(_spawn(plan, warp, pool, ego[0], duration_s + WARM_S, rng))
    steps = round((duration_s + WARM_S) / DT_S) + 1
    times = -WARM_S + np.arange(steps) * DT_S
    walkers = np.full((len(crossers), steps, 2), np.nan)
    for i, walker in enumerate(crossers):
        for c in range(2):
            walkers[i, :, c] = np.interp(times, walker.times_s, walker.poses[:, c])
    half = np.array([(EGO_LWH[0] / 2, EGO_LWH[1] / 2), *((v.whole.length_m / 2, v.whole.width_m / 2) for v in others)])
    ways = simulate(plan, [ego[0], *(v.route for v in others)], half, np.array([3.0, *(v.start_m for v in others)]),
                    np.array([ego[1], *(v.wish_mps for v in others)]), -WARM_S, duration_s, walkers)
    keep = times > -1e-9
    times, ways = times[keep], ways[keep]
    ego_poses = along(ego[0], ways[:, 0])
    movers = []
    for i, vehicle in enumerate(others, start=1):
        for shape, shift in zip(vehicle.whole.bodies, vehicle.whole.shifts(), strict=True):
            poses = along(vehicle.route, ways[:, i] + shift)
            if np.hypot(*(poses[:, :2] - ego_poses[:, :2]).T).min() < 80:
                movers.append(Mover(shape=shape, times_s=times, poses=poses, group=i))
    return times, ego_poses, movers


def _spawn(plan: Plan, warp: Warp, pool: Pool, ego: Route, lasting_s: float, rng: np.random.Generator) -> Iterator[_Vehicle]:
    busy = choose(rng, {0.7: 0.3, 1.0: 0.4, 1.6: 0.3})
    seen = ego.xy[:int(260 / STEP_M):8]
    for index, street in enumerate(plan.streets):
        for direction in (-1, 1):
            for lane in range(street.lanes[int(direction > 0)]):
                at = -280.0 + span(rng, 0, 40)
                while at < 330:
                    at += 9 + float(rng.exponential(24 if index == 0 else 36)) / busy
                    xy = warp.xy(street.uv(at, street.lane_offset(direction, lane)))
                    if (not street.lo < at < street.hi or plan.crossed(street, at, 8) or np.hypot(*(seen - xy).T).min() > 120
                            or np.hypot(*(ego.xy[6] - xy)) < 11):
                        continue
                    vehicle = _vehicle(plan, warp, pool, index, direction, lane, at, lasting_s, rng)
                    at += vehicle.whole.length_m
                    yield vehicle


def _vehicle(plan: Plan, warp: Warp, pool: Pool, index: int, direction: int, lane: int, at: float, lasting_s: float,
             rng: np.random.Generator) -> _Vehicle:
    """One that enters its lane at a place with its tail."""
    kind, street = choose(rng, _MIX), plan.streets[index]
    beside = street.parking[int((direction < 0) == (street.axis == 0))]
    if kind == "vehicle.bicycle" and beside and maybe(rng, 0.5):
        kind = "vehicle.car"
    whole = _whole(pool, kind, rng)
    outer = lane == street.lanes[int(direction > 0)] - 1
    shift = street.lane_m / 2 - (0.7 if beside else 0.05) if kind == "vehicle.bicycle" and outer else 0.0
    slow = {"vehicle.bicycle": (3.2, 6.0), "vehicle.construction": (3.0, 6.0)}
    wish = span(rng, *slow.get(kind, (6.0 + 0.9 * (street.pace_mps - PACE_MPS), street.pace_mps)))
    turns = ["straight"] * 16 if whole.length_m > 9 else None
    route = drive_route(plan, warp, index, direction, lane, at, max(430.0, wish * lasting_s + whole.length_m + 10), rng, turns, shift)
    return _Vehicle(whole=whole, route=route, start_m=whole.length_m / 2 + 1, wish_mps=wish)


def _whole(pool: Pool, kind: str, rng: np.random.Generator) -> Combination:
    if kind == "semi":
        return semi(pool, rng)
    if kind == "towed":
        return towed(pool, rng)
    if kind == "vehicle.bus.bendy":
        return bendy_bus(pool)
    return Combination(bodies=(pool.shape(kind, "moves" if kind in ("vehicle.bicycle", "vehicle.motorcycle") else ""),))
