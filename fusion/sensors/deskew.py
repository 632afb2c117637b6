"""A sweep takes a tenth of a second, and its sensor moves meanwhile: its points as they would have been seen at one instant."""

from __future__ import annotations

import numpy as np


def deskew(points: np.ndarray, times_s: np.ndarray, moments_s: np.ndarray, ref_T_moments: np.ndarray) -> np.ndarray:
    """Points of a moving sensor, each in its frame at the time of the point, in its frame at the reference.

    Args:
        points: `(P, C)` float32, x y z first, in the sensor's frame when each was measured.
        times_s: `(P,)` when that was; outside of the moments, the nearest of them counts.
        moments_s: `(K,)` increasing, K >= 1 (ValueError): times at which the sensor's pose is known, of the clock of `times_s`.
        ref_T_moments: `(K, 4, 4)` the sensor's frame at each of them -> its frame at the reference. Between two, matrices are interpolated
            linearly: for a turn of 0.02 rad from one to the next a point at 50 m is 3 mm off.

    Returns:
        `(P, C)` float32, a new array; other columns as they were.
    """
    moments_s, transforms = np.asarray(moments_s, np.float64), np.asarray(ref_T_moments, np.float64)
    if not len(moments_s) or transforms.shape != (len(moments_s), 4, 4) or (np.diff(moments_s) <= 0).any():
        raise ValueError(f"moments_s, ref_T_moments: got {moments_s.tolist()} and shape {transforms.shape}; expected increasing (K,) and (K, 4, 4), "
                         "K >= 1")
    moved = points.copy()
    if len(moments_s) == 1:
        moved[:, :3] = points[:, :3] @ transforms[0, :3, :3].T + transforms[0, :3, 3]
        return moved
    segment = np.clip(np.searchsorted(moments_s, times_s, side="right") - 1, 0, len(moments_s) - 2)
    for index in np.unique(segment).tolist():
        rows = np.flatnonzero(segment == index)
        start, end = transforms[index, :3], transforms[index + 1, :3]
        share = np.clip((times_s[rows] - moments_s[index]) / (moments_s[index + 1] - moments_s[index]), 0, 1)[:, None]
        xyz = points[rows, :3].astype(np.float64)
        moved[rows, :3] = (1 - share) * (xyz @ start[:, :3].T + start[:, 3]) + share * (xyz @ end[:, :3].T + end[:, 3])
    return moved
