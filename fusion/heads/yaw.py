"""Yaw as (sin 2a, cos 2a) plus a bin that tells a heading from its opposite: both are continuous where it matters."""

from __future__ import annotations

import numpy as np

BIN_START = np.pi / 4
"""Bin 0 is [45, 225) degrees, bin 1 the rest: traffic along or across the ego axes stays clear of both edges."""


def direction_bin(yaw: np.ndarray) -> np.ndarray:
    """Radians -> int64 bin, 0 or 1."""
    bins: np.ndarray = (np.mod(yaw - BIN_START, 2 * np.pi) >= np.pi).astype(np.int64)
    return bins


def decode_yaw(sin_2yaw: np.ndarray, cos_2yaw: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Radians in [-pi, pi)."""
    half = np.arctan2(sin_2yaw, cos_2yaw) / 2
    yaw = np.where(direction_bin(half) == bins, half, half + np.pi)
    wrapped: np.ndarray = np.mod(yaw + np.pi, 2 * np.pi) - np.pi
    return wrapped
