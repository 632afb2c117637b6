"""Histograms of magnitudes and the ranges that follow from them, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (extra edge)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra edge)")
import onnx
from onnx import TensorProto, helper

from fusion.errors import UserError
from fusion.export.calibration import BINS, Histogram, collect_ranges


def test_larger_values_double_the_range_and_lose_no_count() -> None:
    seen = Histogram()
    seen.add(np.array([0.5, -1.0, 0.0]))
    assert (seen.top, seen.largest, seen.counts.sum()) == (1.0, 1.0, 2)
    seen.add(np.array([[-3.0]]))
    assert (seen.top, seen.largest, seen.counts.sum()) == (4.0, 3.0, 3)
    width = 4.0 / BINS
    assert [round(float(i) * width, 6) for i in np.flatnonzero(seen.counts)] == [0.5, pytest.approx(1.0, abs=2 * width), 3.0]


def test_the_methods_differ_in_what_they_clip() -> None:
    seen = Histogram()
    values = np.full(100_000, 1.0, np.float32)
    values[:5] = 8.0
    seen.add(values)
    assert seen.threshold("max") == 8.0
    assert seen.threshold("percentile") == pytest.approx(1.0, abs=8 / BINS)  # 5 of 100,000 lie above, 10 may
    values[:20] = 8.0
    more = Histogram()
    more.add(values)
    assert more.threshold("percentile") == pytest.approx(8.0)


def test_mean_squared_error_weighs_rounding_against_clipping() -> None:
    even = Histogram()
    even.add(np.linspace(-1, 1, 20_001))
    assert even.threshold("mse") > 0.98  # nothing is gained by clipping an even spread
    heavy, count, far = Histogram(), 200_000, 100.0
    heavy.add(np.concatenate([np.random.default_rng(0).normal(0, 1, count), [far]]))
    # Rounding costs (T / 127)^2 / 12 a value, clipping (far - T)^2 once: least at far / (1 + count / (12 * 127^2)).
    assert heavy.threshold("mse") == pytest.approx(far / (1 + count / (12 * 127**2)), abs=far / 200)


def test_only_zeros_have_no_range() -> None:
    seen = Histogram()
    seen.add(np.zeros(5))
    assert [seen.threshold(method) for method in ("max", "percentile", "mse")] == [0.0, 0.0, 0.0]


def doubled(path: Path) -> Path:
    sides = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, (2,))] for name in ("x", "y")]
    nodes = [helper.make_node("Add", ["x", "x"], ["twice"], "add"), helper.make_node("Relu", ["twice"], ["y"], "relu")]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", *sides), opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_tensors_are_watched_inside_a_graph_and_at_its_ends(tmp_path: Path) -> None:
    frames = [{"x": np.array([1, -3], np.float32)}, {"x": np.array([2, 0], np.float32)}]
    ranges = collect_ranges(doubled(tmp_path / "g.onnx"), ["x", "twice", "y"], iter(frames))
    assert ranges.frames == 2
    assert [ranges.threshold(name, "max") for name in ("x", "twice", "y")] == [3.0, 6.0, 4.0]


def test_no_frame_and_a_broken_frame_are_refused(tmp_path: Path) -> None:
    path = doubled(tmp_path / "g.onnx")
    with pytest.raises(UserError, match="no frames"):
        collect_ranges(path, ["x"], [])
    with pytest.raises(UserError, match="frame 1, tensor twice: expected finite"):
        collect_ranges(path, ["twice"], [{"x": np.ones(2, np.float32)}, {"x": np.array([np.nan, 1], np.float32)}])
