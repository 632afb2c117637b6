"""The tracker node: detections in, tracks with ids that stay out. Convert, call, publish; the tracker itself is `fusion.tracking`."""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import rclpy
import rclpy.utilities
from rclpy.clock import Clock, JumpThreshold
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile

from fusion.errors import BadSensorData, UserError
from fusion.types import Tracks
from ros_nodes.conversion import (
    DETECTION_TYPE,
    detections_from_msg,
    diagnostics_msg,
    marker_ids,
    markers_msg,
    message_available,
    message_class,
    rclpy_make,
    status_msg,
    tracks_msg,
    transform_from_msg,
)
from ros_nodes.track_pipeline import JUMP_NS, TrackPipeline
from ros_nodes.tracker_settings import PARAMETERS, read_tracker_config
from ros_nodes.transforms import TransformTree

POLL_S, REPORT_S = 0.02, 1.0
DEPTH = 10
TF_QOS = QoSProfile(depth=100)
TF_STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OK, WARN, ERROR = 0, 1, 2


class TrackerNode(LifecycleNode):
    """Follows transforms while configured, detections while active, reports always. Its callbacks never raise.

    Publishes `~/tracks` (vision_msgs/Detection3DArray in the fixed frame, each with its id), `~/markers`, and its status on `/diagnostics`.
    """

    def __init__(self, name: str = "tracker_node") -> None:
        super().__init__(name, allow_undeclared_parameters=True, automatically_declare_parameters_from_overrides=True)
        descriptor = message_class("rcl_interfaces/msg/ParameterDescriptor")
        for key, (default, description) in PARAMETERS.items():
            if not self.has_parameter(key):
                self.declare_parameter(key, default, descriptor(description=description, dynamic_typing=True))
        self._state, self._fault, self._dropped, self._reported, self._alive = "unconfigured", "", 0, 0, 0
        self._tree = TransformTree()
        self._pipeline: TrackPipeline | None = None
        self._topic = ""
        self._tracks: Any = None
        self._markers: Any = None
        self._shown: tuple[int, ...] = ()
        self._frame_subscriptions: list[Any] = []
        self._detection_subscription: Any = None
        self._reports = self.create_publisher(message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._report_timer = self.create_timer(REPORT_S, self._guarded(self._report), clock=steady)
        self._poll_timer = self.create_timer(POLL_S, self._guarded(self._poll), clock=steady, autostart=False)
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-JUMP_NS))
        self._jump_handle = self.get_clock().create_jump_callback(threshold, post_callback=self._guarded(self._on_jump))

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters. On failure the reason is logged and in /diagnostics, and the node can be tried again."""
        self._fault = ""
        try:
            parameters: Mapping[str, Any] = self.get_parameters_by_prefix("")
            config = read_tracker_config({name: parameter.value for name, parameter in parameters.items()})
            if not message_available(DETECTION_TYPE):
                raise UserError(f"{DETECTION_TYPE.partition('/')[0]} is not installed: there are no detections to follow without it;"
                                " tools/build_ros_interfaces.sh builds it")
            self._topic = config.detections_topic
            self._pipeline = TrackPipeline(config, self._tree)
            self._follow_frames()
            self._tracks = self.create_publisher(message_class(DETECTION_TYPE), "~/tracks", DEPTH)
            self._markers = self.create_publisher(message_class("visualization_msgs/msg/MarkerArray"), "~/markers", DEPTH)
        except Exception as error:
            self._release()
            self._fault = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"not configured: {self._fault}" + ("" if isinstance(error, UserError) else f"\n{traceback.format_exc()}"))
            self._report()
            return TransitionCallbackReturn.FAILURE
        return self._entered("inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the detections."""
        self._detection_subscription = self.create_subscription(
            message_class(DETECTION_TYPE), self._topic, self._guarded(self._on_detections), DEPTH)
        self._poll_timer.reset()
        return self._entered("active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and forget the objects: how they move on in the meantime is not known. Ids go on."""
        self._stop()
        return self._entered("inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything."""
        self._release()
        return self._entered("unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything."""
        self._release()
        return self._entered("finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that raised: back to unconfigured, from where the node can be configured again."""
        self._release()
        return self._entered("unconfigured")

    def _entered(self, state: str) -> TransitionCallbackReturn:
        self._state = state
        self._report()
        return TransitionCallbackReturn.SUCCESS

    def _stop(self) -> None:
        self._poll_timer.cancel()
        if self._detection_subscription is not None:
            self.destroy_subscription(self._detection_subscription)
            self._detection_subscription = None
        if self._pipeline is not None:
            self._pipeline.reset()

    def _release(self) -> None:
        self._stop()
        for subscription in self._frame_subscriptions:
            self.destroy_subscription(subscription)
        self._frame_subscriptions.clear()
        for publisher in (self._tracks, self._markers):
            if publisher is not None:
                self.destroy_publisher(publisher)
        self._tracks = self._markers = self._pipeline = None
        self._tree, self._shown = TransformTree(), ()
        self._dropped = self._reported = self._alive = 0

    def destroy_node(self) -> None:
        """Let go of everything, then go."""
        self._release()
        self._jump_handle.unregister()
        super().destroy_node()

    # Callbacks, all on the executor's thread

    def _follow_frames(self) -> None:
        tf = message_class("tf2_msgs/msg/TFMessage")
        self._frame_subscriptions = [
            self.create_subscription(tf, "/tf", self._guarded(partial(self._on_tf, static=False)), TF_QOS),
            self.create_subscription(tf, "/tf_static", self._guarded(partial(self._on_tf, static=True)), TF_STATIC_QOS)]

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """The callback, whose exceptions are logged instead of ending the node."""
        def call(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                self.get_logger().error(f"{type(error).__name__}: {error}\n{traceback.format_exc()}", throttle_duration_sec=1.0)
        return call

    def _on_tf(self, message: Any, *, static: bool) -> None:
        for stamped in message.transforms:
            sent = transform_from_msg(stamped)
            try:
                self._tree.insert(sent.parent, sent.child, sent.stamp_ns, translation_m=sent.translation_m, rotation_wxyz=sent.rotation_wxyz,
                                  static=static)
            except ValueError as error:
                self.get_logger().warning(str(error), throttle_duration_sec=1.0)
        self._poll()

    def _on_detections(self, message: Any) -> None:
        if self._pipeline is None:
            return
        try:
            self._pipeline.offer(detections_from_msg(message), message.header.frame_id, time.monotonic_ns())
        except BadSensorData as error:
            self._pipeline.refuse(str(error))
        self._poll()

    def _on_jump(self, jump: Any) -> None:
        if self._pipeline is not None:
            self.get_logger().info("time jumped: starting anew")
            self._tree.forget_after(self.get_clock().now().nanoseconds)
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
        if self._shown or self._markers.get_subscription_count():
            self._markers.publish(markers_msg(rclpy_make, tracks, frame_id=frame_id, shown=self._shown))
            self._shown = marker_ids(tracks)

    # Diagnostics

    def _report(self) -> None:
        values: dict[str, object] = {"state": self._state, "tracks": self._alive}
        level, text = (ERROR, f"not configured: {self._fault}") if self._fault else (OK, self._state)
        if self._pipeline is not None:
            values |= asdict(self._pipeline.counts)
            if self._pipeline.dropped > self._reported:
                level, text = WARN, f"detections dropped: {self._pipeline.counts.last_reason}"
            self._reported = self._pipeline.dropped
        status = status_msg(rclpy_make, name=f"{self.get_name()}: node", level=level, message=text, values=values)
        self._reports.publish(diagnostics_msg(rclpy_make, {}, stamp_ns=self.get_clock().now().nanoseconds, node=self.get_name(), extra=[status]))


def run(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    rclpy.init(args=args)
    node = TrackerNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.utilities.try_shutdown()
