"""Scores in view of a lost camera and out of it, as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusion.evaluate.by_view import IN_VIEW, OUT_OF_VIEW, ViewScores
from fusion.evaluate.markdown import aligned
from fusion.files import write_text

SHOWN = ("car", "pedestrian")
"""Classes that have a row of their own; the JSON has all."""


def view_mapping(view: ViewScores) -> dict[str, Any]:
    """Everything as plain values: the camera, and by region its ground truth per class and each state's scores."""
    return {"camera": view.camera, "regions": {region: {
        "ground_truth": scores[0].evaluation.ground_truth, "ground_truth_boxes": sum(scores[0].evaluation.ground_truth.values()),
        "states": {score.answers.state.name: {"mAP": score.mean_ap, "mAP_classes_present": score.mean_ap_present, "AP": score.class_ap}
                   for score in scores},
    } for region, scores in view.regions.items()}}


def view_table(view: ViewScores) -> str:
    """A markdown table: per region mAP and AP of the `SHOWN` classes in rows, states in columns."""
    rows = [["", "boxes", *(score.answers.state.title for score in view.regions[IN_VIEW])]]
    for region, title in ((IN_VIEW, "in view"), (OUT_OF_VIEW, "out of view")):
        scores = view.regions[region]
        counts = scores[0].evaluation.ground_truth
        present = sum(1 for count in counts.values() if count)
        rows.append([f"**{title}: mAP** (official)", str(sum(counts.values())), *(f"{score.mean_ap:.3f}" for score in scores)])
        if present < len(counts):
            rows.append([f"{title}: mAP of the {present} classes present", "", *(f"{score.mean_ap_present:.3f}" for score in scores)])
        for name in SHOWN:
            aps = [score.class_ap[name] for score in scores]
            rows.append([f"{title}: {name}", str(counts[name] or "none"), *("-" if ap is None else f"{ap:.3f}" for ap in aps)])
    return aligned(rows)


def view_sentence(view: ViewScores) -> str:
    """What the loss changes beside what the cameras gave, in points of the official mAP."""
    (both, lidar, lost), (both_out, _, lost_out) = ([score.mean_ap for score in view.regions[r]] for r in (IN_VIEW, OUT_OF_VIEW))
    return (f"In view of {view.camera}, the cameras change mAP by {100 * (both - lidar):+.1f} points over LiDAR only, and the loss of {view.camera}"
            f" by {100 * (lost - both):+.1f}; out of view, its loss changes mAP by {100 * (lost_out - both_out):+.1f}.")


def write_view(view: ViewScores, out_dir: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write `by_view.md`."""
    first = view.regions[IN_VIEW][0].evaluation
    lines = [f"# What {view.camera} sees, and what it does not", "", f"{first.num_samples} keyframes of {len(first.scenes)} scenes.",
             *(f"{key}: {value}." for key, value in (facts or {}).items()), view_sentence(view), "", view_table(view), "",
             f"In view: the box's centre projects into the image of {view.camera}, in front of it, by the calibration and ego pose of its keyframe;"
             " annotated and detected boxes alike. Each region is matched and scored apart by the official nuScenes devkit, `detection_cvpr_2019`;"
             " a box found on the other side of the image's border than its object is false in one region, and the object a miss in the other.",
             "mAP: mean over all ten classes, as the devkit has it: a class without a box that counts in the region is an AP of 0. The regions"
             " hold different objects: compare along a row."]
    for region, title in ((IN_VIEW, "in view"), (OUT_OF_VIEW, "out of view")):
        absent = [name for name, count in view.regions[region][0].evaluation.ground_truth.items() if not count]
        if absent:
            lines.append(f"Without a box that counts {title}: {', '.join(absent)}.")
    write_text(out_dir / "by_view.md", "\n".join(lines) + "\n")
