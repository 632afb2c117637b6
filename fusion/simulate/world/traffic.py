"""How vehicles follow their routes: each keeps its distance to whatever stands or drives in its way (an IDM rule) and stops at lights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusion.geometry.iou import jit
from fusion.simulate.world.plan import CYCLE_S, GREEN_S, Plan
from fusion.simulate.world.routes import STEP_M, Route

DT_S = 0.1
MAX_BRAKE_MPS2 = 5.0
MAX_THRUST_MPS2 = 2.0


@jit
def _advance(way: np.ndarray, speed: np.ndarray, wish: np.ndarray, half: np.ndarray, path: np.ndarray, first: np.ndarray, count: np.ndarray,
             stops: np.ndarray, stop_first: np.ndarray, stop_count: np.ndarray, walkers: np.ndarray, steps: int, begin_s: float, dt: float,
             step_m: float, cycle_s: float, max_brake: float, max_thrust: float) -> np.ndarray:
    """(N,) way and speed at the start -> (steps, N) way. `half` (N, 2) half length, width; `path` rows x y yaw limit of all routes;
    `stops` rows way, offset of the light's cycle, length of green; `walkers` (W, steps, 2) places of people, nan where absent."""
    n = len(way)
    out = np.zeros((steps, n))
    where = np.zeros((n, 3))
    for step in range(steps):
        t = begin_s + step * dt
        for i in range(n):
            k = min(int(way[i] / step_m), count[i] - 2)
            f = way[i] / step_m - k
            for c in range(3):
                where[i, c] = path[first[i] + k, c] * (1 - f) + path[first[i] + k + 1, c] * f
            out[step, i] = way[i]
        push = np.zeros(n)
        for i in range(n):
            v = speed[i]
            front = way[i] + half[i, 0]
            look = 8.0 + 3.5 * v
            gap, lead = 1e9, 0.0
            near = np.empty(n, np.int64)
            near_count = 0
            for j in range(n):
                if j != i and abs(where[j, 0] - where[i, 0]) < look + 18 and abs(where[j, 1] - where[i, 1]) < look + 18:
                    near[near_count] = j
                    near_count += 1
            ahead = 0.5
            while ahead < look and gap > 1e8:
                k = int((front + ahead) / step_m)
                if k >= count[i]:
                    break
                x, y, yaw = path[first[i] + k, 0], path[first[i] + k, 1], path[first[i] + k, 2]
                for m in range(near_count):
                    j = near[m]
                    cos, sin = np.cos(where[j, 2]), np.sin(where[j, 2])
                    dx, dy = x - where[j, 0], y - where[j, 1]
                    along, left = abs(cos * dx + sin * dy), abs(cos * dy - sin * dx)
                    turn = np.cos(yaw - where[j, 2])
                    slack = half[i, 1] + 0.3
                    cross = np.sqrt(max(0.0, 1 - turn * turn))
                    if along < half[j, 0] + 0.3 + slack * cross and left < half[j, 1] + slack * abs(turn) + 0.2 * cross:
                        gap, lead = ahead - 0.3, max(0.0, speed[j] * turn)
                        break
                if gap > 1e8:
                    for w in range(len(walkers)):
                        dx, dy = walkers[w, step, 0] - x, walkers[w, step, 1] - y
                        if dx * dx + dy * dy < (half[i, 1] + 0.9) ** 2:
                            gap, lead = ahead - 1.0, 0.0
                            break
                ahead += 1.0
            for q in range(stop_first[i], stop_first[i] + stop_count[i]):
                room = stops[q, 0] - front
                phase = (t + stops[q, 1]) % cycle_s
                if phase > stops[q, 2] and room > -0.5 and room < look and (v * v < 2 * 3.5 * max(room, 0.1) or v < 1.0) and room + 1.5 < gap:
                    gap, lead = room + 1.5, 0.0
            k = min(int((way[i] + v * 0.4) / step_m), count[i] - 1)
            goal = max(0.05, min(wish[i], path[first[i] + k, 3]))
            safe = 2.0 + max(0.0, 1.3 * v + v * (v - lead) / (2 * np.sqrt(1.6 * 2.5)))
            push[i] = 1.6 * (1 - (v / goal) ** 4 - (safe / max(gap, 0.1)) ** 2) if wish[i] > 0 else -max_brake
        for i in range(n):
            a = min(max_thrust, max(-max_brake, push[i]))
            v = max(0.0, speed[i] + a * dt)
            if v < 0.06 and a < 0.05:
                v = 0.0
            way[i] = min(way[i] + (speed[i] + v) / 2 * dt, (count[i] - 2) * step_m)
            speed[i] = v
    return out


def simulate(plan: Plan, routes: Sequence[Route], half_lw: np.ndarray, start_m: np.ndarray, wish_mps: np.ndarray, begin_s: float, end_s: float,
             walkers: np.ndarray) -> np.ndarray:
    """Drive everybody at once.

    Args:
        routes: one for each vehicle.
        half_lw: `(N, 2)` half length and width of each, metres.
        start_m: `(N,)` way gone at `begin_s`.
        wish_mps: `(N,)` speed on a free road.
        walkers: `(W, steps, 2)` places of people at the same times, nan where nobody is.

    Returns:
        `(steps, N)` way gone, every `DT_S` from `begin_s` to `end_s`.
    """
    steps = round((end_s - begin_s) / DT_S) + 1
    path = np.concatenate([np.column_stack([route.xy, route.yaw, route.limit_mps]) for route in routes])
    count = np.array([len(route.xy) for route in routes])
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    rows, stop_count = [], []
    for route in routes:
        for at, index, axis in route.stops:
            junction = plan.junctions[int(index)]
            begin, length = GREEN_S[int(axis)]
            rows.append((at, junction.offset_s - begin, length))
        stop_count.append(len(route.stops))
    counts = np.array(stop_count)
    stop_first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    way = _advance(start_m.astype(np.float64).copy(), 0.8 * wish_mps, wish_mps.astype(np.float64), half_lw.astype(np.float64), path, first, count,
                   np.array(rows, np.float64).reshape(-1, 3), stop_first, counts, walkers.astype(np.float64), steps, begin_s, DT_S, STEP_M,
                   CYCLE_S, MAX_BRAKE_MPS2, MAX_THRUST_MPS2)
    return way


def along(route: Route, way_m: np.ndarray) -> np.ndarray:
    """`(N, 3)` x, y, yaw at ways `(N,)` along a route."""
    samples = np.arange(len(route.xy)) * STEP_M
    return np.column_stack([np.interp(way_m, samples, column) for column in (route.xy[:, 0], route.xy[:, 1], route.yaw)])
