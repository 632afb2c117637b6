"""Hears what the node answers, when, and where the player is."""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import gc
import threading
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions

from ros_nodes.conversion import (
    DETECTION_TYPE,
    detections_from_msg,
    message_available,
    message_class,
    sensor_states_from_msg,
    sensors_used_from_msg,
    stamp_ns,
)
from ros_nodes.matrix.notes import Heard, Moment, Notes
from ros_nodes.matrix.same_boxes import Rows
from ros_nodes.matrix.told import Told
from ros_nodes.player_topics import HEADER, SAMPLE_TOPIC, SCENE_TOPIC, STRING

INFERENCE = ("queue", "preprocess", "prepare", "network", "decode")
"""Stages of an answer that are the network's; `queue` is its work on the answer before."""


class Listener:
    """A ROS node of its own, on a thread of its own.

    Args:
        fusion, player: names of the nodes that it listens to.
    """

    def __init__(self, fusion: str, player: str) -> None:
        self.notes, self._fusion = Notes(), fusion
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = node = rclpy.create_node("fault_matrix", context=self._context)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(message_class("diagnostic_msgs/msg/DiagnosticArray"), f"/{fusion}/sensors_used", self._on_answer, 50)
        node.create_subscription(message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", self._on_report, 50)
        if message_available(DETECTION_TYPE):
            node.create_subscription(message_class(DETECTION_TYPE), f"/{fusion}/detections", self._on_detections, 50)
        node.create_subscription(message_class(STRING), SCENE_TOPIC, self._on_scene, latched)
        node.create_subscription(message_class(HEADER), SAMPLE_TOPIC, self._on_sample, 50)
        node.create_subscription(message_class("std_msgs/msg/Bool"), f"/{player}/finished", self._on_finished, latched)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin, name="listener", daemon=True)
        self._thread.start()

    def begin(self) -> Notes:
        """Forget what was, and take notes anew."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # a collection amid a drive takes as long as an answer, which would count as late
        self.notes = Notes()
        return self.notes

    # Answers to the end of a pass may come when the next has begun; no cell looks there.

    def _on_answer(self, message: Any) -> None:
        at_s, notes = time.monotonic(), self.notes
        stages = {value.key: float(value.value) for status in message.status if status.name.endswith(": stages") for value in status.values}
        notes.answers.append(Heard(number=notes.passes - 1, stamp_ns=stamp_ns(message.header.stamp), used=sensors_used_from_msg(message), at_s=at_s,
                                   inference_ms=sum(stages.get(name, 0.0) for name in INFERENCE)))

    def _on_report(self, message: Any) -> None:
        notes, states = self.notes, sensor_states_from_msg(message, self._fusion)
        if states:
            notes.told.append(Told(number=notes.passes - 1, stamp_ns=stamp_ns(message.header.stamp), states=states))

    def _on_detections(self, message: Any) -> None:
        notes, found = self.notes, detections_from_msg(message)
        notes.rows[notes.passes - 1, found.stamp_ns] = Rows.of(found)

    def _on_scene(self, message: Any) -> None:
        self.notes.passes += 1

    def _on_sample(self, message: Any) -> None:
        notes = self.notes
        notes.moments.append(Moment(number=notes.passes - 1, stamp_ns=stamp_ns(message.stamp), at_s=time.monotonic()))

    def _on_finished(self, message: Any) -> None:
        self.notes.finished = self.notes.finished or bool(message.data)

    def close(self) -> None:
        """Leave the network."""
        self._executor.shutdown()
        self._thread.join(5.0)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)
