"""The comparison of a replay with its files finds what differs, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ros_nodes.matrix.same_boxes import Rows, compare

ROWS = Rows(boxes=np.array([[1.0, 2, 3, 4, 5, 6, np.pi - 1e-5], [7, 8, 9, 1, 2, 3, 0]]), scores=np.array([0.5, 0.25]), names=["car", "bus"])
WANTED = {10: ROWS, 20: replace(ROWS, names=["bus", "bus"])}


def moved(by: float, column: int = 0) -> Rows:
    boxes = ROWS.boxes.copy()
    boxes[1, column] += by
    return replace(ROWS, boxes=boxes)


def test_the_same_is_the_same() -> None:
    found = compare({**WANTED, 30: moved(9)}, WANTED)
    assert found.same and (found.compared, found.rows, found.box, found.score) == (2, 4, 0, 0)
    turned = ROWS.boxes.copy()
    turned[0, 6] -= 2 * np.pi - 2e-5  # beyond half a turn the angle starts again
    found = compare({10: replace(ROWS, boxes=turned)}, {10: ROWS})
    assert found.same and found.box == pytest.approx(2e-5)


@pytest.mark.parametrize(("answer", "box", "score"), [(moved(-2e-3), 2e-3, 0), (moved(2e-3, 6), 2e-3, 0),
                                                      (replace(ROWS, scores=ROWS.scores + [0, 1e-3]), 0, 1e-3)])
def test_a_difference_is_found(answer: Rows, box: float, score: float) -> None:
    found = compare({10: answer}, {10: ROWS})
    assert not found.same and (found.box, found.score) == pytest.approx((box, score))


@pytest.mark.parametrize("answers", [
    {}, {10: replace(ROWS, names=["bus", "car"])}, {10: Rows(boxes=ROWS.boxes[:1], scores=ROWS.scores[:1], names=["car"])}])
def test_a_missing_instant_or_other_boxes_are_not_the_same(answers: dict[int, Rows]) -> None:
    found = compare(answers, {10: ROWS})
    assert not found.same and found.compared == len(answers) == len(found.faults)
