"""What the fusion node says of itself."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from fusion.runtime.worker import WorkerCounts
from ros_nodes.conversion import diagnostics_msg, rclpy_make, sensor_states_from_msg
from ros_nodes.diagnostics import ERROR, HUNG_S, OK, SHOWN_S, SLOW_S, WARN, NodeStatus

pytestmark = pytest.mark.usefixtures("needs_ros")


@pytest.mark.parametrize(("status", "level", "words"), [
    ({"state": "active"}, OK, "active"),
    ({"fault": "model: no such file"}, ERROR, "not configured: model: no such file"),
    ({"clock": (ERROR, "nothing on /clock"), "last_error": "inference failed", "failed_s": 0.0}, ERROR, "nothing on /clock"),
    ({"clock": (WARN, "time stands still"), "motion": "'odom' is not on /tf"}, WARN, "time stands still"),
    ({"clock": (WARN, "time stands still"), "last_error": "inference failed", "failed_s": 0.0}, ERROR, "inference failed"),
    ({"motion": "'odom' is not on /tf"}, WARN, "sensors are taken as simultaneous: 'odom' is not on /tf"),
    ({"last_error": "inference failed at stamp 1.5", "failed_s": 0.0}, ERROR, "inference failed at stamp 1.5"),
    ({"last_error": "inference failed at stamp 1.5", "failed_s": -SHOWN_S}, OK, "unconfigured"),
    ({"last_error": "inference failed", "failed_s": -SHOWN_S, "errors_in_a_row": 20}, ERROR,
     "inference failed; 20 failures in a row: the node needs a restart"),
])
def test_the_worst_comes_first(status: dict[str, Any], level: int, words: str) -> None:
    if "failed_s" in status:
        status = {**status, "failed_s": time.monotonic() + status["failed_s"]}
    message = NodeStatus(**status).message("fusion_node", None)
    assert (message.name, message.level, message.message) == ("fusion_node: node", bytes([level]), words)


def test_counts_and_notes_are_values() -> None:
    status = NodeStatus(answers=7, errors=2, last_error="inference failed at stamp 1.5", notes=("vision_msgs is not installed",),
                        stages_ms={"network": 70.0})
    values = {value.key: value.value for value in status.message("fusion_node", None).values}
    assert values["answers"] == "7" and values["inference_errors"] == "2" and values["network_ms"] == "70"
    assert values["last_error"] == "inference failed at stamp 1.5" and values["note_0"] == "vision_msgs is not installed"


@pytest.mark.parametrize(("unanswered_s", "level", "words"), [
    (SLOW_S - 0.1, OK, "active"), (SLOW_S, WARN, "inference has answered nothing for 5 s: it hangs, or is slow"),
    (HUNG_S, ERROR, "inference has answered nothing for 20 s: it hangs, or is slow; the node needs a restart where this lasts")])
def test_inference_that_hangs_is_told(unanswered_s: float, level: int, words: str) -> None:
    counts = WorkerCounts(submitted=1, done=0, failed=0, dropped=0)
    pipeline: Any = SimpleNamespace(unanswered_s=lambda: unanswered_s, counts=lambda: (counts, {}, "TOP"), jumps=0, discarded=0)
    message = NodeStatus(state="active").message("fusion_node", pipeline)
    assert (message.level, message.message) == (bytes([level]), words)


def test_states_are_read_back_from_the_report() -> None:
    report = SimpleNamespace(state="frozen", reason="the same content: 3 times", rate_hz=1.0, age_s=None, skew_s=None, latency_ms=None,
                             latency_worst_ms=None, received=3, dropped=2)
    message = diagnostics_msg(rclpy_make, {"FRONT": report, "TOP": SimpleNamespace(**{**vars(report), "state": "ok", "reason": ""})}, stamp_ns=0,
                              node="robot1/fusion_node", extra=[NodeStatus().message("robot1/fusion_node", None)])
    assert sensor_states_from_msg(message, "robot1/fusion_node") == {"FRONT": "frozen", "TOP": "ok"}
    assert sensor_states_from_msg(message, "fusion_node") == {}
