"""The tracker node as a process, over DDS: ids that stay, transforms, time jumps, bad parameters and bad messages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from layouts import check_published

from fusion.types import DETECTION_CLASSES, Detections
from ros_nodes.conversion import (
    DETECTION_TYPE,
    Transform,
    detections_from_msg,
    detections_msg,
    ids_from_msg,
    message_available,
    message_class,
    rclpy_make,
    stamp_ns,
    tf_msg,
)

S = 1_000_000_000
MARKERS, DIAGNOSTICS, TF = "visualization_msgs/msg/MarkerArray", "diagnostic_msgs/msg/DiagnosticArray", "tf2_msgs/msg/TFMessage"


@pytest.fixture(autouse=True)
def _needs_vision_msgs(needs_ros: None) -> None:
    if not message_available(DETECTION_TYPE):
        pytest.skip("vision_msgs is not built; tools/build_ros_interfaces.sh builds it")


def boxes(stamp: int, *centres: tuple[float, float], label: str = "car") -> Detections:
    """Detections in the ego frame."""
    rows = np.array([[x, y, 1, 4, 2, 1.5, 0, 0, 0] for x, y in centres], np.float32).reshape(-1, 9)
    return Detections(boxes=rows, scores=np.full(len(rows), 0.9, np.float32), attributes=("",) * len(rows), stamp_ns=stamp, sensors_used=(),
                      labels=np.full(len(rows), DETECTION_CLASSES.index(label), np.int64))


class Drive:
    """Sends detections, with the ego's place at their stamp unless told otherwise, and waits for the tracks of the same stamp."""

    def __init__(self, ros: Any) -> None:
        self.ros = ros
        self.tracks = ros.subscribe("/tracker_node/tracks", message_class(DETECTION_TYPE))
        self.markers = ros.subscribe("/tracker_node/markers", message_class(MARKERS))
        self.reports = ros.subscribe("/diagnostics", message_class(DIAGNOSTICS))
        self._tf = ros.advertise("/tf", message_class(TF))
        self._detections = ros.advertise("/fusion_node/detections", message_class(DETECTION_TYPE))
        for topic in ("tracks", "markers"):
            ros.wait_for_publisher(f"/tracker_node/{topic}")

    def place(self, stamp: int, x: float) -> None:
        self._tf.publish(tf_msg(rclpy_make, [Transform(parent="odom", child="base_link", stamp_ns=stamp, rotation_wxyz=(1, 0, 0, 0),
                                                       translation_m=(x, 0.0, 0.0))]))

    def send(self, detections: Detections, *, ego_x: float | None = 0.0) -> None:
        if ego_x is not None:
            self.place(detections.stamp_ns, ego_x)
        self._detections.publish(detections_msg(rclpy_make, detections, frame_id="base_link"))

    def wait(self, stamp: int) -> Any:
        """The tracks of a stamp."""
        self.ros.spin_until(lambda: any(stamp_ns(m.header.stamp) == stamp for m in self.tracks), f"tracks of stamp {stamp}")
        return next(m for m in reversed(self.tracks) if stamp_ns(m.header.stamp) == stamp)

    def track(self, detections: Detections, *, ego_x: float = 0.0) -> Any:
        self.send(detections, ego_x=ego_x)
        return self.wait(detections.stamp_ns)

    def values(self) -> dict[str, str]:
        """The node's latest report."""
        status = self.reports[-1].status[0] if self.reports else None
        return {} if status is None else {"message": status.message} | {v.key: v.value for v in status.values}

    def reported(self, key: str, value: str) -> None:
        self.ros.spin_until(lambda: value in self.values().get(key, ""), f"{key} = {value} in /diagnostics, not {self.values()}")


@pytest.fixture
def drive(ros: Any, start_node: Callable[..., Any], lifecycle: Any) -> Drive:
    start_node("tracker_node", {"min_hits": 1})
    lifecycle.configure("tracker_node", 60.0)
    lifecycle.activate("tracker_node", 60.0)
    return Drive(ros)


def test_ids_stay_while_the_ego_drives_and_an_object_is_missed(drive: Drive) -> None:
    """Two parked cars passed at 8 m/s; the nearer one is hidden for one instant, then everything for another."""
    seen: list[tuple[str, ...]] = []
    for step, shown in enumerate([2, 2, 2, 1, 2, 0, 2]):
        stamp, x = 100 * S + step * S // 2, 4.0 * step
        message = drive.track(boxes(stamp, *[(30.0 - x, 3.0), (20.0 - x, -3.0)][:shown]), ego_x=x)
        assert message.header.frame_id == "odom"
        seen.append(ids_from_msg(message))
        for number, box in zip(seen[-1], detections_from_msg(message).boxes, strict=True):
            np.testing.assert_allclose(box[:2], (30, 3) if number == "1" else (20, -3), atol=0.01)
    assert [sorted(ids) for ids in seen] == [["1", "2"]] * 3 + [["1"], ["1", "2"], [], ["1", "2"]]
    drive.ros.spin_until(lambda: any(m.markers and stamp_ns(m.markers[-1].header.stamp) == 103 * S for m in drive.markers), "the last markers")
    assert check_published(drive.ros.node, ("/tracker_node/",)) == 1
    last = drive.markers[-1].markers
    assert {marker.id for marker in last} == {1, 2} and {marker.header.frame_id for marker in last} == {"odom"}
    assert {"car #1", "car #2"} <= {marker.text for marker in last}


def test_a_late_transform_is_waited_for_and_a_missing_one_is_reported(drive: Drive) -> None:
    drive.send(boxes(S, (10, 0)))
    drive.wait(S)
    drive.send(boxes(2 * S, (10, 0)), ego_x=None)  # nothing comes for it: dropped, never taken as if the ego stood at the origin
    drive.reported("no_transform", "1")
    drive.reported("message", "detections dropped: odom -> base_link: the newest transform is 1000.0 ms older")
    drive.track(boxes(3 * S, (10, 0)), ego_x=5.0)
    assert [stamp_ns(m.header.stamp) for m in drive.tracks] == [S, 3 * S]
    drive.reported("message", "active")


def test_bad_messages_and_time_jumps_do_not_stop_it(drive: Drive) -> None:
    for step in range(3):
        drive.track(boxes(100 * S + step * S, (10, 0)))
    drive.send(replace(boxes(104 * S, (10, 0)), classes=("zeppelin",)))
    drive.reported("unreadable", "1")
    message = drive.track(boxes(S, (10, 0)))  # a bag that starts again
    assert ids_from_msg(message) == ("2",)
    drive.reported("jumps", "1")


def test_impossible_parameters_fail_configure_and_can_be_corrected(ros: Any, start_node: Callable[..., Any], lifecycle: Any) -> None:
    from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
    from rcl_interfaces.srv import SetParameters

    from ros_nodes.lifecycle_client import TransitionFailed

    node = start_node("tracker_node", {"method": "best", "min_hits": 1})
    with pytest.raises(TransitionFailed):
        lifecycle.configure("tracker_node", 60.0)
    node.wait_for_line("not configured: method: expected one of ['greedy', 'kalman'], got 'best'")
    assert lifecycle.state("tracker_node", 60.0) == "unconfigured"
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="greedy")
    assert ros.call("/tracker_node/set_parameters", SetParameters,
                    SetParameters.Request(parameters=[Parameter(name="method", value=value)])).results[0].successful
    lifecycle.configure("tracker_node", 60.0)
    lifecycle.activate("tracker_node", 60.0)
    assert ids_from_msg(Drive(ros).track(boxes(S, (10, 0)))) == ("1",)
