"""Scores by sensor state as a table for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusion.evaluate.by_state import StateScore
from fusion.files import write_text
from fusion.hardware import hardware


def states_mapping(scores: Sequence[StateScore], facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything as plain values: `facts`, scenes, ground truth per class, and per state its scores and times."""
    first = scores[0].evaluation
    return {
        **(facts or {}), "scenes": list(first.scenes), "num_keyframes": first.num_samples, "ground_truth": first.ground_truth,
        "hardware": hardware(),
        "states": {score.answers.state.name: {
            "title": score.answers.state.title, "lost": list(score.answers.state.lost),
            "sensors_used": sorted(score.answers.sensors_used), "boxes": score.answers.boxes,
            "mAP": score.mean_ap, "NDS": score.nd_score, "mAP_classes_present": score.mean_ap_present,
            "AP": score.class_ap, "AP_by_distance": score.evaluation.summary["label_aps"],
            "true_positive_errors": score.evaluation.summary["label_tp_errors"], "timing": score.answers.timer.summary(),
        } for score in scores},
    }


def states_table(scores: Sequence[StateScore]) -> str:
    """A markdown table: mAP, NDS and AP per class in rows, states in columns."""
    counts = scores[0].evaluation.ground_truth
    present = sum(1 for count in counts.values() if count)
    rows = [["", "boxes", *(score.answers.state.title for score in scores)],
            ["**mAP** (official)", str(sum(counts.values())), *(_number(s.mean_ap) for s in scores)],
            ["**NDS** (official)", "", *(_number(s.nd_score) for s in scores)]]
    if present < len(counts):
        rows.append([f"mAP of the {present} classes present", "", *(_number(s.mean_ap_present) for s in scores)])
    rows += [[name, str(count) if count else "none", *(_number(s.class_ap[name]) for s in scores)] for name, count in counts.items()]
    rows.append(["median ms per answer", "", *(_median(s) for s in scores)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    cells = [[cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
             for row in rows]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [cells[0], rule, *cells[1:]])


def write_states(scores: Sequence[StateScore], out_dir: Path, facts: Mapping[str, Any] | None = None, extra: Mapping[str, Any] | None = None) -> None:
    """Write `states.json` and `states.md`; `extra` goes into the former alone."""
    first = scores[0].evaluation
    absent = [name for name, count in first.ground_truth.items() if not count]
    more = len(first.scenes) - 10
    scenes = ", ".join(first.scenes[:10]) + (f" and {more} more" if more > 0 else "")
    lines = ["# Detection by sensor state", "", f"{first.num_samples} keyframes of {scenes}."]
    lines += [f"{key}: {value}." for key, value in (facts or {}).items()]
    lines += ["", states_table(scores), "",
              "AP: average precision by centre distance, mean of 0.5, 1, 2 and 4 m. Official nuScenes devkit, `detection_cvpr_2019`."]
    if absent:
        lines.append(f"Without a box that counts in these scenes: {', '.join(absent)}. The official means count their AP as 0 and"
                     " their errors as 1.")
    for score in scores:
        if not score.answers.sensors_used:
            lines.append(f"{score.answers.state.title}: the model reads none of the sensors that are left, so it answered nothing.")
    write_text(out_dir / "states.json", json.dumps({**states_mapping(scores, facts), **(extra or {})}, indent=2) + "\n")
    write_text(out_dir / "states.md", "\n".join(lines) + "\n")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _median(score: StateScore) -> str:
    total = score.answers.timer.summary().get("total")
    return "-" if total is None else f"{total['median_ms']:.0f}"
