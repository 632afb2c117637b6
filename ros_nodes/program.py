"""The programs of the nodes: the environment first, then rclpy and the node."""

from __future__ import annotations

import importlib
import sys

from ros_nodes import environment


def run_program(name: str, module: str, args: list[str] | None = None) -> int:
    """Run `module.run(args)` until the node is told to stop; 1, and a line that says why, where ROS 2 is not there.

    Args:
        name: of the program.
        module: of the node; it imports rclpy, which must not happen before the environment is prepared.
        args: command line; None for this process's.
    """
    environment.prepare()
    lacking = environment.ros_available()
    if lacking is not None:
        print(f"{name}: {lacking}", file=sys.stderr)
        return 1
    importlib.import_module(module).run(args)
    return 0
