"""Ways through the plan: a lane until a junction, an arc into another street, and on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.world.plan import Plan
from fusion.simulate.world.warp import Warp

STEP_M = 0.5
"""Spacing of a route's samples."""

STOP_M = 6.2
"""Distance of a stop line from the crossing street's kerb line; the crosswalk lies between."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A way on the ground, sampled every `STEP_M`.

    Attributes:
        xy: `(S, 2)` global, metres.
        yaw: `(S,)` heading, unwrapped, radians.
        limit_mps: `(S,)` speed at which bends are still comfortable, braking for them in time.
        stops: `(K, 3)` way to a stop line (metres), index of the junction, axis on which one arrives.
    """

    xy: np.ndarray
    yaw: np.ndarray
    limit_mps: np.ndarray
    stops: np.ndarray


def drive_route(plan: Plan, warp: Warp, street: int, direction: int, lane: int, start: float, length_m: float,
                rng: np.random.Generator, turns: list[str] | None = None, shift_m: float = 0.0) -> Route:
    """The way of a vehicle that starts on a lane of a street.

    Args:
        street: index into the plan's streets.
        direction: +1 or -1 along it.
        lane: 0 is the innermost.
        start: where on the street, metres.
        length_m: at least so long.
        turns: "left", "right" or "straight" at the first junctions, as far as they allow; then at random.
        shift_m: how far to the right of the lane's centre.
    """
    turns = list(turns or [])
    pieces: list[np.ndarray] = []
    stops: list[tuple[float, float, float]] = []
    total, at = 0.0, start
    while total < length_m:
        here = plan.streets[street]
        side = -1 if here.axis == 0 else 1
        offset = here.lane_offset(direction, lane) + side * direction * shift_m
        crossings = sorted(((plan.streets[j.v if here.axis == 0 else j.u].at * direction, index) for index, j in enumerate(plan.junctions)
                            if (j.u if here.axis == 0 else j.v) == street))
        ahead = [(place * direction, index) for place, index in crossings if place > at * direction + 14]
        if not ahead:
            pieces.append(_line(here.uv(at, offset), here.uv(at + direction * (length_m - total + 5), offset)))
            break
        place, index = ahead[0]
        junction = plan.junctions[index]
        other_index = junction.v if here.axis == 0 else junction.u
        other = plan.streets[other_index]
        stop = place - direction * (other.edge_m(-direction) + STOP_M)
        if (stop - at) * direction > 0:
            stops.append((total + (stop - at) * direction, float(index), float(here.axis)))
        turn = _choose(plan, index, here.axis, direction, turns.pop(0) if turns else "", rng)
        if turn == "straight":
            beyond = place + direction * 1.0
            pieces.append(_line(here.uv(at, offset), here.uv(beyond, offset)))
            total, at = total + abs(beyond - at), beyond
            continue
        # Turning right from +u leads to -v; from +v to +u.
        to = (-direction if here.axis == 0 else direction) * (1 if turn == "right" else -1)
        target = other.lanes[int(to > 0)] - 1 if turn == "right" else 0
        target_offset = other.lane_offset(to, target) + (1 if other.axis == 1 else -1) * to * shift_m
        meet = other.at + target_offset
        radius = 8.0 if turn == "right" else 11.0
        entry, leave = meet - direction * radius, here.at + offset + to * radius
        pieces.append(_line(here.uv(at, offset), here.uv(entry, offset)))
        angle = np.linspace(0, np.pi / 2, 14)
        pieces.append(here.uv(entry + direction * radius * np.sin(angle), offset + to * radius * (1 - np.cos(angle))))
        total += abs(entry - at) + radius * np.pi / 2
        street, direction, lane, at = other_index, to, target, leave
    return route_of(warp.xy(np.concatenate(pieces)), np.array(stops).reshape(-1, 3))


def route_of(xy: np.ndarray, stops: np.ndarray | None = None, lateral_mps2: float = 2.2) -> Route:
    """A route along `(N, 2)` points: resampled, rounded over 3 m, with the speed its bends allow."""
    step = np.hypot(*np.diff(xy, axis=0).T)
    xy = xy[np.concatenate([[True], step > 1e-6])]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    samples = np.arange(0.0, way[-1], STEP_M)
    points = np.column_stack([np.interp(samples, way, xy[:, 0]), np.interp(samples, way, xy[:, 1])])
    kernel = np.ones(7) / 7
    for _ in range(2):
        inner = np.column_stack([np.convolve(points[:, c], kernel, "valid") for c in range(2)])
        points = np.concatenate([points[:3], inner, points[-3:]])
    tangent = np.gradient(points, axis=0)
    yaw = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    yaw = np.concatenate([yaw[:2], np.convolve(yaw, np.ones(5) / 5, "valid"), yaw[-2:]])
    curvature = np.abs(np.gradient(yaw)) / STEP_M
    limit = np.sqrt(lateral_mps2 / np.maximum(curvature, 1e-4))
    for i in range(len(limit) - 2, -1, -1):
        limit[i] = min(limit[i], np.sqrt(limit[i + 1] ** 2 + 2 * 1.6 * STEP_M))
    return Route(xy=points, yaw=yaw, limit_mps=limit, stops=np.zeros((0, 3)) if stops is None else stops)


def _line(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    count = max(2, int(np.hypot(*(b - a)) / 1.0) + 1)
    points: np.ndarray = a + np.linspace(0, 1, count)[:, None] * (b - a)
    return points


def _choose(plan: Plan, index: int, axis: int, direction: int, wish: str, rng: np.random.Generator) -> str:
    arms = plan.junctions[index].arms
    minus_u, plus_u, minus_v, plus_v = arms
    if axis == 0:
        can = {"straight": plus_u if direction > 0 else minus_u, "right": minus_v if direction > 0 else plus_v,
               "left": plus_v if direction > 0 else minus_v}
    else:
        can = {"straight": plus_v if direction > 0 else minus_v, "right": plus_u if direction > 0 else minus_u,
               "left": minus_u if direction > 0 else plus_u}
    draw = rng.random()
    if can.get(wish):
        return wish
    options = [turn for turn in ("straight", "right", "left") if can[turn]]
    weights = np.array([{"straight": 0.7, "right": 0.17, "left": 0.13}[turn] for turn in options])
    return options[int(np.searchsorted(np.cumsum(weights / weights.sum()), draw * 0.999999))]
