"""Counting what was found, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fusion.demo.found import Found, confident, counts, find
from fusion.types import DETECTION_CLASSES, Detections, GroundTruth

CAR, CONE = DETECTION_CLASSES.index("car"), DETECTION_CLASSES.index("traffic_cone")


def truth(*places: tuple[float, float, int], points: int = 5) -> GroundTruth:
    boxes = np.array([[x, y, 1, 4, 2, 1.5, 0, 0, 0] for x, y, _ in places], np.float32)
    count = len(places)
    return GroundTruth(boxes=boxes, labels=np.array([label for *_, label in places]), attributes=("",) * count,
                       num_lidar_pts=np.full(count, points), visibility=np.full(count, 4))


def answer(*places: tuple[float, float, int]) -> Detections:
    boxes = np.array([[x, y, 1, 4, 2, 1.5, 0, 0, 0] for x, y, _ in places], np.float32).reshape(-1, 9)
    return Detections(boxes=boxes, scores=np.linspace(0.9, 0.5, len(places), dtype=np.float32), stamp_ns=0, sensors_used=(),
                      labels=np.array([label for *_, label in places], np.int64), attributes=("",) * len(places))


@pytest.mark.parametrize(("answered", "expected"), [
    (answer(), (2, 0, 0)),
    (answer((10.5, 0, CAR), (0, 20, CONE)), (2, 2, 0)),
    (answer((11.99, 0, CAR)), (2, 1, 0)),
    (answer((12.01, 0, CAR)), (2, 0, 1)),  # 2 m is the limit
    (answer((10, 0, CONE)), (2, 0, 1)),  # another class
    (answer((10, 0, CAR), (10.2, 0, CAR)), (2, 1, 1)),  # an object is found once
    (answer((49, 0, CONE)), (2, 0, 0)),  # a cone beyond its 30 m is neither right nor wrong
])
def test_matches(answered: Detections, expected: tuple[int, int, int]) -> None:
    found = find(answered, truth((10, 0, CAR), (0, 20, CONE)))
    assert (found.objects, found.found, found.false_alarms) == expected


def test_objects_that_do_not_count_are_neither_missed_nor_alarms() -> None:
    unseen = truth((10, 0, CAR), points=0)
    assert not counts(unseen).any()
    assert find(answer((10, 0, CAR)), unseen) == Found(objects=0, found=0, false_alarms=0)
    assert counts(truth((10, 0, CAR), points=-1)).all()  # unknown is not none
    assert list(counts(truth((31, 0, CONE), (31, 0, CAR)))) == [False, True]
    assert find(answer((10, 0, CAR)), truth((1, 0, CAR)).select(np.zeros(1, bool))) == Found(false_alarms=1)


def test_a_radar_return_makes_an_object_count() -> None:
    assert counts(replace(truth((10, 0, CAR), points=0), num_radar_pts=np.array([1]))).all()


def test_sums_and_shares() -> None:
    total = Found(objects=3, found=1, false_alarms=2) + Found(objects=1, found=1)
    assert (total, total.share, Found().share) == (Found(objects=4, found=2, false_alarms=2), 0.5, 0.0)


def test_confident_keeps_rows_together() -> None:
    kept = confident(answer((1, 0, CAR), (2, 0, CONE), (3, 0, CAR)), 0.7)
    assert (list(kept.boxes[:, 0]), list(kept.labels), len(kept.attributes)) == ([1.0, 2.0], [CAR, CONE], 2)
