"""What a set of sweeps looks like in numbers, measured on real and simulated frames alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fusion.geometry.boxes import points_in_boxes
from fusion.simulate.measure.beams import Beams, beams_of, box_shares
from fusion.simulate.measure.frames import Frame
from fusion.types import DETECTION_CLASSES

RANGE_M = np.array([0.4, 1.6, 5, 10, 15, 20, 30, 40, 50, 60, 80, 105.0])
HEIGHT_M = np.array([-8, -4, -3, -2.4, -2.1, -1.9, -1.7, -1.5, -1.2, -0.8, -0.4, 0, 0.5, 1, 2, 4, 8, 25.0])
"""Edges above the LiDAR, along the ego's z axis; the road lies near -1.84."""
INTENSITY = np.array([0, 2, 4, 7, 10, 15, 20, 30, 40, 60, 100, 101, 256.0])
BOX_RANGE_M = np.array([0, 10, 20, 30, 40, 50.0])
_OWN_M = 1.6  # nearer returns are of the own car; its neighbours come closer than its bonnet


@dataclass(frozen=True, kw_only=True)
class SweepStatistics:
    """Means over sweeps of R rings; "returns" are those beyond the own car.

    Attributes:
        beams, silent, own: beams, beams without return, and returns of the own car in a sweep.
        ring_silent: `(R,)` share of beams without return.
        ring_range_m: `(R,)` median range of returns.
        range_counts: returns in each bin of `RANGE_M`; the first bin holds those of the own car.
        height_counts: returns in each bin of `HEIGHT_M`.
        intensity_share: share of returns in each bin of `INTENSITY`.
        roughness_m: median bend of three successive ranges of a ring 3 to 15 m away: what noise and texture add.
    """

    beams: float
    silent: float
    own: float
    ring_silent: np.ndarray
    ring_range_m: np.ndarray
    range_counts: np.ndarray
    height_counts: np.ndarray
    intensity_share: np.ndarray
    roughness_m: float


@dataclass(frozen=True, kw_only=True)
class BoxStatistics:
    """Boxes by class and distance, each `(C, B)`: C detection classes, B = `len(BOX_RANGE_M) - 1`; NaN where there is no box.

    Attributes:
        count: boxes in a frame.
        points: median of the points in boxes that have any.
        seen: share of boxes with a point.
        returned, passed, silent: of the beams aimed at a box with nothing in front, the share that returns from it, from behind it, not at all.
        hidden: share of the beams aimed at a box that something in front stops.
    """

    count: np.ndarray
    points: np.ndarray
    seen: np.ndarray
    returned: np.ndarray
    passed: np.ndarray
    silent: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Attributes: `frames` measured; `sweep`, `box`: what they look like."""

    frames: int
    sweep: SweepStatistics
    box: BoxStatistics


def measure(frames: Iterable[Frame]) -> Statistics:
    """Statistics of frames of a sensor with a fixed number of rings.

    Raises:
        ValueError: no frames.
    """
    sweeps, heights, boxes = [], [], []
    for frame in frames:
        beams = beams_of(frame.points)
        sweeps.append(beams)
        heights.append(beams.points[..., :3] @ frame.up)
        away = np.hypot(frame.boxes[:, 0], frame.boxes[:, 1])
        for row in np.flatnonzero(away < BOX_RANGE_M[-1]):
            shares = box_shares(beams, frame.boxes[row])
            bin_ = int(np.searchsorted(BOX_RANGE_M, away[row], side="right")) - 1
            inside = int(points_in_boxes(frame.points, frame.boxes[row][None]).sum())
            boxes.append((int(frame.labels[row]), bin_, inside, *shares))
    if not sweeps:
        raise ValueError("frames: expected at least one, got none")
    return Statistics(frames=len(sweeps), sweep=_of_sweeps(sweeps, heights), box=_of_boxes(np.array(boxes, np.float64).reshape(-1, 7), len(sweeps)))


def _of_sweeps(sweeps: list[Beams], heights_m: list[np.ndarray]) -> SweepStatistics:
    count = len(sweeps)
    rings = sweeps[0].range_m.shape[1]
    far = [beams.range_m >= _OWN_M for beams in sweeps]
    ranges = np.concatenate([beams.range_m[there] for beams, there in zip(sweeps, far, strict=True)])
    heights = np.concatenate([height[there] for height, there in zip(heights_m, far, strict=True)])
    intensity = np.concatenate([beams.points[..., 3][there] for beams, there in zip(sweeps, far, strict=True)])
    by_ring = [np.concatenate([beams.range_m[there[:, ring], ring] for beams, there in zip(sweeps, far, strict=True)]) for ring in range(rings)]
    own = float(np.mean([((beams.range_m > 0) & (beams.range_m < _OWN_M)).sum() for beams in sweeps]))
    steps = []
    for beams in sweeps:
        near = (beams.range_m[2:] > 3) & (beams.range_m[2:] < 15) & (beams.range_m[1:-1] > 0) & (beams.range_m[:-2] > 0)
        bend = np.abs(beams.range_m[2:] - 2 * beams.range_m[1:-1] + beams.range_m[:-2])
        steps.append(bend[near])
    bends = np.concatenate(steps)
    return SweepStatistics(
        beams=float(np.mean([beams.range_m.size for beams in sweeps])),
        silent=float(np.mean([(beams.range_m == 0).sum() for beams in sweeps])),
        own=own,
        ring_silent=np.mean([(beams.range_m == 0).mean(axis=0) for beams in sweeps], axis=0),
        ring_range_m=np.array([np.median(values) if len(values) else np.nan for values in by_ring]),
        range_counts=np.append(own, np.histogram(ranges, RANGE_M[1:])[0] / count),
        height_counts=np.histogram(heights, HEIGHT_M)[0] / count,
        intensity_share=np.histogram(intensity, INTENSITY)[0] / max(len(intensity), 1),
        roughness_m=float(np.median(bends)) if len(bends) else float("nan"))


def _of_boxes(rows: np.ndarray, frames: int) -> BoxStatistics:
    """Rows: class, range bin, points in the box, beams that return from it, from behind, not at all, from in front."""
    shape = len(DETECTION_CLASSES), len(BOX_RANGE_M) - 1
    names = ("count", "points", "seen", "returned", "passed", "silent", "hidden")
    tables = {name: np.full(shape, np.nan) for name in names}
    tables["count"][:] = 0.0
    for label in range(shape[0]):
        for bin_ in range(shape[1]):
            part = rows[(rows[:, 0] == label) & (rows[:, 1] == bin_)]
            if not len(part):
                continue
            points, beams = part[:, 2], part[:, 3:].sum(axis=0)
            open_ = max(float(beams[:3].sum()), 1.0)
            tables["count"][label, bin_] = len(part) / frames
            tables["points"][label, bin_] = np.median(points[points > 0]) if (points > 0).any() else 0.0
            tables["seen"][label, bin_] = (points > 0).mean()
            for name, value in zip(("returned", "passed", "silent"), beams[:3] / open_, strict=True):
                tables[name][label, bin_] = value
            tables["hidden"][label, bin_] = beams[3] / max(float(beams.sum()), 1.0)
    return BoxStatistics(**tables)
