"""What our managed nodes share: parameters, transitions, callbacks that never raise, time that jumps, and how they are run."""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import time
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import rclpy
import rclpy.utilities
from rclpy.clock import Clock, JumpThreshold, ROSClock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from fusion.errors import UserError
from fusion.sensors.running_clock import CLOCK_STEP_NS
from ros_nodes.clock_watch import ClockWatch
from ros_nodes.conversion import ERROR, OK, message_class
from ros_nodes.parameter_checks import suggest
from ros_nodes.parameter_setting import refusal
from ros_nodes.right_of_way import GivingWay, RightOfWay


class ManagedNode(LifecycleNode):
    """A lifecycle node. Subclasses say in `release` what is let go of, and in `entered` to whom a new state is told.

    Args:
        name: of the node.
        parameters: name -> default and description. Others that are given are declared too, so that a mistyped one is seen.

    Attributes:
        steady: a clock that nobody sets, for timers.
        right_of_way: a thread beside the callbacks' holds it during short work that no message may hold up.
    """

    def __init__(self, name: str, parameters: Mapping[str, tuple[Any, str]]) -> None:
        super().__init__(name, allow_undeclared_parameters=True)
        descriptor = message_class("rcl_interfaces/msg/ParameterDescriptor")
        given: Mapping[str, Any] = self._parameter_overrides
        for key in {**parameters, **given}:  # rclpy's own way to declare what is given dies of an empty list
            if not self.has_parameter(key):
                default, description = parameters.get(key, (None, ""))
                self.declare_parameter(key, default, descriptor(description=description, dynamic_typing=True))
        self._parameters_known = parameters
        self.add_on_set_parameters_callback(self._on_set)
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state
        self._jump_handle: Any = None
        self.right_of_way = RightOfWay()
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._clock_watch, self._clock_level = ClockWatch(), OK

    def values(self) -> dict[str, Any]:
        """Parameter name -> value."""
        parameters: Mapping[str, Any] = self.get_parameters_by_prefix("")
        return {name: parameter.value for name, parameter in parameters.items()}

    def default_of(self, name: str) -> Any:
        """A parameter's default; UserError where there is no such parameter."""
        if name not in self._parameters_known:
            raise UserError(f"{name}: unknown parameter{suggest(name, self._parameters_known)}")
        return self._parameters_known[name][0]

    def _on_set(self, changes: list[Any]) -> Any:
        reason = refusal({change.name: change.value for change in changes}, self.values(), state=self.state_label,
                         node=self.get_fully_qualified_name(), default_of=self.default_of)
        return message_class("rcl_interfaces/msg/SetParametersResult")(successful=not reason, reason=reason)

    # State and time

    @property
    def state_label(self) -> str:
        """Of the lifecycle, as "active"."""
        return str(self._state_machine.current_state[1])

    @property
    def status_name(self) -> str:
        """What the node is called in diagnostics: with its namespace, as two robots may report to one place."""
        return str(self.get_fully_qualified_name()).lstrip("/")

    def stopped_timer(self, period_s: float, callback: Callable[[], None]) -> Any:
        """A timer on the steady clock that runs from its `reset` on; `create_timer(autostart=False)` came after Humble."""
        timer = self.create_timer(period_s, self.guarded(callback), clock=self.steady)
        timer.cancel()
        return timer

    def clock_trouble(self) -> tuple[int, str]:
        """Level and text of what is wrong with simulated time while the node is active; logged when it becomes worse or well."""
        clock = self.get_clock()
        waits = isinstance(clock, ROSClock) and clock.ros_time_is_active and self.state_label == "active"
        level, text = self._clock_watch.look(clock.now().nanoseconds if waits else None, time.monotonic(),
                                              promised=waits and self.count_publishers(self.resolve_topic_name("/clock")) > 0)
        if level != self._clock_level:
            self._clock_level = level
            if level == ERROR:  # a line each: rclpy allows no other severity where it has logged once
                self.get_logger().error(text)
            elif level != OK:
                self.get_logger().warning(text)
            elif waits:
                self.get_logger().info("/clock moves")
        return level, text

    # Transitions

    def _on_change_state(self, request: Any, response: Any) -> Any:
        """Lead to another state, or refuse: rclpy itself raises where a transition does not begin in the present state."""
        asked, available = request.transition, self._state_machine.available_transitions
        response.success = False
        if not any(asked.label == label if asked.label else asked.id == number for number, label, *_ in available):
            possible = ", ".join(f"{label} ({number})" for number, label, *_ in available) or "none"
            self.get_logger().error(f"no transition {asked.label or asked.id} from {self.state_label}; there is {possible}")
            return response
        try:
            return self._change_state(request, response)
        except Exception as error:
            self.callback_failed(error)
            return response

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything; the node can be configured anew."""
        self.release()
        return self.entered("unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything."""
        self.release()
        return self.entered("finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that raised: back to unconfigured, from where the node can be configured again."""
        self.release()
        return self.entered("unconfigured")

    def release(self) -> None:
        """Let go of all that `on_configure` and `on_activate` made; safe to call at any time."""

    def entered(self, state: str) -> TransitionCallbackReturn:
        """Called with the label of a state that was reached."""
        return TransitionCallbackReturn.SUCCESS

    def not_configured(self, error: Exception) -> str:
        """Log why `on_configure` failed, with where it did unless the user can mend it; returns the reason."""
        expected = isinstance(error, UserError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        self.get_logger().error(f"not configured: {reason}" + ("" if expected else f"\n{traceback.format_exc()}"))
        return reason

    def destroy_node(self) -> None:
        """End the threads before what they use goes."""
        self.release()
        if self._jump_handle is not None:
            self._jump_handle.unregister()
        super().destroy_node()

    # What is destroyed: rclpy keeps a reference to it in its callback group for ever, some 9 kB for each lifecycle of a fusion node

    def destroy_publisher(self, publisher: Any) -> bool:
        """Take a publisher down, and forget it."""
        with _forgotten(*publisher.event_handlers):
            return bool(super().destroy_publisher(publisher))

    def destroy_subscription(self, subscription: Any) -> bool:
        """Unsubscribe, and forget the subscription."""
        with _forgotten(subscription, *subscription.event_handlers):
            return bool(super().destroy_subscription(subscription))

    def destroy_timer(self, timer: Any) -> bool:
        """End a timer, and forget it."""
        with _forgotten(timer):
            return bool(super().destroy_timer(timer))

    # Callbacks

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """The callback, whose exceptions are logged instead of ending the node."""
        def call(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                self.bad_message()
                self.callback_failed(error)
        return call

    def callback_failed(self, error: Exception) -> None:
        """Log what a callback raised, with where it did."""
        trace = "".join(traceback.format_exception(error))
        self.get_logger().error(f"{type(error).__name__}: {error}\n{trace}", throttle_duration_sec=1.0)

    def bad_message(self) -> None:
        """Called for each message that was no use to anyone."""

    def call_on_jump(self, callback: Callable[[], None]) -> None:
        """Call back after each step of the node's clock back by more than `CLOCK_STEP_NS`."""
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-CLOCK_STEP_NS))
        self._jump_handle = self.get_clock().create_jump_callback(threshold, post_callback=self.guarded(lambda jump: callback()))


@contextmanager
def _forgotten(*entities: Any) -> Iterator[None]:
    """Entities that are destroyed in the block; after it, out of their callback groups: no executor asks for them any more."""
    yield
    for entity in entities:
        entity.callback_group.entities.discard(weakref.ref(entity))


def spin(make: Callable[[], ManagedNode], args: list[str] | None = None) -> None:
    """Run the node that `make` builds until SIGINT or SIGTERM."""
    rclpy.init(args=args)
    node = make()
    executor = GivingWay(node.right_of_way, failed=node.callback_failed)
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.utilities.try_shutdown()
