"""The tracker node: detections in, tracks with ids that stay out. Convert, call, publish; the tracker itself is `fusion.tracking`."""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from fusion.errors import BadSensorData, UserError
from fusion.types import Tracks
from ros_nodes.conversion import (
    DETECTION_TYPE,
    ERROR,
    WARN,
    detections_from_msg,
    diagnostics_msg,
    message_available,
    message_class,
    rclpy_make,
    status_msg,
    tracks_msg,
)
from ros_nodes.managed_node import ManagedNode, spin
from ros_nodes.marker_publishing import MarkerPublisher
from ros_nodes.track_pipeline import TrackPipeline
from ros_nodes.tracker_settings import PARAMETERS, read_tracker_config
from ros_nodes.transform_listener import TransformListener
from ros_nodes.transforms import TransformTree

POLL_S, REPORT_S = 0.02, 1.0
DEPTH = 10


class TrackerNode(ManagedNode):
    """Follows transforms while configured, detections while active, reports always. Its callbacks never raise.

    Publishes `~/tracks` (vision_msgs/Detection3DArray in the fixed frame, each with its id), `~/markers`, and its status on `/diagnostics`.
    """

    def __init__(self, name: str = "tracker_node") -> None:
        super().__init__(name, PARAMETERS)
        self._state, self._fault, self._dropped, self._reported, self._alive = "unconfigured", "", 0, 0, 0
        self._tree = TransformTree()
        self._pipeline: TrackPipeline | None = None
        self._topic = ""
        self._tracks: Any = None
        self._markers: MarkerPublisher | None = None
        self._listener: TransformListener | None = None
        self._detection_subscription: Any = None
        self._reports = self.create_publisher(message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", 10)
        self._report_timer = self.create_timer(REPORT_S, self.guarded(self._report), clock=self.steady)
        self._poll_timer = self.stopped_timer(POLL_S, self._poll)
        self.call_on_jump(self._on_jump)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters. On failure the reason is logged and in /diagnostics, and the node can be tried again."""
        self._fault = ""
        try:
            config = read_tracker_config(self.values())
            if not message_available(DETECTION_TYPE):
                raise UserError(f"{DETECTION_TYPE.partition('/')[0]} is not installed: there are no detections to follow without it;"
                                " tools/build_ros_interfaces.sh builds it")
            self._topic = config.detections_topic
            self._pipeline = TrackPipeline(config, self._tree)
            self._listener = TransformListener(self, self._tree, self._poll)
            self._tracks = self.create_publisher(message_class(DETECTION_TYPE), "~/tracks", DEPTH)
            self._markers = MarkerPublisher(self, DEPTH)
        except Exception as error:
            self.release()
            self._fault = self.not_configured(error)
            self._report()
            return TransitionCallbackReturn.FAILURE
        return self.entered("inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the detections."""
        try:
            self._detection_subscription = self.create_subscription(
                message_class(DETECTION_TYPE), self._topic, self.guarded(self._on_detections), DEPTH)
        except Exception as error:  # rclpy would swallow it
            self.get_logger().error(f"not activated: {type(error).__name__}: {error}")
            return TransitionCallbackReturn.FAILURE
        self._poll_timer.reset()
        return self.entered("active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and forget the objects: how they move on in the meantime is not known. Ids go on."""
        self._stop()
        return self.entered("inactive")

    def entered(self, state: str) -> TransitionCallbackReturn:
        self._state = state
        self.guarded(self._report)()
        return TransitionCallbackReturn.SUCCESS

    def _stop(self) -> None:
        self._poll_timer.cancel()
        if self._detection_subscription is not None:
            self.destroy_subscription(self._detection_subscription)
            self._detection_subscription = None
        if self._pipeline is not None:
            self._pipeline.reset()

    def release(self) -> None:
        self._stop()
        if self._listener is not None:
            self._listener.destroy()
            self._listener = None
        if self._tracks is not None:
            self.destroy_publisher(self._tracks)
        if self._markers is not None:
            self._markers.destroy()
        self._tracks = self._markers = self._pipeline = None
        self._tree = TransformTree()
        self._dropped = self._reported = self._alive = 0

    # Callbacks, all on the executor's thread

    def _on_detections(self, message: Any) -> None:
        if self._pipeline is None:
            return
        try:
            self._pipeline.offer(detections_from_msg(message), message.header.frame_id, time.monotonic_ns())
        except BadSensorData as error:
            self._pipeline.refuse(str(error))
        self._poll()

    def _on_jump(self) -> None:
        self._tree.forget_after(self.get_clock().now().nanoseconds)
        if self._pipeline is not None:
            self.get_logger().info("time jumped: starting anew")
            self._pipeline.jumped()

    def _poll(self) -> None:
        if self._pipeline is None or self._detection_subscription is None:
            return
        for frame_id, tracks in self._pipeline.due(time.monotonic_ns()):
            self._publish(tracks, frame_id)
        dropped = self._pipeline.dropped
        if dropped > self._dropped:
            self.get_logger().warning(f"detections dropped: {self._pipeline.counts.last_reason}", throttle_duration_sec=1.0)
        self._dropped = dropped

    def _publish(self, tracks: Tracks, frame_id: str) -> None:
        self._alive = len(tracks)
        self._tracks.publish(tracks_msg(rclpy_make, tracks, frame_id=frame_id))
        if self._markers is not None:
            self._markers.publish(tracks, frame_id=frame_id)

    # Diagnostics

    def _report(self) -> None:
        values: dict[str, object] = {"state": self._state, "tracks": self._alive}
        trouble = [(ERROR, f"not configured: {self._fault}")] if self._fault else [self.clock_trouble()]
        if self._pipeline is not None:
            values |= asdict(self._pipeline.counts)
            if self._pipeline.dropped > self._reported:
                trouble.append((WARN, f"detections dropped: {self._pipeline.counts.last_reason}"))
            self._reported = self._pipeline.dropped
        if self._detection_subscription is not None and not self.count_publishers(self.resolve_topic_name(self._topic)):
            trouble.append((WARN, f"nobody publishes detections on {self.resolve_topic_name(self._topic)}"))
        level, text = max(trouble, key=lambda each: each[0])  # of equally bad ones the first
        status = status_msg(rclpy_make, name=f"{self.status_name}: node", level=level, message=text or self._state, values=values)
        self._reports.publish(diagnostics_msg(rclpy_make, {}, stamp_ns=self.get_clock().now().nanoseconds, node=self.status_name, extra=[status]))


def run(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    spin(TrackerNode, args)
