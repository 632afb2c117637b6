"""The tree of frames on /tf and /tf_static, in NumPy: what tf2 does where tf2 has no wheel, and nothing is ever assumed.

A frame that nobody publishes is an error, never identity. Between two samples poses are interpolated (rotation along the great
arc, translation along the line); beyond the newest sample nothing is guessed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from enum import Enum

import numpy as np

from fusion.geometry.transforms import invert, pose

HISTORY_NS = 10_000_000_000
"""Moving transforms are kept for this long."""

MAX_SAMPLES = 4096
"""...but never more than this many of one frame: a flood of transforms must not eat the memory."""

MAX_GAP_NS = 1_000_000_000
"""Nothing is interpolated between samples farther apart: where the frame was in between is unknown."""

_MAX_DEPTH = 64


class Lack(Enum):
    """Why there is no transform."""

    MISSING = "missing"
    """A frame is unknown, or the two are not connected."""
    LATE = "late"
    """The newest sample is older than the stamp: it may still come."""
    TOO_OLD = "too old"
    """The stamp lies before the oldest sample that is kept, or in a gap between two."""


class TransformUnavailable(Exception):
    """There is no transform between two frames at a stamp; `lack` says of which kind, the message says why."""

    def __init__(self, lack: Lack, message: str) -> None:
        super().__init__(message)
        self.lack = lack


class _Frame:
    """One frame's place in its parent: fixed, or a history of samples (translation x y z, rotation w x y z)."""

    def __init__(self, parent: str, static: bool) -> None:
        self.parent, self.static = parent, static
        self.stamps: list[int] = []
        self.samples: list[tuple[float, ...]] = []

    def add(self, stamp_ns: int, sample: tuple[float, ...]) -> None:
        if self.static:
            self.samples = [sample]
            return
        if self.stamps and stamp_ns < self.stamps[-1] - HISTORY_NS:  # a bag started again: the old history belongs to another run
            self.stamps, self.samples = [], []
        at = bisect_left(self.stamps, stamp_ns)
        if at < len(self.stamps) and self.stamps[at] == stamp_ns:
            self.samples[at] = sample
            return
        self.stamps.insert(at, stamp_ns)
        self.samples.insert(at, sample)
        surplus = max(bisect_left(self.stamps, self.stamps[-1] - HISTORY_NS), len(self.stamps) - MAX_SAMPLES)
        if surplus > 0:
            del self.stamps[:surplus], self.samples[:surplus]

    def at(self, stamp_ns: int, name: str) -> np.ndarray:
        """`(4, 4)` parent_T_frame."""
        if self.static:
            return _matrix(self.samples[0])
        after = bisect_left(self.stamps, stamp_ns)
        if after < len(self.stamps) and self.stamps[after] == stamp_ns:
            return _matrix(self.samples[after])
        if after == len(self.stamps):
            late_ms = (stamp_ns - self.stamps[-1]) * 1e-6
            raise TransformUnavailable(Lack.LATE, f"{self.parent} -> {name}: the newest transform is {late_ms:.1f} ms older than the reading")
        if after == 0:
            early_ms = (self.stamps[0] - stamp_ns) * 1e-6
            raise TransformUnavailable(Lack.TOO_OLD, f"{self.parent} -> {name}: the reading is {early_ms:.1f} ms older than the oldest transform")
        start_ns, end_ns = self.stamps[after - 1], self.stamps[after]
        if end_ns - start_ns > MAX_GAP_NS:
            gap_s = (end_ns - start_ns) * 1e-9
            raise TransformUnavailable(Lack.TOO_OLD, f"{self.parent} -> {name}: no transform for {gap_s:.1f} s around the reading")
        return _between(self.samples[after - 1], self.samples[after], (stamp_ns - start_ns) / (end_ns - start_ns))


