"""Ranges of activations, seen on simulated frames: from them follow the scales of an INT8 graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import onnx

from fusion.errors import UserError

Method: TypeAlias = Literal["max", "percentile", "mse"]

BINS = 2048
KEPT_SHARE = 0.9999
"""Share of a tensor's non-zero values that the method `percentile` leaves unclipped."""

LEVELS = 127


@dataclass
class Histogram:
    """Magnitudes of one tensor; the range doubles when a larger value comes, two bins becoming one.

    Attributes:
        top: upper edge of the last bin, 0 before the first value that is not 0.
        largest: largest magnitude seen.
        counts: `(BINS,)` values by magnitude, zeros left out: every scale holds them exactly.
    """

    top: float = 0.0
    largest: float = 0.0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS))

    def add(self, values: np.ndarray) -> None:
        """Take values in, of any shape."""
        magnitudes = np.abs(values[values != 0].astype(np.float32))
        if not magnitudes.size:
            return
        largest = float(magnitudes.max())
        if not np.isfinite(largest):
            raise ValueError("expected finite activations, got NaN or infinity")
        self.largest = max(self.largest, largest)
        self.top = self.top or largest
        while self.top < largest:
            self.top *= 2
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(axis=1), np.zeros(BINS // 2)])
        self.counts += np.histogram(magnitudes, BINS, (0, self.top))[0]

    def threshold(self, method: Method) -> float:
        """The magnitude that the largest int8 stands for; larger values are clipped. 0 where every value was 0.

        `max`: the largest seen. `percentile`: above `KEPT_SHARE` of the values. `mse`: the least mean squared error of rounding and
        clipping together (Wu et al. 2020, section 5, choose likewise by entropy).
        """
        if self.top == 0 or method == "max":
            return self.largest
        edges = np.linspace(0, self.top, BINS + 1)[1:]
        if method == "percentile":
            share = np.cumsum(self.counts) / self.counts.sum()
            return min(float(edges[np.searchsorted(share, KEPT_SHARE)]), self.largest)
        centres = edges - self.top / BINS / 2
        candidates = self.largest * np.linspace(0.1, 1, 181)
        errors = [_squared_error(centres, self.counts, float(candidate)) for candidate in candidates]
        return float(candidates[int(np.argmin(errors))])


def _squared_error(values: np.ndarray, counts: np.ndarray, threshold: float) -> float:
    scale = threshold / LEVELS
    error: np.ndarray = np.minimum(np.rint(values / scale), LEVELS) * scale - values
    return float((counts * error**2).sum())


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What the calibration frames showed.

    Attributes:
        histograms: by tensor name.
        frames: how many inputs were seen.
    """

    histograms: Mapping[str, Histogram]
    frames: int

    def threshold(self, tensor: str, method: Method) -> float:
        """See `Histogram.threshold`."""
        return self.histograms[tensor].threshold(method)


def collect_ranges(path: Path, tensors: Collection[str], inputs: Iterable[Mapping[str, np.ndarray]]) -> Ranges:
    """Run a float32 graph in ONNX Runtime and watch tensors inside it; of `inputs`, those are read that the graph has.

    Raises:
        UserError: no input at all, or activations that are not finite.
    """
    import onnxruntime

    model = onnx.load(path)
    given = {value.name for value in model.graph.input}
    inner = [name for name in tensors if name not in given]
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner if name not in present)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    histograms, frames = {name: Histogram() for name in tensors}, 0
    for named in inputs:
        seen = dict(zip(inner, session.run(inner, {name: named[name] for name in given}), strict=True)) if inner else {}
        for name, histogram in histograms.items():
            try:
                histogram.add(seen[name] if name in seen else named[name])
            except ValueError as error:
                raise UserError(f"calibration frame {frames}, tensor {name}: {error}") from None
        frames += 1
    if frames == 0:
        raise UserError("calibration: no frames; expected at least one")
    return Ranges(histograms=histograms, frames=frames)
