"""Box corners, moves and membership."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.geometry.boxes import box_corners, points_in_boxes, transform_boxes
from fusion.geometry.transforms import invert, pose, transform_points


def _random_boxes(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(-30, 30, (count, 3)), rng.uniform(0.3, 8, (count, 3)),
                           rng.uniform(-np.pi, np.pi, (count, 1)), rng.normal(size=(count, 2))], axis=1)


def test_corners_on_paper() -> None:
    corners = box_corners(np.array([[10, 0, 1, 4, 2, 6, np.pi / 2]]))[0]
    bottom = [[9, 2], [9, -2], [11, -2], [11, 2]]  # heading left: front-left is behind-left of the centre, ahead in y
    np.testing.assert_allclose(corners[:4, :2], bottom, atol=1e-12)
    np.testing.assert_allclose(corners[4:, :2], bottom, atol=1e-12)
    np.testing.assert_array_equal(corners[:, 2], [-2] * 4 + [4] * 4)


def test_corners_equal_devkit() -> None:
    from nuscenes.utils.data_classes import Box
    from pyquaternion import Quaternion

    for box, ours in zip(_random_boxes(5), box_corners(_random_boxes(5)), strict=True):
        theirs = Box(box[:3], box[[4, 3, 5]], Quaternion(axis=[0, 0, 1], radians=box[6])).corners().T
        np.testing.assert_allclose(sorted(ours.round(9).tolist()), sorted(theirs.round(9).tolist()), atol=1e-8)


def test_corners_move_with_their_box() -> None:
    boxes = _random_boxes(6)
    a_T_b = pose([np.cos(0.4), 0, 0, np.sin(0.4)], [600, 1600, 2])
    moved = transform_boxes(a_T_b, boxes)
    np.testing.assert_allclose(box_corners(moved), transform_points(a_T_b, box_corners(boxes)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(moved[:, 7:], axis=1), np.linalg.norm(boxes[:, 7:], axis=1))
    np.testing.assert_allclose(transform_boxes(invert(a_T_b), moved), boxes, atol=1e-9)


def test_transform_on_paper_and_unknown_velocity() -> None:
    quarter_turn = pose([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [1, 0, 0])
    boxes = np.array([[2, 0, 0, 4, 2, 1, np.pi / 2 + 0.1, 3, 0], [0, 0, 0, 1, 1, 1, 0, np.nan, np.nan]], np.float32)
    moved = transform_boxes(quarter_turn, boxes)
    assert moved.dtype == np.float64
    np.testing.assert_allclose(moved[0], [1, 2, 0, 4, 2, 1, -np.pi + 0.1, 0, 3], atol=1e-6)
    assert np.isnan(moved[1, 7:]).all()
    assert transform_boxes(quarter_turn, np.zeros((0, 9))).shape == (0, 9)


def test_heading_of_a_tilted_transform_is_the_one_from_above() -> None:
    from pyquaternion import Quaternion

    tilt = Quaternion([0.9, 0.05, -0.08, 0.4]).normalised
    moved = transform_boxes(pose(tilt.elements, [0, 0, 0]), np.array([[0, 0, 0, 1, 1, 1, 0.7, 0, 0]]))
    ahead = (tilt * Quaternion(axis=[0, 0, 1], radians=0.7)).rotation_matrix @ [1, 0, 0]
    assert moved[0, 6] == pytest.approx(np.arctan2(ahead[1], ahead[0]))


def test_points_in_boxes() -> None:
    boxes = np.array([[10, 0, 0, 4, 2, 2, np.pi / 2], [0, 0, 0, 1, 1, 1, 0]])
    points = np.array([[10, 1.9, 0, 9], [11.9, 0, 0, 9], [0.5, 0.5, -0.5, 9], [0, 0, 0.6, 9]], np.float32)
    np.testing.assert_array_equal(points_in_boxes(points, boxes), [[True, False, False, False], [False, False, True, False]])
    assert points_in_boxes(points, boxes[:0]).shape == (0, 4)
    assert points_in_boxes(points[:0], boxes).shape == (2, 0)


def test_points_in_boxes_equals_devkit() -> None:
    from nuscenes.utils.data_classes import Box
    from nuscenes.utils.geometry_utils import points_in_box
    from pyquaternion import Quaternion

    boxes, points = _random_boxes(20), np.random.default_rng(1).uniform(-30, 30, (3000, 3))
    ours = points_in_boxes(points, boxes)
    assert ours.any()
    for box, inside in zip(boxes, ours, strict=True):
        theirs = points_in_box(Box(box[:3], box[[4, 3, 5]], Quaternion(axis=[0, 0, 1], radians=box[6])), points.T)
        np.testing.assert_array_equal(inside, theirs)


def test_bad_boxes_raise() -> None:
    with pytest.raises(ValueError, match=r"boxes: expected \(M, 7\+\).*got \(2, 6\)"):
        box_corners(np.zeros((2, 6)))
    with pytest.raises(ValueError, match="got row 1"):
        box_corners(np.array([[0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, -1, 1, 0.0]]))
    with pytest.raises(ValueError, match=r"boxes: expected \(M, 9\), got \(1, 7\)"):
        transform_boxes(np.eye(4), np.zeros((1, 7)))
