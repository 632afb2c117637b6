"""Leads lifecycle nodes through their states, from outside, over their services."""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Bool

ASK_AGAIN_S = 2.0  # a question asked while discovery is under way can be lost


class TransitionFailed(Exception):
    """A node refused a transition, or did not answer in time."""


class LifecycleClient:
    """A ROS node, in a context of its own, that asks other nodes to change state. Use as a context manager, from one thread.

    Args:
        check: called about ten times a second while waiting; what it raises ends the wait.
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("bevduet_launch", context=self._context, enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def state(self, name: str, timeout_s: float) -> str:
        """Label of a node's state, such as "unconfigured"; waits until its services answer."""
        client = self._node.create_client(GetState, f"{name}/get_state")
        deadline = time.monotonic() + timeout_s
        try:
            while time.monotonic() < deadline:
                if client.service_is_ready():
                    answer = self._answer(client.call_async(GetState.Request()), min(ASK_AGAIN_S, deadline - time.monotonic()))
                    if answer is not None:
                        return str(answer.current_state.label)
                else:
                    self._spin()
        finally:
            self._node.destroy_client(client)
        raise TransitionFailed(f"{name}: no answer from its lifecycle services within {timeout_s:g} s")

    def configure(self, name: str, timeout_s: float) -> None:
        """unconfigured -> inactive."""
        self._change(name, Transition.TRANSITION_CONFIGURE, "configure", timeout_s)

    def activate(self, name: str, timeout_s: float) -> None:
        """inactive -> active."""
        self._change(name, Transition.TRANSITION_ACTIVATE, "activate", timeout_s)

    def deactivate(self, name: str, timeout_s: float) -> None:
        """active -> inactive."""
        self._change(name, Transition.TRANSITION_DEACTIVATE, "deactivate", timeout_s)

    def cleanup(self, name: str, timeout_s: float) -> None:
        """inactive -> unconfigured."""
        self._change(name, Transition.TRANSITION_CLEANUP, "cleanup", timeout_s)

    def watch(self, topic: str, report: Callable[[bool], None]) -> None:
        """Report what is said on a latched topic of std_msgs/Bool, while `spin` or another method waits."""
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node.create_subscription(Bool, topic, lambda message: report(message.data), qos)

    def spin(self) -> None:
        """Receive for a tenth of a second, then check."""
        self._spin()

    def _change(self, name: str, transition: int, label: str, timeout_s: float) -> None:
        client = self._node.create_client(ChangeState, f"{name}/change_state")
        deadline = time.monotonic() + timeout_s
        try:
            while not client.service_is_ready() and time.monotonic() < deadline:
                self._spin()
            request = ChangeState.Request(transition=Transition(id=transition))
            answer = self._answer(client.call_async(request), deadline - time.monotonic())
        finally:
            self._node.destroy_client(client)
        if answer is None:
            raise TransitionFailed(f"{name}: {label} did not end within {timeout_s:g} s")
        if not answer.success:
            raise TransitionFailed(f"{name}: {label} failed; the reason is in its output above")

    def _answer(self, future: Any, timeout_s: float) -> Any:
        """What a call returned; None if it took longer."""
        deadline = time.monotonic() + timeout_s
        while not future.done() and time.monotonic() < deadline:
            self._spin()
        return future.result() if future.done() else None

    def _spin(self) -> None:
        self._executor.spin_once(timeout_sec=0.1)
        self._check()

    def close(self) -> None:
        """Leave the network."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def __enter__(self) -> LifecycleClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
