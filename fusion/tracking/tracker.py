"""The tracker's one face: detections of one instant in, tracks of that instant out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fusion.tracking.config import TrackerConfig
from fusion.tracking.greedy import GreedyMotion
from fusion.tracking.kalman import KalmanMotion
from fusion.tracking.life import Track, TrackRegister
from fusion.tracking.motion import Motion
from fusion.types import Detections, Tracks


class Tracker:
    """Follows objects from instant to instant. The same detections give the same tracks.

    Args:
        config: settings; None for the defaults.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = TrackerConfig() if config is None else config
        self._motion: Motion[Any] = GreedyMotion(self.config) if self.config.method == "greedy" else KalmanMotion(self.config)
        self._tracks: TrackRegister[Any] = TrackRegister(self.config.max_unseen_s)
        self._stamp_ns: int | None = None
        self._classes: tuple[str, ...] | None = None

    @property
    def stamp_ns(self) -> int | None:
        """Time of the latest update; None before the first and after `reset`."""
        return self._stamp_ns

    def reset(self) -> None:
        """Forget all objects, as for a new scene or after a jump of the clock; ids go on, so that none means two objects."""
        self._tracks.end_all()
        self._stamp_ns = None
        self._classes = None

    def update(self, detections: Detections, stamp_ns: int | None = None) -> Tracks:
        """Follow the objects to the next instant. No detections at all age the tracks.

        Args:
            detections: boxes in a frame that does not move with the vehicle: `frame` is "global".
            stamp_ns: their time, by default `detections.stamp_ns`.

        Returns:
            The reported tracks at `stamp_ns`, best first; `classes`, `sensors_used` and `token` are those of `detections`.

        Raises:
            ValueError: boxes in the ego frame, a stamp that is not after the one before, or other classes than before.
        """
        stamp = detections.stamp_ns if stamp_ns is None else stamp_ns
        self._check(detections, stamp)
        dt_s = 0.0 if self._stamp_ns is None else (stamp - self._stamp_ns) * 1e-9
        self._stamp_ns, self._classes = stamp, detections.classes
        boxes, scores, labels = self._wanted(detections)
        self._tracks.end_missed(stamp)

        states = [track.state for track in self._tracks]
        matches = self._motion.match(states, boxes, labels, dt_s)
        detection_of = {int(track): row for row, track in enumerate(matches) if track >= 0}
        for index, track in enumerate(self._tracks):
            row = detection_of.get(index)
            if row is None:
                self._motion.unseen(track.state, dt_s)
                continue
            self._motion.seen(track.state, boxes[row], dt_s)
            track.score, track.seen_ns, track.hits = float(scores[row]), stamp, track.hits + 1
        for row in np.flatnonzero(matches < 0):
            state = self._motion.start(boxes[row], detections.classes[labels[row]], int(labels[row]))
            self._tracks.bear(state, float(scores[row]), stamp)
        return self._report(detections, stamp)

    def _check(self, detections: Detections, stamp_ns: int) -> None:
        if detections.frame != "global":
            raise ValueError(f"detections.frame: expected 'global', got {detections.frame!r}; transform the boxes by the ego pose first")
        if self._stamp_ns is not None and stamp_ns <= self._stamp_ns:
            raise ValueError(f"stamp_ns: expected later than {self._stamp_ns}, got {stamp_ns}; reset the tracker where time jumps back")
        if self._classes is not None and detections.classes != self._classes:
            raise ValueError(f"detections.classes: expected {self._classes} as before, got {detections.classes}")

    def _wanted(self, detections: Detections) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes `(D, 9)` float64, scores and labels of the detections that count, best first."""
        least = np.array([self.config.min_score_of(name) if self.config.tracks_class(name) else np.inf for name in detections.classes])
        order = np.argsort(-detections.scores, kind="stable")
        order = order[detections.scores[order] >= least[detections.labels[order]]]
        return detections.boxes[order].astype(np.float64), detections.scores[order], detections.labels[order]

    def _report(self, detections: Detections, stamp_ns: int) -> Tracks:
        unseen_ns = round(self.config.report_unseen_s * 1e9)
        shown: Sequence[Track[Any]] = sorted(
            (t for t in self._tracks if t.hits >= self.config.min_hits and stamp_ns - t.seen_ns <= unseen_ns), key=lambda t: -t.score)
        return Tracks(
            boxes=np.array([t.state.box for t in shown]).reshape(-1, 9), ids=np.array([t.id for t in shown], np.int64),
            scores=np.array([t.score for t in shown], np.float32), labels=np.array([t.state.label for t in shown], np.int64),
            age_s=np.array([(stamp_ns - t.born_ns) * 1e-9 for t in shown]), unseen_s=np.array([(stamp_ns - t.seen_ns) * 1e-9 for t in shown]),
            hits=np.array([t.hits for t in shown], np.int64), stamp_ns=stamp_ns, token=detections.token,
            sensors_used=detections.sensors_used, classes=detections.classes)
