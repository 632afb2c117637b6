"""Tracking with a constant-velocity Kalman filter for each object, seen from above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.tracking.association import centre_distances, match_closest_first
from fusion.tracking.config import TrackerConfig
from fusion.tracking.motion import MotionState

GATE_SIGMAS = 3.0


@dataclass(frozen=True, kw_only=True)
class AxisCovariance:
    """How sure a filter is along x, and equally along y: the two axes are independent and alike, so one covariance serves both.

    Attributes:
        position: variance, m^2.
        mixed: covariance of position and velocity, m^2/s.
        velocity: variance, m^2/s^2.
    """

    position: float
    mixed: float
    velocity: float

    def after(self, dt_s: float, acceleration_std: float) -> AxisCovariance:
        """After `dt_s` at constant velocity but for one random acceleration (m/s^2) that lasts as long."""
        q = acceleration_std * acceleration_std
        return AxisCovariance(position=self.position + 2 * dt_s * self.mixed + dt_s**2 * self.velocity + q * dt_s**4 / 4,
                              mixed=self.mixed + dt_s * self.velocity + q * dt_s**3 / 2,
                              velocity=self.velocity + q * dt_s**2)

    def position_gain(self, std: float) -> tuple[float, float]:
        """What a measured position that differs by 1 m moves: position (m) and velocity (m/s)."""
        total = self.position + std * std
        return self.position / total, self.mixed / total

    def with_position(self, std: float) -> AxisCovariance:
        """After measuring the position with `std` m."""
        along, across = self.position_gain(std)
        return AxisCovariance(position=(1 - along) * self.position, mixed=(1 - along) * self.mixed,
                              velocity=self.velocity - across * self.mixed)

    def velocity_gain(self, std: float) -> tuple[float, float]:
        """What a measured velocity that differs by 1 m/s moves: position (m) and velocity (m/s)."""
        total = self.velocity + std * std
        return self.mixed / total, self.velocity / total

    def with_velocity(self, std: float) -> AxisCovariance:
        """After measuring the velocity with `std` m/s."""
        across, along = self.velocity_gain(std)
        return AxisCovariance(position=self.position - across * self.mixed, mixed=(1 - along) * self.mixed,
                              velocity=(1 - along) * self.velocity)


@dataclass(kw_only=True)
class KalmanState(MotionState):
    """The filter's estimate: x, y, vx, vy of `box`; the rest of `box` is the latest detection's."""

    covariance: AxisCovariance


class KalmanMotion:
    """Tracks are moved forward by the filter; the closest pairs of a class within the gate are taken first.

    The gate of a track is the class's, or wider where the filter itself is less sure: a car seen once may be anywhere it could have driven.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config

    def start(self, box: np.ndarray, name: str, label: int) -> KalmanState:
        """See `Motion.start`."""
        motion = self.config.motion_of(name)
        state = KalmanState(box=box.copy(), name=name, label=label, covariance=AxisCovariance(
            position=motion.position_std_m**2, mixed=0.0, velocity=motion.speed_std_m_s**2))
        state.box[7:9] = 0.0
        self._observe_velocity(state, box[7:9])
        return state

    def match(self, states: Sequence[KalmanState], boxes: np.ndarray, labels: np.ndarray, dt_s: float) -> np.ndarray:
        """See `Motion.match`."""
        tracks = np.array([state.box for state in states]).reshape(-1, 9)
        gates = np.array([self._gate_m(state, dt_s) for state in states])
        expected = tracks[:, :2] + tracks[:, 7:9] * dt_s
        return match_closest_first(centre_distances(boxes[:, :2], expected, labels, np.array([s.label for s in states], np.int64), gates))

    def seen(self, state: KalmanState, box: np.ndarray, dt_s: float) -> None:
        """See `Motion.seen`: predict, then correct by the detected position, and velocity where it is trusted."""
        self.unseen(state, dt_s)
        state.unseen_s = 0.0
        std = self.config.motion_of(state.name).position_std_m
        along, across = state.covariance.position_gain(std)
        innovation = box[:2] - state.box[:2]
        state.box = np.concatenate([state.box[:2] + along * innovation, box[2:7], state.box[7:9] + across * innovation])
        state.covariance = state.covariance.with_position(std)
        self._observe_velocity(state, box[7:9])

    def unseen(self, state: KalmanState, dt_s: float) -> None:
        """See `Motion.unseen`: predict."""
        state.unseen_s += dt_s
        state.box[:2] += state.box[7:9] * dt_s
        state.covariance = state.covariance.after(dt_s, self.config.motion_of(state.name).acceleration_std_m_s2)

    def _observe_velocity(self, state: KalmanState, velocity: np.ndarray) -> None:
        if self.config.use_detected_velocity:
            std = self.config.velocity_std_m_s
            across, along = state.covariance.velocity_gain(std)
            innovation = velocity - state.box[7:9]
            state.box[:2] += across * innovation
            state.box[7:9] += along * innovation
            state.covariance = state.covariance.with_velocity(std)

    def _gate_m(self, state: KalmanState, dt_s: float) -> float:
        motion = self.config.motion_of(state.name)
        expected = state.covariance.after(dt_s, motion.acceleration_std_m_s2)
        unsure = GATE_SIGMAS * math.sqrt(expected.position + motion.position_std_m**2)
        return max(self.config.gate_m_of(state.name, state.unseen_s + dt_s), unsure)
