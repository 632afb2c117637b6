"""Which topics of a recording are whose: fault scripts speak of sensors, and the player waits for those who listen to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ros_nodes.parameters import info_topic_beside
from ros_nodes.player_topics import CAMERA_INFO, CLOUD, READINGS, sensor_of


@dataclass(frozen=True, kw_only=True)
class PlayedSensor:
    """One camera or LiDAR.

    Attributes:
        topics: its images or clouds, its calibration and whatever else is published beside them -> message type.
        frame: the frame id of its messages.
    """

    topics: Mapping[str, str]
    frame: str

    @property
    def modality(self) -> str:
        """"lidar" where it sends clouds, else "camera"."""
        return "lidar" if CLOUD in self.topics.values() else "camera"

    def sends(self, kinds: tuple[str, ...]) -> bool:
        """Whether it sends messages of one of these types."""
        return any(kind in kinds for kind in self.topics.values())

    def heard_on(self) -> tuple[str, ...]:
        """The topics that whoever uses the sensor subscribes to."""
        return tuple(topic for topic, kind in self.topics.items() if kind in (*READINGS, CAMERA_INFO))


def group_topics(kinds: Mapping[str, str], frames: Mapping[str, str]) -> dict[str, PlayedSensor]:
    """The sensors of a bag, whoever named its topics.

    Below `/sensors/` a sensor has the name that follows there. Elsewhere each topic with images or clouds is one, under the topic's name;
    the compressed images of a camera belong to the raw ones. A camera's calibration is beside its images, or has their frame id.

    Args:
        kinds: topic -> message type.
        frames: topic -> frame id of its first message, of images, clouds and calibrations.

    Returns:
        Sensors by name, in the order of the topics.
    """
    names = {topic: sensor_of(topic) or topic.removesuffix("/compressed") for topic, kind in kinds.items() if kind in READINGS}
    topics: dict[str, dict[str, str]] = {name: {} for name in names.values()}
    for topic, kind in kinds.items():
        for name in dict.fromkeys(_owners(topic, kind, names, kinds, frames)):
            topics[name][topic] = kind
    frame = {name: frames.get(topic, "") for topic, name in reversed(names.items())}
    return {name: PlayedSensor(topics=own, frame=frame[name]) for name, own in topics.items()}


def _owners(topic: str, kind: str, names: Mapping[str, str], kinds: Mapping[str, str], frames: Mapping[str, str]) -> Iterator[str]:
    """The sensors that a topic belongs to: one, or all cameras that share a calibration, or none."""
    if topic in names:
        yield names[topic]
    elif sensor_of(topic) in names.values():
        yield str(sensor_of(topic))
    elif kind == CAMERA_INFO:
        cameras = [image for image in names if kinds[image] != CLOUD]
        beside = [image for image in cameras if info_topic_beside(image) == topic]
        same = [image for image in cameras if frames.get(image) and frames.get(image) == frames.get(topic)
                and info_topic_beside(image) not in kinds]
        yield from (names[image] for image in beside or same)
