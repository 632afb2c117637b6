"""Stage times: percentiles and the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fusion.runtime.timing import StageTimer, write_timing


def test_summary_of_known_times() -> None:
    timer = StageTimer()
    for ms in range(1, 102):
        timer.add("network", ms / 1000)
    got = timer.summary()["network"]
    assert got == {"count": 101, "mean_ms": 51.0, "median_ms": 51.0, "p95_ms": 96.0, "p99_ms": 100.0, "max_ms": 101.0}


def test_a_stage_that_raises_is_not_counted() -> None:
    timer = StageTimer()
    with pytest.raises(RuntimeError), timer.stage("a"):
        raise RuntimeError
    assert timer.summary() == {}


def test_file(tmp_path: Path) -> None:
    timer = StageTimer()
    timer.add("decode", 0.002)
    write_timing(tmp_path / "timing.json", timer, samples=1)
    got = json.loads((tmp_path / "timing.json").read_text())
    assert (got["samples"], got["stages"]["decode"]["median_ms"]) == (1, 2.0)
    assert got["hardware"]["torch_threads"] >= 1
    assert [p.name for p in tmp_path.iterdir()] == ["timing.json"]
