"""ROS parameters of the fusion node -> a checked `FusionNodeConfig`; every impossible value is a `UserError` that names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from fusion.errors import UserError
from fusion.runtime.backends.names import BACKENDS, BackendName
from ros_nodes.fusion_config import CameraParameters, FusionNodeConfig, LidarParameters
from ros_nodes.parameter_checks import BUILT_IN, auto_or_flag, choice, flag, ns, number, suggest, text, texts

NUSCENES_CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")

PARAMETERS: Mapping[str, tuple[Any, str]] = {
    "model": ("nano", "name of shipped weights, a path to a .safetensors file, or to a folder that `bevduet export` wrote"),
    "backend": ("", "what runs the model: torch, compile, onnxruntime, openvino or tensorrt; empty: what the model is made for"),
    "config": ("", "name or path of a config whose model section replaces the one beside the weights; empty: theirs"),
    "overrides": ([], "KEY=VALUE lines as of --set, for model.input.*, model.network.decode.* and model.num_sweeps"),
    "cameras": (list(NUSCENES_CAMERAS), "names of the cameras, in rig order"),
    "lidars": (["LIDAR_TOP"], "names of the LiDARs; their clouds are merged"),
    "transport": ("raw", "raw (sensor_msgs/Image) or compressed (CompressedImage), for cameras that set none themselves"),
    "reduced_decoding": (False, "decode compressed images at a half or quarter of their size where the model scales them down further: half "
                                "the work, the same scores, boxes move by some centimetres"),
    "reference_sensor": ("", "the sensor whose readings call for an answer; empty: the first LiDAR, else the first camera"),
    "deadline_ms": (60.0, "how long an answer waits for the other sensors after the reference arrived"),
    "max_age_ms": (100.0, "readings taken longer than this before or after the reference are not used with it; a sensor whose readings arrive "
                          "longer than this after their stamps is told as late"),
    "takeover_ms": (300.0, "how long the reference may be silent before another sensor calls for answers"),
    "missing_after_ms": (500.0, "silence after which a sensor counts as missing and is not waited for"),
    "frozen_after": (1, "repeats of the very same content that make a sensor frozen; 0: none does, as in a simulator without noise"),
    "base_frame": ("base_link", "the ego frame; detections are given in it"),
    "fixed_frame": ("odom", "the frame in which the ego moves; empty: sensors are taken as simultaneous"),
    "reliable": ("auto", "true: subscribe reliably, false: best effort, auto: reliably where every publisher of a topic offers it; for sensors that "
                         "set none themselves"),
    "markers_min_score": (0.3, "boxes below are not drawn as markers; the detections hold all"),
    "device": ("cpu", "cpu, cuda or cuda:N"),
    "threads": (0, "threads of the network on the CPU; 0: as many as the backend chooses"),
    "bf16": (False, "compute in bfloat16, where backend and CPU can: torch, compile, openvino"),
}
"""Name -> default and description. Beside these, `sensors.NAME.KEY` with the keys below."""

CAMERA_KEYS: Mapping[str, Any] = {"topic": "", "info_topic": "", "transport": "raw", "rectified": False, "reliable": "auto", "time_offset_ms": 0.0,
                                  "frame": ""}
LIDAR_KEYS: Mapping[str, Any] = {"topic": "", "reliable": "auto", "time_offset_ms": 0.0, "frame": "", "intensity_max": 255.0, "near_m": 1.0,
                               "deskew": True}
"""Key -> default; that of a topic is made of the sensor's name."""

TRANSPORTS = ("raw", "compressed")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TOPIC = re.compile(r"(~/|/)?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")


