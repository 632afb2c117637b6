"""What the RViz config and the Foxglove layout show: topic -> message type, and what RViz asks of its publisher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

ASSETS = Path(__file__).resolve().parents[2] / "ros_nodes/assets"
RVIZ_TYPES = {"rviz_default_plugins/PointCloud2": "sensor_msgs/msg/PointCloud2", "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
              "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray"}
"""Display class -> the one type that it subscribes to. Displays of other classes have no topic of their own."""

SCENE_TYPES = {"points": "sensor_msgs/msg/PointCloud2", "markers": "visualization_msgs/msg/MarkerArray"}


def rviz_displays() -> list[dict[str, Any]]:
    """The displays that subscribe to a topic."""
    config = yaml.safe_load((ASSETS / "bevduet.rviz").read_text())
    return [display for display in config["Visualization Manager"]["Displays"] if "Topic" in display]


def rviz_types() -> dict[str, str]:
    return {display["Topic"]["Value"]: RVIZ_TYPES[display["Class"]] for display in rviz_displays()}


def foxglove_types() -> dict[str, str]:
    """By the panel that shows it; a 3D panel tells points from markers by the topic's last name."""
    found: dict[str, str] = {}
    for name, panel in json.loads((ASSETS / "foxglove.json").read_text())["configById"].items():
        kind = name.partition("!")[0]
        found |= {topic: SCENE_TYPES[topic.rpartition("/")[2]] for topic in panel.get("topics", {})}
        if kind == "Image":
            found |= {panel["imageMode"]["imageTopic"]: "sensor_msgs/msg/Image", panel["imageMode"]["calibrationTopic"]: "sensor_msgs/msg/CameraInfo"}
        elif kind == "DiagnosticSummary":
            found[panel["topicToRender"]] = "diagnostic_msgs/msg/DiagnosticArray"
        elif kind == "RawMessages":
            found[panel["topicPath"]] = "diagnostic_msgs/msg/DiagnosticArray"
    return found


def check_published(node: Any, start: tuple[str, ...]) -> int:
    """Hold every shown topic that begins so against the running graph: its type, and that its publisher gives what RViz asks for.

    Returns:
        How many topics were checked.
    """
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

    shown = {topic: kind for topic, kind in {**rviz_types(), **foxglove_types()}.items() if topic.startswith(start)}
    for topic, kind in shown.items():
        assert {publisher.topic_type for publisher in node.get_publishers_info_by_topic(topic)} == {kind}, topic
    for display in rviz_displays():
        asked = display["Topic"]
        if asked["Value"] in shown:
            for publisher in node.get_publishers_info_by_topic(asked["Value"]):
                given = publisher.qos_profile
                assert asked["Reliability Policy"] == "Best Effort" or given.reliability is ReliabilityPolicy.RELIABLE, asked
                assert asked["Durability Policy"] == "Volatile" or given.durability is DurabilityPolicy.TRANSIENT_LOCAL, asked
    return len(shown)
