"""`fusion_node`, the program: `python -m ros_nodes.fusion_node --ros-args -p model:=nano`."""

from __future__ import annotations

import sys

from ros_nodes.program import run_program


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 1 where ROS 2 is not there."""
    return run_program("fusion_node", "ros_nodes.fusion_lifecycle", args)


if __name__ == "__main__":
    sys.exit(main())
