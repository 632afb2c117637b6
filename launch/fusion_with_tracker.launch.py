"""Live sensors, or any bag that is being played -> detections -> tracks.

    ros2 launch bevduet fusion_with_tracker.launch.py rviz:=true
"""

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """The entry of `ros2 launch`."""
    return describe("fusion_with_tracker")
