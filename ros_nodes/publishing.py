"""What the fusion node sends out: detections, markers, and the sensors that each answer rests on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message

from fusion.types import Detections
from ros_nodes.conversion import DETECTION_TYPE, detections_msg, message_available, message_class, rclpy_make, sensors_used_msg
from ros_nodes.detections_wire import detections_bytes
from ros_nodes.effort import Effort
from ros_nodes.marker_publishing import MarkerPublisher
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

    Attributes:
        notes: what the user should know of what is not sent, or not as fast as it could be.
    """

    def __init__(self, node: ManagedNode, frame_id: str, markers_min_score: float) -> None:
        self._node, self._frame_id, self._markers_min_score = node, frame_id, markers_min_score
        package, available = DETECTION_TYPE.partition("/")[0], message_available(DETECTION_TYPE)
        self._detections = node.create_publisher(message_class(DETECTION_TYPE), "~/detections", DEPTH) if available else None
        self._as_bytes = available and bytes_fit()
        self.notes: tuple[str, ...] = ()
        if not available:
            self.notes = (f"{package} is not installed: ~/detections is not published, markers and sensors are",)
        elif not self._as_bytes:
            self.notes = (f"the installed {package} has another {DETECTION_TYPE} than the one known here: detections are sent the slow way",)
        self._markers = MarkerPublisher(node, DEPTH)
        self._sensors = node.create_publisher(message_class("diagnostic_msgs/msg/DiagnosticArray"), "~/sensors_used", DEPTH)

    def publish(self, answer: Answer) -> None:
        """Send an answer: first the boxes, last what they rest on and where the time went."""
        started_s, before = time.perf_counter(), Effort.so_far()
        if self._detections is not None:
            self._detections.publish(detections_bytes(answer.detections, frame_id=self._frame_id) if self._as_bytes
                                     else detections_msg(rclpy_make, answer.detections, frame_id=self._frame_id))
        sent_s = time.perf_counter()
        if self._markers.wanted:
            self._markers.publish(_at_least(answer.detections, self._markers_min_score), frame_id=self._frame_id)
        effort = answer.effort + (Effort.so_far() - before)
        stages = answer.stages_ms | {"publish": 1e3 * (sent_s - started_s), "draw": 1e3 * (time.perf_counter() - sent_s),
                                     "overhead_cpu": 1e3 * effort.cpu_s, "overhead_starved": 1e3 * effort.starved_s}
        self._sensors.publish(sensors_used_msg(
            rclpy_make, stamp_ns=answer.detections.stamp_ns, used=answer.used, missing=answer.missing, skew_ns=answer.skew_ns,
            stages_ms=stages, node=self._node.status_name, frame_id=self._frame_id))

    def destroy(self) -> None:
        """Take the publishers down."""
        self._markers.destroy()
        for publisher in (self._detections, self._sensors):
            if publisher is not None:
                self._node.destroy_publisher(publisher)


def bytes_fit() -> bool:
    """Whether `detections_bytes` writes what the installed message package reads: it was written for one version of the message."""
    boxes = np.arange(1, 28, dtype=np.float32).reshape(3, 9)  # of names of several lengths, which move what follows
    sample = Detections(boxes=boxes, scores=np.array([0.9, 0.5, 0.1], np.float32), labels=np.arange(3), attributes=("",) * 3, stamp_ns=1_000_000_002,
                        sensors_used=())
    try:
        wanted = detections_msg(rclpy_make, sample, frame_id="base")
        written = detections_bytes(sample, frame_id="base")
        return len(written) == len(serialize_message(wanted)) and bool(deserialize_message(written, message_class(DETECTION_TYPE)) == wanted)
    except Exception:  # the middleware's own, where the bytes are none of that message
        return False


def _at_least(detections: Detections, min_score: float) -> Detections:
    """The boxes from a score on."""
    keep: Any = np.flatnonzero(detections.scores >= min_score)
    return Detections(
        boxes=detections.boxes[keep], scores=detections.scores[keep], labels=detections.labels[keep],
        attributes=tuple(detections.attributes[index] for index in keep), stamp_ns=detections.stamp_ns,
        sensors_used=detections.sensors_used, frame=detections.frame, token=detections.token, classes=detections.classes)
