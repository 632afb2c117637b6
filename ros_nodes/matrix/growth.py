"""Judges whether the memory of a node that is cycled grows: a leak goes on with every cycle, a working set is reached in a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ros_nodes.matrix.verdict import Verdict

GROWTH_MB = 0.1
"""A node may grow by this with each cycle: a sound one does by 0.02, and the smallest leak that must be seen, also amid noise of 2 MB, takes 0.2."""

WARMING, END = 5, 3
"""The first fifth of the cycles is not looked at, and a step in the last third counts as growth: nothing shows yet that it was one of the last."""

CYCLES_A_STEP = 10
"""At most one step in so many cycles: more are a slope."""

_PENALTY = 4.0
_NOISE_MB = 0.1


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A line that is broken by steps.

    Attributes:
        slope_mb: by how much each cycle adds to the size, between steps.
        steps: (the first cycle after it, its MB) of each, in order.
    """

    slope_mb: float
    steps: tuple[tuple[int, float], ...]


def fit_growth(sizes_mb: Sequence[float]) -> Growth:
    """One slope and a few steps, by least squares; as many steps as BIC wants, each at `_PENALTY` times the usual price.

    Steps are put in one by one where each helps most, and after each all are put anew, given the others. A fit better than `_NOISE_MB` counts as that
    good and no better, so that no step is bought for nothing.
    """
    sizes = np.asarray(sizes_mb, np.float64)
    count = len(sizes)
    at: list[int] = []
    solution, cost = _solved(sizes, at)
    best = cost, solution, at
    for _ in range(count // CYCLES_A_STEP):
        at = [*at, _best_step(sizes, at)]
        for place in range(len(at)):
            others = at[:place] + at[place + 1:]
            at = [*at[:place], _best_step(sizes, others), *at[place + 1:]]
        solution, cost = _solved(sizes, at)
        if cost < best[0]:
            best = cost, solution, at
    _, solution, at = best
    return Growth(slope_mb=float(solution[1]), steps=tuple(sorted((step, float(mb)) for step, mb in zip(at, solution[2:], strict=True))))


def _columns(count: int, at: Sequence[int]) -> np.ndarray:
    """`(count, 2 + steps)`: a constant, a slope, and a step up at each of the places."""
    cycles = np.arange(count)
    columns: np.ndarray = np.stack([np.ones(count), cycles, *(cycles >= step for step in at)], axis=1).astype(np.float64)
    return columns


def _solved(sizes: np.ndarray, at: Sequence[int]) -> tuple[np.ndarray, float]:
    """Coefficients of the columns, and what they cost."""
    columns, count = _columns(len(sizes), at), len(sizes)
    solution = np.linalg.lstsq(columns, sizes, rcond=None)[0]
    variance = max(float(((sizes - columns @ solution) ** 2).mean()), _NOISE_MB**2)
    return solution, count * float(np.log(variance)) + _PENALTY * len(at) * float(np.log(count))


def _best_step(sizes: np.ndarray, at: Sequence[int]) -> int:
    """Where one more step leaves the least over: the candidate that, freed of what the columns explain, has most in common with what they do not."""
    base = np.linalg.qr(_columns(len(sizes), at))[0]
    candidates = _columns(len(sizes), range(1, len(sizes)))[:, 2:]
    left, candidates = sizes - base @ (base.T @ sizes), candidates - base @ (base.T @ candidates)
    squares = (candidates**2).sum(axis=0)
    gains = np.where(squares > 1e-9, (candidates.T @ left) ** 2 / np.maximum(squares, 1e-9), 0.0)
    return int(gains.argmax()) + 1


def judge_growth(sizes_mb: Sequence[float]) -> Verdict:
    """Whether memory after each cycle has stopped growing: neither from cycle to cycle, nor by steps that are still coming.

    A leak that takes its memory in steps further apart than a third of the cycles is not seen: more cycles see it.
    """
    count = len(sizes_mb)
    warming, end = count // WARMING, max(count // END, 1)
    growth = fit_growth(sizes_mb[warming:])
    late_mb = sum(mb for step, mb in growth.steps if warming + step >= count - end)
    text = f"{growth.slope_mb:.2f} MB a cycle in {count}"
    if growth.steps:
        text += f", {len(growth.steps)} step{'s' * (len(growth.steps) > 1)} of {sum(mb for _, mb in growth.steps):.0f} MB together"
    if late_mb:
        text += f", {late_mb:.0f} MB of it in the last {end} cycles"
    return Verdict(ok=growth.slope_mb + max(late_mb, 0.0) / end <= GROWTH_MB, text=text)
