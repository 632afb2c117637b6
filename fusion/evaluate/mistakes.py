"""What a detector misses and what it invents, class by class and by cause: the question that average precision leaves open.

Boxes are matched as the devkit does: those found, by falling score, each to the nearest annotated box of its class that is free, within
`MATCH_M` between centres. Of all scores the one is taken as threshold that makes F1 largest; what is below it counts as not found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fusion.evaluate.markdown import aligned

MATCH_M = 2.0
"""Distance between centres, in x and y, within which a box is found: the devkit's for true positives."""

ASTRAY_M = 4.0
"""A box that is farther than `MATCH_M` from an annotated one of its class, and nearer than this, is meant for it and misplaced."""

_Shown = dict[str, dict[str, list[tuple[Any, int]]]]
"""Class -> sample -> boxes above the threshold, with the index of the annotated box that each finds or -1."""

FEW, SOME = 5, 20
"""Points on an annotated box: below the first few, below the second some."""


@dataclass(kw_only=True)
class Mistakes:
    """Of one class, at its threshold.

    Attributes:
        threshold: the score; None where nothing of the class is found at any.
        found: annotated boxes found.
        missed: annotated boxes not found: "few", "some", "many" points on them.
        taken_for: class -> how many of the missed have a box of it within `MATCH_M`, above that class' own threshold.
        invented: found boxes without an annotated one, by cause: "twice" (one of the class is there, and found by a better box), "astray", "other"
            (an annotated box of another class is there), "nothing".
        other: class -> how many of "other".
    """

    threshold: float | None
    found: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    taken_for: Counter[str] = field(default_factory=Counter)
    invented: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)


def mistakes(found: Any, annotated: Any, classes: Sequence[str]) -> dict[str, Mistakes]:
    """Class -> its mistakes.

    Args:
        found, annotated: the devkit's `EvalBoxes` of the same samples, those that count.
        classes: names, in the order wanted.
    """
    tokens = annotated.sample_tokens
    truths = {name: {token: [box for box in annotated[token] if box.detection_name == name] for token in tokens} for name in classes}
    boxes = {name: sorted(((token, box) for token in tokens for box in found[token] if box.detection_name == name),
                          key=lambda each: -each[1].detection_score) for name in classes}
    matches = {name: _matched(boxes[name], truths[name]) for name in classes}
    limits = {name: _best_threshold([box.detection_score for _, box in boxes[name]], [index >= 0 for index in matches[name]],
                                    sum(map(len, truths[name].values()))) for name in classes}
    shown: _Shown = {name: {token: [] for token in tokens} for name in classes}
    for name in classes:
        for (token, box), index in zip(boxes[name], matches[name], strict=True):
            limit = limits[name]
            if limit is not None and box.detection_score >= limit:
                shown[name][token].append((box, index))
    return {name: _of_class(name, limits[name], shown, truths) for name in classes}


def mistakes_table(by_class: dict[str, Mistakes]) -> str:
    """A markdown table with a row per class."""
    rows = [["class", "threshold", "found", "missed, < 5 points", "5 to 19", "20 or more", "taken for", "invented: twice", "astray", "other class",
             "nothing there", "most often on"]]
    for name, each in by_class.items():
        rows.append([name, "-" if each.threshold is None else f"{each.threshold:.2f}", str(each.found),
                     *(str(each.missed[points]) for points in ("few", "some", "many")), _most(each.taken_for),
                     *(str(each.invented[cause]) for cause in ("twice", "astray", "other", "nothing")), _most(each.other)])
    return aligned(rows)


def _most(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(1))


def _matched(boxes: Sequence[tuple[str, Any]], truths: dict[str, list[Any]]) -> list[int]:
    """For each box, best first, the index of the annotated box of its sample that it finds, or -1."""
    taken: set[tuple[str, int]] = set()
    result = []
    for token, box in boxes:
        distance = _distances(box, truths[token])
        free = [index for index in np.argsort(distance).tolist() if (token, index) not in taken]
        index = free[0] if free and distance[free[0]] < MATCH_M else -1
        if index >= 0:
            taken.add((token, index))
        result.append(index)
    return result


def _best_threshold(scores: Sequence[float], hits: Sequence[bool], total: int) -> float | None:
    """The score of the last box to keep for the largest F1, of scores that fall; None where no box hits."""
    if not any(hits):
        return None
    true = np.cumsum(np.asarray(hits, np.int64))
    f1 = 2 * true / (np.arange(1, len(scores) + 1) + total)
    return float(scores[int(f1.argmax())])


def _of_class(name: str, threshold: float | None, shown: _Shown, truths: dict[str, dict[str, list[Any]]]) -> Mistakes:
    result = Mistakes(threshold=threshold)
    for token, annotated in truths[name].items():
        hit = {index for _, index in shown[name][token]}
        for index, truth in enumerate(annotated):
            if index in hit:
                result.found += 1
                continue
            result.missed["few" if truth.num_pts < FEW else "some" if truth.num_pts < SOME else "many"] += 1
            result.taken_for.update(other for other, found in shown.items()
                                    if other != name and any(_apart(box, truth) < MATCH_M for box, _ in found[token]))
        for box, index in shown[name][token]:
            if index < 0:
                cause, other = _cause(box, name, token, truths)
                result.invented[cause] += 1
                if other:
                    result.other[other] += 1
    return result


def _cause(box: Any, name: str, token: str, truths: dict[str, dict[str, list[Any]]]) -> tuple[str, str]:
    """Why a found box has no annotated one; and the other class that stands there, if one does."""
    own = _distances(box, truths[name][token]).min(initial=np.inf)
    if own < MATCH_M:
        return "twice", ""
    near = {other: _distances(box, each[token]).min(initial=np.inf) for other, each in truths.items() if other != name}
    nearest = min(near, key=lambda other: near[other], default="")
    if nearest and near[nearest] < MATCH_M:
        return "other", nearest
    return ("astray" if own < ASTRAY_M else "nothing"), ""


def _distances(box: Any, others: Sequence[Any]) -> np.ndarray:
    return np.array([_apart(box, other) for other in others], np.float64)


def _apart(box: Any, other: Any) -> float:
    return float(np.hypot(box.translation[0] - other.translation[0], box.translation[1] - other.translation[1]))
