"""The devkit's numbers as a table and plots a person can read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fusion.evaluate.mistakes import mistakes, mistakes_table
from fusion.evaluate.nuscenes_eval import Evaluation
from fusion.files import replacing, write_text

ERRORS = {"trans_err": "ATE m", "scale_err": "ASE 1-IoU", "orient_err": "AOE rad", "vel_err": "AVE m/s", "attr_err": "AAE 1-acc"}
DISTANCE_COLOURS = {"0.5": "#b5d4f4", "1.0": "#6ba5e0", "2.0": "#2a6fb8", "4.0": "#0d3a6b"}
"""Light to dark with growing matching distance."""


def table(summary: Mapping[str, Any], ground_truth: Mapping[str, int] | None = None) -> str:
    """A markdown table: per class the AP at each matching distance, their mean, and the true-positive errors.

    Args:
        summary: the devkit's metrics summary.
        ground_truth: annotated boxes per class; a class with none is marked, as its 0 counts in the official mean.
    """
    distances = list(next(iter(summary["label_aps"].values())))
    head = ["class", *(["boxes"] if ground_truth else []), "AP", *(f"AP {float(d):g} m" for d in distances), *ERRORS.values()]
    rows = []
    for name, aps in summary["label_aps"].items():
        count = [str(ground_truth[name]) if ground_truth[name] else "none"] if ground_truth else []
        errors = summary["label_tp_errors"][name]
        rows.append([name, *count, _number(summary["mean_dist_aps"][name]), *(_number(aps[d]) for d in distances),
                     *(_number(errors[e]) for e in ERRORS)])
    total = [str(sum(ground_truth.values()))] if ground_truth else []
    means = [float(np.mean([aps[d] for aps in summary["label_aps"].values()])) for d in distances]
    errors = summary["tp_errors"]
    rows.append(["mean", *total, _number(summary["mean_ap"]), *map(_number, means), *(_number(errors[e]) for e in ERRORS)])
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [[cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
             for row in [head, *rows]]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def headline(summary: Mapping[str, Any]) -> str:
    """`mAP 0.563  NDS 0.648`."""
    return f"mAP {summary['mean_ap']:.3f}  NDS {summary['nd_score']:.3f}"


def write_report(evaluation: Evaluation, out_dir: Path) -> None:
    """Write `report.md`, `precision_recall.png` and `ap.png`."""
    _precision_recall(evaluation, out_dir / "precision_recall.png")
    _bars(evaluation, out_dir / "ap.png")
    meta = evaluation.summary["meta"]
    used = [key.removeprefix("use_") for key, value in meta.items() if value is True]
    more = len(evaluation.scenes) - 10
    scenes = ", ".join(evaluation.scenes[:10]) + (f" and {more} more" if more > 0 else "")
    absent = [name for name, count in evaluation.ground_truth.items() if not count]
    lines = [
        f"# Detection: {headline(evaluation.summary)}", "",
        f"{evaluation.num_samples} keyframes of {scenes}. The results say they rest on: {', '.join(used) or 'no sensor'}.", "",
        table(evaluation.summary, evaluation.ground_truth), "",
        "AP: average precision by centre distance; errors: of true positives at 2 m. Official nuScenes devkit,"
        " `detection_cvpr_2019`; the same numbers are in `metrics_summary.json`.",
    ]
    if absent:
        lines += ["", f"Without a box that counts in these scenes: {', '.join(absent)}."
                      " The official mean counts their AP as 0 and their errors as 1."]
    if evaluation.annotated is not None:
        by_class = mistakes(evaluation.found, evaluation.annotated, list(evaluation.ground_truth))
        lines += [
            "", "## What is missed, and what is invented",
            "At the score that makes F1 largest for the class, matched within 2 m. Missed: by the points on the object; \"taken for\": a box of"
            " that class stands there. Invented: a second box for an object that is found; 2 to 4 m beside one; on an object of another class;"
            " where nothing is annotated.", "", mistakes_table(by_class)]
    lines += ["", "![Average precision](ap.png)", "", "![Precision and recall](precision_recall.png)", ""]
    write_text(out_dir / "report.md", "\n".join(lines))


def _precision_recall(evaluation: Evaluation, path: Path) -> None:
    names = list(evaluation.summary["label_aps"])
    figure = Figure(figsize=(14, 6), layout="constrained")  # no pyplot: its global state and display backend are not needed
    axes = figure.subplots(2, math.ceil(len(names) / 2), sharex=True, sharey=True, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        count = evaluation.ground_truth[name]
        score = f"AP {evaluation.summary['mean_dist_aps'][name]:.2f}" if count else "no boxes"
        axis.set_title(f"{name.replace('_', ' ')}  {score}", fontsize=10)
        for distance in evaluation.summary["label_aps"][name] if count else ():
            curve = evaluation.details[f"{name}:{distance}"]
            recall, precision = np.asarray(curve["recall"]), np.asarray(curve["precision"])
            confidence = np.asarray(curve["confidence"])
            reached = int(np.flatnonzero(confidence)[-1]) + 1 if confidence.any() else 0  # the devkit pads with zeros behind
            axis.plot(recall[:reached], precision[:reached], color=DISTANCE_COLOURS.get(str(distance), "black"), lw=1.6,
                      label=f"{float(distance):g} m")
        axis.set(xlim=(0, 1), ylim=(0, 1.02))
        axis.grid(alpha=0.3)
    handles, labels = next((a.get_legend_handles_labels() for a in axes.flat if a.lines), ([], []))
    if handles:
        figure.legend(handles, labels, title="matched within", loc="outside right center")
    figure.supxlabel("recall")
    figure.supylabel("precision")
    _save(figure, path)


def _bars(evaluation: Evaluation, path: Path) -> None:
    names = list(evaluation.summary["label_aps"])
    distances = list(evaluation.summary["label_aps"][names[0]])
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(distances)
    for offset, distance in enumerate(distances):
        heights = [evaluation.summary["label_aps"][name][distance] for name in names]
        axis.bar(np.arange(len(names)) - 0.4 + (offset + 0.5) * width, heights, width,
                 color=DISTANCE_COLOURS.get(str(distance), "black"), label=f"{float(distance):g} m")
    labels = [f"{name.replace('_', ' ')}\n{evaluation.ground_truth[name] or 'no'} boxes" for name in names]
    axis.set_xticks(np.arange(len(names)), labels, fontsize=8)
    axis.set(ylim=(0, 1), ylabel="average precision")
    axis.set_title(f"{headline(evaluation.summary)}   (dashed: mAP)", loc="left")
    axis.axhline(evaluation.summary["mean_ap"], color="black", lw=1, ls="--", zorder=0)
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    figure.legend(title="matched within", loc="outside right center")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
