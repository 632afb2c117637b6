"""Short names for single random draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")


def span(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two bounds."""
    return float(rng.uniform(low, high))


def maybe(rng: np.random.Generator, chance: float) -> bool:
    """True with a probability."""
    return bool(rng.random() < chance)


def choose(rng: np.random.Generator, weights: Mapping[_T, float]) -> _T:
    """A key with a probability proportional to its value."""
    edges = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def many(rng: np.random.Generator, low: int, high: int) -> range:
    """As many turns as a whole number drawn from `low` to `high`, both included."""
    return range(int(rng.integers(low, high + 1)))
