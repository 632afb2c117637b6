"""Player -> fusion -> tracker as processes, over DDS, on the real scene: the boxes and tracks that its files give."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from layouts import check_published

from fusion.data.nuscenes import NuScenesSource
from fusion.geometry.boxes import transform_boxes
from fusion.runtime.backends.open import open_backend
from fusion.runtime.perceiver import Perceiver
from fusion.tracking import Tracker
from fusion.types import Detections
from ros_nodes.conversion import (
    DETECTION_TYPE,
    detections_from_msg,
    ids_from_msg,
    message_available,
    message_class,
    sensors_used_from_msg,
    stamp_ns,
)
from ros_nodes.matrix.same_boxes import Rows, compare
from ros_nodes.player_topics import BASE_FRAME, FIXED_FRAME
from ros_nodes.tracker_settings import read_tracker_config

INSTANTS = 4
"""Answers on all sensors that are waited for: a track is published from its second detection on."""


@dataclass(frozen=True)
class Files:
    """What `bevduet perceive` finds in the keyframe with a stamp, and where the ego was."""

    detections: Callable[[int], Detections]
    poses: Mapping[int, np.ndarray]

    def tracks(self, answers: Mapping[int, Detections]) -> dict[int, Rows]:
        """What the tracker makes of answers, one after another."""
        tracker, tracks = Tracker(read_tracker_config({}).tracker), {}
        for stamp, found in sorted(answers.items()):
            placed = replace(found, boxes=transform_boxes(self.poses[stamp], found.boxes), frame="global")
            followed = tracker.update(placed)
            names = [f"{followed.classes[label]} {number}" for label, number in zip(followed.labels, followed.ids, strict=True)]
            tracks[stamp] = Rows(boxes=followed.boxes[:, :7], scores=followed.scores, names=names)
        return tracks


@pytest.fixture(scope="module")
def files(scene0523: Path) -> Files:
    """The real scene, read by the code of the commands."""
    source = NuScenesSource(scene0523, "v1.0-mini")
    perceiver = Perceiver(open_backend("nano"))
    light = {token: source.load(token, cameras=False, lidar=False) for token in source.tokens("scene-0523")}
    tokens = {readings.stamp_ns: token for token, readings in light.items()}
    poses = {readings.stamp_ns: readings.global_T_ego for readings in light.values() if readings.global_T_ego is not None}
    return Files(detections=functools.cache(lambda stamp: perceiver.perceive(source.load(tokens[stamp]))), poses=poses)


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_replay_gives_the_boxes_and_tracks_of_the_files(ros: Any, start_node: Callable[..., Any], lifecycle: Any, scene0523: Path,
                                                          files: Files, transport: str) -> None:
    if not message_available(DETECTION_TYPE):
        pytest.skip("vision_msgs is not installed")
    detections = ros.subscribe("/fusion_node/detections", message_class(DETECTION_TYPE), 50)
    tracks = ros.subscribe("/tracker_node/tracks", message_class(DETECTION_TYPE), 50)
    used = ros.subscribe("/fusion_node/sensors_used", message_class("diagnostic_msgs/msg/DiagnosticArray"), 50)
    start_node("fusion_node", {"transport": transport, "use_sim_time": "true", "deadline_ms": 400.0, "threads": 1})
    start_node("tracker_node", {"use_sim_time": "true"})
    start_node("player_node", {"dataroot": scene0523, "transport": transport, "rate": 0.4, "wait_for_subscribers": 60.0})
    for name in ("fusion_node", "tracker_node", "player_node"):
        lifecycle.configure(name, 120)
    for name in ("fusion_node", "tracker_node"):
        lifecycle.activate(name, 60)
    for topic in ("/fusion_node/detections", "/fusion_node/sensors_used", "/tracker_node/tracks"):
        ros.wait_for_publisher(topic)
    ros.spin_until(lambda: ros.node.count_subscribers("/fusion_node/detections") == 2, "the tracker at the detections")
    lifecycle.activate("player_node", 60)

    def whole() -> list[int]:
        """Stamps of answers that rest on all seven sensors and that were tracked."""
        return sorted({stamp_ns(m.header.stamp) for m in used if len(sensors_used_from_msg(m)) == 7}
                      & {stamp_ns(m.header.stamp) for m in detections} & {stamp_ns(m.header.stamp) for m in tracks})

    ros.spin_until(lambda: len(whole()) >= INSTANTS, f"{INSTANTS} answers that rest on all sensors", 120)
    if transport == "raw":
        assert check_published(ros.node, ("/sensors/", "/fusion_node/", "/diagnostics")) == 6 * 2 + 1 + 2 + 1
    stamps = whole()
    answers = {found.stamp_ns: found for found in map(detections_from_msg, detections) if found.stamp_ns <= stamps[-1]}
    offline = {stamp: files.detections(stamp) for stamp in stamps}
    assert {m.header.frame_id for m in detections} == {BASE_FRAME} and {m.header.frame_id for m in tracks} == {FIXED_FRAME}
    assert all(len(found) > 100 for found in offline.values())
    found = compare({stamp: Rows.of(answers[stamp]) for stamp in stamps}, {stamp: Rows.of(offline[stamp]) for stamp in stamps})
    assert found.same and found.compared == len(stamps), (found.line(), found.faults)

    followed = {}
    for message in tracks:
        seen = detections_from_msg(message)
        names = [f"{seen.classes[label]} {number}" for label, number in zip(seen.labels, ids_from_msg(message), strict=True)]
        followed[seen.stamp_ns] = Rows(boxes=seen.boxes[:, :7], scores=seen.scores, names=names)
    # An answer on fewer sensors, as a busy machine may give, is followed as it is; one before the tracker heard of any transform, not at all.
    wanted = files.tracks({stamp: found for stamp, found in (answers | offline).items() if stamp >= min(followed)})
    found = compare(followed, wanted)
    assert found.same, (found.line(), found.faults)
    kept = set(wanted[stamps[-1]].names) & set(wanted[stamps[-2]].names)
    assert len(kept) >= 3 and len(wanted[stamps[-1]].names) >= 5  # objects that are followed, not new ones each time
