"""Whole lives of tracks on made-up drives."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from fusion.config import from_mapping
from fusion.errors import UserError
from fusion.tracking import Tracker, TrackerConfig
from fusion.types import DETECTION_CLASSES, Detections, Tracks

Method = Literal["greedy", "kalman"]
METHODS: tuple[Method, ...] = ("greedy", "kalman")
STEP_NS = 500_000_000


def seen(step: int, *objects: tuple[str, float, float, float, float, float]) -> Detections:
    """Detections at step * 0.5 s, each: class, score, x, y, vx, vy."""
    boxes = np.array([[x, y, 1, 4, 2, 1.5, 0, vx, vy] for _, _, x, y, vx, vy in objects], np.float64).reshape(-1, 9)
    return Detections(boxes=boxes, scores=np.array([o[1] for o in objects], np.float32),
                      labels=np.array([DETECTION_CLASSES.index(o[0]) for o in objects], np.int64), attributes=("",) * len(objects),
                      stamp_ns=step * STEP_NS, sensors_used=("LIDAR_TOP",), frame="global", token=f"t{step}")


def ids(tracks: Tracks) -> dict[str, int]:
    """Class -> id, for at most one object of a class."""
    return {tracks.classes[label]: int(number) for label, number in zip(tracks.labels, tracks.ids, strict=True)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trusted", [True, False])
def test_ids_survive_two_missed_keyframes_but_not_three(method: Method, trusted: bool) -> None:
    for missed, survives in ((1, True), (2, True), (3, False)):
        tracker = Tracker(TrackerConfig(method=method, use_detected_velocity=trusted))
        for step in range(4):
            first = tracker.update(seen(step, ("car", 0.9, 3.0 * step, 0, 6, 0)))
        for step in range(4, 4 + missed):
            assert len(tracker.update(seen(step))) == 0
        last = tracker.update(seen(4 + missed, ("car", 0.8, 3.0 * (4 + missed), 0, 6, 0)))
        assert (last.ids.tolist() == first.ids.tolist()) == survives
        assert last.age_s[0] == pytest.approx(0.5 * (4 + missed) if survives else 0)
        assert last.hits.tolist() == [5 if survives else 1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trusted", [True, False])
def test_two_cars_that_pass_each_other_keep_their_ids(method: Method, trusted: bool) -> None:
    """Oncoming lanes 3 m apart at 6 m/s: between two keyframes each comes closer to where the other was."""
    tracker = Tracker(TrackerConfig(method=method, use_detected_velocity=trusted))
    lanes: dict[float, set[int]] = {0.0: set(), 3.0: set()}
    for step in range(12):
        x = 3.0 * step
        objects = [("car", 0.9, x, 0.0, 6.0, 0.0), ("car", 0.8, 33.0 - x, 3.0, -6.0, 0.0)]
        tracks = tracker.update(seen(step, *(objects if step % 2 else objects[::-1])))
        for box, number in zip(tracks.boxes, tracks.ids, strict=True):
            lanes[min(lanes, key=lambda y: abs(y - float(box[1])))].add(int(number))
    assert sorted(map(len, lanes.values())) == [1, 1]
    assert lanes[0.0] != lanes[3.0]


def test_a_crossing_of_paths_keeps_ids() -> None:
    """Two pedestrians walk through the same point one second apart."""
    for method in METHODS:
        tracker = Tracker(TrackerConfig(method=method))
        last = {}
        for step in range(12):
            t = 0.5 * step
            last = {round(float(s), 2): int(n) for s, n in zip(*(lambda r: (r.scores, r.ids))(tracker.update(
                seen(step, ("pedestrian", 0.9, 1.2 * (t - 2), 0, 0, 0), ("pedestrian", 0.8, 0, 1.2 * (t - 3), 0, 0)))), strict=True)}
        assert last == {0.9: 1, 0.8: 2}, method


@pytest.mark.parametrize("method", METHODS)
def test_classes_never_mix(method: Method) -> None:
    tracker = Tracker(TrackerConfig(method=method))
    first = ids(tracker.update(seen(0, ("car", 0.9, 0, 0, 0, 0), ("truck", 0.8, 0.5, 0, 0, 0))))
    second = ids(tracker.update(seen(1, ("truck", 0.9, 0, 0, 0, 0), ("car", 0.8, 0.5, 0, 0, 0))))
    assert first == second
    assert len(set(first.values())) == 2


def test_thresholds_by_class() -> None:
    config = TrackerConfig(min_score=0.2, min_scores={"pedestrian": 0.5}, classes=())
    tracks = Tracker(config).update(seen(0, ("car", 0.2, 0, 0, 0, 0), ("car", 0.19, 9, 0, 0, 0), ("pedestrian", 0.49, 5, 5, 0, 0),
                                         ("pedestrian", 0.51, 7, 7, 0, 0), ("barrier", 0.3, 20, 0, 0, 0)))
    assert [tracks.classes[label] for label in tracks.labels] == ["pedestrian", "barrier", "car"]
    assert len(Tracker(replace(config, classes=("car",))).update(seen(0, ("barrier", 0.9, 0, 0, 0, 0)))) == 0


def test_gates_by_class() -> None:
    for gate_m, same in ((1.9, False), (2.1, True)):
        tracker = Tracker(TrackerConfig(method="greedy", gates_m={"pedestrian": gate_m}))
        tracker.update(seen(0, ("pedestrian", 0.9, 0, 0, 0, 0)))
        assert (tracker.update(seen(1, ("pedestrian", 0.9, 2, 0, 0, 0))).ids.tolist() == [1]) == same
    assert TrackerConfig().gate_m_of("car", 0.5) == TrackerConfig().gate_m_of("car", 9.0) == 4.0
    assert TrackerConfig().gate_m_of("car", 0.05) == pytest.approx(2.25)  # at 20 Hz


def test_missed_tracks_can_be_shown_where_they_should_be() -> None:
    tracker = Tracker(TrackerConfig(report_unseen_s=0.5))
    for step in range(4):
        tracker.update(seen(step, ("car", 0.9, 3.0 * step, 0, 0, 0)))
    shown = tracker.update(seen(4))
    np.testing.assert_allclose(shown.boxes[0, :2], [12, 0], atol=0.3)
    assert (shown.unseen_s.tolist(), shown.ids.tolist()) == ([0.5], [1])
    assert len(tracker.update(seen(5))) == 0


def test_a_track_is_shown_from_min_hits_on() -> None:
    tracker = Tracker(TrackerConfig(min_hits=3))
    assert [len(tracker.update(seen(step, ("car", 0.9, 0, 0, 0, 0)))) for step in range(4)] == [0, 0, 1, 1]


def test_greedy_takes_the_detections_boxes_as_they_are() -> None:
    tracker = Tracker(TrackerConfig(method="greedy", use_detected_velocity=True))
    for step in range(2):
        detections = seen(step, ("car", 0.9, 1783.123456, 4.0 * step, 0, 8))
        tracks = tracker.update(detections)
        np.testing.assert_array_equal(tracks.boxes, detections.boxes)
    assert (tracks.token, tracks.sensors_used, tracks.stamp_ns) == ("t1", ("LIDAR_TOP",), STEP_NS)
    assert tracks.ids.tolist() == [1]


def test_reset_forgets_objects_but_never_reuses_ids() -> None:
    tracker = Tracker()
    tracker.update(seen(5, ("car", 0.9, 0, 0, 0, 0)))
    tracker.reset()
    assert tracker.stamp_ns is None
    assert tracker.update(seen(0, ("car", 0.9, 0, 0, 0, 0))).ids.tolist() == [2]


def test_a_long_silence_ends_every_track() -> None:
    tracker = Tracker()
    tracker.update(seen(0, ("car", 0.9, 0, 0, 0, 0)))
    assert tracker.update(seen(4, ("car", 0.9, 0, 0, 0, 0))).ids.tolist() == [2]


def test_what_cannot_be_is_refused() -> None:
    tracker = Tracker()
    with pytest.raises(ValueError, match="expected 'global', got 'ego'"):
        tracker.update(Detections.example())
    tracker.update(seen(3, ("car", 0.9, 0, 0, 0, 0)))
    for step in (3, 2):
        with pytest.raises(ValueError, match=f"expected later than {3 * STEP_NS}, got {step * STEP_NS}"):
            tracker.update(seen(step))
    with pytest.raises(ValueError, match="classes"):
        tracker.update(replace(seen(4, ("car", 0.9, 0, 0, 0, 0)), classes=("car",)))
    assert tracker.update(seen(4, ("car", 0.9, 0, 0, 0, 0))).ids.tolist() == [1]  # a refusal changed nothing


def test_same_detections_same_tracks_and_inputs_untouched() -> None:
    generator = np.random.default_rng(1)
    drive = [seen(step, *(("car", float(generator.uniform(0.1, 1)), *generator.uniform(0, 20, 2), 0.0, 0.0) for _ in range(30)))
             for step in range(6)]
    copies = [d.boxes.copy() for d in drive]
    for method in METHODS:
        one, other = Tracker(TrackerConfig(method=method)), Tracker(TrackerConfig(method=method))
        for detections in drive:
            first, second = one.update(detections), other.update(detections)
            np.testing.assert_array_equal(first.ids, second.ids)
            np.testing.assert_array_equal(first.boxes, second.boxes)
            assert (np.diff(first.scores) <= 0).all()
    for detections, copy in zip(drive, copies, strict=True):
        np.testing.assert_array_equal(detections.boxes, copy)


@pytest.mark.parametrize(("mapping", "says"), [
    ({"method": "kalmann"}, "method: expected one of"), ({"min_score": 1.5}, "min_score: expected 0 to 1, got 1.5"),
    ({"min_scores": {"car": -1.0}}, "min_scores.car"), ({"gates_m": {"cars": 1.0}}, "got 'cars'"), ({"gates_m": {"car": 0.0}}, "gates_m.car"),
    ({"max_unseen_s": 0}, "max_unseen_s"), ({"min_hits": 0}, "min_hits"), ({"report_unseen_s": 9}, "report_unseen_s: expected 0 to"),
    ({"classes": ["tram"]}, "got 'tram'"), ({"max_unseen": 1}, "did you mean 'max_unseen_s'")])
def test_impossible_settings_are_refused(mapping: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        from_mapping(TrackerConfig, mapping, "tracker")
