"""What the fusion node sends out: detections, markers, and the sensors that each answer rests on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fusion.types import Detections
from ros_nodes.conversion import DETECTION_TYPE, markers_msg, message_available, message_class, rclpy_make, sensors_used_msg
from ros_nodes.detections_wire import detections_bytes
from ros_nodes.effort import Effort
from ros_nodes.pipeline import Answer

if TYPE_CHECKING:
    from ros_nodes.managed_node import ManagedNode

DEPTH = 5


class AnswerPublisher:
    """The publishers of a configured node. Without vision_msgs there are no detections to publish, and the rest goes out.

    Args:
        node: it owns the publishers.
        frame_id: of the boxes.
        markers_min_score: boxes below are not drawn.
    """

    def __init__(self, node: ManagedNode, frame_id: str, markers_min_score: float) -> None:
        self._node, self._frame_id, self._markers_min_score = node, frame_id, markers_min_score
        self.sends_detections = message_available(DETECTION_TYPE)
        self._detections = node.create_publisher(message_class(DETECTION_TYPE), "~/detections", DEPTH) if self.sends_detections else None
        self._markers = node.create_publisher(message_class("visualization_msgs/msg/MarkerArray"), "~/markers", DEPTH)
        self._sensors = node.create_publisher(message_class("diagnostic_msgs/msg/DiagnosticArray"), "~/sensors_used", DEPTH)
        self._shown: tuple[int, ...] = ()

    def publish(self, answer: Answer) -> None:
        """Send an answer: first the boxes, last what they rest on and where the time went."""
        started_s, before = time.perf_counter(), Effort.so_far()
        if self._detections is not None:
            self._detections.publish(detections_bytes(answer.detections, frame_id=self._frame_id))
        sent_s = time.perf_counter()
        if self._shown or self._markers.get_subscription_count():
            self._publish_markers(answer.detections)
        effort = answer.effort + (Effort.so_far() - before)
        stages = answer.stages_ms | {"publish": 1e3 * (sent_s - started_s), "draw": 1e3 * (time.perf_counter() - sent_s),
                                     "overhead_cpu": 1e3 * effort.cpu_s, "overhead_starved": 1e3 * effort.starved_s}
        self._sensors.publish(sensors_used_msg(
            rclpy_make, stamp_ns=answer.detections.stamp_ns, used=answer.used, missing=answer.missing, skew_ns=answer.skew_ns,
            stages_ms=stages, node=self._node.status_name, frame_id=self._frame_id))

    def destroy(self) -> None:
        """Take the publishers down."""
        for publisher in (self._detections, self._markers, self._sensors):
            if publisher is not None:
                self._node.destroy_publisher(publisher)

    def _publish_markers(self, detections: Detections) -> None:
        drawn = _at_least(detections, self._markers_min_score)
        self._markers.publish(markers_msg(rclpy_make, drawn, frame_id=self._frame_id, shown=self._shown))
        self._shown = tuple(range(len(drawn)))


def _at_least(detections: Detections, min_score: float) -> Detections:
    """The boxes from a score on."""
    keep: Any = np.flatnonzero(detections.scores >= min_score)
    return Detections(
        boxes=detections.boxes[keep], scores=detections.scores[keep], labels=detections.labels[keep],
        attributes=tuple(detections.attributes[index] for index in keep), stamp_ns=detections.stamp_ns,
        sensors_used=detections.sensors_used, frame=detections.frame, token=detections.token, classes=detections.classes)
