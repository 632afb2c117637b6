"""The fusion node: cameras and LiDARs in, detections out. Convert, call, publish; every step of the work is in the modules that it calls."""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import gc
import sys
import time
import traceback
from typing import Any

from rclpy.clock import ROSClock
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from fusion.runtime.perceiver import Perceiver
from ros_nodes.conversion import message_class
from ros_nodes.diagnostics import NodeStatus, report_message
from ros_nodes.fusion_config import FusionNodeConfig
from ros_nodes.managed_node import ManagedNode, spin
from ros_nodes.parameters import PARAMETERS, default_of_sensor, read_config
from ros_nodes.perception import LastStages, load_perceiver
from ros_nodes.pipeline import Answer, FusionPipeline
from ros_nodes.placing import Calibrations
from ros_nodes.publishing import AnswerPublisher
from ros_nodes.sparse_log import FailureLog, StateLog
from ros_nodes.subscribing import SensorSubscriptions
from ros_nodes.transform_listener import TransformListener
from ros_nodes.transforms import TransformTree

POLL_S, STATUS_S, REPORT_S = 0.01, 0.2, 1.0


class FusionNode(ManagedNode):
    """Subscribes while active, follows transforms while configured, reports always. Its callbacks never raise."""

    def __init__(self, name: str = "fusion_node") -> None:
        super().__init__(name, PARAMETERS)
        self._status = NodeStatus()
        self._config: FusionNodeConfig | None = None
        self._perceiver: tuple[Perceiver, LastStages] | None = None
        self._pipeline: FusionPipeline | None = None
        self._ending: FusionPipeline | None = None  # of before a deactivation, with an inference that did not end in time
        self._publisher: AnswerPublisher | None = None
        self._tree, self._calibrations = TransformTree(), Calibrations()
        self._listener: TransformListener | None = None
        self._sensor_subscriptions: SensorSubscriptions | None = None
        self._reports = self.create_publisher(message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", 10)
        self._failures, self._states = FailureLog(), StateLog()
        self._shown: tuple[object, ...] = ()
        self._shown_s = 0.0
        self._status_timer = self.create_timer(STATUS_S, self.guarded(self._report), clock=self.steady)
        self._poll_timer = self.stopped_timer(POLL_S, self._poll)
        self.call_on_jump(self._on_jump)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters and load the model. On failure the reason is logged and in /diagnostics, and the node can be tried again."""
        self._status = NodeStatus()
        try:
            config = read_config(self.values(), self.resolve_topic_name)
            self._perceiver = load_perceiver(config)
            network = self._perceiver[0].config.network
            self._config = config.read_by(camera=network.camera is not None, lidar=network.lidar is not None)
            self._listener = TransformListener(self, self._tree, self._poll)
            self._publisher = AnswerPublisher(self, config.base_frame, config.markers_min_score)
        except Exception as error:
            self.release()
            self._status.fault = self.not_configured(error)
            self.guarded(self._report)(True)
            return TransitionCallbackReturn.FAILURE
        self._status.notes = (*self._config.notes, *self._publisher.notes)
        for note in self._status.notes:
            self.get_logger().warning(note)
        return self.entered("inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the sensors and start inference."""
        assert self._config is not None and self._perceiver is not None
        try:
            if self._ending is not None and not self._ending.stop(0.0):
                raise RuntimeError("inference of before the deactivation still runs; activate again when it has ended, or restart the node")
            self._ending = None
            self._failures, self._states, self._status.errors_in_a_row = FailureLog(), StateLog(), 0
            self._pipeline = FusionPipeline(self._config, *self._perceiver, self._tree, self._calibrations, on_answer=self._on_answer,
                                            on_error=self._on_inference_error, right_of_way=self.right_of_way)
            self._sensor_subscriptions = SensorSubscriptions(self, self._config, self._calibrations.insert, self._on_reading)
            self._sensor_subscriptions.follow()
        except Exception as error:  # rclpy would swallow it
            self._stop()
            self.get_logger().error(f"not activated: {type(error).__name__}: {error}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        self._poll_timer.reset()
        gc.collect()
        gc.freeze()  # a collection over the network's many objects would hold an answer up for a tenth of a second
        return self.entered("active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop inference; nothing is published after this."""
        self._stop()
        return self.entered("inactive")

    def entered(self, state: str) -> TransitionCallbackReturn:
        self._status.state = state
        self.guarded(self._report)(True)
        return TransitionCallbackReturn.SUCCESS

    def default_of(self, name: str) -> Any:
        """Of a parameter of the node, or of one of a sensor."""
        return default_of_sensor(name) if name.startswith("sensors.") else super().default_of(name)

    def bad_message(self) -> None:
        """Count it for the diagnostics."""
        self._status.bad_messages += 1

    def _stop(self) -> None:
        self._poll_timer.cancel()
        if self._sensor_subscriptions is not None:
            self._sensor_subscriptions.destroy()
            self._sensor_subscriptions = None
        if self._pipeline is not None and not self._pipeline.stop():
            self.get_logger().warning("inference did not end in time; its answer will be dropped")
            self._ending = self._pipeline
        self._pipeline = None
        self._status.motion = ""  # no answer rests on it any more
        gc.unfreeze()

    def release(self) -> None:
        self._stop()
        if self._listener is not None:
            self._listener.destroy()
            self._listener = None
        if self._publisher is not None:
            self._publisher.destroy()
        self._publisher = self._config = self._perceiver = None
        if self._ending is not None and self._ending.stop(0.0):
            self._ending = None  # it holds its network
        self._tree, self._calibrations = TransformTree(), Calibrations()
        gc.collect()

    # Callbacks, all on the executor's thread

    def _on_reading(self, name: str, message: Any) -> None:
        if self._pipeline is not None:
            self._pipeline.offer(name, message, self._now_ns(), self.get_clock().now().nanoseconds)

    def _poll(self) -> None:
        if self._pipeline is not None:
            self._pipeline.poll(self._now_ns())

    def _on_jump(self) -> None:
        self._tree.forget_after(self.get_clock().now().nanoseconds)  # in every state: the listener is on in the inactive one, too
        if self._pipeline is not None:
            self.get_logger().info("time jumped: starting anew")
            self._pipeline.jumped()

    def _now_ns(self) -> int:
        """The clock that deadlines are kept by: simulated time where there is, else one that nobody can set."""
        clock = self.get_clock()
        return clock.now().nanoseconds if isinstance(clock, ROSClock) and clock.ros_time_is_active else time.monotonic_ns()

    # Answers, on the inference thread

    def _on_answer(self, answer: Answer) -> None:
        if not self.context.ok():  # interrupted: nobody can be told any more
            return
        if self._publisher is not None:
            with self.right_of_way:
                self._publisher.publish(answer)
        self._failures.succeeded()
        self._status.answers += 1
        self._status.errors_in_a_row = 0
        self._status.motion, self._status.stages_ms = answer.motion, answer.stages_ms

    def _on_inference_error(self, instant_ns: int, error: Exception) -> None:
        if not self.context.ok():
            return
        status, kind = self._status, type(error).__name__
        status.last_error = f"inference failed at stamp {instant_ns * 1e-9:.9f}: {kind}: {' '.join(str(error).split())}"
        line = self._failures.failed(status.last_error, kind, "".join(traceback.format_exception(error)), time.monotonic())
        status.errors += 1
        status.failed_s, status.errors_in_a_row = time.monotonic(), self._failures.in_a_row
        if line:
            self.get_logger().error(line)

    # Diagnostics

    def _report(self, now: bool = False) -> None:
        """Publish the status of the sensors and the node every second, and when something changed."""
        reports = {} if self._pipeline is None else self._pipeline.report(self._now_ns())
        self._status.clock = self.clock_trouble()
        for line in self._states.look({name: (report.state.value, report.reason) for name, report in reports.items()}, time.monotonic()):
            self.get_logger().info(line)
        states = tuple((name, report.state) for name, report in reports.items())
        shown = (states, self._status.state, self._status.fault, self._status.errors, self._status.motion == "", self._status.clock[0])
        if not now and shown == self._shown and time.monotonic() - self._shown_s < REPORT_S - 0.5 * STATUS_S:
            return
        self._shown, self._shown_s = shown, time.monotonic()
        self._reports.publish(report_message(self._status, self._pipeline, reports, stamp_ns=self.get_clock().now().nanoseconds,
                                             name=self.status_name))


def run(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    sys.setswitchinterval(1e-3)  # messages are taken while inference runs: neither thread may hold the other up for 5 ms
    spin(FusionNode, args)
