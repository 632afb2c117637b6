"""Rigid transforms as `(4, 4)` float64 matrices; `a_T_b` takes coordinates of frame b to frame a."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fusion.types.checks import check_shape


def invert(a_T_b: np.ndarray) -> np.ndarray:
    """`(..., 4, 4)` rigid a_T_b -> b_T_a, by transposing the rotation (exact where a general inverse would round)."""
    a_T_b = np.asarray(a_T_b, dtype=np.float64)
    if a_T_b.shape[-2:] != (4, 4):
        raise ValueError(f"a_T_b: expected (..., 4, 4), got {a_T_b.shape}")
    b_R_a = np.swapaxes(a_T_b[..., :3, :3], -1, -2)
    b_T_a = np.zeros_like(a_T_b)
    b_T_a[..., :3, :3] = b_R_a
    b_T_a[..., :3, 3] = -(b_R_a @ a_T_b[..., :3, 3:])[..., 0]
    b_T_a[..., 3, 3] = 1.0
    return b_T_a


def transform_points(a_T_b: np.ndarray, points_xyz: np.ndarray) -> np.ndarray:
    """Points of frame b in frame a.

    Args:
        a_T_b: `(4, 4)`.
        points_xyz: `(..., 3)` metres; float32 input is widened first, because global coordinates reach kilometres.

    Returns:
        `(..., 3)` float64 metres.
    """
    check_shape("a_T_b", a_T_b, (4, 4), {})
    points = np.asarray(points_xyz, dtype=np.float64)
    if points.shape[-1:] != (3,):
        raise ValueError(f"points_xyz: expected (..., 3), got {points.shape}")
    matrix = np.asarray(a_T_b, dtype=np.float64)
    moved: np.ndarray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def pose(rotation_wxyz: ArrayLike, translation: ArrayLike) -> np.ndarray:
    """`(4, 4)` a_T_b from the pose of b in a.

    Args:
        rotation_wxyz: quaternion, scalar first; normalised here.
        translation: metres.

    Raises:
        ValueError: wrong sizes, numbers that are not finite, or a zero quaternion.
    """
    quaternion = np.asarray(rotation_wxyz, dtype=np.float64)
    offset = np.asarray(translation, dtype=np.float64)
    check_shape("rotation_wxyz", quaternion, (4,), {})
    check_shape("translation", offset, (3,), {})
    norm = float(np.linalg.norm(quaternion))
    if not np.isfinite(offset).all() or not np.isfinite(norm) or norm < 1e-9:
        raise ValueError(f"pose: expected finite numbers and a quaternion that is not zero, got rotation "
                         f"{quaternion.tolist()}, translation {offset.tolist()}")
    w, x, y, z = quaternion / norm
    a_T_b = np.eye(4)
    a_T_b[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    a_T_b[:3, 3] = offset
    return a_T_b


def yaw_of(rotation: np.ndarray) -> float:
    """Heading (rad, about +z from +x) of the x axis of a `(3, 3)` rotation, seen from above."""
    check_shape("rotation", rotation, (3, 3), {})
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def rotation_z(yaw: float) -> np.ndarray:
    """`(3, 3)` rotation by `yaw` rad about +z."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def wrap_angle(rad: ArrayLike) -> np.ndarray:
    """The same angles in [-pi, pi); float64, shape kept."""
    wrapped = np.mod(np.asarray(rad, dtype=np.float64) + np.pi, 2 * np.pi) - np.pi
    # For a tiny negative argument np.mod rounds up to 2 pi itself, which would break the half-open interval.
    return np.asarray(np.where(wrapped >= np.pi, -np.pi, wrapped))


def pose_from_angles(translation: ArrayLike, *, yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """`(4, 4)` a_T_b from the position of b in a and its angles, rad: turned by yaw about z, then pitch about the new y
    (positive: nose down, as in REP-103), then roll about the new x."""
    cp, sp, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    a_T_b = np.eye(4)
    a_T_b[:3, :3] = rotation_z(yaw) @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]]) @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    a_T_b[:3, 3] = translation
    return a_T_b
