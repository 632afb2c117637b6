"""Overlap of rotated boxes by exact polygon clipping, compiled with Numba.

All kernels live in this file: Numba's on-disk cache notices changes of the file a kernel is in, not of the ones it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit

from fusion.geometry.boxes import as_boxes

_F = TypeVar("_F", bound=Callable[..., object])


def jit(function: _F) -> _F:
    """Numba's `njit(cache=True)` with the function's type kept."""
    return cast(_F, njit(cache=True)(function))


@jit
def _clip(polygon: np.ndarray, count: int, out: np.ndarray, axis: int, sign: float, limit: float) -> int:
    """Cut a convex polygon by the half plane `sign * coordinate[axis] <= limit`; returns the new number of vertices."""
    kept = 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        here = sign * polygon[i, axis] - limit
        there = sign * polygon[j, axis] - limit
        if here <= 0.0:
            out[kept, 0] = polygon[i, 0]
            out[kept, 1] = polygon[i, 1]
            kept += 1
        if (here < 0.0 and there > 0.0) or (here > 0.0 and there < 0.0):
            t = here / (here - there)
            out[kept, 0] = polygon[i, 0] + t * (polygon[j, 0] - polygon[i, 0])
            out[kept, 1] = polygon[i, 1] + t * (polygon[j, 1] - polygon[i, 1])
            out[kept, axis] = sign * limit
            kept += 1
    return kept


@jit
def _intersection(a: np.ndarray, b: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Area (m^2) shared by the footprints of two boxes (7,); `first`, `second` are (12, 2) scratch."""
    dx, dy = a[0] - b[0], a[1] - b[1]
    reach = 0.5 * (np.sqrt(a[3] * a[3] + a[4] * a[4]) + np.sqrt(b[3] * b[3] + b[4] * b[4]))
    if dx * dx + dy * dy >= reach * reach:  # circumscribed circles do not meet: most pairs end here
        return 0.0
    # In b's own frame the clip planes are axis-aligned, so clipped vertices lie on them exactly, and far centres cancel.
    cos_b, sin_b = np.cos(b[6]), np.sin(b[6])
    x, y = cos_b * dx + sin_b * dy, cos_b * dy - sin_b * dx
    cos, sin = np.cos(a[6] - b[6]), np.sin(a[6] - b[6])
    half_l, half_w = 0.5 * a[3], 0.5 * a[4]
    for corner in range(4):
        u = half_l if corner == 0 or corner == 3 else -half_l
        v = half_w if corner < 2 else -half_w
        first[corner, 0] = x + (cos * u - sin * v)
        first[corner, 1] = y + (sin * u + cos * v)
    count = _clip(first, 4, second, 0, 1.0, 0.5 * b[3])
    count = _clip(second, count, first, 0, -1.0, 0.5 * b[3])
    count = _clip(first, count, second, 1, 1.0, 0.5 * b[4])
    count = _clip(second, count, first, 1, -1.0, 0.5 * b[4])
    twice = 0.0
    for i in range(1, count - 1):  # a fan around vertex 0 keeps the products small
        twice += ((first[i, 0] - first[0, 0]) * (first[i + 1, 1] - first[0, 1])
                  - (first[i, 1] - first[0, 1]) * (first[i + 1, 0] - first[0, 0]))
    smaller = min(a[3] * a[4], b[3] * b[4])
    area = 0.5 * twice
    if area <= 1e-12 * smaller:  # boxes that only touch leave a rounding residue
        return 0.0
    return float(min(area, smaller))


@jit
def _pairwise(a: np.ndarray, b: np.ndarray, volumes: bool) -> np.ndarray:
    """(M, K) IoU of footprints, or of volumes."""
    result = np.zeros((len(a), len(b)))
    first, second = np.empty((12, 2)), np.empty((12, 2))
    for i in range(len(a)):
        for j in range(len(b)):
            size_a, size_b, shared_z = a[i, 3] * a[i, 4], b[j, 3] * b[j, 4], 1.0
            if volumes:
                # From the centres' difference, so that identical boxes share exactly their height.
                shared_z = min(0.5 * (a[i, 5] + b[j, 5]) - abs(a[i, 2] - b[j, 2]), min(a[i, 5], b[j, 5]))
                if shared_z <= 0.0:
                    continue
                size_a, size_b = size_a * a[i, 5], size_b * b[j, 5]
            shared = _intersection(a[i], b[j], first, second) * shared_z
            if shared > 0.0:
                result[i, j] = shared / (size_a + size_b - shared)
    return result


@jit
def greedy_rotated(boxes: np.ndarray, order: np.ndarray, threshold: float) -> np.ndarray:
    """Kernel of `rotated_nms`: `(M, 7)` float64 boxes, `(M,)` visiting order -> `(M,)` bool in that order, True = kept."""
    kept = np.ones(len(order), dtype=np.bool_)
    first, second = np.empty((12, 2)), np.empty((12, 2))
    for i in range(len(order)):
        if not kept[i]:
            continue
        a = boxes[order[i]]
        for j in range(i + 1, len(order)):
            if kept[j]:
                b = boxes[order[j]]
                shared = _intersection(a, b, first, second)
                if shared > 0.0 and shared / (a[3] * a[4] + b[3] * b[4] - shared) > threshold:
                    kept[j] = False
    return kept


def bev_iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Intersection over union of rotated footprints, seen from above.

    Args:
        boxes_a: `(M, 7+)` columns x y z l w h yaw, further columns ignored.
        boxes_b: `(K, 7+)`, the same frame.

    Returns:
        `(M, K)` float64 in [0, 1]: 1 for identical boxes, 0 for boxes that only touch or have no area.

    Raises:
        ValueError: wrong shape, a number that is not finite, or a negative size.
    """
    return _pairwise(as_boxes("boxes_a", boxes_a), as_boxes("boxes_b", boxes_b), False)


def iou_3d(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Intersection over union of the volumes of upright boxes; arguments, result and errors as `bev_iou`."""
    return _pairwise(as_boxes("boxes_a", boxes_a), as_boxes("boxes_b", boxes_b), True)
