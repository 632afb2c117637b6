"""Detections in the ego's frame -> tracks in the fixed frame: waiting for transforms, time that jumps, and what had to be dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fusion.geometry.boxes import transform_boxes
from fusion.tracking import Tracker
from fusion.types import Detections, Tracks
from ros_nodes.tracker_settings import TrackerNodeConfig
from ros_nodes.transforms import Lack, TransformTree, TransformUnavailable

MOST_WAITING = 20
"""So many messages wait for their transforms at most; then the oldest goes."""

JUMP_NS = 100_000_000
"""Detections older than the ones before by more than this mean that time jumped back, by less that messages overtook each other."""


@dataclass(kw_only=True)
class TrackCounts:
    """What became of the messages so far.

    Attributes:
        received: all of them.
        tracked: those that tracks were published for.
        no_transform: dropped, because the ego's place at their stamp stayed unknown.
        out_of_order: dropped, because a later one had been tracked already.
        unreadable: dropped, because they held what cannot be, such as an unknown class.
        jumps: times that everything began anew.
        last_reason: why the last dropped one was.
    """

    received: int = 0
    tracked: int = 0
    no_transform: int = 0
    out_of_order: int = 0
    unreadable: int = 0
    jumps: int = 0
    last_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    detections: Detections
    frame_id: str
    arrived_ns: int


class TrackPipeline:
    """Not thread-safe: one thread offers and asks.

    Args:
        config: of the node.
        tree: the transforms that the same thread feeds.
    """

    def __init__(self, config: TrackerNodeConfig, tree: TransformTree) -> None:
        self._config, self._tree = config, tree
        self._tracker = Tracker(config.tracker)
        self._waiting: deque[_Waiting] = deque()
        self.counts = TrackCounts()

    def offer(self, detections: Detections, frame_id: str, now_ns: int) -> None:
        """Take a message.

        Args:
            detections: boxes in `frame_id`, which may be none at all: then the tracks age.
            frame_id: of the message.
            now_ns: of a steady clock.
        """
        self.counts.received += 1
        self._waiting.append(_Waiting(detections=detections, frame_id=frame_id.lstrip("/"), arrived_ns=now_ns))
        if len(self._waiting) > MOST_WAITING:
            self._drop_oldest(f"{MOST_WAITING} newer messages wait for transforms already")

    def refuse(self, reason: str) -> None:
        """Count a message that could not be read."""
        self.counts.received += 1
        self.counts.unreadable += 1
        self.counts.last_reason = reason

    def due(self, now_ns: int) -> Iterator[tuple[str, Tracks]]:
        """Frame and tracks of every message whose transform is known by now, in the order of arrival."""
        while self._waiting:
            waiting = self._waiting[0]
            try:
                placed = self._placed(waiting)
            except TransformUnavailable as unavailable:
                if unavailable.lack is not Lack.TOO_OLD and now_ns - waiting.arrived_ns < self._config.tf_wait_ns:
                    return
                self._drop_oldest(str(unavailable))
                continue
            self._waiting.popleft()
            before = self._tracker.stamp_ns
            if before is not None and placed.stamp_ns < before - JUMP_NS:
                self._tracker.reset()
                self.counts.jumps += 1
            elif before is not None and placed.stamp_ns <= before:
                self.counts.out_of_order += 1
                self.counts.last_reason = f"stamp {placed.stamp_ns * 1e-9:.9f} is not after the one before"
                continue
            tracks = self._tracker.update(placed)
            self.counts.tracked += 1
            yield self._config.fixed_frame or waiting.frame_id, tracks

    @property
    def dropped(self) -> int:
        """Messages that no tracks were published for."""
        return self.counts.no_transform + self.counts.out_of_order + self.counts.unreadable

    def reset(self) -> None:
        """Forget all objects and all that waits; ids go on."""
        self._waiting.clear()
        self._tracker.reset()

    def jumped(self) -> None:
        """The clock stepped back: as `reset`, and counted."""
        self.reset()
        self.counts.jumps += 1

    def _placed(self, waiting: _Waiting) -> Detections:
        detections, frame = waiting.detections, self._config.fixed_frame
        if not frame or frame == waiting.frame_id:
            return replace(detections, frame="global")
        fixed_T_ego = self._tree.lookup(frame, waiting.frame_id, detections.stamp_ns)
        return replace(detections, boxes=transform_boxes(fixed_T_ego, detections.boxes), frame="global")

    def _drop_oldest(self, reason: str) -> None:
        self._waiting.popleft()
        self.counts.no_transform += 1
        self.counts.last_reason = reason
