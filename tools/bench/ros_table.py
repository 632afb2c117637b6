"""The numbers of tools/bench/ros.py as one row of Markdown, to stand beside others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusion.evaluate.markdown import aligned

TIMES = {"detections' age": "latency", "inference": "inference", "the node's share": "overhead", "of it, not waiting for a core": "node's own"}
"""Title -> name among the milliseconds of a result."""


def table(result: Mapping[str, Any]) -> str:
    """Head and row: milliseconds as p50 / p95 / p99, load in cores, memory in MB."""
    minutes = result["seconds"] / 60
    times = [" / ".join(f"{result['ms'][name][share]:.{0 if result['ms'][name]['p50'] >= 10 else 1}f}" for share in ("p50", "p95", "p99"))
             for name in TIMES.values()]
    return aligned([
        ["ms p50 / p95 / p99", "answers/s", *TIMES, "cores (receiving)", "memory, MB (grown by)"],
        [f"{result['model']}, {result['transport']} images, {minutes:.3g} minutes", f"{result['answers_per_s']:.1f}", *times,
         f"{result['cores']:.2f} ({result['cores_receiving']:.2f})", f"{result['memory_mb']:.0f} ({result['memory_growth_mb']:.0f})"]])
