"""Messages -> SensorSet, off the executor's thread: decode, undistort, merge, and say of each reading that cannot be used why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from fusion.data.readers import remove_close
from fusion.errors import BadSensorData
from fusion.geometry.transforms import invert
from fusion.sensors.camera_model import CameraModel, Undistorters, reduction
from fusion.sensors.deskew import deskew
from fusion.sensors.health import SensorState
from fusion.sensors.merge_clouds import merge_clouds
from fusion.types import CameraReading, LidarReading, SensorSet
from ros_nodes.conversion import camera_model_from_info, image_from_compressed_msg, image_from_msg, points_from_cloud, rectification_from_info
from ros_nodes.effort import Effort
from ros_nodes.fusion_config import CameraParameters, FusionNodeConfig, LidarParameters
from ros_nodes.placing import Instant, Placed

R = TypeVar("R")

LOOKS_UP = 0.9
"""Share of a camera's optical axis that points up, from which on its frame must be a body's (x ahead, z up)."""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Why a reading cannot be used: INVALID or UNCALIBRATED, and one line."""

    state: SensorState
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Assembled:
    """What an answer can rest on.

    Attributes:
        sensor_set: the usable readings.
        lidars: the LiDARs whose clouds are in it; the set itself has one cloud under one name.
        rejected: sensor -> why its reading is not in it.
        effort: what it cost.
    """

    sensor_set: SensorSet
    lidars: tuple[str, ...]
    rejected: Mapping[str, Rejection]
    effort: Effort = field(default_factory=Effort)

    def sensors(self, used: tuple[str, ...]) -> tuple[str, ...]:
        """Names of a set's used sensors with the merged cloud's name replaced by those of its LiDARs."""
        cameras = tuple(name for name in used if name != self.sensor_set.lidar_name)
        return cameras + (self.lidars if self.sensor_set.lidar_name in used else ())


