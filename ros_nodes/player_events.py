"""A recording as messages in the order in which they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fusion.data.readers import decode_rgb, image_kind, read_bytes, read_image
from fusion.errors import BadSensorData
from ros_nodes.conversion import Transform, camera_info_msg, cloud_msg, compressed_msg, header_msg, image_msg, tf_msg
from ros_nodes.player_codec import Codec
from ros_nodes.player_root import Mount, Reading, Recording, Scene
from ros_nodes.player_sensors import PlayedSensor
from ros_nodes.player_topics import (
    BASE_FRAME,
    FIXED_FRAME,
    HEADER,
    MARKER_TOPICS,
    SAMPLE_TOPIC,
    SCENE_TOPIC,
    STATIC_TOPIC,
    STRING,
    TF,
    TF_TOPIC,
    Topic,
    camera_topics,
    cloud_topic,
    frame_of,
)

SCENE_GAP_NS = 1_000_000_000
"""Scenes are hours apart; between the end of one and the start of the next this much is played."""

_POINT_BYTES = 20  # x y z intensity ring, float32


@dataclass(frozen=True, slots=True)
class Event:
    """One message to send.

    Attributes:
        play_ns: when, counted from the start of playing at rate 1; never decreases.
        clock_ns: the recording's own time then; jumps where another scene begins.
        topic: where.
        kind: message type.
        data: CDR bytes.
    """

    play_ns: int
    clock_ns: int
    topic: str
    kind: str
    data: bytes


class Source(Protocol):
    """Something that can be played."""

    @property
    def sensors(self) -> dict[str, PlayedSensor]:
        """Name in the case of the source -> its topics."""
        ...

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic that `events` uses."""
        ...

    def events(self) -> Iterator[Event]:
        """All messages of one pass."""
        ...


