"""Raw sweeps with their boxes, real or simulated, for comparing the two: no point removed, rings kept, everything in the LiDAR frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusion.data.classes import DETECTION_NAME, label_of
from fusion.data.nuscenes import NuScenesSource
from fusion.data.nuscenes_index import load_index
from fusion.data.readers import read_points_bin
from fusion.geometry.transforms import invert, transform_points, yaw_of
from fusion.simulate.lidar.seen import seen_at
from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.rig import Rig
from fusion.simulate.scenery import Scenery
from fusion.types.checks import check_shape


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One sweep and what is in it.

    Attributes:
        points: `(P, 5)` float32 x, y, z, intensity in 0..255, ring, in the LiDAR frame (x right, y forward).
        boxes: `(M, 7)` float64 x y z l w h yaw in the LiDAR frame.
        labels: `(M,)` int64 indices into `DETECTION_CLASSES`.
        up: `(3,)` the ego frame's z axis in the LiDAR frame, which may be tilted.
    """

    points: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    up: np.ndarray

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("points", self.points, ("P", 5), dims)
        check_shape("boxes", self.boxes, ("M", 7), dims)
        check_shape("labels", self.labels, ("M",), dims)
        check_shape("up", self.up, (3,), dims)


def _to_lidar(lidar_T_src: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """`(M, 7)` boxes in the LiDAR frame."""
    moved = np.array(boxes[:, :7], np.float64)
    moved[:, :3] = transform_points(lidar_T_src, moved[:, :3])
    moved[:, 6] += yaw_of(lidar_T_src[:3, :3])
    return moved


def frames_of_root(dataroot: str | Path, version: str, every: int = 1) -> Iterator[Frame]:
    """Every n-th keyframe of a data root in nuScenes' format.

    Raises:
        UserError: unreadable tables.
        BadSensorData: an unreadable point file.
    """
    source, index = NuScenesSource(dataroot, version), load_index(Path(dataroot), version)
    for row in range(0, len(index.sample_token), every):
        token, reading = index.sample_token[row].decode(), int(index.sample_reading[row, -1])
        truth = source.ground_truth(token)
        if reading < 0 or truth is None:
            continue
        sensors = source.load(token, cameras=False)
        if sensors.lidar is None:
            continue
        points = read_points_bin(Path(dataroot) / index.reading_file[reading].decode(), 5)
        yield Frame(points=points, boxes=_to_lidar(invert(sensors.lidar.ego_T_lidar), truth.boxes), labels=truth.labels,
                    up=sensors.lidar.ego_T_lidar[2, :3])


def frames_of_scenery(scenery: Scenery, simulator: LidarSimulator, times_s: Sequence[float], rng: np.random.Generator) -> Iterator[Frame]:
    """Sweeps cast now, without a data root."""
    kept = [row for row, actor in enumerate(scenery.actors) if actor.category in DETECTION_NAME]
    labels = np.array([label_of(DETECTION_NAME[scenery.actors[row].category]) for row in kept], np.int64)
    for t_s in times_s:
        seen = seen_at(scenery, Rig(cameras=(), lidar=simulator.mount), t_s)
        boxes = np.array([scenery.actors[row].box(seen[row]) for row in kept]).reshape(-1, 7)
        lidar_T_global = invert(scenery.ego.matrix(t_s) @ simulator.mount.ego_T_lidar)
        yield Frame(points=simulator.sweep(t_s, rng).points, boxes=_to_lidar(lidar_T_global, boxes), labels=labels,
                    up=simulator.mount.ego_T_lidar[2, :3])