def read_config(values: Mapping[str, Any], resolve: Callable[[str], str] = str) -> FusionNodeConfig:
    """Check the node's parameters.

    Args:
        values: parameter name -> value, as set; absent ones take their defaults.
        resolve: topic name -> the name it has after namespace and remappings.

    Raises:
        UserError: an unknown parameter or sensor, a value of the wrong type or out of range, a sensor with two topics, or a
            topic with two sensors.
    """
    top, per_sensor = _sorted_out(values)
    cameras, lidars = _names(top, "cameras"), _names(top, "lidars")
    names = (*cameras, *lidars)
    if not names:
        raise UserError("cameras, lidars: no sensor is named; expected at least one")
    lowered: dict[str, str] = {}
    for name in names:
        if lowered.setdefault(name.lower(), name) != name or names.count(name) > 1:
            raise UserError(f"cameras, lidars: {name!r} is named twice ({', '.join(names)}); a sensor has one name and one topic")
    for key in per_sensor:
        _check_sensor_key(key, cameras, lidars)
    transport, reliable = choice("transport", _value(top, "transport"), TRANSPORTS), auto_or_flag("reliable", _value(top, "reliable"))
    config = FusionNodeConfig(
        model=text("model", _value(top, "model")), config=text("config", _value(top, "config"), empty=True),
        overrides=texts("overrides", _value(top, "overrides")),
        cameras={name: _camera(name, per_sensor, transport, reliable) for name in cameras},
        lidars={name: _lidar(name, per_sensor, reliable) for name in lidars},
        reference_sensor=_reference(top, cameras, lidars),
        deadline_ns=ns("deadline_ms", _value(top, "deadline_ms"), above=0.0), max_age_ns=ns("max_age_ms", _value(top, "max_age_ms"), above=0.0),
        takeover_ns=ns("takeover_ms", _value(top, "takeover_ms"), above=0.0),
        missing_after_ns=ns("missing_after_ms", _value(top, "missing_after_ms"), above=0.0),
        frozen_after=_whole("frozen_after", _value(top, "frozen_after")),
        base_frame=_frame(top, "base_frame"), fixed_frame=_frame(top, "fixed_frame", empty=True),
        markers_min_score=number("markers_min_score", _value(top, "markers_min_score"), least=0.0, most=1.0),
        reduced_decoding=flag("reduced_decoding", _value(top, "reduced_decoding")),
        device=text("device", _value(top, "device")),
        threads=_whole("threads", _value(top, "threads")), backend=_backend(_value(top, "backend")), bf16=flag("bf16", _value(top, "bf16")),
    )
    if config.fixed_frame == config.base_frame:
        raise UserError(f"fixed_frame: {config.fixed_frame!r} is the base_frame too; give the frame in which the ego moves, or leave it empty")
    _check_topics(config, resolve)
    config.sync()
    return config


def default_of_sensor(name: str) -> Any:
    """Of a parameter `sensors.NAME.KEY`, whether or not there is such a sensor yet; UserError for an unknown KEY."""
    keys = {**CAMERA_KEYS, **LIDAR_KEYS}
    parts = name.split(".")
    if len(parts) != 3 or parts[2] not in keys:
        raise UserError(f"{name}: unknown parameter of a sensor{suggest(parts[-1], keys)}")
    return keys[parts[2]]


