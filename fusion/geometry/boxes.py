"""Upright boxes: rows x y z l w h yaw [vx vy], gravity centre, yaw about +z from +x."""

from __future__ import annotations

import numpy as np

from fusion.geometry.transforms import transform_points, wrap_angle
from fusion.types.checks import check_shape

_CORNER_SIGNS = np.array([[1, 1, -1], [-1, 1, -1], [-1, -1, -1], [1, -1, -1],
                          [1, 1, 1], [-1, 1, 1], [-1, -1, 1], [1, -1, 1]], dtype=np.float64) / 2


def box_corners(boxes: np.ndarray) -> np.ndarray:
    """`(M, 7+)` boxes -> `(M, 8, 3)` float64 corners in the boxes' frame.

    Order: bottom face front-left, rear-left, rear-right, front-right (counter-clockwise from above), then the top face alike.
    """
    boxes = as_boxes("boxes", boxes)
    local = _CORNER_SIGNS * boxes[:, None, 3:6]
    cos, sin = np.cos(boxes[:, 6, None]), np.sin(boxes[:, 6, None])
    x = cos * local[..., 0] - sin * local[..., 1]
    y = sin * local[..., 0] + cos * local[..., 1]
    corners: np.ndarray = np.stack([x, y, local[..., 2]], axis=-1) + boxes[:, None, :3]
    return corners


def transform_boxes(a_T_b: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Boxes of frame b in frame a: centre moved, heading and velocity rotated, size kept.

    Boxes stay upright: of a rotation with roll or pitch, the heading and the velocity are the ones seen from above.

    Args:
        a_T_b: `(4, 4)`.
        boxes: `(M, 9)`; a velocity of NaN (unknown) stays NaN.

    Returns:
        `(M, 9)` float64 (float32 would lose 0.1 mm at global coordinates), yaw in [-pi, pi).
    """
    check_shape("boxes", boxes, ("M", 9), {})
    check_shape("a_T_b", a_T_b, (4, 4), {})
    moved = np.array(boxes, dtype=np.float64)
    rotation = np.asarray(a_T_b, dtype=np.float64)[:3, :3]
    heading = np.stack([np.cos(moved[:, 6]), np.sin(moved[:, 6])], axis=-1) @ rotation[:2, :2].T
    moved[:, :3] = transform_points(a_T_b, moved[:, :3])
    moved[:, 6] = wrap_angle(np.arctan2(heading[:, 1], heading[:, 0]))
    moved[:, 7:9] = moved[:, 7:9] @ rotation[:2, :2].T
    return moved


def points_in_boxes(points_xyz: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which points lie in which boxes, faces included.

    Args:
        points_xyz: `(P, 3+)` metres, the boxes' frame; further columns are ignored.
        boxes: `(M, 7+)`.

    Returns:
        `(M, P)` bool; `.sum(axis=1)` counts the points of each box.
    """
    boxes = as_boxes("boxes", boxes)
    if points_xyz.ndim != 2 or points_xyz.shape[1] < 3:
        raise ValueError(f"points_xyz: expected (P, 3+), got {points_xyz.shape}")
    points = np.asarray(points_xyz[:, :3], dtype=np.float64)
    inside = np.zeros((len(boxes), len(points)), dtype=bool)
    for index, (x, y, z, length, width, height, yaw) in enumerate(boxes):  # one box at a time keeps memory at O(P)
        ahead, left = points[:, 0] - x, points[:, 1] - y
        cos, sin = np.cos(yaw), np.sin(yaw)
        inside[index] = ((np.abs(cos * ahead + sin * left) <= length / 2) & (np.abs(cos * left - sin * ahead) <= width / 2)
                         & (np.abs(points[:, 2] - z) <= height / 2))
    return inside


def as_boxes(name: str, boxes: np.ndarray) -> np.ndarray:
    """The first seven columns of `(M, 7+)` boxes as contiguous float64.

    Raises:
        ValueError: wrong shape, a number that is not finite, or a negative size, naming the first bad row.
    """
    if boxes.ndim != 2 or boxes.shape[1] < 7:
        raise ValueError(f"{name}: expected (M, 7+) columns x y z l w h yaw, got {boxes.shape}")
    rows = np.ascontiguousarray(boxes[:, :7], dtype=np.float64)
    bad = ~np.isfinite(rows).all(axis=1) | (rows[:, 3:6] < 0).any(axis=1)
    if bad.any():
        raise ValueError(f"{name}: expected finite numbers and sizes >= 0, got row {int(bad.argmax())}: {rows[bad][0].tolist()}")
    return rows
