"""Latency per stage: eight bytes a measurement, and percentiles at the end."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fusion.files import write_text
from fusion.hardware import hardware


class StageTimer:
    """Collects wall-clock times by stage name, stages in order of first use."""

    def __init__(self) -> None:
        self._seconds: dict[str, array[float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block; a block that raises is not counted."""
        start = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Count one measurement."""
        self._seconds.setdefault(name, array("d")).append(seconds)

    def summary(self) -> dict[str, dict[str, float]]:
        """Stage -> count and, in milliseconds, mean, median, p95, p99 and max."""
        result: dict[str, dict[str, float]] = {}
        for name, seconds in self._seconds.items():
            ms = np.array(seconds) * 1e3
            median, p95, p99 = np.percentile(ms, [50, 95, 99])
            values = {"mean_ms": ms.mean(), "median_ms": median, "p95_ms": p95, "p99_ms": p99, "max_ms": ms.max()}
            result[name] = {"count": len(ms), **{key: round(float(value), 3) for key, value in values.items()}}
        return result


def write_timing(path: Path, timer: StageTimer, **facts: Any) -> None:
    """Write `timing.json` atomically: `facts`, the hardware, and the summary of every stage."""
    write_text(path, json.dumps({**facts, "hardware": hardware(), "stages": timer.summary()}, indent=2) + "\n")