def _sorted_out(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Top-level and per-sensor values; UserError for any other name."""
    top, per_sensor = {}, {}
    for name, value in values.items():
        if name.startswith(BUILT_IN):
            continue
        if name.startswith("sensors."):
            per_sensor[name] = value
        elif name in PARAMETERS:
            top[name] = value
        else:
            raise UserError(f"{name}: unknown parameter{suggest(name, PARAMETERS)}")
    return top, per_sensor


def _check_sensor_key(key: str, cameras: tuple[str, ...], lidars: tuple[str, ...]) -> None:
    parts = key.split(".")
    if len(parts) != 3:
        raise UserError(f"{key}: unknown parameter; expected sensors.NAME.KEY")
    _, name, last = parts
    if name not in (*cameras, *lidars):
        raise UserError(f"{key}: unknown sensor {name!r}, neither in cameras nor in lidars{suggest(name, (*cameras, *lidars))}")
    keys = CAMERA_KEYS if name in cameras else LIDAR_KEYS
    if last not in keys:
        raise UserError(f"{key}: unknown parameter of a {'camera' if name in cameras else 'LiDAR'}{suggest(last, keys)}")


def _camera(name: str, given: Mapping[str, Any], transport: str, reliable: bool | None) -> CameraParameters:
    prefix = f"sensors.{name}."
    transport = choice(prefix + "transport", given.get(prefix + "transport", transport), TRANSPORTS)
    image = f"/sensors/{name.lower()}/image"
    topic = _topic(prefix + "topic", given, image if transport == "raw" else f"{image}/compressed")
    return CameraParameters(
        name=name, transport=transport, topic=topic, info_topic=_topic(prefix + "info_topic", given, info_topic_beside(topic)),
        rectified=flag(prefix + "rectified", given.get(prefix + "rectified", False)), time_offset_ns=_offset(prefix, given),
        frame=_sensor_frame(prefix, given), reliable=_reliable(prefix, given, reliable))


def info_topic_beside(topic: str) -> str:
    """Where image_transport publishes the calibration of a camera: `camera_info` in the place of the image's last name."""
    parent = topic.removesuffix("/compressed").rpartition("/")
    return f"{parent[0]}{parent[1]}camera_info"


def _lidar(name: str, given: Mapping[str, Any], reliable: bool | None) -> LidarParameters:
    prefix = f"sensors.{name}."
    return LidarParameters(
        name=name, topic=_topic(prefix + "topic", given, f"/sensors/{name.lower()}/points"), time_offset_ns=_offset(prefix, given),
        frame=_sensor_frame(prefix, given), reliable=_reliable(prefix, given, reliable),
        intensity_max=number(prefix + "intensity_max", given.get(prefix + "intensity_max", 255.0), above=0.0),
        near_m=number(prefix + "near_m", given.get(prefix + "near_m", 1.0), least=0.0),
        deskew=flag(prefix + "deskew", given.get(prefix + "deskew", True)))


def _sensor_frame(prefix: str, given: Mapping[str, Any]) -> str:
    return text(prefix + "frame", given.get(prefix + "frame", ""), empty=True).lstrip("/")


def _reliable(prefix: str, given: Mapping[str, Any], usual: bool | None) -> bool | None:
    return auto_or_flag(prefix + "reliable", given[prefix + "reliable"]) if prefix + "reliable" in given else usual


def _offset(prefix: str, given: Mapping[str, Any]) -> int:
    return ns(prefix + "time_offset_ms", given.get(prefix + "time_offset_ms", 0.0), least=-10_000.0)


def _reference(top: Mapping[str, Any], cameras: tuple[str, ...], lidars: tuple[str, ...]) -> str:
    name = text("reference_sensor", _value(top, "reference_sensor"), empty=True) or (*lidars, *cameras)[0]
    if name not in (*cameras, *lidars):
        raise UserError(f"reference_sensor: unknown sensor {name!r}{suggest(name, (*cameras, *lidars))}")
    return name


def _check_topics(config: FusionNodeConfig, resolve: Callable[[str], str]) -> None:
    taken: dict[str, str] = {}
    uses = [(f"sensors.{name}.topic", config.sensor(name).topic) for name in config.sensors]
    uses += [(f"sensors.{camera.name}.info_topic", camera.info_topic) for camera in config.cameras.values()]
    for key, topic in uses:
        name = resolve(topic)
        if name in taken:
            raise UserError(f"{key}: topic {name!r} is also {taken[name]}; two sensors cannot share a topic")
        taken[name] = key


def _names(top: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = texts(key, _value(top, key))
    for name in names:
        if not _NAME.fullmatch(name):
            raise UserError(f"{key}: {name!r} is not a sensor's name; expected letters, digits and underscores, a letter first")
    return names


def _value(top: Mapping[str, Any], key: str) -> Any:
    """A value as given, or its default; ROS hands an empty list on as nothing."""
    default = PARAMETERS[key][0]
    value = top.get(key, default)
    return [] if value is None and isinstance(default, list) else value


def _whole(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1024:
        raise UserError(f"{key}: expected a whole number from 0 to 1024, got {value!r}")
    return value


def _backend(value: Any) -> BackendName | None:
    for name in BACKENDS:
        if value == name:
            return name
    if value != "":
        raise UserError(f"backend: expected one of {', '.join(BACKENDS)}, or nothing, got {value!r}")
    return None


def _frame(top: Mapping[str, Any], key: str, *, empty: bool = False) -> str:
    return text(key, _value(top, key), empty=empty).lstrip("/")


def _topic(key: str, given: Mapping[str, Any], default: str) -> str:
    value = given.get(key, default)
    if isinstance(value, (list, tuple)):
        raise UserError(f"{key}: got {len(value)} topics {list(value)!r}; a sensor has one topic")
    if not isinstance(value, str) or not _TOPIC.fullmatch(value):
        raise UserError(f"{key}: expected the name of a topic, such as {default}, got {value!r}")
    return value