class RootSource:
    """Plays a data root in nuScenes' format: images and clouds with their stamps, calibration, poses, scene and keyframe markers.

    A file that is missing, or damaged where it must be decoded, is not sent and warned about. With transport "compressed" an image
    file's bytes are sent as they are.

    Args:
        recording: what to play.
        codec: makes the messages.
        transport: "raw" or "compressed" images.
        warn: takes one line for each file that cannot be sent.
    """

    def __init__(self, recording: Recording, codec: Codec, *, transport: str, warn: Callable[[str], object]) -> None:
        self._recording, self._codec, self._transport, self._warn = recording, codec, transport, warn
        each = {name: camera_topics(name, transport) if kind == "camera" else (cloud_topic(name),) for name, kind in recording.sensors.items()}
        self.sensors = {name: PlayedSensor(topics={topic.name: topic.kind for topic in topics}, frame=frame_of(name))
                        for name, topics in each.items()}
        self.topics: tuple[Topic, ...] = (*MARKER_TOPICS, STATIC_TOPIC, TF_TOPIC, *(topic for topics in each.values() for topic in topics))

    def events(self) -> Iterator[Event]:
        """All messages of all scenes; a transform from odom to base_link comes before each reading, with the reading's stamp."""
        start_ns = 0
        for scene in self._recording.scenes():
            first_ns = min(scene.readings[0].stamp_ns, scene.samples[0][0])
            last_ns = max(scene.readings[-1].stamp_ns, scene.samples[-1][0])
            for stamp_ns, topic, kind, data in self._messages(scene, first_ns):
                yield Event(start_ns + stamp_ns - first_ns, stamp_ns, topic, kind, data)
            start_ns += last_ns - first_ns + SCENE_GAP_NS

    def _messages(self, scene: Scene, first_ns: int) -> Iterator[tuple[int, str, str, bytes]]:
        codec, mounts = self._codec, {reading.sensor: reading.mount for reading in reversed(scene.readings)}
        yield first_ns, SCENE_TOPIC, STRING, codec.encode(STRING, codec.make(STRING, {"data": scene.name}))
        yield first_ns, STATIC_TOPIC.name, TF, self._static(mounts, first_ns)
        items: list[tuple[int, str | Reading]] = [*scene.samples, *((reading.stamp_ns, reading) for reading in scene.readings)]
        for stamp_ns, item in sorted(items, key=lambda entry: entry[0]):  # stable: a keyframe's marker comes before its readings
            if isinstance(item, str):
                yield stamp_ns, SAMPLE_TOPIC, HEADER, codec.encode(HEADER, header_msg(codec.make, stamp_ns, item))
                continue
            if item.mount is not mounts[item.sensor]:
                mounts[item.sensor] = item.mount
                yield stamp_ns, STATIC_TOPIC.name, TF, self._static(mounts, stamp_ns)
            moved = Transform(parent=FIXED_FRAME, child=BASE_FRAME, stamp_ns=stamp_ns, rotation_wxyz=item.rotation_wxyz,
                              translation_m=item.translation_m)
            yield stamp_ns, TF_TOPIC.name, TF, codec.encode(TF, tf_msg(codec.make, [moved]))
            try:
                messages = self._cloud(item) if item.size_wh is None else self._image(item, item.size_wh)
            except BadSensorData as error:
                self._warn(f"{item.sensor}: {error}")
                continue
            for topic, data in messages:
                yield stamp_ns, topic.name, topic.kind, data

    def _static(self, mounts: dict[str, Mount], stamp_ns: int) -> bytes:
        names = [name for name in self.sensors if name in mounts]
        return self._codec.encode(TF, tf_msg(self._codec.make, [
            Transform(parent=BASE_FRAME, child=frame_of(name), stamp_ns=stamp_ns, rotation_wxyz=mounts[name].rotation_wxyz,
                      translation_m=mounts[name].translation_m) for name in names]))

    def _cloud(self, reading: Reading) -> Sequence[tuple[Topic, bytes]]:
        content = read_bytes(reading.path)
        if len(content) % _POINT_BYTES:
            raise BadSensorData(f"{reading.path}: {len(content)} bytes is not a multiple of {_POINT_BYTES} (one point of 5 float32)")
        topic = cloud_topic(reading.sensor)
        points = np.frombuffer(content, "<f4").reshape(-1, 5)
        message = cloud_msg(self._codec.make, points, stamp_ns=reading.stamp_ns, frame_id=frame_of(reading.sensor))
        return [(topic, self._codec.encode(topic.kind, message))]

    def _image(self, reading: Reading, size_wh: tuple[int, int]) -> Sequence[tuple[Topic, bytes]]:
        make, stamp_ns, frame = self._codec.make, reading.stamp_ns, frame_of(reading.sensor)
        topic, info_topic = camera_topics(reading.sensor, self._transport)
        if self._transport == "compressed":
            content = read_bytes(reading.path)
            size_wh = size_wh if min(size_wh) > 0 else _size_of(content, reading.path)
            image_format = image_kind(content) or "jpeg"
            message = compressed_msg(make, content, stamp_ns=stamp_ns, frame_id=frame, image_format=image_format)
        else:
            image = read_image(reading.path, expected_hw=(size_wh[1], size_wh[0]) if min(size_wh) > 0 else None)
            size_wh = (image.shape[1], image.shape[0])
            message = image_msg(make, image, stamp_ns=stamp_ns, frame_id=frame)
        assert reading.mount.intrinsics is not None
        info = camera_info_msg(make, reading.mount.intrinsics, size_wh, stamp_ns=stamp_ns, frame_id=frame)
        return [(info_topic, self._codec.encode(info_topic.kind, info)), (topic, self._codec.encode(topic.kind, message))]


def _size_of(content: bytes, path: Path) -> tuple[int, int]:
    """Width and height of an image file whose tables do not tell."""
    image = decode_rgb(content)
    if image is None:
        raise BadSensorData(f"{path}: not a readable image ({len(content)} bytes)")
    return image.shape[1], image.shape[0]


def repeated(source: Source) -> Iterator[Event]:
    """The source again and again: its own time jumps back at each start, and those who listen must start anew."""
    offset_ns = 0
    while True:
        last_ns: int | None = None
        for event in source.events():
            last_ns = offset_ns + event.play_ns
            yield Event(last_ns, event.clock_ns, event.topic, event.kind, event.data)
        if last_ns is None:
            return
        offset_ns = last_ns + SCENE_GAP_NS
