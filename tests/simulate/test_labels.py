"""Labels: points in boxes, who is seen, who keeps a label while hidden."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.simulate.record.labels import count_points, labelled, visibility_token


def test_points_count_in_a_turned_box_but_not_on_the_ground_below_it() -> None:
    box = np.array([10.0, 5.0, 1.0, 4.0, 2.0, 2.0, np.pi / 2])  # 4 m along y, from z 0 to 2
    points = np.array([[10, 6.9, 1], [10, 7.04, 1], [10, 7.06, 1], [11.04, 5, 1], [11.5, 5, 1],
                       [10, 5, 0.02], [10, 5, 0.06], [10, 5, 2.04], [10, 5, 2.1]])
    assert count_points(points, np.array([box])).tolist() == [5]
    order = np.random.default_rng(0).permutation(len(points))
    assert count_points(points[order], np.array([box, box + [50, 0, 0, 0, 0, 0, 0]])).tolist() == [5, 0]


def test_a_short_loss_keeps_the_label_a_long_one_does_not() -> None:
    seen = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]], bool)
    near = np.ones_like(seen)
    assert labelled(seen, near).T.astype(int).tolist() == [
        [1, 1, 1, 0, 0, 0, 0],  # lost for one keyframe
        [1, 0, 0, 0, 0, 0, 1],  # lost for five
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0]]
    near[1, 0] = False
    assert labelled(seen, near)[:, 0].astype(int).tolist() == [1, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(("share", "level"), [(0.0, "1"), (0.39, "1"), (0.4, "2"), (0.6, "3"), (0.8, "4"), (1.0, "4"), (float("nan"), "")])
def test_visibility_levels(share: float, level: str) -> None:
    assert visibility_token(share) == level
