"""Recording one scene: sensors read, files written, rows returned."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from fusion.geometry.transforms import transform_points
from fusion.simulate.record import point_labels
from fusion.simulate.record.drive import Request
from fusion.simulate.record.fragments import write_fragment
from fusion.simulate.record.labels import look
from fusion.simulate.record.parts import CameraLike, LidarLike, Parts, PictureLike, SweepLike
from fusion.simulate.record.tables import SceneTables, map_file
from fusion.simulate.record.tokens import generator, number
from fusion.simulate.rig import CameraMount
from fusion.simulate.scenery import Scenery

JPEG_QUALITY = 90
MAP_M_PER_PX = 0.1
"""The devkit's map masks are always so fine, and start at global 0, 0."""


def record_scene(root: Path, request: Request, index: int, parts: Parts, after_keyframe: Callable[[], object]) -> None:
    """Make one scene: its files, then its fragment. Whatever stops it, no half of a scene stays.

    Args:
        root: data root; a scene's files have its name in theirs.
        request: what to make.
        index: of the scene.
        parts: the simulators.
        after_keyframe: called after each keyframe; what it raises stops the scene.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's float filters round differently for every number of threads
    try:
        _record(root, request, index, parts, after_keyframe)
    except BaseException:
        remove_scenes(root, request, [index])
        raise
    finally:
        cv2.setNumThreads(threads)


def remove_scenes(root: Path, request: Request, indices: Sequence[int]) -> None:
    """Delete the files of unfinished scenes."""
    names = {request.name(index) for index in indices}
    for folder in (*root.glob("samples/*/"), *root.glob("sweeps/*/")):
        for path in [Path(entry) for entry in os.scandir(folder) if entry.name.split("__")[0] in names]:
            path.unlink(missing_ok=True)
    point_labels.discard(root, sorted(names))
    for index in indices:
        (root / map_file(request, index)).unlink(missing_ok=True)


def _record(root: Path, request: Request, index: int, parts: Parts, after_keyframe: Callable[[], object]) -> None:
    scenery = parts.build_scenery(number(request.seed, index, "world"), request.weather_of(index), request.duration_s)
    rig = request.rig_of(index)
    lidar = None if rig.lidar is None else parts.lidar(scenery, rig.lidar)
    camera = parts.camera(scenery) if rig.cameras else None
    tables = SceneTables(request, index, scenery, rig)
    looks = []
    for sample, t_s in enumerate(request.keyframes_s()):
        tables.add_sample(t_s)
        points = None
        if lidar is not None and rig.lidar is not None:
            for sweep_s in request.sweeps_before_s(t_s):
                path = tables.add_reading(rig.lidar.name, sweep_s, sample, keyframe=False)
                _sweep(root / path, lidar, sweep_s, _dice(request, index, rig.lidar.name, sweep_s))
            path = tables.add_reading(rig.lidar.name, t_s, sample, keyframe=True)
            sweep = _sweep(root / path, lidar, t_s, _dice(request, index, rig.lidar.name, t_s))
            points = transform_points(scenery.ego.matrix(t_s) @ rig.lidar.ego_T_lidar, sweep.points[:, :3])
            if request.lidarseg:
                row = tables.add_point_labels(rig.lidar.name)
                _write(point_labels.waiting_path(root, tables.name, row), point_labels.label_bytes(sweep.label))
        pictures = []
        for mount in rig.cameras if camera is not None else ():
            shutter_s = t_s - rig.shutter_before_s(mount)
            path = tables.add_reading(mount.name, shutter_s, sample, keyframe=True, size_wh=mount.size_wh)
            assert camera is not None
            pictures.append(_picture(root / path, camera, mount, shutter_s, _dice(request, index, mount.name, shutter_s)))
        looks.append(look(scenery, rig, t_s, parts.seen_at(scenery, rig, t_s), points, pictures))
        after_keyframe()
    _write(root / map_file(request, index), cv2.imencode(".png", map_mask(scenery))[1].tobytes())
    write_fragment(root, tables.name, tables.rows(looks))


def _dice(request: Request, index: int, channel: str, t_s: float) -> np.random.Generator:
    return generator(request.seed, index, "noise", channel, request.stamp_us(index, t_s))


def _sweep(path: Path, lidar: LidarLike, t_s: float, rng: np.random.Generator) -> SweepLike:
    sweep = lidar.sweep(t_s, rng)
    _write(path, np.ascontiguousarray(sweep.points, "<f4").tobytes())
    return sweep


def _picture(path: Path, camera: CameraLike, mount: CameraMount, t_s: float, rng: np.random.Generator) -> PictureLike:
    picture = camera.render(mount, t_s, rng)
    encoded = cv2.imencode(".jpg", picture.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    _write(path, encoded.tobytes())
    return picture


def map_mask(scenery: Scenery) -> np.ndarray:
    """`(H, W)` uint8 mask of the drivable ground at 0.1 m a pixel, its lower left corner at global 0, 0."""
    mask, zoom = scenery.drivable, scenery.map_m_per_px / MAP_M_PER_PX
    if zoom != 1:
        mask = cv2.resize(mask, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    left, below = (max(0, round(offset / MAP_M_PER_PX)) for offset in scenery.map_origin_xy)
    return np.pad(mask, ((0, below), (left, 0)))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
