"""Names of the topics and frames of a played recording, and the types on them."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
CLOUD = "sensor_msgs/msg/PointCloud2"
TF = "tf2_msgs/msg/TFMessage"
CLOCK = "rosgraph_msgs/msg/Clock"
HEADER = "std_msgs/msg/Header"
STRING = "std_msgs/msg/String"
READINGS = (IMAGE, COMPRESSED, CLOUD)
"""Types of what sensors measure."""

SCENE_TOPIC = "/dataset/scene"
"""`std_msgs/String` with the scene's name, at its start: calibration and time begin anew."""

SAMPLE_TOPIC = "/dataset/sample"
"""`std_msgs/Header` for each keyframe: its reference stamp, and its token as frame id."""

FIXED_FRAME = "odom"
BASE_FRAME = "base_link"
TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """What is published where.

    Attributes:
        name: such as "/sensors/cam_front/image".
        kind: message type, such as "sensor_msgs/msg/Image".
        latched: whether late subscribers get the last message (transient local).
    """

    name: str
    kind: str
    latched: bool = False


def frame_of(sensor: str) -> str:
    """Frame id of a sensor: its name in lower case."""
    return sensor.lower()


def is_static(topic: str, kind: str) -> bool:
    """Whether a topic, in whatever namespace, holds transforms that stay: late subscribers get the last message."""
    return kind == TF and topic.rpartition("/")[2] == "tf_static"


def sensor_of(topic: str) -> str | None:
    """Name, in lower case, of the sensor that a topic belongs to; None for others, such as /tf."""
    parts = topic.split("/")
    return parts[2] if len(parts) > 3 and parts[1] == "sensors" else None


def camera_topics(sensor: str, transport: str) -> tuple[Topic, Topic]:
    """The image's topic and the calibration's."""
    base = f"/sensors/{frame_of(sensor)}"
    image = Topic(name=f"{base}/image/compressed", kind=COMPRESSED) if transport == "compressed" else Topic(name=f"{base}/image", kind=IMAGE)
    return image, Topic(name=f"{base}/camera_info", kind=CAMERA_INFO)


def cloud_topic(sensor: str) -> Topic:
    """The cloud's topic."""
    return Topic(name=f"/sensors/{frame_of(sensor)}/points", kind=CLOUD)


TF_TOPIC = Topic(name="/tf", kind=TF)
STATIC_TOPIC = Topic(name="/tf_static", kind=TF, latched=True)
MARKER_TOPICS = (Topic(name=SCENE_TOPIC, kind=STRING, latched=True), Topic(name=SAMPLE_TOPIC, kind=HEADER))
