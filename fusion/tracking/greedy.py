"""Greedy closest-centre tracking, CenterPoint (arXiv 2006.11275), section 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fusion.tracking.association import centre_distances, match_in_order
from fusion.tracking.config import TrackerConfig
from fusion.tracking.motion import MotionState

VELOCITY_WINDOW_S = 0.5
"""A velocity that is not detected is the way gone in about this time: shorter ways are mostly noise of the positions."""


@dataclass(kw_only=True)
class GreedyState(MotionState):
    """The latest detection, moved on at constant velocity where the object was missed since.

    Attributes:
        path: detected positions of the last moments, oldest first: seconds since the track began, x, y (m).
        age_s: seconds since the track began.
    """

    path: list[tuple[float, float, float]] = field(default_factory=list)
    age_s: float = 0.0


class GreedyMotion:
    """Each detection, best first, is moved back by its own velocity and takes the closest free track of its class within the gate.

    Without detected velocities, the tracks are moved forward by theirs instead.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config

    def start(self, box: np.ndarray, name: str, label: int) -> GreedyState:
        """See `Motion.start`."""
        state = GreedyState(box=box.copy(), name=name, label=label, path=[(0.0, float(box[0]), float(box[1]))])
        if not self.config.use_detected_velocity:
            state.box[7:9] = 0.0
        return state

    def match(self, states: Sequence[GreedyState], boxes: np.ndarray, labels: np.ndarray, dt_s: float) -> np.ndarray:
        """See `Motion.match`."""
        tracks = np.array([state.box for state in states]).reshape(-1, 9)
        if self.config.use_detected_velocity:
            expected, found = tracks[:, :2], boxes[:, :2] - boxes[:, 7:9] * dt_s
        else:
            expected, found = tracks[:, :2] + tracks[:, 7:9] * dt_s, boxes[:, :2]
        gates = np.array([self.config.gate_m_of(state.name, state.unseen_s + dt_s) for state in states])
        return match_in_order(centre_distances(found, expected, labels, np.array([state.label for state in states], np.int64), gates))

    def seen(self, state: GreedyState, box: np.ndarray, dt_s: float) -> None:
        """See `Motion.seen`: the track is its detection."""
        state.age_s += dt_s
        state.unseen_s = 0.0
        state.box = box.copy()
        state.path.append((state.age_s, float(box[0]), float(box[1])))
        while len(state.path) > 2 and state.age_s - state.path[1][0] >= VELOCITY_WINDOW_S:
            state.path.pop(0)
        if not self.config.use_detected_velocity:
            then_s, x, y = state.path[0]
            state.box[7:9] = (state.box[:2] - (x, y)) / max(state.age_s - then_s, 1e-3)

    def unseen(self, state: GreedyState, dt_s: float) -> None:
        """See `Motion.unseen`: on at constant velocity."""
        state.age_s += dt_s
        state.unseen_s += dt_s
        state.box[:2] += state.box[7:9] * dt_s
