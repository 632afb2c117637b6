"""What a data root in nuScenes' format holds, as readings in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusion.data.nuscenes_index import NuScenesIndex, load_index
from fusion.data.nuscenes_sweeps import CameraSweeps, read_camera_sweeps
from fusion.data.splits import choose_by_name

MAX_LEAD_NS = 600_000_000
"""Sweeps up to this long before a scene's first keyframe are played too: they are what its cloud is made of."""

SWEEPS = "sweeps"
"""Folder of a data root with what was recorded between keyframes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mount:
    """Where a sensor sits and, of a camera, its lens.

    Attributes:
        rotation_wxyz, translation_m: base_T_sensor.
        intrinsics: `(3, 3)` pixels; None for a LiDAR.
    """

    rotation_wxyz: tuple[float, float, float, float]
    translation_m: tuple[float, float, float]
    intrinsics: np.ndarray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One file of one sensor.

    Attributes:
        sensor: such as "CAM_FRONT".
        stamp_ns: nanoseconds.
        path: of the file, which may be missing.
        mount: the calibration that it was taken with; the same object for the same calibration.
        rotation_wxyz, translation_m: odom_T_base at `stamp_ns`.
        size_wh: of the image as the tables give it, 0, 0 where they do not; None for a LiDAR.
    """

    sensor: str
    stamp_ns: int
    path: Path
    mount: Mount
    rotation_wxyz: tuple[float, float, float, float]
    translation_m: tuple[float, float, float]
    size_wh: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene: readings and keyframes (stamp, token), each in the order of time."""

    name: str
    readings: tuple[Reading, ...]
    samples: tuple[tuple[int, str], ...]


class Recording:
    """Scenes of a data root, without any file opened but the tables'.

    Between keyframes there are the sweeps whose files are there: nuScenes itself has clouds at 20 Hz and images at 12 Hz, the simulator
    writes clouds alone, and a root without its `sweeps/` has keyframes only.

    Args:
        dataroot: folder with `samples/` and the tables' folder.
        version: the tables' folder, such as "v1.0-mini".
        scenes: names of scenes or splits, in the order to play; None for all.
        sweeps: whether to include what was recorded between keyframes, of cameras and LiDAR.

    Raises:
        UserError: unreadable tables or an unknown scene.
    """

    def __init__(self, dataroot: str | Path, version: str, scenes: Sequence[str] | None = None, *, sweeps: bool = True) -> None:
        self._root, self._sweeps = Path(dataroot), sweeps
        self._index: NuScenesIndex = load_index(self._root, version)
        self._names = [name.decode() for name in self._index.scene_name]
        self._channels = [name.decode() for name in self._index.channel]
        self._chosen = choose_by_name(self._names, scenes, self._root / version)
        self._mounts = [self._mount(row) for row in range(len(self._index.calibration_pose))]
        rows = np.isin(self._index.sample_scene, [self._names.index(name) for name in self._chosen])
        seen = (self._index.sample_reading[rows] >= 0).any(axis=0)
        self.sensors = {name: "lidar" if column == len(self._channels) - 1 else "camera"
                        for column, name in enumerate(self._channels) if seen[column]}
        self._images: CameraSweeps | None = None
        if sweeps and any((self._root / SWEEPS / name).is_dir() for name, kind in self.sensors.items() if kind == "camera"):
            tokens = {self._index.sample_token[row].decode(): int(row) for row in np.flatnonzero(rows)}
            self._images = read_camera_sweeps(self._root / version, tokens)

    def scenes(self) -> Iterator[Scene]:
        """The chosen scenes that have readings."""
        for name in self._chosen:
            rows = np.flatnonzero(self._index.sample_scene == self._names.index(name))
            slots = self._index.sample_reading[rows]
            readings = [self._reading(int(slot), column) for row in slots for column, slot in enumerate(row) if slot >= 0]
            if self._sweeps:
                readings += [*(self._reading(sweep, len(self._channels) - 1) for sweep in self._between(slots[:, -1])),
                             *self._images_between(rows, slots)]
            if readings:
                samples = [(self._reference_ns(int(row)), self._index.sample_token[row].decode()) for row in rows]
                yield Scene(name=name, readings=tuple(sorted(readings, key=lambda reading: reading.stamp_ns)), samples=tuple(sorted(samples)))

    def _reference_ns(self, row: int) -> int:
        lidar = int(self._index.sample_reading[row, -1])
        return 1000 * int(self._index.reading_stamp_us[lidar] if lidar >= 0 else self._index.sample_stamp_us[row])

    def _between(self, keyframes: np.ndarray) -> list[int]:
        """LiDAR readings before each keyframe that are no keyframes themselves and whose files are there."""
        index, found = self._index, []
        taken = {int(reading) for reading in keyframes if reading >= 0}
        earliest_us = min((int(index.reading_stamp_us[reading]) for reading in taken), default=0) - MAX_LEAD_NS // 1000
        for keyframe in sorted(taken):
            sweep = int(index.reading_prev[keyframe])
            while sweep >= 0 and sweep not in taken and index.reading_stamp_us[sweep] >= earliest_us:
                taken.add(sweep)
                if (self._root / index.reading_file[sweep].decode()).exists():
                    found.append(sweep)
                sweep = int(index.reading_prev[sweep])
        return found

    def _images_between(self, rows: np.ndarray, keyframes: np.ndarray) -> Iterator[Reading]:
        """Camera images of a scene that are no keyframes, as far around them as its sweeps, and whose files are there."""
        images, taken = self._images, keyframes[keyframes >= 0]
        if images is None or not len(taken):
            return
        stamps_us = self._index.reading_stamp_us[taken]
        near = (images.stamp_us >= stamps_us.min() - MAX_LEAD_NS // 1000) & (images.stamp_us <= stamps_us.max())
        for number in np.flatnonzero(near & np.isin(images.sample, rows)).tolist():
            path = self._root / images.file[number]
            if images.camera[number] in self.sensors and path.exists():
                height, width = (int(size) for size in images.hw[number])
                rotation, translation = _pose(images.pose[number])
                yield Reading(sensor=images.camera[number], stamp_ns=1000 * int(images.stamp_us[number]), path=path,
                              mount=self._mounts[int(images.calibration[number])], rotation_wxyz=rotation, translation_m=translation,
                              size_wh=(width, height))

    def _reading(self, reading: int, column: int) -> Reading:
        index = self._index
        height, width = (int(size) for size in index.reading_hw[reading])
        rotation, translation = _pose(index.reading_pose[reading])
        return Reading(sensor=self._channels[column], stamp_ns=1000 * int(index.reading_stamp_us[reading]),
                       path=self._root / index.reading_file[reading].decode(), mount=self._mounts[int(index.reading_calibration[reading])],
                       rotation_wxyz=rotation, translation_m=translation, size_wh=(width, height) if column < len(self._channels) - 1 else None)

    def _mount(self, row: int) -> Mount:
        rotation, translation = _pose(self._index.calibration_pose[row])
        intrinsics = self._index.calibration_intrinsics[row]
        return Mount(rotation_wxyz=rotation, translation_m=translation, intrinsics=intrinsics if intrinsics.any() else None)


def _pose(stored: np.ndarray) -> tuple[tuple[float, float, float, float], tuple[float, float, float]]:
    w, x, y, z, *translation = (float(value) for value in stored)
    return (w, x, y, z), (translation[0], translation[1], translation[2])
