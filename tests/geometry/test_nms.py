"""Suppression on paper and against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from fusion.geometry.boxes import box_corners
from fusion.geometry.nms import rotated_nms, soft_nms


def _scene(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(-8, 8, (count, 2)), np.zeros((count, 1)), rng.uniform(1, 5, (count, 3)),
                            rng.uniform(-4, 4, (count, 1))], axis=1)
    return boxes, rng.integers(0, 20, count) / 20  # equal scores occur


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(seed=st.integers(0, 999), count=st.integers(0, 25), threshold=st.sampled_from([0.0, 0.1, 0.35]))
def test_rotated_equals_shapely(seed: int, count: int, threshold: float) -> None:
    boxes, scores = _scene(seed, count)
    polygons = [Polygon(corners[:4, :2]) for corners in box_corners(boxes)]
    expected: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        shared = [polygons[i].intersection(polygons[j]).area for j in expected]
        if all(s / (polygons[i].area + polygons[j].area - s) <= threshold for s, j in zip(shared, expected, strict=True)):
            expected.append(int(i))
    assert rotated_nms(boxes, scores, threshold).tolist() == expected


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(seed=st.integers(0, 999), count=st.integers(0, 40), spread=st.sampled_from([0.0, 0.3, 2.0]))
def test_soft_equals_plain_python(seed: int, count: int, spread: float) -> None:
    boxes, scores = _scene(seed, count)
    left, expected, lowered = dict(enumerate(scores.tolist())), [], []
    while left and max(left.values()) >= 0.05:
        best = max(left, key=lambda k: (left[k], -k))  # the first of equal ones
        expected.append(best)
        lowered.append(left.pop(best))
        for k in left if spread else ():
            left[k] *= 1 - np.exp(-np.sum((boxes[k, :2] - boxes[best, :2]) ** 2) / (2 * spread**2))
    kept, got = soft_nms(boxes[:, :2], scores, spread, 0.05)
    assert kept.tolist() == expected
    np.testing.assert_allclose(got, lowered, rtol=1e-6)


def test_what_is_lowered_lowers_by_its_place_still() -> None:
    xy = np.array([[0, 0], [0, 0], [1, 0.0]])
    half = 1 - np.exp(-0.5)
    kept, scores = soft_nms(xy, np.array([0.9, 0.8, 0.7]), 1.0, 0.1)
    assert kept.tolist() == [0, 2]  # the second stands where the first does: nothing is left of it
    np.testing.assert_allclose(scores, [0.9, 0.7 * half])


def test_a_suppressed_box_suppresses_nothing() -> None:
    xy = np.array([[0, 0], [1, 0], [2, 0.0]], np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    boxes = np.concatenate([xy, np.tile([0, 1.8, 1, 1, 0], (3, 1))], axis=1)
    assert rotated_nms(boxes, scores, 0.1).tolist() == [0, 2]


def test_best_first_and_threshold_is_kept() -> None:
    boxes = np.array([[0, 0, 0, 2, 2, 1, 0], [1, 0, 0, 2, 2, 1, 0.0]])  # IoU 1/3
    assert rotated_nms(boxes, np.array([0.1, 0.9]), 0.34).tolist() == [1, 0]
    assert rotated_nms(boxes, np.array([0.1, 0.9]), 0.33).tolist() == [1]
    assert rotated_nms(np.concatenate([boxes[:1]] * 2), np.array([0.5, 0.5]), 1.0).tolist() == [0, 1]


def test_empty() -> None:
    assert rotated_nms(np.zeros((0, 9), np.float32), np.zeros(0, np.float32), 0.2).shape == (0,)
    assert [part.shape for part in soft_nms(np.zeros((0, 2)), np.zeros(0), 1.0, 0.1)] == [(0,), (0,)]


def test_bad_input_raises() -> None:
    boxes, scores = _scene(0, 3)
    with pytest.raises(ValueError, match=r"scores: expected \(3,\), got \(2,\)"):
        rotated_nms(boxes, scores[:2], 0.2)
    with pytest.raises(ValueError, match="iou_threshold"):
        rotated_nms(boxes, scores, 1.5)
    with pytest.raises(ValueError, match="scores: expected finite"):
        rotated_nms(boxes, scores * np.nan, 0.2)
    with pytest.raises(ValueError, match="spread_m"):
        soft_nms(boxes[:, :2], scores, np.nan, 0.1)
    with pytest.raises(ValueError, match=r"xy: expected \(M, 2\), got \(3, 7\)"):
        soft_nms(boxes, scores, 1.0, 0.1)
    with pytest.raises(ValueError, match="xy: expected finite"):
        soft_nms(boxes[:, :2] * np.inf, scores, 1.0, 0.1)
