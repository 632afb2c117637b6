"""Clouds of several LiDARs, or of several times, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusion.types import LidarReading


def merge_clouds(clouds: Sequence[LidarReading], *, stamp_ns: int, global_T_ego: np.ndarray | None = None) -> LidarReading:
    """One reading from several.

    Args:
        clouds: at least one (ValueError); points of each in its own frame, ages relative to its own stamp.
        stamp_ns: the reference stamp of the result.
        global_T_ego: `(4, 4)` ego pose at `stamp_ns`, or None where unknown.

    Returns:
        All points, in the order given, in the ego frame at `stamp_ns` (so `ego_T_lidar` is the identity), moved with the ego where
        both poses are known, ages relative to `stamp_ns` (0 for points after it). One cloud taken at `stamp_ns` comes back as it is.
    """
    raise NotImplementedError