class Assembler:
    """Assembles instants of one rig; keeps undistortion tables and the clouds of sweeps that are used again.

    Args:
        config: the rig.
        num_sweeps: earlier sweeps that the model accumulates.
        image_width: what the model scales images to; one that has to be worked on before is made smaller first, where it is much wider.
            None: it never is.
        pool: where images that have to be decoded or undistorted are, side by side; None: one after another.
    """

    def __init__(self, config: FusionNodeConfig, *, num_sweeps: int = 0, image_width: int | None = None, pool: Executor | None = None) -> None:
        self._config, self._num_sweeps, self._image_width, self._pool = config, num_sweeps, image_width, pool
        self._undistorters = Undistorters()
        self._clouds: dict[tuple[str, int], np.ndarray] = {}

    def assemble(self, instant: Instant) -> Assembled:
        """The usable readings of an instant; never raises for what a sensor sent."""
        before = Effort.so_far()
        side: list[Effort] = []
        rejected: dict[str, Rejection] = {}
        cameras = self._cameras(instant, rejected, side)
        clouds: dict[str, LidarReading] = {}
        for name, parameters in self._config.lidars.items():
            placed = instant.readings.get(name)
            if placed is None:
                continue
            cloud = _attempt(partial(self._cloud, parameters, placed), name, rejected)
            if cloud is not None:
                clouds[name] = cloud
        lidar = None
        if clouds:
            lidar = merge_clouds([*clouds.values(), *self._sweeps(instant, clouds)], stamp_ns=instant.stamp_ns,
                                 global_T_ego=instant.global_T_ego)
        sensor_set = SensorSet(
            cameras=cameras, lidar=lidar, stamp_ns=instant.stamp_ns, global_T_ego=instant.global_T_ego,
            lidar_name=next(iter(clouds or self._config.lidars), "LIDAR"),
            warnings=tuple(f"{name}: {rejection.reason}" for name, rejection in rejected.items()))
        return Assembled(sensor_set=sensor_set, lidars=tuple(clouds), rejected=rejected, effort=(Effort.so_far() - before).beside(side))

    def _cameras(self, instant: Instant, rejected: dict[str, Rejection], side: list[Effort]) -> dict[str, CameraReading | None]:
        """Every camera of the rig in its order; what each thread of the pool spent is appended to `side`."""
        jobs: dict[str, Callable[[], CameraReading]] = {}
        for name, parameters in self._config.cameras.items():
            if name in instant.readings:
                placed = instant.readings[name]
                job = jobs[name] = partial(self._camera, parameters, placed)
                if self._pool is not None and (parameters.transport == "compressed" or (_bends(placed.info) and not parameters.rectified)):
                    jobs[name] = self._pool.submit(_measured, job, side).result
        found = {name: _attempt(job, name, rejected) for name, job in jobs.items()}
        return {name: found.get(name) for name in self._config.cameras}

    def _camera(self, parameters: CameraParameters, placed: Placed) -> CameraReading:
        ego_T_cam = _place_of(placed)
        if ego_T_cam[2, 2] > LOOKS_UP:
            raise _Uncalibrated(f"its frame looks straight up: expected an optical frame (z ahead, x right, y down; REP 103) in header.frame_id"
                                f" or sensors.{parameters.name}.frame")
        if placed.info is None:
            raise _Uncalibrated(f"no CameraInfo on {parameters.info_topic} yet")
        try:
            model = camera_model_from_info(placed.info, rectified=parameters.rectified)
            if parameters.rectified:
                ego_T_cam = ego_T_cam @ invert(rectification_from_info(placed.info))
        except BadSensorData as error:
            raise _Uncalibrated(str(error)) from None
        factor = 1 if self._image_width is None else reduction((model.width, model.height), self._image_width)
        if parameters.transport == "raw":
            image = image_from_msg(placed.reading.message)
        else:
            image, model, factor = self._decoded(placed.reading.message, model, factor)
        image, intrinsics = self._undistorters.of(parameters.name, model, shrink=factor).undistort(image)
        return CameraReading(image=image, intrinsics=intrinsics, ego_T_cam=ego_T_cam, stamp_ns=placed.reading.stamp_ns,
                             global_T_ego=placed.global_T_ego)

    def _decoded(self, message: Any, model: CameraModel, factor: int) -> tuple[np.ndarray, CameraModel, int]:
        """A compressed image, the camera with images of its size, and how many times smaller it may still become."""
        if factor > 1 and self._config.reduced_decoding:
            smaller = model.shrunk(factor, factor)
            image = image_from_compressed_msg(message, factor)
            if image.shape[:2] == (smaller.height, smaller.width):
                return image, smaller, 1
        return image_from_compressed_msg(message), model, factor  # one of another size is refused with its true size

    def _cloud(self, parameters: LidarParameters, placed: Placed) -> LidarReading:
        ego_T_lidar = _place_of(placed)
        key = (parameters.name, placed.reading.stamp_ns)
        points = self._clouds.get(key)
        if points is None:
            points = remove_close(points_from_cloud(placed.reading.message, intensity_max=parameters.intensity_max), parameters.near_m)
            if not len(points):
                raise BadSensorData("point cloud: no points beyond the vehicle itself; check the LiDAR and its driver")
            if placed.path:
                points = _as_of_stamp(points, placed, ego_T_lidar)
            points[:, 4] = 0  # as of the stamp, as recorded sweeps are that models learn from
            if self._num_sweeps:
                self._clouds[key] = points
        return LidarReading(points=points, ego_T_lidar=ego_T_lidar, stamp_ns=placed.reading.stamp_ns, global_T_ego=placed.global_T_ego)

    def _sweeps(self, instant: Instant, clouds: Mapping[str, LidarReading]) -> list[LidarReading]:
        """Earlier clouds of the LiDARs that are in the answer, newest first; a bad one is left out."""
        earlier = []
        for placed in instant.sweeps:
            name = placed.reading.name
            cloud = _attempt(partial(self._cloud, self._config.lidars[name], placed), name, {}) if name in clouds else None
            if cloud is not None:
                earlier.append(cloud)
        wanted = {(placed.reading.name, placed.reading.stamp_ns) for placed in (*instant.sweeps, *instant.readings.values())}
        self._clouds = {key: points for key, points in self._clouds.items() if key in wanted}
        return earlier


class _Uncalibrated(Exception):
    """Where a sensor looks is not known."""


def _bends(info: Any) -> bool:
    """Whether a CameraInfo has a lens that distorts, as far as a look can tell."""
    return info is not None and any(info.d)


def _measured(job: Callable[[], R], side: list[Effort]) -> R:
    """The job, and what it cost this thread appended to `side`."""
    before = Effort.so_far()
    try:
        return job()
    finally:
        side.append(Effort.so_far() - before)


def _place_of(placed: Placed) -> np.ndarray:
    if placed.ego_T_sensor is None:
        raise _Uncalibrated(placed.why)
    return placed.ego_T_sensor


def _as_of_stamp(points: np.ndarray, placed: Placed, ego_T_lidar: np.ndarray) -> np.ndarray:
    """Points of a sweep where its LiDAR would have seen them at its stamp."""
    assert placed.global_T_ego is not None
    offsets_ns, poses = zip(*placed.path, strict=True)
    lidar_T_global = invert(placed.global_T_ego @ ego_T_lidar)
    return deskew(points, -points[:, 4], 1e-9 * np.array(offsets_ns), np.stack([lidar_T_global @ pose @ ego_T_lidar for pose in poses]))


def _attempt(job: Callable[[], R], name: str, rejected: dict[str, Rejection]) -> R | None:
    """A reading, or None and the reason in `rejected`."""
    try:
        return job()
    except _Uncalibrated as error:
        rejected[name] = Rejection(state=SensorState.UNCALIBRATED, reason=str(error))
    except Exception as error:  # whatever a sensor sends costs that reading alone
        kind = "" if isinstance(error, (BadSensorData, ValueError)) else f"{type(error).__name__}: "
        rejected[name] = Rejection(state=SensorState.INVALID, reason=f"{kind}{' '.join(str(error).split())}")
    return None
