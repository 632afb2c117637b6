"""What the tracker node does with its messages, without ROS: transforms that are late, time that jumps, parameters that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fusion.errors import UserError
from fusion.types import Detections, Tracks
from ros_nodes.track_pipeline import MOST_WAITING, TrackPipeline
from ros_nodes.tracker_settings import PARAMETERS, read_tracker_config
from ros_nodes.transforms import TransformTree

S, MS = 1_000_000_000, 1_000_000


def car_ahead(stamp_ns: int, ahead_m: float = 10.0) -> Detections:
    """One car straight ahead of the vehicle, in its frame."""
    return Detections(boxes=np.array([[ahead_m, 0, 1, 4, 2, 1.5, 0, 0, 0]], np.float32), scores=np.array([0.9], np.float32),
                      labels=np.array([0]), attributes=("",), stamp_ns=stamp_ns, sensors_used=())


class Track:
    """The pipeline with a vehicle that stands at x = 5 m, facing left: its forward is the fixed frame's +y."""

    def __init__(self, **parameters: Any) -> None:
        self.tree = TransformTree()
        self.pipeline = TrackPipeline(read_tracker_config({"min_hits": 1, **parameters}), self.tree)
        self.now_ns = 0

    def place(self, stamp_ns: int) -> None:
        self.tree.insert("odom", "base_link", stamp_ns, translation_m=(5, 0, 0), rotation_wxyz=(0.5**0.5, 0, 0, 0.5**0.5))

    def offer(self, detections: Detections, frame_id: str = "base_link") -> list[tuple[str, Tracks]]:
        self.pipeline.offer(detections, frame_id, self.now_ns)
        return self.due()

    def due(self) -> list[tuple[str, Tracks]]:
        return list(self.pipeline.due(self.now_ns))


def test_boxes_go_to_the_fixed_frame() -> None:
    track = Track()
    track.place(S)
    [(frame, tracks)] = track.offer(car_ahead(S))
    assert (frame, tracks.stamp_ns, tracks.ids.tolist()) == ("odom", S, [1])
    np.testing.assert_allclose(tracks.boxes[0, :7], [5, 10, 1, 4, 2, 1.5, np.pi / 2], atol=1e-12)


def test_a_parked_car_keeps_its_place_and_id_while_the_ego_drives() -> None:
    track = Track()
    for step in range(8):
        track.tree.insert("odom", "base_link", step * S // 2, translation_m=(8.0 * step, 0, 0), rotation_wxyz=(1, 0, 0, 0))
        [(_, tracks)] = track.offer(car_ahead(step * S // 2, ahead_m=80.0 - 8.0 * step))
        assert tracks.ids.tolist() == [1]
        np.testing.assert_allclose(tracks.boxes[0, :2], [80, 0], atol=1e-6)


def test_a_late_transform_is_waited_for_and_order_is_kept() -> None:
    track = Track()
    track.place(S)
    assert track.offer(car_ahead(S + 100 * MS)) == []
    assert track.offer(car_ahead(S + 200 * MS)) == []
    track.place(S + 250 * MS)
    assert [tracks.stamp_ns for _, tracks in track.due()] == [S + 100 * MS, S + 200 * MS]


@pytest.mark.parametrize("published_before", [True, False])
def test_without_a_transform_detections_are_dropped_never_taken_as_they_are(published_before: bool) -> None:
    track = Track(tf_wait_ms=300.0)
    if published_before:
        track.place(S)
    assert track.offer(car_ahead(2 * S)) == []
    track.now_ns = 299 * MS
    assert track.due() == [] and track.pipeline.dropped == 0
    track.now_ns = 300 * MS
    assert track.due() == []
    assert (track.pipeline.counts.no_transform, track.pipeline.counts.received) == (1, 1)
    assert ("older than the reading" if published_before else "'odom' is not on /tf") in track.pipeline.counts.last_reason
    track.place(3 * S)
    assert len(track.offer(car_ahead(3 * S))) == 1


def test_what_waits_is_bounded() -> None:
    track = Track()
    for step in range(MOST_WAITING + 3):
        track.offer(car_ahead(step * MS))
    assert track.pipeline.counts.no_transform == 3


def test_no_fixed_frame_means_a_vehicle_that_stands_still() -> None:
    track = Track(fixed_frame="")
    [(frame, tracks)] = track.offer(car_ahead(S))
    assert (frame, tracks.boxes[0, :2].tolist()) == ("base_link", [10, 0])
    [(frame, _)] = Track().offer(car_ahead(S), "odom")  # boxes that are in the fixed frame already
    assert frame == "odom"


def test_empty_messages_age_the_tracks() -> None:
    track = Track(report_unseen_s=0.5, fixed_frame="")
    track.offer(car_ahead(0))
    assert [len(track.offer(Detections.empty(stamp_ns=step * S // 2))[0][1]) for step in (1, 2, 3)] == [1, 0, 0]
    assert track.offer(car_ahead(2 * S))[0][1].ids.tolist() == [2]  # two seconds after the last detection: a new object


def test_time_that_jumps_back_begins_anew_with_new_ids() -> None:
    track = Track(fixed_frame="")
    for step in range(3):
        track.offer(car_ahead(10 * S + step * S // 2))
    [(_, tracks)] = track.offer(car_ahead(S))
    assert tracks.ids.tolist() == [2]
    assert track.pipeline.counts.jumps == 1
    assert track.offer(car_ahead(S)) == [] and track.offer(car_ahead(S - 50 * MS)) == []  # repeated, overtaken
    assert track.pipeline.counts.out_of_order == 2
    track.pipeline.jumped()
    assert track.offer(car_ahead(S))[0][1].ids.tolist() == [3]
    assert track.pipeline.counts.jumps == 2


@pytest.mark.parametrize(("values", "says"), [
    ({"methd": "greedy"}, "methd: unknown parameter; did you mean 'method'"), ({"method": "best"}, "method: expected one of"),
    ({"min_score": 1.5}, "min_score: expected 0 to 1, got 1.5"), ({"min_score": float("nan")}, "min_score: expected a number, got nan"),
    ({"tf_wait_ms": -1.0}, "tf_wait_ms: expected a number of at least 0"), ({"min_hits": 0}, "min_hits: expected at least 1"),
    ({"classes": ["cars"]}, "got 'cars'"), ({"overrides": ["gates_m.car=-1"]}, "gates_m.car"),
    ({"overrides": ["gate.car=1"]}, "did you mean 'gates_m'"), ({"overrides": ["use_detected_velocity=true"]}, "carries no velocities"),
    ({"detections_topic": "a b"}, "detections_topic"),
    ({"max_unseen_s": "long"}, "max_unseen_s")])
def test_impossible_parameters_are_named(values: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_tracker_config(values)


def test_parameters_reach_the_tracker() -> None:
    defaults = read_tracker_config({name: default for name, (default, _) in PARAMETERS.items()} | {"use_sim_time": True})
    assert (defaults, defaults.tracker.method, defaults.fixed_frame) == (read_tracker_config({}), "kalman", "odom")
    config = read_tracker_config({"classes": [""], "overrides": ["min_scores.pedestrian=0.4"], "tf_wait_ms": 5, "fixed_frame": "/map"})
    assert config.tracker.classes == () and config.tracker.min_score_of("pedestrian") == 0.4
    assert (config.tf_wait_ns, config.fixed_frame) == (5 * MS, "map")
