"""Non-maximum suppression: of boxes that describe the same object, keep the best."""

from __future__ import annotations

import numpy as np

from fusion.geometry.boxes import as_boxes
from fusion.geometry.iou import greedy_rotated, jit
from fusion.types.checks import check_shape


@jit
def _greedy_circle(xy: np.ndarray, order: np.ndarray, radius_squared: float) -> np.ndarray:
    kept = np.ones(len(order), dtype=np.bool_)
    for i in range(len(order)):
        if not kept[i]:
            continue
        x, y = xy[order[i], 0], xy[order[i], 1]
        for j in range(i + 1, len(order)):
            dx, dy = xy[order[j], 0] - x, xy[order[j], 1] - y
            if dx * dx + dy * dy <= radius_squared:
                kept[j] = False
    return kept


def _best_first(scores: np.ndarray, count: int) -> np.ndarray:
    """Stable order, so that equal scores keep their input order and results repeat exactly."""
    check_shape("scores", scores, (count,), {})
    if not np.isfinite(scores).all():
        raise ValueError(f"scores: expected finite numbers, got {scores[~np.isfinite(scores)][0]}")
    return np.argsort(-scores.astype(np.float64), kind="stable")


def rotated_nms(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Greedy suppression by the IoU of rotated footprints.

    Args:
        boxes: `(M, 7+)` columns x y z l w h yaw.
        scores: `(M,)`.
        iou_threshold: a box is dropped if its BEV IoU with a better kept box exceeds this, in [0, 1].

    Returns:
        `(kept,)` int64 indices into `boxes`, best first.

    Raises:
        ValueError: wrong shapes, numbers that are not finite, or a threshold outside [0, 1].
    """
    if not 0.0 <= iou_threshold <= 1.0:
        raise ValueError(f"iou_threshold: expected a number in [0, 1], got {iou_threshold}")
    rows = as_boxes("boxes", boxes)
    order = _best_first(scores, len(rows))
    kept: np.ndarray = order[greedy_rotated(rows, order, float(iou_threshold))]
    return kept


def circle_nms(xy: np.ndarray, scores: np.ndarray, radius_m: float) -> np.ndarray:
    """Greedy suppression by the distance between centres, seen from above.

    Args:
        xy: `(M, 2)` metres.
        scores: `(M,)`.
        radius_m: a box is dropped if a better kept box's centre is at most this far away, in metres.

    Returns:
        `(kept,)` int64 indices into `xy`, best first.

    Raises:
        ValueError: wrong shapes, numbers that are not finite, or a negative radius.
    """
    check_shape("xy", xy, ("M", 2), {})
    if not radius_m >= 0.0:
        raise ValueError(f"radius_m: expected metres >= 0, got {radius_m}")
    if not np.isfinite(xy).all():
        raise ValueError(f"xy: expected finite numbers, got {xy[~np.isfinite(xy).all(axis=1)][0].tolist()}")
    order = _best_first(scores, len(xy))
    kept: np.ndarray = order[_greedy_circle(np.ascontiguousarray(xy, dtype=np.float64), order, float(radius_m) ** 2)]
    return kept
