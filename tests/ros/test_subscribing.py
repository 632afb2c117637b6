"""Subscriptions that follow what is offered: the rule alone, and over DDS within this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
sys.path.insert(0, str(Path(__file__).resolve().parent))

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from small_rig import image, info

from ros_nodes.conversion import message_class, rclpy_make
from ros_nodes.managed_node import ManagedNode
from ros_nodes.parameters import read_config
from ros_nodes.subscribing import SensorSubscriptions, Way, way_for

RELIABLE, BEST_EFFORT = QoSProfile(depth=5), QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
UNKNOWN = QoSProfile(depth=1, reliability=ReliabilityPolicy.UNKNOWN)
IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"


@pytest.mark.parametrize(("offers", "now", "latching", "way"), [
    ([], "best effort", False, "best effort"),
    ([], "reliable", False, "reliable"),  # a driver that starts again most likely offers the same
    ([RELIABLE], "best effort", False, "reliable"),
    ([RELIABLE, RELIABLE], "best effort", False, "reliable"),
    ([RELIABLE, BEST_EFFORT], "reliable", False, "best effort"),
    ([BEST_EFFORT], "reliable", False, "best effort"),
    ([UNKNOWN], "reliable", False, "best effort"),
    ([LATCHED], "best effort", False, "reliable"),
    ([LATCHED], "best effort", True, "reliable, latched"),
    ([LATCHED, RELIABLE], "reliable, latched", True, "reliable"),
    ([LATCHED, BEST_EFFORT], "reliable, latched", True, "best effort"),
    ([], "reliable, latched", True, "reliable, latched"),
])
def test_what_is_offered_decides(offers: list[QoSProfile], now: str, latching: bool, way: str) -> None:
    ways = {str(each): each for each in (Way(), Way(reliable=True), Way(reliable=True, latched=True))}
    assert str(way_for(offers, ways[now], latching=latching)) == way


def test_what_the_user_asks_for_is_done() -> None:
    assert way_for([BEST_EFFORT], Way(), asked=True) == Way(reliable=True)
    assert way_for([RELIABLE], Way(reliable=True), asked=False) == Way()


@pytest.fixture
def node(needs_ros: None) -> Iterator[ManagedNode]:
    import rclpy

    rclpy.init(args=[])
    made = ManagedNode("follower", {})
    yield made
    made.destroy_node()
    rclpy.shutdown()


def test_a_latched_calibration_is_got_and_no_publisher_is_lost(node: ManagedNode) -> None:
    from rclpy.executors import SingleThreadedExecutor

    infos, readings = [], []
    config = read_config({"cameras": ["FRONT"], "lidars": ["TOP"]})
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def until(condition: Any, what: str) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, what
            subscriptions.follow()  # as its timer does every second
            executor.spin_once(timeout_sec=0.02)

    def ways() -> list[str]:
        return [f"{s.topic_name} {s.qos_profile.reliability.name}" for s in node.subscriptions if s.topic_name.startswith("/sensors/")]

    subscriptions = SensorSubscriptions(node, config, lambda name, message: infos.append((name, message)),
                                        lambda name, message: readings.append((name, message)))
    subscriptions.follow()
    assert sorted(ways()) == [f"/sensors/{end} BEST_EFFORT" for end in ("front/camera_info", "front/image", "top/points")]
    once = node.create_publisher(message_class(INFO), "/sensors/front/camera_info", LATCHED)
    once.publish(info(5, build=rclpy_make))
    until(lambda: infos, "the calibration that was published once")
    assert infos[0][0] == "FRONT" and list(infos[0][1].k) == list(info(5).k)
    publisher = node.create_publisher(message_class(IMAGE), "/sensors/front/image", RELIABLE)
    until(lambda: "/sensors/front/image RELIABLE" in ways() and publisher.get_subscription_count() == 1, "a reliable subscription")
    publisher.publish(image(7, build=rclpy_make))
    until(lambda: readings, "an image")
    other = node.create_publisher(message_class(IMAGE), "/sensors/front/image", BEST_EFFORT)
    until(lambda: "/sensors/front/image BEST_EFFORT" in ways() and other.get_subscription_count() == 1, "a best-effort subscription")
    other.publish(image(8, build=rclpy_make))
    until(lambda: len(readings) == 2, "an image of the second publisher")
    assert [name for name, _ in readings] == ["FRONT", "FRONT"]
    subscriptions.destroy()
    assert ways() == []
    executor.shutdown()


def test_topics_that_change_places_are_each_followed_as_it_is_offered(needs_ros: None) -> None:
    import rclpy

    swapped = {"/sensors/left/image": "/sensors/right/image", "/sensors/right/image": "/sensors/left/image"}
    rclpy.init(args=["--ros-args", *(word for pair in swapped.items() for word in ("-r", ":=".join(pair)))])
    node = ManagedNode("swapped", {})
    for name, qos in (("left", RELIABLE), ("right", BEST_EFFORT)):
        node.create_publisher(message_class(IMAGE), f"/sensors/{name}/image", qos)
    config = read_config({"cameras": ["LEFT", "RIGHT"], "lidars": [""]}, node.resolve_topic_name)
    subscriptions = SensorSubscriptions(node, config, lambda *_: None, lambda *_: None)
    wanted = {"/sensors/right/image": "RELIABLE", "/sensors/left/image": "BEST_EFFORT"}  # left's reliable ones come on right's topic
    deadline, ways = time.monotonic() + 10, {}
    while ways != wanted and time.monotonic() < deadline:
        subscriptions.follow()
        ways = {s.topic_name: s.qos_profile.reliability.name for s in node.subscriptions if s.topic_name.endswith("/image")}
        time.sleep(0.05)
    subscriptions.destroy()
    node.destroy_node()
    rclpy.shutdown()
    assert ways == wanted
