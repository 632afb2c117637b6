"""`tracker_node`, the program: `python -m ros_nodes.tracker_node --ros-args -p fixed_frame:=odom`."""

from __future__ import annotations

import sys

from ros_nodes import environment


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 1 where ROS 2 is not there."""
    environment.prepare()
    lacking = environment.ros_available()
    if lacking is not None:
        print(f"tracker_node: {lacking}", file=sys.stderr)
        return 1
    from ros_nodes.tracker_lifecycle import run

    run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
