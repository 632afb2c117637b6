"""Feeds a `TransformTree` from /tf and /tf_static."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile

from ros_nodes.conversion import message_class, transform_from_msg
from ros_nodes.managed_node import ManagedNode
from ros_nodes.transforms import TransformTree

TF_QOS = QoSProfile(depth=100)
TF_STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class TransformListener:
    """Subscribes from the start until `destroy`.

    Args:
        node: it owns the subscriptions.
        tree: takes the transforms; one that is impossible is logged and counted as a bad message.
        changed: called after each message.
    """

    def __init__(self, node: ManagedNode, tree: TransformTree, changed: Callable[[], None]) -> None:
        self._node, self._tree, self._changed = node, tree, changed
        kind = message_class("tf2_msgs/msg/TFMessage")
        self._subscriptions = [
            node.create_subscription(kind, topic, node.guarded(partial(self._insert, static=static)), qos)
            for topic, static, qos in (("/tf", False, TF_QOS), ("/tf_static", True, TF_STATIC_QOS))]

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _insert(self, message: Any, *, static: bool) -> None:
        for stamped in message.transforms:
            sent = transform_from_msg(stamped)
            try:
                self._tree.insert(sent.parent, sent.child, sent.stamp_ns, translation_m=sent.translation_m, rotation_wxyz=sent.rotation_wxyz,
                                  static=static)
            except ValueError as error:
                self._node.bad_message()
                self._node.get_logger().warning(str(error), throttle_duration_sec=1.0)
        self._changed()
