"""The fusion node's subscriptions, each as its publishers offer.

A best-effort subscription suits every publisher, but loses large images on their way through Fast DDS' usual buffers; a reliable one gets
them whole, and is given nothing by a best-effort publisher. So what is offered decides, again whenever that changes.
"""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from ros_nodes.conversion import message_class
from ros_nodes.fusion_config import FusionNodeConfig
from ros_nodes.managed_node import ManagedNode

LOOK_S = 0.25
"""How often the publishers are looked at; it takes 30 us for each topic."""

DEPTH, INFO_DEPTH = 3, 5
"""Readings that wait for the executor: few, as the newest counts. The middleware takes over what comes beyond, so that no publisher waits."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a topic is subscribed to: reliably or best effort; latched (transient local) or from now on."""

    reliable: bool = False
    latched: bool = False

    def qos(self, depth: int) -> QoSProfile:
        """For `create_subscription`."""
        return QoSProfile(
            depth=depth, reliability=ReliabilityPolicy.RELIABLE if self.reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE)

    def __str__(self) -> str:
        return ("reliable" if self.reliable else "best effort") + (", latched" if self.latched else "")


def way_for(offers: Sequence[QoSProfile], now: Way, *, asked: bool | None = None, latching: bool = False) -> Way:
    """The way to subscribe to a topic.

    Args:
        offers: the QoS of each publisher found; without any the way stays as it is.
        now: the way until now.
        asked: reliable or not, as the user wants; None: where every publisher is.
        latching: whether what was sent before counts, too: where every publisher keeps it, which a subscriber must ask for reliably.
    """
    if asked is not None:
        return Way(reliable=asked)
    if not offers:
        return now
    reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    return Way(reliable=reliable,
               latched=latching and reliable and all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers))


@dataclass(kw_only=True)
class _Topic:
    kind: str
    name: str
    callback: Callable[[Any], None]
    depth: int = DEPTH
    asked: bool | None = None
    latching: bool = False
    way: Way = field(default_factory=Way)
    subscription: Any = None


class SensorSubscriptions:
    """From the first `follow` until `destroy`; follows by itself, too.

    Args:
        node: it owns the subscriptions.
        config: the sensors.
        on_info: called with a camera's name and its CameraInfo.
        on_reading: called with a sensor's name and its Image, CompressedImage or PointCloud2.
    """

    def __init__(self, node: ManagedNode, config: FusionNodeConfig, on_info: Callable[[str, Any], None],
                 on_reading: Callable[[str, Any], None]) -> None:
        self._node = node
        self._topics: list[_Topic] = []
        for name, camera in config.cameras.items():
            kind = "Image" if camera.transport == "raw" else "CompressedImage"
            self._topics += [
                _Topic(kind="CameraInfo", name=camera.info_topic, callback=partial(on_info, name), depth=INFO_DEPTH, latching=True),
                _Topic(kind=kind, name=camera.topic, callback=partial(on_reading, name), asked=camera.reliable)]
        for name, lidar in config.lidars.items():
            self._topics.append(_Topic(kind="PointCloud2", name=lidar.topic, callback=partial(on_reading, name), asked=lidar.reliable))
        self._timer = node.create_timer(LOOK_S, node.guarded(self.follow), clock=node.steady)

    def follow(self) -> None:
        """Subscribe to each topic as its publishers offer now. What a reliable publisher sends while that changes may be lost."""
        for topic in self._topics:
            found = self._node.get_publishers_info_by_topic(topic.name)  # it remaps the name
            way = way_for([publisher.qos_profile for publisher in found], topic.way, asked=topic.asked, latching=topic.latching)
            if topic.subscription is None or way != topic.way:
                if topic.subscription is not None:
                    self._node.get_logger().info(f"{topic.name}: {topic.way} -> {way}, as its publishers offer")
                    self._node.destroy_subscription(topic.subscription)
                topic.way = way
                topic.subscription = self._node.create_subscription(
                    message_class(f"sensor_msgs/msg/{topic.kind}"), topic.name, self._node.guarded(topic.callback), way.qos(topic.depth))

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        for topic in self._topics:
            if topic.subscription is not None:
                self._node.destroy_subscription(topic.subscription)
        self._topics.clear()
