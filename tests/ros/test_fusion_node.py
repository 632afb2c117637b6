"""The fusion node as a process, over DDS: parameters, and sensors that fail and come back."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_rig import FORWARD, cloud, image, info

from ros_nodes.conversion import (
    Transform,
    message_class,
    rclpy_make,
    sensors_used_from_msg,
    stamp_ns,
    tf_msg,
)
from ros_nodes.player_topics import BASE_FRAME, FIXED_FRAME

DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
TINY = {"cameras": "[FRONT]", "lidars": "[TOP]", "deadline_ms": 300.0,
        "missing_after_ms": 9000.0, "takeover_ms": 9000.0}  # the tests drive slower than a robot


def latched() -> Any:
    from rclpy.qos import DurabilityPolicy, QoSProfile

    return QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


WELL = ("ok", "late: its readings come")  # on a machine that is busy with other things they do


def transform(parent: str, child: str, stamp: int = 0, x: float = 0.0, rotation: tuple[float, float, float, float] = (1, 0, 0, 0)) -> Any:
    return tf_msg(rclpy_make, [Transform(parent=parent, child=child, stamp_ns=stamp, rotation_wxyz=rotation, translation_m=(x, 0.0, 1.5))])


class Drive:
    """Publishes instants of a tiny rig, one camera and one LiDAR, and waits for the answer to each."""

    def __init__(self, ros: Any) -> None:
        self._ros = ros
        self.answers = ros.subscribe("/fusion_node/sensors_used", message_class(DIAGNOSTICS))
        self.reports = ros.subscribe("/diagnostics", message_class(DIAGNOSTICS))
        kinds = {"image": "Image", "camera_info": "CameraInfo"}
        self._camera = {end: ros.advertise(f"/sensors/front/{end}", message_class(f"sensor_msgs/msg/{kind}"), 5) for end, kind in kinds.items()}
        self._cloud = ros.advertise("/sensors/top/points", message_class("sensor_msgs/msg/PointCloud2"), 5)
        self._tf = ros.advertise("/tf", message_class("tf2_msgs/msg/TFMessage"), 10)
        self._static = ros.advertise("/tf_static", message_class("tf2_msgs/msg/TFMessage"), latched())
        ros.wait_for_publisher("/fusion_node/sensors_used")

    def mount(self, frame: str, x: float = 0.0, rotation: tuple[float, float, float, float] = (1, 0, 0, 0)) -> None:
        self._static.publish(transform(BASE_FRAME, frame, 0, x, rotation))

    def instant(self, *, picture: Any = "new", calibration: bool = True) -> tuple[tuple[str, ...], dict[str, str]]:
        """One instant, sent again with a new stamp until it is answered: the sensors used, and why the others are not."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            now = time.time_ns()
            self._tf.publish(transform(FIXED_FRAME, BASE_FRAME, now, now % 10**9 * 1e-9))
            if calibration:
                self._camera["camera_info"].publish(info(now, build=rclpy_make))
            if picture is not None:
                message = image(now, now % 2**32, build=rclpy_make) if isinstance(picture, str) else picture
                message.header.stamp = rclpy_make("builtin_interfaces/msg/Time", {"sec": now // 10**9, "nanosec": now % 10**9})
                self._camera["image"].publish(message)
            self._cloud.publish(cloud(now, now % 2**32, build=rclpy_make))
            found = self._wait(now, 5.0)
            if found is not None:
                reasons = {value.key: value.value for value in found.status[0].values}
                return sensors_used_from_msg(found), reasons
        raise AssertionError("no answer within 60 s")

    def _wait(self, stamp: int, timeout_s: float) -> Any:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for answer in self.answers:
                if stamp_ns(answer.header.stamp) == stamp:
                    return answer
            self._ros.executor.spin_once(timeout_sec=0.05)
        return None

    def until(self, used: tuple[str, ...], reason: str = "", instants: int = 4, **kind: Any) -> None:
        """Instants of a kind until the answer rests on `used`; fails where it takes more than so many."""
        seen = []
        for _ in range(instants):
            seen.append(self.instant(**kind))
            if seen[-1][0] == used and reason in seen[-1][1].get("FRONT", ""):
                return
        raise AssertionError(f"expected an answer on {used} with {reason!r}, got {seen}")

    def state(self, sensor: str) -> str:
        """The newest report of a sensor's state."""
        count = len(self.reports)
        self._ros.spin_until(lambda: len(self.reports) > count, "a report in /diagnostics")
        statuses = {status.name.rpartition(": ")[2]: status.message for status in self.reports[-1].status}
        return str(statuses[sensor])


def set_parameter(ros: Any, name: str, value: Any) -> None:
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    answer = ros.call("/fusion_node/set_parameters", SetParameters, request)
    assert answer.results[0].successful, answer.results[0].reason


def test_an_impossible_parameter_fails_configure_with_its_reason_and_can_be_put_right(
        ros: Any, start_node: Callable[..., Any], lifecycle: Any) -> None:
    from ros_nodes.lifecycle_client import TransitionFailed

    node = start_node("fusion_node", {**TINY, "max_age_ms": -5.0})
    reports = ros.subscribe("/diagnostics", message_class(DIAGNOSTICS))
    lifecycle.state("fusion_node", 60)
    ros.wait_for_publisher("/diagnostics")
    cases: list[tuple[str, Any, Any, str]] = [
        ("max_age_ms", -5.0, 100.0, "max_age_ms: expected a number above 0"),
        ("reference_sensor", "TOPP", "TOP", "unknown sensor 'TOPP'; did you mean 'TOP'?"),
        ("model", "/nowhere/best.safetensors", "nano", "model: /nowhere/best.safetensors: no such checkpoint"),
        ("sensors.FRONT.topic", ["/a", "/b"], "/sensors/front/image", "2 topics ['/a', '/b']; a sensor has one topic"),
        ("sensors.TOP.topic", "/sensors/front/image", "/sensors/top/points", "two sensors cannot share a topic"),
        ("overrides", ["model.input.max_pionts=9"], [""], "max_pionts: unknown key; did you mean 'max_points'?"),
        ("overrides", ["model.network.classes=[car]"], [""], "the rest is fixed by the weights"),
        ("config", "nanoo", "", "did you mean 'nano'?"),
        ("device", "cuda:77", "cpu", "'cuda:77' is not on this machine"),
    ]
    for name, wrong, right, reason in cases:
        set_parameter(ros, name, wrong)
        with pytest.raises(TransitionFailed):
            lifecycle.configure("fusion_node", 60)
        node.wait_for_line(reason)
        ros.spin_until(lambda reason=reason: any(reason in status.message for report in reports for status in report.status),
                       f"/diagnostics with {reason!r}")
        assert lifecycle.state("fusion_node", 30) == "unconfigured"
        set_parameter(ros, name, right)
    lifecycle.configure("fusion_node", 120)
    assert lifecycle.state("fusion_node", 30) == "inactive"


def test_sensors_fail_and_come_back(ros: Any, start_node: Callable[..., Any], lifecycle: Any) -> None:
    start_node("fusion_node", TINY)
    lifecycle.configure("fusion_node", 120)
    lifecycle.activate("fusion_node", 60)
    drive = Drive(ros)
    both = ("FRONT", "TOP")
    drive.mount("top")
    drive.until(("TOP",), "'front' is not on /tf or /tf_static", instants=40, calibration=False)  # topics have no order among each other
    assert drive.state("FRONT").startswith("uncalibrated") and drive.state("TOP").startswith(WELL)
    drive.mount("front", 1.0, FORWARD)
    drive.until(("TOP",), "no CameraInfo on /sensors/front/camera_info", calibration=False)
    drive.until(both)
    assert drive.state("FRONT").startswith(WELL)
    drive.mount("front", 0.5, FORWARD)  # bumped: followed, not cached
    drive.until(both)

    still = image(0, 1, build=rclpy_make)
    drive.until(("TOP",), "the same content", picture=still)
    assert drive.state("FRONT").startswith("frozen")
    drive.until(both, instants=2)
    odd = image(0, 2, build=rclpy_make)
    odd.encoding = "32FC1"
    drive.until(("TOP",), "encoding '32FC1'", picture=odd)
    drive.until(both, instants=2)
    drive.until(("TOP",), instants=2, picture=None)
    drive.until(both, instants=2)


@pytest.fixture
def hidden_vision_msgs(tmp_path: Path) -> str:
    """A search path on which vision_msgs cannot be imported."""
    (tmp_path / "vision_msgs").mkdir()
    (tmp_path / "vision_msgs" / "__init__.py").write_text("raise ImportError('hidden')\n")
    return os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])


