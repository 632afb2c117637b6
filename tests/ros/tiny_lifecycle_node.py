"""A lifecycle node for tests of the bring-up: what it does wrong is a parameter."""

# mypy: ignore-errors
from __future__ import annotations

import os
import signal
import time

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool


class TinyNode(LifecycleNode):
    def __init__(self) -> None:
        super().__init__("tiny")
        self.fails = self.declare_parameter("fails", "").value
        if self.fails == "stay":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.finished = self.create_publisher(Bool, "~/finished", QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))

    def on_configure(self, _: object) -> TransitionCallbackReturn:
        if self.fails == "configure":
            self.get_logger().error("deadline_ms: expected above 0, got -1")
            return TransitionCallbackReturn.FAILURE
        print(f"configured at {time.monotonic_ns()}", flush=True)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, _: object) -> TransitionCallbackReturn:
        print(f"activated at {time.monotonic_ns()}", flush=True)
        if self.fails == "die":
            self.create_timer(0.1, lambda: os._exit(3))
        if self.fails == "finish":
            self.finished.publish(Bool(data=True))
        return TransitionCallbackReturn.SUCCESS


def main() -> None:
    try:
        rclpy.init()
        rclpy.spin(TinyNode())
    except (KeyboardInterrupt, ExternalShutdownException):
        print("ended in order", flush=True)


if __name__ == "__main__":
    main()
