"""Live sensors, or any bag that is being played -> detections.

    ros2 launch bevduet fusion.launch.py rviz:=true
"""

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """The entry of `ros2 launch`."""
    return describe("fusion")
