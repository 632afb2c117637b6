"""A recorded drive -> detections -> tracks.

    ros2 launch bevduet replay_with_tracker.launch.py dataroot:=data/nuscenes scenes:=scene-0103 rviz:=true
"""

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """The entry of `ros2 launch`."""
    return describe("replay_with_tracker")