class TransformTree:
    """Frames and where they are in each other over the last ten seconds. Not thread-safe: one thread feeds and asks it."""

    def __init__(self) -> None:
        self._frames: dict[str, _Frame] = {}

    def insert(self, parent: str, child: str, stamp_ns: int, *, translation_m: Sequence[float], rotation_wxyz: Sequence[float],
               static: bool = False) -> None:
        """Take one transform: the pose of `child` in `parent`. A static one replaces what was known at once.

        Raises:
            ValueError: an empty frame name, a frame in itself, numbers that are not finite, or a zero quaternion.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if not parent or not child or parent == child:
            raise ValueError(f"transform {parent!r} -> {child!r}: expected the names of two frames")
        sample = (*map(float, translation_m), *map(float, rotation_wxyz))
        if not all(map(math.isfinite, sample)) or sum(value * value for value in sample[3:]) < 1e-12:
            raise ValueError(f"transform {parent} -> {child}: expected finite numbers and a quaternion that is not zero, got {list(sample)}")
        frame = self._frames.get(child)
        if frame is None or frame.parent != parent or frame.static != static:
            frame = self._frames[child] = _Frame(parent, static)
        frame.add(stamp_ns, sample)

    def lookup(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        """`(4, 4)` float64 target_T_source at a stamp.

        Raises:
            TransformUnavailable: a frame is unknown, the two are not connected, or there is no sample for the stamp.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        from_target, from_source = self._ancestors(target), self._ancestors(source)
        common = next((name for name in from_source if name in from_target), None)
        if common is None:
            unknown = [name for name in (target, source) if name not in self._frames and not self._is_parent(name)]
            why = f"frame {unknown[0]!r} is not on /tf or /tf_static" if unknown else "the two frames are not connected"
            raise TransformUnavailable(Lack.MISSING, f"no transform {target} <- {source}: {why}")
        up = self._chain(from_source[:from_source.index(common)], stamp_ns)
        down = self._chain(from_target[:from_target.index(common)], stamp_ns)
        if down is None:
            return np.eye(4) if up is None else up
        return invert(down) if up is None else invert(down) @ up

    def forget_after(self, stamp_ns: int) -> None:
        """Drop moving samples later than a stamp: after time jumped back they belong to a future that will not be."""
        for name, frame in list(self._frames.items()):
            if frame.static:
                continue
            keep = bisect_left(frame.stamps, stamp_ns + 1)
            del frame.stamps[keep:], frame.samples[keep:]
            if not keep:
                del self._frames[name]

    def _ancestors(self, name: str) -> list[str]:
        names = [name]
        while names[-1] in self._frames:
            if len(names) > _MAX_DEPTH:
                raise TransformUnavailable(Lack.MISSING, f"frame {name!r}: its parents form a loop: {' <- '.join(names[:4])} ...")
            names.append(self._frames[names[-1]].parent)
        return names

    def _is_parent(self, name: str) -> bool:
        return any(frame.parent == name for frame in self._frames.values())

    def _chain(self, names: list[str], stamp_ns: int) -> np.ndarray | None:
        """top_T_bottom for frames from the bottom up; None for no frames, so that a single step stays as it was sent."""
        product: np.ndarray | None = None
        for name in names:
            step = self._frames[name].at(stamp_ns, name)
            product = step if product is None else step @ product
        return product


def _matrix(sample: tuple[float, ...]) -> np.ndarray:
    return pose(sample[3:], sample[:3])


def _between(first: tuple[float, ...], second: tuple[float, ...], share: float) -> np.ndarray:
    start, end = np.array(first), np.array(second)
    translation = start[:3] + share * (end[:3] - start[:3])
    start_q, end_q = start[3:] / np.linalg.norm(start[3:]), end[3:] / np.linalg.norm(end[3:])
    cosine = float(start_q @ end_q)
    if cosine < 0:  # q and -q are the same rotation: take the short way
        end_q, cosine = -end_q, -cosine
    if cosine > 1 - 1e-10:  # nearly the same: the arc is a line, and its sine too small to divide by
        rotation = start_q + share * (end_q - start_q)
    else:
        angle = math.acos(min(cosine, 1.0))
        rotation = (math.sin((1 - share) * angle) * start_q + math.sin(share * angle) * end_q) / math.sin(angle)
    return pose(rotation, translation)
