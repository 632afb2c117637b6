"""Missed and invented boxes by cause, on boxes whose causes are known."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from nuscenes.eval.common.data_classes import EvalBoxes

from fusion.evaluate.mistakes import mistakes, mistakes_table


@dataclass
class Box:
    detection_name: str
    translation: tuple[float, float, float]
    detection_score: float = -1.0
    num_pts: int = 30


def boxes(*samples: list[Box]) -> EvalBoxes:
    result = EvalBoxes()
    for number, sample in enumerate(samples):
        result.add_boxes(f"s{number}", sample)
    return result


def car(x: float, score: float = -1.0, points: int = 30) -> Box:
    return Box("car", (x, 0.0, 0.0), score, points)


def test_every_cause_is_told_apart() -> None:
    annotated = boxes([car(0), car(20, points=3), car(40, points=10), car(100), Box("truck", (60.0, 0.0, 0.0))], [car(0)])
    found = boxes([car(0.5, 0.9), car(1.5, 0.8), car(23, 0.7), car(61, 0.6), car(80, 0.5), Box("truck", (41.0, 0.0, 0.0), 0.9), car(100, 0.45)],
                  [car(0, 0.4), car(30, 0.1)])
    each = mistakes(found, annotated, ["car", "truck"])["car"]
    assert (each.threshold, each.found) == (0.4, 3)
    assert each.missed == {"few": 1, "some": 1}
    assert each.taken_for == {}  # no truck is found at all, so no score of theirs is a threshold
    assert each.invented == {"twice": 1, "astray": 1, "other": 1, "nothing": 1}
    assert each.other == {"truck": 1}


def test_what_was_taken_for_another_class_is_named() -> None:
    annotated = boxes([Box("truck", (0.0, 0.0, 0.0)), Box("bus", (30.0, 0.0, 0.0))])
    found = boxes([Box("bus", (0.5, 0.0, 0.0), 0.8), Box("bus", (30.0, 0.0, 0.0), 0.7)])
    by_class = mistakes(found, annotated, ["truck", "bus"])
    assert by_class["truck"].taken_for == {"bus": 1} and by_class["truck"].threshold is None
    assert by_class["bus"].other == {"truck": 1} and by_class["bus"].found == 1
    lines = mistakes_table(by_class).splitlines()
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1
    assert "bus 1" in lines[2] and "truck 1" in lines[3]


def test_the_best_box_takes_the_nearest_free_one() -> None:
    each = mistakes(boxes([car(1.0, 0.9), car(1.2, 0.8)]), boxes([car(0.0), car(2.5)]), ["car"])["car"]
    assert (each.found, dict(each.invented)) == (2, {})  # the first takes 0.0, so that the second still finds 2.5


@pytest.mark.parametrize("found", [boxes([]), boxes([car(50, 0.9)])])
def test_nothing_found(found: EvalBoxes) -> None:
    each = mistakes(found, boxes([car(0, points=1)]), ["car"])["car"]
    assert (each.threshold, each.found, each.missed["few"], sum(each.invented.values())) == (None, 0, 1, 0)
