"""A recorded sweep read back as beams: where the sensor was, where each beam went and how far it got."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.lidar.firing import Firing
from fusion.simulate.rig import LidarMount

_SILENT_M = 0.35  # nearer "returns" are beams that met nothing
_SLACK_M = 0.3  # boxes are labelled by hand


@dataclass(frozen=True, kw_only=True)
class Beams:
    """One sweep of S steps and R rings, in the LiDAR frame at its stamp.

    Attributes:
        points: `(S, R, 5)` as recorded.
        origin_m: `(S, 3)` place of the sensor at each step.
        direction: `(S, R, 3)` unit vectors; of beams without return as their neighbours suggest.
        range_m: `(S, R)`, 0 without return.
    """

    points: np.ndarray
    origin_m: np.ndarray
    direction: np.ndarray
    range_m: np.ndarray


def beams_of(points: np.ndarray, rings: int = 32) -> Beams:
    """Beams of a file in nuScenes' format, which keeps beams without return at the sensor's place.

    Args:
        points: `(S * R, 5)` x y z intensity ring, LiDAR frame (x right, y forward), steps in order.

    Raises:
        ValueError: not a whole number of steps, or rings out of order.
    """
    if len(points) % rings or not (points[:, 4].reshape(-1, rings) == np.arange(rings)).all():
        raise ValueError(f"points: expected whole steps of {rings} rings in order, got {len(points)} points")
    grid = points.reshape(-1, rings, 5).astype(np.float64)
    steps = np.arange(len(grid))
    origin = _sensor_path(grid)
    away = grid[..., :3] - origin[:, None]
    range_m = np.linalg.norm(away, axis=-1)
    range_m[range_m < _SILENT_M] = 0.0
    # Nominal directions, turned by what the returns of each step say.
    nominal = Firing.of(LidarMount(azimuth_steps=len(grid))).directions_ego
    azimuth = np.arctan2(away[..., 1], away[..., 0])
    expected = np.arctan2(nominal[..., 0], -nominal[..., 1])
    off = np.where(range_m > 2.5, np.mod(azimuth - expected + np.pi, 2 * np.pi) - np.pi, np.nan)
    known = np.isfinite(off).any(axis=1)
    turned = np.zeros(len(grid)) if not known.any() else np.interp(steps, steps[known], np.nanmedian(off[known], axis=1))
    flat = np.hypot(nominal[..., 0], nominal[..., 1])
    angle = expected + turned[:, None]
    direction = np.stack([flat * np.cos(angle), flat * np.sin(angle), nominal[..., 2]], axis=-1)
    met = range_m > 0
    direction[met] = away[met] / range_m[met][:, None]
    return Beams(points=grid, origin_m=origin, direction=direction, range_m=range_m)


def _sensor_path(grid: np.ndarray) -> np.ndarray:
    """`(S, 3)` the sensor's place at each step: a straight way through the beams without return of the upper rings."""
    steps, rings = grid.shape[:2]
    upper = grid[:, rings // 2:, :3]
    close = np.linalg.norm(upper, axis=-1) < 1.7  # a turn of 50 ms at 30 m/s
    step = np.repeat(np.arange(steps)[:, None], upper.shape[1], axis=1)[close]
    if len(step) < 2 or np.ptp(step) == 0:
        return np.zeros((steps, 3))
    before = 1.0 - np.arange(steps) / steps
    share = before[step]
    speed = (upper[close] * share[:, None]).sum(axis=0) / (share @ share)
    path: np.ndarray = before[:, None] * speed
    return path


def box_shares(beams: Beams, box: np.ndarray) -> tuple[int, int, int, int]:
    """What becomes of the beams aimed at a box `(7,)`: how many return from it, from behind it, not at all, and from in front of it."""
    middle = box[:2]
    reach = 0.5 * float(np.hypot(box[3], box[4]))
    bearing = beams.direction[:, 0, :2] / np.linalg.norm(beams.direction[:, 0, :2], axis=1, keepdims=True)
    away = middle - beams.origin_m[:, :2]
    along, across = np.einsum("si,si->s", bearing, away), bearing[:, 0] * away[:, 1] - bearing[:, 1] * away[:, 0]
    column = np.flatnonzero(((along > 0) & (np.abs(across) <= reach + 0.02 * np.abs(along))) | (np.hypot(*away.T) <= reach))
    cos, sin = np.cos(box[6]), np.sin(box[6])
    body_R = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    start = ((beams.origin_m[column] - box[:3]) @ body_R.T)[:, None]
    direction = beams.direction[column] @ body_R.T
    direction = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
    sides = np.stack([(-box[3:6] / 2 - start) / direction, (box[3:6] / 2 - start) / direction])
    enter, leave = sides.min(axis=0).max(axis=-1), sides.max(axis=0).min(axis=-1)
    aimed = (enter < leave) & (enter > 0)
    range_m, enter, leave = beams.range_m[column][aimed], enter[aimed], leave[aimed]
    silent = range_m == 0
    front, behind = ~silent & (range_m < enter - _SLACK_M), range_m > leave + _SLACK_M
    return int((~silent & ~front & ~behind).sum()), int(behind.sum()), int(silent.sum()), int(front.sum())
