"""Rotated IoU on paper and against shapely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from fusion.geometry.boxes import box_corners
from fusion.geometry.iou import bev_iou, iou_3d

TURNED_SQUARE = 4 - 2 * (np.sqrt(2) - 1) ** 2  # m^2 of a 2 x 2 square at 45 degrees in a 4 x 2 box: two tips lost
CAR = np.array([[10, 0, 1, 4, 2, 1.5, 0.3]])


def _near(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, width=32)


BOX = st.tuples(_near(-4, 4), _near(-4, 4), _near(-1, 1), _near(0.125, 8), _near(0.125, 4), _near(0.125, 3), _near(-7, 7))


def _shapely_iou(a: np.ndarray, b: np.ndarray) -> float:
    polygons = [Polygon(box_corners(box[None])[0, :4, :2]) for box in (a, b)]
    shared = polygons[0].intersection(polygons[1]).area
    return float(shared / (polygons[0].area + polygons[1].area - shared))


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(a=BOX, b=BOX, offset=st.sampled_from([0.0, 1e3]))
def test_equals_shapely(a: tuple[float, ...], b: tuple[float, ...], offset: float) -> None:
    first, second = np.array([a]), np.array([b])
    expected = _shapely_iou(first[0], second[0])
    shift = np.array([[offset, -offset, 0, 0, 0, 0, 0]])
    got = bev_iou(first + shift, second + shift)
    assert got.shape == (1, 1)
    assert got[0, 0] == pytest.approx(expected, abs=1e-9)
    assert bev_iou(second, first)[0, 0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(a=BOX)
def test_identical_and_turned_boxes(a: tuple[float, ...]) -> None:
    box = np.array([a])
    assert bev_iou(box, box)[0, 0] == 1.0
    assert iou_3d(box, box)[0, 0] == 1.0
    about = box + np.array([[0, 0, 0, 0, 0, 0, np.pi]])
    assert bev_iou(box, about)[0, 0] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("other", "expected"), [
    ([12, 1, 0, 4, 2, 2, 0], 0.0),  # shares an edge
    ([14, 2, 0, 4, 2, 2, 0], 0.0),  # shares a corner
    ([30, 0, 0, 4, 2, 2, 0], 0.0),
    ([10, 0, 0, 4, 2, 2, 0], 1 / 3),
    ([8, 0, 0, 2, 2, 2, np.pi / 4], TURNED_SQUARE / (8 + 4 - TURNED_SQUARE)),
    ([8, 0, 0, 2, 1, 2, np.pi / 2], 2 / 8),  # inside
    ([8, 0, 0, 0, 1, 2, 0.5], 0.0),  # no area
])
def test_bev_on_paper(other: list[float], expected: float) -> None:
    base = np.array([[8, 0, 0, 4, 2, 2, 0.0]])
    assert bev_iou(base, np.array([other]))[0, 0] == pytest.approx(expected, abs=1e-12)
    if expected == 0.0:
        assert bev_iou(base, np.array([other]))[0, 0] == 0.0


def test_volume_on_paper() -> None:
    raised, touching, above = CAR.copy(), CAR.copy(), CAR.copy()
    raised[0, 2] += 0.75
    touching[0, 2] += 1.5
    above[0, 2] += 9
    np.testing.assert_allclose(iou_3d(CAR, np.concatenate([CAR, raised, touching, above])), [[1, 1 / 3, 0, 0]], atol=1e-12)
    np.testing.assert_array_equal(bev_iou(CAR, np.concatenate([raised, touching, above])), [[1, 1, 1]])


def test_shapes_and_further_columns() -> None:
    nine = np.concatenate([CAR, [[np.nan, np.nan]]], axis=1).astype(np.float32)
    assert bev_iou(nine, CAR)[0, 0] == pytest.approx(1, abs=1e-6)
    assert bev_iou(np.zeros((0, 7)), CAR).shape == (0, 1)
    assert iou_3d(CAR, np.zeros((0, 9))).shape == (1, 0)


def test_bad_boxes_raise() -> None:
    with pytest.raises(ValueError, match="boxes_b: expected finite numbers and sizes >= 0, got row 0"):
        bev_iou(CAR, CAR * np.nan)
