"""How many objects an answer found: a plain count for people, beside the official scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from nuscenes.eval.common.config import config_factory

from fusion.evaluate.nuscenes_eval import DETECTION_CONFIG
from fusion.types import Detections, GroundTruth

MATCH_M = 2.0
"""A box finds an object of its class whose centre is within this distance, seen from above."""


@dataclass(kw_only=True)
class Found:
    """Counts: objects that could be found, those that were, and boxes where no such object is."""

    objects: int = 0
    found: int = 0
    false_alarms: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(objects=self.objects + other.objects, found=self.found + other.found, false_alarms=self.false_alarms + other.false_alarms)

    @property
    def share(self) -> float:
        """Found of all, 0 to 1; 0 where there was nothing to find."""
        return self.found / self.objects if self.objects else 0.0


def confident(detections: Detections, min_score: float) -> Detections:
    """The boxes from a score on."""
    index = np.flatnonzero(detections.scores >= min_score)
    return replace(detections, boxes=detections.boxes[index], scores=detections.scores[index], labels=detections.labels[index],
                   attributes=tuple(detections.attributes[i] for i in index))


def counts(truth: GroundTruth) -> np.ndarray:
    """`(M,)` bool: objects that count in the official score, those in their class's range with a LiDAR or radar point inside."""
    wanted: np.ndarray = _in_range(truth.boxes, truth.labels, truth.classes) & (truth.num_points != 0)
    return wanted


def find(detections: Detections, truth: GroundTruth) -> Found:
    """Match boxes to objects of their class, best box first, each to the nearest object left within 2 m.

    A box on an object that does not count, or beyond its class's range, is neither right nor wrong.
    """
    wanted = counts(truth)
    taken = np.zeros(len(truth), bool)
    false_alarms = 0
    in_range = _in_range(detections.boxes, detections.labels, detections.classes)
    truth_names = np.array([truth.classes[label] for label in truth.labels], object)
    for index in np.argsort(-detections.scores, kind="stable"):
        distance = np.hypot(*(truth.boxes[:, :2] - detections.boxes[index, :2]).T)
        distance[taken | (truth_names != detections.classes[detections.labels[index]])] = np.inf
        nearest = int(np.argmin(distance)) if len(distance) else -1
        if nearest >= 0 and distance[nearest] < MATCH_M:
            taken[nearest] = True
        elif in_range[index]:
            false_alarms += 1
    return Found(objects=int(wanted.sum()), found=int((wanted & taken).sum()), false_alarms=false_alarms)


def _in_range(boxes: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    ranges: dict[str, float] = config_factory(DETECTION_CONFIG).class_range
    limit = np.array([ranges.get(name, 0.0) for name in classes])[labels]
    inside: np.ndarray = np.hypot(boxes[:, 0], boxes[:, 1]) < limit
    return inside
