"""Boxes drawn for whoever looks, and taken off the display when nobody does any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusion.types import Detections, Tracks
from ros_nodes.conversion import marker_ids, markers_msg, message_class, rclpy_make

if TYPE_CHECKING:
    from ros_nodes.managed_node import ManagedNode


class MarkerPublisher:
    """Publishes `~/markers` while someone subscribes to it, and once more after the last has left: a deletion.

    Args:
        node: it owns the publisher.
        depth: of its queue.
    """

    def __init__(self, node: ManagedNode, depth: int) -> None:
        self._node = node
        self._publisher = node.create_publisher(message_class("visualization_msgs/msg/MarkerArray"), "~/markers", depth)
        self._shown: tuple[int, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether there is anything to send: where not, the boxes need not be made ready."""
        return bool(self._shown) or self._publisher.get_subscription_count() > 0

    def publish(self, found: Detections | Tracks, *, frame_id: str) -> None:
        """Draw the boxes in place of those before."""
        if not self.wanted:
            return
        drawn = found if self._publisher.get_subscription_count() else Detections.empty(stamp_ns=found.stamp_ns)
        self._publisher.publish(markers_msg(rclpy_make, drawn, frame_id=frame_id, shown=self._shown))
        self._shown = marker_ids(drawn)

    def destroy(self) -> None:
        """Take the publisher down."""
        self._node.destroy_publisher(self._publisher)
