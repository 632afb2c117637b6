"""What a broken driver sends, as the player's faults make it: the node calls the sensor invalid, answers with the rest, and has it back at once."""

from __future__ import annotations

import queue
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_rig import MS, PARAMETERS, cloud, image, info, picture, tree

from fusion.sensors.health import SensorState
from fusion.sensors.preprocess import InputConfig
from fusion.types import Detections, SensorSet
from ros_nodes.conversion import compressed_msg
from ros_nodes.faults import Fault
from ros_nodes.parameters import read_config
from ros_nodes.perception import LastStages
from ros_nodes.pipeline import Answer, FusionPipeline
from ros_nodes.placing import Calibrations
from ros_nodes.player_codec import rosbags_codec
from ros_nodes.player_damage import damaged
from ros_nodes.player_topics import CLOUD, COMPRESSED, IMAGE

pytest.importorskip("rosbags", reason="rosbags is not installed")

CODEC = rosbags_codec()
WAIT_S = 10.0
SENSOR = {IMAGE: "FRONT", COMPRESSED: "FRONT", CLOUD: "TOP"}


class Everything:
    """A network that uses all it is given."""

    config = SimpleNamespace(num_sweeps=0, input=InputConfig())

    def perceive(self, sensor_set: SensorSet) -> Detections:
        return Detections(boxes=np.ones((1, 9), np.float32), scores=np.ones(1, np.float32), labels=np.zeros(1, np.int64), attributes=("",),
                          stamp_ns=sensor_set.stamp_ns, sensors_used=sensor_set.sensors_present)


def reading(kind: str, stamp_ns: int) -> Any:
    """A sound message that is like no other."""
    if kind == COMPRESSED:
        content = cv2.imencode(".jpg", picture(stamp_ns // MS))[1].tobytes()
        return compressed_msg(CODEC.make, content, stamp_ns=stamp_ns, frame_id="front")
    return (image if kind == IMAGE else cloud)(stamp_ns, stamp_ns // MS, build=CODEC.make)


def spoilt(kind: str, stamp_ns: int, fault: Mapping[str, Any]) -> Any:
    return CODEC.decode(kind, damaged(Fault(**fault), kind, CODEC.encode(kind, reading(kind, stamp_ns)), CODEC))


@pytest.mark.parametrize(("kind", "fault", "reason"), [
    (IMAGE, {"fault": "corrupt"}, "image: 21600 bytes with step 480 for 160x90 rgb8 pixels"),
    (COMPRESSED, {"fault": "corrupt"}, "truncated jpeg"),
    (CLOUD, {"fault": "corrupt"}, "point cloud: 5000 bytes with row_step 10000"),
    (COMPRESSED, {"fault": "corrupt", "mode": "noise"}, "cannot be decoded"),
    (IMAGE, {"fault": "wrong_step"}, "with step 960"),
    (CLOUD, {"fault": "wrong_step"}, "points of 40 bytes"),
    (CLOUD, {"fault": "nan_points"}, "no points"),
    (IMAGE, {"fault": "wrong_size"}, "80"), (COMPRESSED, {"fault": "wrong_size"}, "80"), (CLOUD, {"fault": "wrong_size"}, "1000 points"),
    (IMAGE, {"fault": "wrong_encoding"}, "32FC1"), (COMPRESSED, {"fault": "wrong_encoding"}, "h264"),
    (CLOUD, {"fault": "wrong_encoding"}, "expected x, y and z")])
def test_a_damaged_reading_makes_its_sensor_invalid_and_costs_no_other(kind: str, fault: Mapping[str, Any], reason: str) -> None:
    name = SENSOR[kind]
    kinds = (COMPRESSED if kind == COMPRESSED else IMAGE, CLOUD)
    answers: queue.Queue[Answer] = queue.Queue()
    errors: list[Exception] = []
    frames, calibrations = tree(1000 * MS, 1100 * MS, 1200 * MS), Calibrations()
    calibrations.insert("FRONT", info())
    config = read_config({**PARAMETERS, "transport": "compressed" if kind == COMPRESSED else "raw"})
    pipeline = FusionPipeline(config, Everything(), LastStages(), frames, calibrations, on_answer=answers.put,  # type: ignore[arg-type]
                              on_error=lambda stamp, error: errors.append(error))

    def instant(now_ms: int, spoil: bool) -> tuple[Answer, SensorState, str]:
        for other in kinds:
            message = spoilt(other, now_ms * MS, fault) if spoil and other == kind else reading(other, now_ms * MS)
            pipeline.offer(SENSOR[other], message, now_ms * MS)
        answer = answers.get(timeout=WAIT_S)
        report = pipeline.report(now_ms * MS)
        states = {other: one.state for other, one in report.items()}
        assert states == {**dict.fromkeys(SENSOR.values(), SensorState.OK), name: states[name]}
        return answer, states[name], report[name].reason

    try:
        answer, state, _ = instant(1000, False)
        assert answer.used == ("FRONT", "TOP") and state is SensorState.OK
        answer, state, said = instant(1100, True)
        assert name not in answer.used and len(answer.used) == 1 and reason in answer.missing[name]
        assert state is SensorState.INVALID and reason in said
        answer, state, _ = instant(1200, False)
        assert answer.used == ("FRONT", "TOP") and state is SensorState.OK and not errors
    finally:
        assert pipeline.stop(WAIT_S)


def test_every_damage_is_tried_above() -> None:
    from ros_nodes.player_damage import DAMAGE

    marks = test_a_damaged_reading_makes_its_sensor_invalid_and_costs_no_other.pytestmark  # type: ignore[attr-defined]
    tried = {(kind, fault["fault"]) for kind, fault, _ in marks[0].args[1]}
    assert tried == {(kind, fault) for fault, kinds in DAMAGE.items() for kind in kinds if kind in SENSOR}
