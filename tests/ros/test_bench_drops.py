"""The benchmark's account of what was lost, from what the source says and the node reports; its numbers as a row."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools/bench"))

from ros_drops import PUBLISHED, SensorDrops, count_drops, published_in
from ros_table import table

from fusion.sensors.health import SensorReport, SensorState
from ros_nodes.conversion import OK, diagnostics_msg, status_msg


def make(name: str, fields: Any) -> Any:
    return SimpleNamespace(**fields)


def report(received: int, dropped: int) -> SensorReport:
    return SensorReport(rate_hz=12.0, age_s=0.1, skew_s=0.0, latency_ms=8.0, latency_worst_ms=9.0, state=SensorState.OK, reason="",
                        received=received, dropped=dropped)


def test_every_reading_and_answer_is_accounted_for() -> None:
    node = status_msg(make, name="fusion_node: node", level=OK, message="active",
                      values={"answers": 90, "instants": 100, "instants_dropped": 10, "CAM.taken": 93, "CAM.late": 3})
    message = diagnostics_msg(make, {"CAM": report(98, 2), "TOP": report(200, 0)}, stamp_ns=0, node="fusion_node", extra=[node])
    published = published_in(["[source] hello", f"[source] {PUBLISHED}" + '{"CAM": 100, "TOP": 200}'])
    drops = count_drops(published, message, Counter(CAM=70, TOP=90), 89)
    assert drops.sensors == {"CAM": SensorDrops(published=100, received=98, refused=2, late=3, used=70),
                             "TOP": SensorDrops(published=200, received=200, refused=0, late=0, used=90)}
    lines = drops.lines()
    assert lines[1].split() == ["CAM", "100", "98", "2", "2", "3", "70"]
    assert lines[-1] == "answers: 90 published, 89 received, 1 lost; 10 of 100 instants gave way to newer ones"


def test_a_source_that_says_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="did not say what it had published"):
        published_in(["[source] hello"])


def test_a_result_is_a_row_with_its_tail_and_its_load() -> None:
    times = {name: {"p50": 3.04, "p95": 6.26, "p99": 9.9} for name in ("overhead", "node's own")}
    times |= {name: {"p50": 213.4, "p95": 290.0, "p99": 312.2} for name in ("latency", "inference")}
    head, _, row = (line.split(" | ") for line in table({
        "model": "nano", "transport": "raw", "seconds": 300.0, "answers_per_s": 4.46, "cores": 1.874, "cores_receiving": 0.41, "memory_mb": 746.6,
        "memory_growth_mb": 4.8, "ms": times}).splitlines())
    told = dict(zip((title.strip("| ") for title in head), (cell.strip("| ") for cell in row), strict=True))
    assert told == {"ms p50 / p95 / p99": "nano, raw images, 5 minutes", "answers/s": "4.5", "detections' age": "213 / 290 / 312",
                    "inference": "213 / 290 / 312", "the node's share": "3.0 / 6.3 / 9.9", "of it, not waiting for a core": "3.0 / 6.3 / 9.9",
                    "cores (receiving)": "1.87 (0.41)", "memory, MB (grown by)": "747 (5)"}
