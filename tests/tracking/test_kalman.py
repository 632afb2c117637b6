"""The filter against the textbook's matrices."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.tracking.config import TrackerConfig
from fusion.tracking.kalman import AxisCovariance, KalmanMotion


def matrix(covariance: AxisCovariance) -> np.ndarray:
    return np.array([[covariance.position, covariance.mixed], [covariance.mixed, covariance.velocity]])


START = AxisCovariance(position=0.5, mixed=0.2, velocity=2.0)


def test_prediction_is_the_textbooks() -> None:
    step, push = np.array([[1, 0.4], [0, 1]]), np.array([0.4**2 / 2, 0.4])
    wanted = step @ matrix(START) @ step.T + 9 * np.outer(push, push)
    np.testing.assert_allclose(matrix(START.after(0.4, 3.0)), wanted, rtol=1e-12)


@pytest.mark.parametrize(("row", "corrected", "gain"), [
    ([1.0, 0.0], START.with_position(0.3), START.position_gain(0.3)),
    ([0.0, 1.0], START.with_velocity(0.3), START.velocity_gain(0.3))])
def test_correction_is_the_textbooks(row: list[float], corrected: AxisCovariance, gain: tuple[float, float]) -> None:
    measures = np.array([row])
    wanted_gain = matrix(START) @ measures.T / (measures @ matrix(START) @ measures.T + 0.09)
    np.testing.assert_allclose(gain, wanted_gain[:, 0], rtol=1e-12)
    np.testing.assert_allclose(matrix(corrected), (np.eye(2) - wanted_gain @ measures) @ matrix(START), rtol=1e-12)


def test_velocity_is_learnt_from_positions() -> None:
    """A car at a steady 10 m/s: its speed is known to 1 % after two seconds of keyframes, its direction exactly."""
    motion = KalmanMotion(TrackerConfig())
    boxes = [np.array([5.0 * k, 0, 1, 4, 2, 1.5, 0.1 * k, 99, 99]) for k in range(5)]
    state = motion.start(boxes[0], "car", 0)
    assert state.box[7:].tolist() == [0, 0]
    for box in boxes[1:]:
        motion.seen(state, box, 0.5)
    np.testing.assert_allclose(state.box[7:], [10, 0], atol=0.1)
    np.testing.assert_allclose(state.box[:2], [20, 0], atol=0.05)
    assert state.box[2:7].tolist() == boxes[-1][2:7].tolist()
    motion.unseen(state, 0.5)
    np.testing.assert_allclose(state.box[:2], [25, 0], atol=0.1)


def test_a_trusted_velocity_is_taken_at_once() -> None:
    motion = KalmanMotion(TrackerConfig(use_detected_velocity=True, velocity_std_m_s=0.5))
    state = motion.start(np.array([0.0, 0, 1, 4, 2, 1.5, 0, 10, -4]), "car", 0)
    np.testing.assert_allclose(state.box[7:], np.array([10, -4]) * 36 / 36.25, rtol=1e-12)


def test_the_gate_opens_where_the_filter_is_unsure_and_closes_as_it_learns() -> None:
    """A car seen once may be 7 m on after half a second; one that stood still for two seconds may not."""
    motion = KalmanMotion(TrackerConfig())
    box = np.array([[0.0, 0, 1, 4, 2, 1.5, 0, 0, 0]])
    away = box + [7, 0, 0, 0, 0, 0, 0, 0, 0]
    state = motion.start(box[0], "car", 0)
    assert motion.match([state], away, np.array([0]), 0.5).tolist() == [0]
    for _ in range(4):
        motion.seen(state, box[0], 0.5)
    assert motion.match([state], away, np.array([0]), 0.5).tolist() == [-1]
