"""Clouds of several LiDARs, or of several times, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusion.geometry.transforms import invert, transform_points
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
    if not clouds:
        raise ValueError("clouds: expected at least one, got none")
    if len(clouds) == 1 and clouds[0].stamp_ns == stamp_ns:
        return clouds[0]
    merged = np.concatenate([cloud.points for cloud in clouds])
    start = 0
    for cloud in clouds:
        part = merged[start:start + len(cloud.points)]
        ref_T_lidar = cloud.ego_T_lidar
        if global_T_ego is not None and cloud.global_T_ego is not None:
            ref_T_lidar = invert(global_T_ego) @ cloud.global_T_ego @ ref_T_lidar
        part[:, :3] = transform_points(ref_T_lidar, part[:, :3])
        part[:, 4] = np.maximum(part[:, 4] + 1e-9 * (stamp_ns - cloud.stamp_ns), 0.0)
        start += len(cloud.points)
    return LidarReading(points=merged, ego_T_lidar=np.eye(4), stamp_ns=stamp_ns, global_T_ego=global_T_ego)
