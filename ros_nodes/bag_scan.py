"""First reading of a bag: everything but the images and points themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fusion.errors import BadSensorData, UserError
from fusion.sensors.camera_model import CameraModel
from ros_nodes.bag_reader import first_frames, open_bag
from ros_nodes.conversion import Transform, camera_model_from_info, rectification_from_info, stamp_ns, transform_from_msg
from ros_nodes.parameters import info_topic_beside
from ros_nodes.player_codec import Codec, frame_id_of, stamp_of
from ros_nodes.player_sensors import group_topics
from ros_nodes.player_topics import CAMERA_INFO, CLOUD, HEADER, READINGS, SAMPLE_TOPIC, SCENE_TOPIC, STRING, TF, sensor_of


@dataclass(frozen=True, kw_only=True)
class BagSensor:
    """Where a sensor's readings are: `topic`, its type `kind`, and of a camera the calibration on `info_topic`; `rectified` images have no
    distortion left in them."""

    name: str
    topic: str
    kind: str
    info_topic: str = ""
    rectified: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class BagCalibration:
    """A camera as it is from `stamp_ns` on; its images are those of `model`, in a frame in which the one that they name has the pose
    `image_T_camera`, `(4, 4)`."""

    stamp_ns: int
    model: CameraModel
    image_T_camera: np.ndarray


@dataclass(frozen=True, kw_only=True)
class BagReading:
    """One image or cloud in the bag.

    Attributes:
        sensor: name.
        stamp_ns: of its header.
        frame: of its header.
        logged_ns: when it was recorded.
    """

    sensor: str
    stamp_ns: int
    frame: str
    logged_ns: int


@dataclass
class BagContents:
    """What a bag says about its readings, each list in the order of recording.

    Attributes:
        sensors: name -> where it is.
        readings: all images and clouds.
        moving: transforms of /tf.
        static: (time of recording, transform) of /tf_static.
        calibrations: of each camera.
        scenes: (time of recording, name).
        samples: (stamp, token) of keyframes.
        notes: one line for each thing that could not be read.
    """

    sensors: dict[str, BagSensor]
    readings: list[BagReading] = field(default_factory=list)
    moving: list[Transform] = field(default_factory=list)
    static: list[tuple[int, Transform]] = field(default_factory=list)
    calibrations: dict[str, list[BagCalibration]] = field(default_factory=dict)
    scenes: list[tuple[int, str]] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def scan_bag(path: Path, codec: Codec, topics: Mapping[str, str], rectified: Collection[str] = ()) -> BagContents:
    """Read a bag once.

    Args:
        path: the bag.
        codec: reads messages.
        topics: sensor name -> topic of its images or clouds; empty: those below /sensors/<name>/, names in upper case.
        rectified: names of the cameras whose images are rectified already.

    Raises:
        UserError: the bag cannot be read, a topic is not in it or of another type, a camera's calibration is not in it, there are no sensors, or
            none that is a camera has a name that `rectified` holds.
    """
    with open_bag(path) as reader:
        kinds = {connection.topic: connection.msgtype for connection in reader.connections}
        contents = BagContents(sensors=_sensors(path, kinds, first_frames(reader), topics, rectified))
        by_topic = {sensor.topic: sensor.name for sensor in contents.sensors.values()}
        by_info: dict[str, list[str]] = {}  # cameras may share a calibration
        for sensor in contents.sensors.values():
            by_info.setdefault(sensor.info_topic, []).append(sensor.name)
        for connection, logged_ns, data in reader.messages():
            topic, kind = connection.topic, connection.msgtype
            if topic in by_topic:
                contents.readings.append(BagReading(sensor=by_topic[topic], stamp_ns=stamp_of(data), frame=frame_id_of(data), logged_ns=logged_ns))
            elif topic in by_info and kind == CAMERA_INFO:
                message = codec.decode(kind, data)
                for name in by_info[topic]:
                    try:
                        contents.calibrations.setdefault(name, []).append(_calibration(message, rectified=contents.sensors[name].rectified))
                    except BadSensorData as error:
                        contents.notes.append(f"{name}: {error}")
            elif kind == TF:
                for transform in map(transform_from_msg, codec.decode(kind, data).transforms):
                    if topic.endswith("_static"):
                        contents.static.append((logged_ns, transform))
                    else:
                        contents.moving.append(transform)
            elif topic == SCENE_TOPIC and kind == STRING:
                contents.scenes.append((logged_ns, str(codec.decode(kind, data).data)))
            elif topic == SAMPLE_TOPIC and kind == HEADER:
                contents.samples.append((stamp_of(data), str(codec.decode(kind, data).frame_id)))
    if not contents.readings:
        raise UserError(f"{path}: no message on {', '.join(by_topic)}")
    return contents


def _calibration(message: Any, *, rectified: bool) -> BagCalibration:
    return BagCalibration(stamp_ns=stamp_ns(message.header.stamp), model=camera_model_from_info(message, rectified=rectified),
                          image_T_camera=rectification_from_info(message) if rectified else np.eye(4))


def _sensors(path: Path, kinds: Mapping[str, str], frames: Mapping[str, str], topics: Mapping[str, str],
             rectified: Collection[str]) -> dict[str, BagSensor]:
    wanted = dict(topics) or {name.upper(): topic for topic, kind in sorted(kinds.items()) if kind in READINGS and (name := sensor_of(topic))}
    if not wanted:
        raise UserError(f"{path}: no images or clouds below /sensors/; name them with --sensor CAM_FRONT=/topic (topics: {', '.join(sorted(kinds))})")
    sensors: dict[str, BagSensor] = {}
    for name, topic in wanted.items():
        kind = kinds.get(topic)
        if kind not in READINGS:
            raise UserError(f"{path}: topic {topic} of {name}: {'is ' + kind if kind else 'not in the bag'}; expected an image or a point cloud "
                            f"(topics: {', '.join(sorted(kinds))})")
        info = "" if kind == CLOUD else _info_topic(path, name, topic, kinds, frames)
        sensors[name] = BagSensor(name=name, topic=topic, kind=kind, info_topic=info, rectified=name in rectified)
    cameras = [name for name, sensor in sensors.items() if sensor.kind != CLOUD]
    if unknown := [name for name in rectified if name not in cameras]:
        raise UserError(f"{path}: {', '.join(unknown)} in the cameras with rectified images: expected some of {', '.join(cameras) or 'no cameras'}")
    return sensors


def _info_topic(path: Path, name: str, topic: str, kinds: Mapping[str, str], frames: Mapping[str, str]) -> str:
    """Where a camera's calibration is: beside its images, or else where the player looks for it, on the one topic with their frame id."""
    beside = info_topic_beside(topic)
    if kinds.get(beside) == CAMERA_INFO:
        return beside
    own = next(sensor.topics for sensor in group_topics(kinds, frames).values() if topic in sensor.topics)
    found = [info for info, kind in own.items() if kind == CAMERA_INFO]
    if len(found) != 1:
        infos = ", ".join(f"{info} of frame {frames.get(info, '')!r}" for info, kind in sorted(kinds.items()) if kind == CAMERA_INFO)
        raise UserError(f"{path}: {len(found) or 'no'} calibrations for {name}: none on {beside}, and of the images' frame {frames.get(topic, '')!r} "
                        f"{' and '.join(found) or 'none'} (CameraInfo: {infos or 'none'}); choose the sensors to take with --sensor")
    return found[0]
