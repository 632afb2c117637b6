"""`player_node`, the program: `python -m ros_nodes.player_node --ros-args -p dataroot:=data/nuscenes -p scenes:=scene-0103`."""

from __future__ import annotations

import sys

from ros_nodes.program import run_program


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 1 where ROS 2 is not there."""
    return run_program("player_node", "ros_nodes.player_lifecycle", args)


if __name__ == "__main__":
    sys.exit(main())
