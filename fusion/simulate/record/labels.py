"""Which actors get a label at a keyframe, where, and how well they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fusion.simulate.record.parts import PictureLike
from fusion.simulate.rig import Rig
from fusion.simulate.scenery import Scenery

RANGE_M = 75.0
"""No label further from the ego than this (the devkit scores up to 50 m)."""

MARGIN_M = 0.05
"""A point this far outside a box still counts: range noise. Points in a box's lowest 5 cm do not: most are the ground's."""

VISIBLE_SR = 6e-5
"""Solid angle from which an object that no beam hits is labelled: 100 pixels of a 1600x900 image."""

VISIBLE_SHARE = 0.4
"""Share of an object that such a label needs in view."""

MAX_GAP = 4
"""An object lost for up to so many keyframes keeps its label, as annotators interpolate."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """All actors at one keyframe.

    Attributes:
        boxes: `(A, 7)` x y z l w h yaw, global frame, each where it was when the beam passed it.
        attributes: A names or ""; "" for those not near.
        num_lidar_pts: `(A,)` points inside the box.
        visibility: `(A,)` share of the actor's pixels in view, all cameras together; NaN for a rig without cameras.
        near: `(A,)` within range.
        seen: `(A,)` hit by the LiDAR, or visible enough.
    """

    boxes: np.ndarray
    attributes: tuple[str, ...]
    num_lidar_pts: np.ndarray
    visibility: np.ndarray
    near: np.ndarray
    seen: np.ndarray


def look(scenery: Scenery, rig: Rig, t_s: float, times_s: np.ndarray, points_global: np.ndarray | None,
         pictures: Sequence[PictureLike]) -> Look:
    """Take stock of a keyframe.

    Args:
        scenery: the scene.
        rig: its sensors; `pictures` are in the order of its cameras.
        t_s: the keyframe's stamp.
        times_s: `(A,)` when the beam passed each actor.
        points_global: `(P, 3)` the sweep, global frame; None without LiDAR.
        pictures: one per camera.
    """
    count = len(scenery.actors)
    boxes = np.array([actor.box(float(t)) for actor, t in zip(scenery.actors, times_s, strict=True)]).reshape(-1, 7)
    ego_xy = scenery.ego.at(t_s)[:2]
    near = np.hypot(*(boxes[:, :2] - ego_xy).T) <= RANGE_M
    points = np.zeros(count, np.int64)
    if points_global is not None:
        points[near] = count_points(points_global, boxes[near])
    visible, alone, angle = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count)
    for camera, picture in zip(rig.cameras, pictures, strict=True):
        visible += picture.visible_px
        alone += picture.alone_px
        angle += picture.visible_px / camera.focal_px**2
    share = np.minimum(visible / np.maximum(alone, 1), 1.0) if rig.cameras else np.full(count, np.nan)
    seen = near & ((points > 0) | ((angle >= VISIBLE_SR) & (np.nan_to_num(share) >= VISIBLE_SHARE)))
    attributes = tuple(actor.attribute(float(t)) if ok else "" for actor, t, ok in zip(scenery.actors, times_s, near, strict=True))
    return Look(boxes=boxes, attributes=attributes, num_lidar_pts=points, visibility=share, near=near, seen=seen)


def count_points(points_xyz: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """`(P, 3)` points in `(M, 7)` upright boxes -> `(M,)` counts, by `MARGIN_M`'s rule."""
    points = points_xyz[np.argsort(points_xyz[:, 0], kind="stable")]  # sorted by x, each box needs to look at a slice only
    counts = np.zeros(len(boxes), np.int64)
    for index, (x, y, z, length, width, height, yaw) in enumerate(boxes):
        reach = np.hypot(length, width) / 2 + MARGIN_M
        low, high = np.searchsorted(points[:, 0], [x - reach, x + reach])
        ahead, left, up = (points[low:high] - (x, y, z)).T
        cos, sin = np.cos(yaw), np.sin(yaw)
        inside = (np.abs(cos * ahead + sin * left) <= length / 2 + MARGIN_M) & (np.abs(cos * left - sin * ahead) <= width / 2 + MARGIN_M)
        counts[index] = int((inside & (up <= height / 2 + MARGIN_M) & (up >= MARGIN_M - height / 2)).sum())
    return counts


def labelled(seen: np.ndarray, near: np.ndarray) -> np.ndarray:
    """`(K, A)` seen and near over all keyframes -> `(K, A)` which actors have a label: seen, or lost for a short while only."""
    chosen = seen.copy()
    for actor in range(seen.shape[1]):
        at = np.flatnonzero(seen[:, actor])
        for first, last in pairwise(at.tolist()):
            if last - first - 1 <= MAX_GAP:
                chosen[first:last, actor] = True
    kept: np.ndarray = chosen & near
    return kept


def visibility_token(share: float) -> str:
    """nuScenes' level "1" (up to 40 %) to "4" (80 to 100 %); "" where there is no camera to say."""
    return "" if np.isnan(share) else str(1 + int(np.searchsorted([0.4, 0.6, 0.8], share, side="right")))
