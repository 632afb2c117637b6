"""How a cost grows: the straight line, the power of the part that grows, and a picture of both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path


def fitted(x: Sequence[float], y: Sequence[float]) -> dict[str, float]:
    """The straight line nearest to y over x, the share of y's variance that it explains, and the exponent p in [0.25, 3] of start + slope * x^p."""
    def explained(power: float) -> float:
        return float(statistics.correlation([v**power for v in x], y)) ** 2

    slope, start = statistics.linear_regression(x, y)
    return {"start": start, "slope": slope, "explained": explained(1.0), "exponent": max((0.01 * n for n in range(25, 301)), key=explained)}


def plot(growth: Mapping[str, Sequence[Mapping[str, float]]], fits: Mapping[str, Mapping[str, float]], clock: str, path: Path) -> None:
    """Time and memory over cameras and over cells, with the straight lines nearest to the times."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, (name, rows) in zip(axes, growth.items(), strict=True):
        x, fit = [row[name] for row in rows], fits[name]
        axis.plot(x, [row[clock] for row in rows], "o", color="C0", label="processor milliseconds" if clock == "processor_ms" else "milliseconds")
        axis.plot([0, max(x)], [fit["start"], fit["start"] + fit["slope"] * max(x)], "-", color="C0", linewidth=1)
        axis.plot(x, [row["mb"] for row in rows], "s--", color="C1", linewidth=1, label="megabytes")
        title = {"cameras": "cameras", "cells": "BEV cells"}[name]
        axis.set(xlabel=title, xlim=(0, None), ylim=(0, None), title=f"one layer by {title}")
        axis.legend()
    figure.savefig(path, dpi=110)