def test_without_vision_msgs_the_node_says_so_and_publishes_the_rest(
        ros: Any, start_node: Callable[..., Any], lifecycle: Any, hidden_vision_msgs: str) -> None:
    node = start_node("fusion_node", {**TINY, "markers_min_score": 0.0}, environment={"PYTHONPATH": hidden_vision_msgs})
    lifecycle.configure("fusion_node", 120)
    node.wait_for_line("vision_msgs is not installed")
    lifecycle.activate("fusion_node", 60)
    markers = ros.subscribe("/fusion_node/markers", message_class("visualization_msgs/msg/MarkerArray"))
    drive = Drive(ros)
    drive.mount("top")
    ros.wait_for_publisher("/fusion_node/markers")
    drive.until(("TOP",))  # the mount may come after the first cloud: topics have no order among each other
    while not markers:
        drive.instant()
    assert ros.node.count_publishers("/fusion_node/detections") == 0


def memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_fifty_cycles_leak_nothing(ros: Any, start_node: Callable[..., Any], lifecycle: Any) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    node = start_node("fusion_node", TINY)
    client = ros.node.create_client(ChangeState, "/fusion_node/change_state")
    ros.spin_until(client.service_is_ready, "the node's services")

    def change(transition: int) -> None:
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        ros.spin_until(future.done, "a transition", 120)
        assert future.result().success

    def cycle(times: int, *, whole: bool) -> tuple[int, float]:
        for _ in range(times):
            if whole:
                change(Transition.TRANSITION_CONFIGURE)
            change(Transition.TRANSITION_ACTIVATE)
            change(Transition.TRANSITION_DEACTIVATE)
            if whole:
                change(Transition.TRANSITION_CLEANUP)
        pid = node.process.pid
        return len(os.listdir(f"/proc/{pid}/task")), memory_mb(pid)

    cycle(2, whole=True)
    change(Transition.TRANSITION_CONFIGURE)
    threads, memory = cycle(5, whole=False)
    assert cycle(45, whole=False)[0] <= threads + 3  # DDS starts one or two of its own when it likes
    change(Transition.TRANSITION_CLEANUP)
    threads_after, memory_after = cycle(3, whole=True)
    assert threads_after <= threads + 3 and memory_after < memory + 50
    ros.spin_until(lambda: ros.node.count_subscribers("/sensors/front/image") == 0, "no subscription left")
