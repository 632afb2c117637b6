"""Where and when each reading of a bundle was taken: extrinsics, ego poses and calibration, looked up and never assumed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fusion.sensors.sync import Bundle
from ros_nodes.conversion import stamp_ns
from ros_nodes.transforms import Lack, TransformTree, TransformUnavailable

PATH_STEP_NS = 20_000_000
"""The ego's way during a sweep is looked up at least this often: odometry seldom tells more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One message as it arrived.

    Attributes:
        name: its sensor.
        stamp_ns: when it was taken: the header's stamp plus the sensor's offset.
        arrived_ns: by the clock that deadlines are kept by.
        arrived_s: by `time.perf_counter`.
        message: Image, CompressedImage or PointCloud2; not touched before it is used.
        span_ns: when the first and the last point of a sweep were measured, after `stamp_ns`; 0, 0 where all count as measured at once.
    """

    name: str
    stamp_ns: int
    arrived_ns: int
    arrived_s: float
    message: Any
    span_ns: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """A reading with what is needed to use it.

    Attributes:
        reading: the message.
        ego_T_sensor: `(4, 4)`, or None where the sensor's place is not known; then `why` says why.
        global_T_ego: `(4, 4)` ego pose at the reading's stamp, or None where unknown.
        info: the camera's CameraInfo, or None.
        path: of a sweep that took its time: nanoseconds after the stamp, increasing, and the ego's pose then; () where it is not known.
    """

    reading: Reading
    ego_T_sensor: np.ndarray | None
    why: str = ""
    global_T_ego: np.ndarray | None = None
    info: Any = None
    path: tuple[tuple[int, np.ndarray], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Instant:
    """A bundle, placed: all that inference needs.

    Attributes:
        stamp_ns: what the answer is for.
        reference: the sensor that called for it.
        readings: sensor -> reading, in the bundle's order.
        sweeps: earlier LiDAR readings to accumulate, newest first.
        skew_ns: sensor -> its reading's stamp minus `stamp_ns`.
        missing: sensors without a reading.
        global_T_ego: `(4, 4)` ego pose at `stamp_ns`, or None where unknown: then all sensors are taken as simultaneous.
        motion: why the ego's motion is not known for some reading; "" where it is, or is not wanted.
    """

    stamp_ns: int
    reference: str
    readings: Mapping[str, Placed]
    sweeps: tuple[Placed, ...] = ()
    skew_ns: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    global_T_ego: np.ndarray | None = None
    motion: str = ""


class Calibrations:
    """The CameraInfo of each camera: the one with an image's own stamp, else the newest."""

    def __init__(self, kept: int = 8) -> None:
        self._kept = kept
        self._infos: dict[str, deque[tuple[int, Any]]] = {}

    def insert(self, name: str, message: Any) -> None:
        """Take a CameraInfo."""
        self._infos.setdefault(name, deque(maxlen=self._kept)).append((stamp_ns(message.header.stamp), message))

    def of(self, name: str, header_stamp_ns: int) -> Any | None:
        """The calibration for an image; None where none has come yet."""
        infos = self._infos.get(name)
        if not infos:
            return None
        return next((message for stamp, message in reversed(infos) if stamp == header_stamp_ns), infos[-1][1])


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Names of the frames: the ego's, the one it moves in ("" where its motion is not wanted), and sensors' that their messages do not name."""

    base: str
    fixed: str = ""
    sensors: Mapping[str, str] = field(default_factory=dict)


def place(bundle: Bundle[Reading], sweeps: Iterable[Reading], tree: TransformTree, calibrations: Calibrations, frames: Frames,
          *, wait: bool) -> Instant | None:
    """Place every reading of a bundle.

    Args:
        bundle: the readings.
        sweeps: earlier LiDAR readings to accumulate; those whose place or motion is unknown are left out.
        tree: the transforms.
        calibrations: the cameras' calibrations.
        frames: names of the frames.
        wait: whether there is time left for transforms that are merely late.

    Returns:
        The instant; None where a transform may still come and `wait` is set.
    """
    late = False

    def look(target: str, source: str, at_ns: int) -> tuple[np.ndarray | None, str]:
        nonlocal late
        try:
            return tree.lookup(target, source, at_ns), ""
        except TransformUnavailable as error:
            late |= error.lack is Lack.LATE
            return None, str(error)

    def placed(reading: Reading) -> tuple[Placed, str]:
        header = reading.message.header
        frame = frames.sensors.get(reading.name) or header.frame_id
        if not frame:
            ego_T_sensor, why = None, f"the message names no frame; set header.frame_id in the driver, or sensors.{reading.name}.frame"
        else:
            ego_T_sensor, why = look(frames.base, frame, reading.stamp_ns)
        pose, motion = look(frames.fixed, frames.base, reading.stamp_ns) if frames.fixed else (None, "")
        info = calibrations.of(reading.name, stamp_ns(header.stamp))
        path, path_motion = driven(reading) if pose is not None else ((), "")
        return Placed(reading=reading, ego_T_sensor=ego_T_sensor, why=why, global_T_ego=pose, info=info, path=path), motion or path_motion

    def driven(reading: Reading) -> tuple[tuple[tuple[int, np.ndarray], ...], str]:
        """The ego's way while a sweep was taken, and why it is not known."""
        first_ns, last_ns = reading.span_ns
        if first_ns == last_ns == 0:
            return (), ""
        steps = -(-(last_ns - first_ns) // PATH_STEP_NS)
        path = []
        for offset_ns in dict.fromkeys(first_ns + (last_ns - first_ns) * step // max(steps, 1) for step in range(steps + 1)):
            pose, motion = look(frames.fixed, frames.base, reading.stamp_ns + offset_ns)
            if pose is None:
                return (), motion
            path.append((offset_ns, pose))
        return tuple(path), ""

    global_T_ego, motion = look(frames.fixed, frames.base, bundle.stamp_ns) if frames.fixed else (None, "")
    readings = {}
    for name, reading in bundle.items.items():
        readings[name], own_motion = placed(reading)
        motion = motion or own_motion
    if late and wait:
        return None
    earlier = [placed(sweep)[0] for sweep in sweeps] if global_T_ego is not None else []
    return Instant(
        stamp_ns=bundle.stamp_ns, reference=bundle.reference, readings=readings, skew_ns=dict(bundle.skew_ns), missing=bundle.missing,
        sweeps=tuple(sweep for sweep in earlier if sweep.ego_T_sensor is not None and sweep.global_T_ego is not None),
        global_T_ego=global_T_ego, motion=motion)
