"""The fusion node: cameras and LiDARs in, detections out. Convert, call, publish; every step of the work is in the modules that it calls."""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import rclpy
import rclpy.utilities
from rclpy.clock import Clock, JumpThreshold, ROSClock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from fusion.errors import UserError
from fusion.runtime.perceiver import Perceiver
from ros_nodes.conversion import DETECTION_TYPE, message_class, transform_from_msg
from ros_nodes.diagnostics import NodeStatus, report_message
from ros_nodes.parameters import PARAMETERS, FusionNodeConfig, read_config
from ros_nodes.perception import LastStages, load_perceiver
from ros_nodes.pipeline import Answer, FusionPipeline
from ros_nodes.placing import Calibrations
from ros_nodes.publishing import AnswerPublisher
from ros_nodes.transforms import TransformTree

POLL_S, STATUS_S, REPORT_S = 0.01, 0.2, 1.0
JUMP_NS = 100_000_000
"""The clock may step back by this much, as two publishers of /clock do, before time counts as having jumped."""

TF_QOS = QoSProfile(depth=100)
TF_STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class FusionNode(LifecycleNode):
    """Subscribes while active, follows transforms while configured, reports always. Its callbacks never raise."""

    def __init__(self, name: str = "fusion_node") -> None:
        super().__init__(name, allow_undeclared_parameters=True)
        descriptor = message_class("rcl_interfaces/msg/ParameterDescriptor")
        # Every name that was given is declared, so that a mistyped one is seen; rclpy's own way to do so dies of an empty list.
        given: Mapping[str, Any] = self._parameter_overrides
        for key in {**PARAMETERS, **given}:
            if not self.has_parameter(key):
                default, description = PARAMETERS.get(key, (None, ""))
                self.declare_parameter(key, default, descriptor(description=description, dynamic_typing=True))
        self._status = NodeStatus()
        self._config: FusionNodeConfig | None = None
        self._perceiver: tuple[Perceiver, LastStages] | None = None
        self._pipeline: FusionPipeline | None = None
        self._publisher: AnswerPublisher | None = None
        self._tree, self._calibrations = TransformTree(), Calibrations()
        self._frame_subscriptions: list[Any] = []
        self._sensor_subscriptions: list[Any] = []
        self._reports = self.create_publisher(message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", 10)
        self._shown: tuple[object, ...] = ()
        self._shown_s = 0.0
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._status_timer = self.create_timer(STATUS_S, self._guarded(self._report), clock=self._steady)
        self._poll_timer = self.create_timer(POLL_S, self._guarded(self._poll), clock=self._steady, autostart=False)
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-JUMP_NS))
        self._jump_handle = self.get_clock().create_jump_callback(threshold, post_callback=self._guarded(self._on_jump))

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters and load the model. On failure the reason is logged and in /diagnostics, and the node can be tried again."""
        self._status = NodeStatus()
        try:
            parameters: Mapping[str, Any] = self.get_parameters_by_prefix("")
            values = {name: parameter.value for name, parameter in parameters.items()}
            config = read_config(values, self.resolve_topic_name)
            self._perceiver = load_perceiver(config)
            network = self._perceiver[0].config.network
            self._config = config.read_by(camera=network.camera is not None, lidar=network.lidar is not None)
            self._follow_frames()
            self._publisher = AnswerPublisher(self, config.base_frame, config.markers_min_score)
        except Exception as error:
            self._release()
            reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self._status.fault = reason
            self.get_logger().error(f"not configured: {reason}" + ("" if isinstance(error, UserError) else f"\n{traceback.format_exc()}"))
            self._guarded(self._report)(True)
            return TransitionCallbackReturn.FAILURE
        if not self._publisher.sends_detections:
            note = f"{DETECTION_TYPE.partition('/')[0]} is not installed: ~/detections is not published, markers and sensors are"
            self._status.notes = (note,)
            self.get_logger().warning(note)
        return self._entered("inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the sensors and start inference."""
        assert self._config is not None and self._perceiver is not None
        try:
            self._pipeline = FusionPipeline(self._config, *self._perceiver, self._tree, self._calibrations, on_answer=self._on_answer,
                                            on_error=self._on_inference_error)
            self._subscribe(self._config)
        except Exception as error:  # rclpy would swallow it
            self._stop()
            self.get_logger().error(f"not activated: {type(error).__name__}: {error}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        self._poll_timer.reset()
        gc.collect()
        gc.freeze()  # a collection over the network's many objects would hold an answer up for a tenth of a second
        return self._entered("active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop inference; nothing is published after this."""
        self._stop()
        return self._entered("inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model."""
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
        self._status.state = state
        self._guarded(self._report)(True)
        return TransitionCallbackReturn.SUCCESS

    def _stop(self) -> None:
        self._poll_timer.cancel()
        for subscription in self._sensor_subscriptions:
            self.destroy_subscription(subscription)
        self._sensor_subscriptions.clear()
        if self._pipeline is not None and not self._pipeline.stop():
            self.get_logger().warning("inference did not end in time; its answer will be dropped")
        self._pipeline = None
        gc.unfreeze()

    def _release(self) -> None:
        self._stop()
        for subscription in self._frame_subscriptions:
            self.destroy_subscription(subscription)
        self._frame_subscriptions.clear()
        if self._publisher is not None:
            self._publisher.destroy()
        self._publisher = self._config = self._perceiver = None
        self._tree, self._calibrations = TransformTree(), Calibrations()
        gc.collect()

    def destroy_node(self) -> None:
        """Stop the threads, then go."""
        self._release()
        self._jump_handle.unregister()
        super().destroy_node()

    # Subscriptions

    def _follow_frames(self) -> None:
        tf = message_class("tf2_msgs/msg/TFMessage")
        self._frame_subscriptions = [
            self.create_subscription(tf, "/tf", self._guarded(partial(self._on_tf, static=False)), TF_QOS),
            self.create_subscription(tf, "/tf_static", self._guarded(partial(self._on_tf, static=True)), TF_STATIC_QOS)]

    def _subscribe(self, config: FusionNodeConfig) -> None:
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE if config.reliable else ReliabilityPolicy.BEST_EFFORT)

        def subscribe(kind: str, topic: str, callback: Callable[[Any], None]) -> None:
            self._sensor_subscriptions.append(self.create_subscription(message_class(f"sensor_msgs/msg/{kind}"), topic, self._guarded(callback), qos))

        for name, camera in config.cameras.items():
            subscribe("CameraInfo", camera.info_topic, partial(self._calibrations.insert, name))
            subscribe("Image" if camera.transport == "raw" else "CompressedImage", camera.topic, partial(self._on_reading, name))
        for name, lidar in config.lidars.items():
            subscribe("PointCloud2", lidar.topic, partial(self._on_reading, name))

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """The callback, whose exceptions are logged instead of ending the node."""
        def call(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                self._status.bad_messages += 1
                self.get_logger().error(f"{type(error).__name__}: {error}\n{traceback.format_exc()}", throttle_duration_sec=1.0)
        return call

    # Callbacks, all on the executor's thread

    def _on_reading(self, name: str, message: Any) -> None:
        if self._pipeline is not None:
            self._pipeline.offer(name, message, self._now_ns())

    def _on_tf(self, message: Any, *, static: bool) -> None:
        for stamped in message.transforms:
            sent = transform_from_msg(stamped)
            try:
                self._tree.insert(sent.parent, sent.child, sent.stamp_ns, translation_m=sent.translation_m, rotation_wxyz=sent.rotation_wxyz,
                                  static=static)
            except ValueError as error:
                self._status.bad_messages += 1
                self.get_logger().warning(str(error), throttle_duration_sec=1.0)
        self._poll()

    def _poll(self) -> None:
        if self._pipeline is not None:
            self._pipeline.poll(self._now_ns())

    def _on_jump(self, jump: Any) -> None:
        if self._pipeline is not None:
            self.get_logger().info("time jumped: starting anew")
            self._pipeline.jumped(self._now_ns())

    def _now_ns(self) -> int:
        """The clock that deadlines are kept by: simulated time where there is, else one that nobody can set."""
        clock = self.get_clock()
        return clock.now().nanoseconds if isinstance(clock, ROSClock) and clock.ros_time_is_active else time.monotonic_ns()

    # Answers, on the inference thread

    def _on_answer(self, answer: Answer) -> None:
        if self._publisher is not None:
            self._publisher.publish(answer)
        self._status.answers += 1
        self._status.motion, self._status.stages_ms = answer.motion, answer.stages_ms

    def _on_inference_error(self, instant_ns: int, error: Exception) -> None:
        self._status.errors += 1
        self._status.failed_s = time.monotonic()
        self._status.last_error = f"inference failed at stamp {instant_ns * 1e-9:.9f}: {type(error).__name__}: {' '.join(str(error).split())}"
        self.get_logger().error(self._status.last_error + "\n" + "".join(traceback.format_exception(error)))

    # Diagnostics

    def _report(self, now: bool = False) -> None:
        """Publish the status of the sensors and the node every second, and when something changed."""
        reports = {} if self._pipeline is None else self._pipeline.report(self._now_ns())
        states = tuple((name, report.state) for name, report in reports.items())
        shown = (states, self._status.state, self._status.fault, self._status.errors, self._status.motion == "")
        if not now and shown == self._shown and time.monotonic() - self._shown_s < REPORT_S - 0.5 * STATUS_S:
            return
        before = dict(self._shown[0]) if self._shown else {}  # type: ignore[call-overload]
        for name, report in reports.items():
            if name in before and before[name] is not report.state:
                self.get_logger().info(f"{name}: {before[name].value} -> {report.state.value}{f': {report.reason}' if report.reason else ''}")
        self._shown, self._shown_s = shown, time.monotonic()
        self._reports.publish(report_message(self._status, self._pipeline, reports, stamp_ns=self.get_clock().now().nanoseconds,
                                             name=self.get_name()))


def run(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    sys.setswitchinterval(1e-3)  # messages are taken while inference runs: neither thread may hold the other up for 5 ms
    rclpy.init(args=args)
    node = FusionNode()
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
