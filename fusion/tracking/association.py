"""Which detection is which track: one-to-one, deterministic, nothing beyond the gate."""

from __future__ import annotations

import numpy as np

from fusion.types.checks import check_shape


def centre_distances(detections_xy: np.ndarray, tracks_xy: np.ndarray, detection_labels: np.ndarray, track_labels: np.ndarray,
                     gates_m: np.ndarray) -> np.ndarray:
    """Horizontal distances of centres; infinite between different classes and beyond the track's gate.

    Args:
        detections_xy: `(D, 2)` metres.
        tracks_xy: `(T, 2)` metres, same frame.
        detection_labels: `(D,)` int64.
        track_labels: `(T,)` int64.
        gates_m: `(T,)` metres.

    Returns:
        `(D, T)` float64 metres.
    """
    dims: dict[str, int] = {}
    check_shape("detections_xy", detections_xy, ("D", 2), dims)
    check_shape("tracks_xy", tracks_xy, ("T", 2), dims)
    check_shape("detection_labels", detection_labels, ("D",), dims)
    check_shape("track_labels", track_labels, ("T",), dims)
    check_shape("gates_m", gates_m, ("T",), dims)
    apart = detections_xy[:, None, :].astype(np.float64) - tracks_xy[None, :, :]
    distances = np.hypot(apart[..., 0], apart[..., 1])
    possible = (detection_labels[:, None] == track_labels[None, :]) & (distances <= gates_m[None, :])
    return np.where(possible, distances, np.inf)


def match_in_order(distances: np.ndarray) -> np.ndarray:
    """Each detection, in the order given, takes the closest track that is still free.

    Args:
        distances: `(D, T)`, infinite where a pair is impossible.

    Returns:
        `(D,)` int64 index of the track, -1 without one.
    """
    matches = np.full(len(distances), -1, np.int64)
    free = np.array(distances, np.float64)
    if not free.size:
        return matches
    for row in range(len(free)):
        column = int(free[row].argmin())
        if np.isfinite(free[row, column]):
            matches[row] = column
            free[:, column] = np.inf
    return matches


def match_closest_first(distances: np.ndarray) -> np.ndarray:
    """The closest pair of all is taken first, then the closest among those left; of equal pairs the first in reading order.

    Args and result as in `match_in_order`.
    """
    matches = np.full(len(distances), -1, np.int64)
    rows, columns = np.nonzero(np.isfinite(distances))
    taken = np.zeros(distances.shape[1], bool)
    for pair in np.argsort(distances[rows, columns], kind="stable"):
        row, column = rows[pair], columns[pair]
        if matches[row] < 0 and not taken[column]:
            matches[row] = column
            taken[column] = True
    return matches
