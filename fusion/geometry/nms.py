"""Non-maximum suppression: of boxes that describe the same object, keep the best."""

from __future__ import annotations

import numpy as np

from fusion.geometry.boxes import as_boxes
from fusion.geometry.iou import greedy_rotated, jit
from fusion.types.checks import check_shape


@jit
def _decayed(xy: np.ndarray, scores: np.ndarray, spread: float, min_score: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order in which they are taken, and all scores then."""
    scores, taken, order = scores.copy(), np.zeros(len(xy), dtype=np.bool_), np.empty(len(xy), dtype=np.int64)
    reach, count = (9.0 * spread) ** 2, 0  # beyond nine deviations the factor is 1 in float64
    for _ in range(len(xy)):
        best = -1
        for j in range(len(xy)):
            if not taken[j] and (best < 0 or scores[j] > scores[best]):
                best = j
        if scores[best] < min_score:
            break
        taken[best], order[count] = True, best
        count += 1
        for j in range(len(xy)):
            squared = (xy[j, 0] - xy[best, 0]) ** 2 + (xy[j, 1] - xy[best, 1]) ** 2
            if not taken[j] and squared < reach:
                scores[j] *= 1.0 - np.exp(-squared / (2.0 * spread**2))
    return order[:count], scores


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


def soft_nms(xy: np.ndarray, scores: np.ndarray, spread_m: float, min_score: float) -> tuple[np.ndarray, np.ndarray]:
    """Soft suppression (Soft-NMS, arXiv 1704.04503) by the distance between centres, seen from above, where the paper takes the overlap:
    every box taken lowers the scores of those left to `score * (1 - exp(-distance^2 / (2 spread^2)))`. Small objects seldom overlap when
    they are found twice, and hardly ever where their distance is a guess.

    Args:
        xy: `(M, 2)` metres.
        scores: `(M,)`.
        spread_m: standard deviation of a centre's position in metres; 0 lowers nothing.
        min_score: boxes that fall below are dropped.

    Returns:
        `(kept,)` int64 indices into `xy`, best first, and their `(kept,)` float64 scores.

    Raises:
        ValueError: wrong shapes, numbers that are not finite, or a negative spread.
    """
    check_shape("xy", xy, ("M", 2), {})
    if not 0.0 <= spread_m < np.inf:
        raise ValueError(f"spread_m: expected metres >= 0, got {spread_m}")
    if not np.isfinite(xy).all():
        raise ValueError(f"xy: expected finite numbers, got {xy[~np.isfinite(xy).all(axis=1)][0].tolist()}")
    first = _best_first(scores, len(xy))
    lowered = scores[first].astype(np.float64)
    if spread_m == 0.0:
        kept = np.flatnonzero(lowered >= min_score)
    else:
        kept, lowered = _decayed(np.ascontiguousarray(xy[first], dtype=np.float64), lowered, float(spread_m), float(min_score))
    return first[kept], lowered[kept]
