"""The nodes within this process, without a network: what they refuse, what they warn of, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ros_nodes.clock_watch import LOST_S
from ros_nodes.conversion import ERROR, OK, WARN, message_available


@pytest.fixture
def context(needs_ros: None) -> Iterator[None]:
    import rclpy

    rclpy.init(args=["--ros-args", "-r", "__ns:=/robot1", "-p", "use_sim_time:=true"])
    yield
    rclpy.shutdown()


@pytest.fixture
def humble(monkeypatch: pytest.MonkeyPatch) -> None:
    """`create_timer` as ROS 2 Humble has it."""
    from rclpy.node import Node

    create = Node.create_timer

    def create_timer(node: Any, timer_period_sec: float, callback: Any, callback_group: Any = None, clock: Any = None) -> Any:
        return create(node, timer_period_sec, callback, callback_group, clock)

    monkeypatch.setattr(Node, "create_timer", create_timer)


def test_the_nodes_refuse_warn_and_report_by_their_whole_name(
        context: None, humble: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from rclpy.parameter import Parameter

    from ros_nodes.fusion_lifecycle import FusionNode
    from ros_nodes.tracker_lifecycle import TrackerNode

    now = [1000.0]
    monkeypatch.setattr("ros_nodes.managed_node.time.monotonic", lambda: now[0])

    def set_to(node: Any, name: str, value: Any) -> tuple[bool, str]:
        (result,) = node.set_parameters([Parameter(name, value=value)])
        return result.successful, result.reason

    fusion = FusionNode()
    assert set_to(fusion, "sensors.CAM_FRONT.topic", "/front/image_raw") == (True, "")
    assert set_to(fusion, "deadline_ms", "soon") == (False, "deadline_ms: expected a number, got 'soon'")
    assert set_to(fusion, "deadlin_ms", 5.0) == (False, "deadlin_ms: unknown parameter; did you mean 'deadline_ms'?")
    assert fusion.values()["sensors.CAM_FRONT.topic"] == "/front/image_raw" and fusion.values()["deadline_ms"] == 60.0
    reports: list[Any] = []
    monkeypatch.setattr(fusion._reports, "publish", reports.append)
    monkeypatch.setattr(FusionNode, "state_label", "active")
    for now[0] in (1000.0, 1003.0, 1000.0 + LOST_S):
        fusion._report(True)
    assert [(report.status[0].name, report.status[0].level[0]) for report in reports] == [
        ("robot1/fusion_node: node", OK), ("robot1/fusion_node: node", WARN), ("robot1/fusion_node: node", ERROR)]
    assert "nothing came on /clock for 6 s" in reports[-1].status[0].message
    logged = [line for line in capfd.readouterr().err.splitlines() if "nothing came on /clock" in line]
    assert ["WARN" in logged[0], "for 3 s" in logged[0], "ERROR" in logged[1], "for 6 s" in logged[1]] == [True] * 4 and len(logged) == 2
    assert fusion._poll_timer.is_canceled()
    fusion.destroy_node()
    if not message_available("vision_msgs/msg/Detection3DArray"):
        pytest.skip("vision_msgs is not built")
    tracker = TrackerNode()
    monkeypatch.setattr(tracker._reports, "publish", reports.append)

    def status() -> tuple[str, int, str]:
        tracker._report()
        return reports[-1].status[0].name, reports[-1].status[0].level[0], reports[-1].status[0].message

    assert set_to(tracker, "min_hits", 3) == (True, "")
    tracker.trigger_configure()
    taken, reason = set_to(tracker, "min_hits", 4)
    assert not taken and "it is inactive; first ros2 lifecycle set /robot1/tracker_node cleanup" in reason
    assert set_to(tracker, "min_hits", 3) == (True, "")
    now[0] += 100  # nobody waits for time before the node is active
    assert status() == ("robot1/tracker_node: node", OK, "inactive")
    tracker.trigger_activate()
    name, level, text = status()
    assert (name, level, text) == ("robot1/tracker_node: node", WARN, "nobody publishes detections on /robot1/fusion_node/detections")
    now[0] += LOST_S
    _, level, text = status()
    assert level == ERROR and "nothing came on /clock for 6 s" in text
    taken, reason = set_to(tracker, "min_hits", 4)
    assert not taken and "first ros2 lifecycle set /robot1/tracker_node deactivate, then" in reason
    assert set_to(tracker, "use_sim_time", False) == (True, "")
    assert status()[1] == WARN
    tracker.trigger_deactivate()
    tracker.trigger_cleanup()
    assert set_to(tracker, "min_hits", 4) == (True, "")
    tracker.destroy_node()


def test_a_transition_that_is_not_possible_is_refused(context: None, capfd: pytest.CaptureFixture[str]) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from ros_nodes.managed_node import ManagedNode

    node = ManagedNode("refusing", {})

    def ask(number: int = 0, label: str = "") -> tuple[bool, str]:
        request = ChangeState.Request(transition=Transition(id=number, label=label))
        return node._service_change_state.callback(request, ChangeState.Response()).success, node.state_label

    assert ask(Transition.TRANSITION_ACTIVATE) == (False, "unconfigured")
    assert "no transition 3 from unconfigured; there is configure (1), shutdown (5)" in capfd.readouterr().err
    assert ask(99) == (False, "unconfigured") and ask(label="fly") == (False, "unconfigured")
    assert ask(Transition.TRANSITION_CONFIGURE) == (True, "inactive")
    assert ask(Transition.TRANSITION_CONFIGURE) == (False, "inactive") and ask(label="cleanup") == (True, "unconfigured")
    assert ask(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN) == (True, "finalized")
    assert ask(Transition.TRANSITION_CONFIGURE) == (False, "finalized")
    node.destroy_node()


@pytest.mark.parametrize("which", ["fusion", "tracker"])
def test_a_clock_that_jumps_back_forgets_transforms_in_every_state(context: None, which: str) -> None:
    from rclpy.time import Time

    from ros_nodes.fusion_lifecycle import FusionNode
    from ros_nodes.tracker_lifecycle import TrackerNode

    node = FusionNode() if which == "fusion" else TrackerNode()
    clock: Any = node.get_clock()
    clock.set_ros_time_override(Time(seconds=9, clock_type=clock.clock_type))
    for stamp_s in (3.9, 4.5, 9.0):
        node._tree.insert("odom", "base_link", int(1e9 * stamp_s), translation_m=(stamp_s, 0, 0), rotation_wxyz=(1, 0, 0, 0))
    clock.set_ros_time_override(Time(seconds=4, clock_type=clock.clock_type))
    node._tree.insert("odom", "base_link", 4_010_000_000, translation_m=(0, 0, 0), rotation_wxyz=(1, 0, 0, 0))
    with pytest.raises(Exception, match="the newest transform is 90.0 ms older"):
        node._tree.lookup("odom", "base_link", 4_100_000_000)
    node.destroy_node()


def test_inference_that_fails_on_and_on_is_told_once_and_not_at_all_after_the_end(context: None, capfd: pytest.CaptureFixture[str]) -> None:
    import rclpy

    from ros_nodes.fusion_lifecycle import FusionNode

    node = FusionNode()
    for _ in range(5):
        node._on_inference_error(1_500_000_000, RuntimeError("no memory"))
    assert capfd.readouterr().err.count("inference failed at stamp 1.5") == 1
    assert node._status.errors == node._status.errors_in_a_row == 5
    rclpy.shutdown()
    node._on_inference_error(1_600_000_000, ValueError("publisher's context is invalid"))
    node._on_answer(SimpleNamespace())  # type: ignore[arg-type]
    assert node._status.errors == 5 and node._status.answers == 0 and not capfd.readouterr().err
    rclpy.init()
    node.destroy_node()


@pytest.mark.parametrize("hangs", [True, False])
def test_a_node_that_stopped_warns_of_nothing_and_keeps_no_network_that_is_done(context: None, hangs: bool) -> None:
    from ros_nodes.fusion_lifecycle import FusionNode

    node: Any = FusionNode()
    node._ending = ending = SimpleNamespace(stop=lambda timeout_s=5.0: not hangs)
    node._status.motion = "'odom' is not on /tf"
    node.release()
    assert node._status.message("fusion_node", None).message == "unconfigured"
    assert node._ending is (ending if hangs else None)
    node.destroy_node()


def test_what_is_destroyed_is_forgotten(context: None) -> None:
    from ros_nodes.conversion import message_class
    from ros_nodes.managed_node import ManagedNode

    node = ManagedNode("forgetting", {})
    known = len(node.default_callback_group.entities)
    kind = message_class("std_msgs/msg/Header")
    publisher, timer = node.create_publisher(kind, "~/sent", 5), node.create_timer(1.0, lambda: None, clock=node.steady)
    subscription = node.create_subscription(kind, "~/heard", lambda message: None, 5)
    assert len(node.default_callback_group.entities) >= known + 2
    assert [node.destroy_publisher(publisher), node.destroy_timer(timer), node.destroy_subscription(subscription)] == [True] * 3
    assert len(node.default_callback_group.entities) == known
    node.destroy_node()
