"""A bag as a data root in nuScenes' format, without annotations."""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from fusion.errors import BadSensorData, UserError
from fusion.geometry.transforms import invert
from fusion.sensors.camera_model import CameraModel, Undistorters
from ros_nodes.bag_keyframes import BagScene, find_scenes
from ros_nodes.bag_reader import open_bag
from ros_nodes.bag_scan import BagCalibration, BagContents, BagReading, scan_bag
from ros_nodes.bag_tables import BagTables
from ros_nodes.conversion import (
    CLOUD_FIELDS,
    Transform,
    cloud_columns,
    image_from_compressed_msg,
    image_from_msg,
    intensity_of,
    is_mosaic,
)
from ros_nodes.fusion_config import maybe_rectified
from ros_nodes.player_codec import Codec, rosbags_codec, stamp_of
from ros_nodes.player_topics import BASE_FRAME, CLOUD, COMPRESSED, FIXED_FRAME
from ros_nodes.transforms import MAX_GAP_NS, TransformTree, TransformUnavailable


def write_root(bag: Path, out: Path, version: str, *, sensors: Mapping[str, str] | None = None, rectified: Collection[str] = (),
               base_frame: str = BASE_FRAME, fixed_frame: str = FIXED_FRAME, keyframe_every_s: float = 0.5, intensity_max: float = 255.0,
               warn: Callable[[str], object] = print) -> dict[str, int]:
    """Write a bag's images and clouds as a data root.

    JPEG and PNG bytes stay as they are; mosaics, raw and distorted images become PNG (undistorted: the format knows no lens). Keyframes are those
    of the bag's /dataset/sample, else one every `keyframe_every_s`.

    Args:
        bag: the bag's folder or .mcap file.
        out: the root; must not exist, and appears only when it is complete.
        version: folder of its tables.
        sensors, rectified: see `scan_bag`.
        base_frame, fixed_frame: the ego frame, and the one in which it moves.
        keyframe_every_s: see above.
        intensity_max: the intensity that becomes 255.
        warn: takes one line for each kind of reading that is left out, and for each camera whose topic sounds rectified and that is not said to be.

    Returns:
        Sensor -> number of readings written.

    Raises:
        UserError: `out` exists, the bag cannot be read, or nothing in it can be placed.
    """
    if out.exists():
        raise UserError(f"{out}: exists already; choose a new folder for the data root")
    codec = rosbags_codec()
    contents = scan_bag(bag, codec, sensors or {}, rectified)
    for sensor in contents.sensors.values():
        for line in () if sensor.rectified else maybe_rectified(sensor.name, sensor.topic, "--rectified"):
            warn(line)
    scenes = find_scenes(contents, bag.stem, round(0.9 * keyframe_every_s * 1e9))  # a sweep is rarely exactly on time
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".root-") as folder:
        writer = _RootWriter(Path(folder) / out.name, contents, scenes, codec, base_frame, fixed_frame, intensity_max)
        writer.write(bag, version)
        for note, times in Counter([*contents.notes, *writer.notes]).items():
            warn(f"{note} ({times} readings left out)")
        if not writer.written:
            raise UserError(f"{bag}: none of {len(contents.readings)} readings could be placed; are {fixed_frame} and {base_frame} on /tf?")
        (Path(folder) / out.name).rename(out)
    return dict(writer.written)


class _RootWriter:
    """Second reading of a bag: files and rows."""

    def __init__(self, root: Path, contents: BagContents, scenes: list[BagScene], codec: Codec, base_frame: str, fixed_frame: str,
                 intensity_max: float) -> None:
        self._root, self._contents, self._scenes, self._codec = root, contents, scenes, codec
        self._base, self._fixed, self._intensity_max = base_frame, fixed_frame, intensity_max
        self._tables = BagTables()
        self._undistorters = Undistorters()
        self.written: Counter[str] = Counter()
        self.notes: list[str] = []

    def write(self, bag: Path, version: str) -> None:
        for name, sensor in self._contents.sensors.items():
            self._tables.add_sensor(name, "lidar" if sensor.kind == CLOUD else "camera")
        for scene in self._scenes:
            self._tables.add_scene(scene)
        tree = _TreeAlong(self._contents)
        done: set[tuple[str, int]] = set()
        for scene, reading, data in self._messages(bag):
            key = (reading.sensor, reading.stamp_ns // 1000)
            if key in done:
                self.notes.append(f"{reading.sensor}: a second reading with the same stamp")
                continue
            done.add(key)
            try:
                frames = tree.at(reading)
                mount, moved = frames.lookup(self._base, reading.frame, reading.stamp_ns), frames.lookup(self._fixed, self._base, reading.stamp_ns)
                self._store(scene, reading, data, mount, moved)
            except TransformUnavailable as error:
                self.notes.append(f"{reading.sensor}: no pose, {error.lack.value} transform ({self._fixed} - {self._base} - {reading.frame})")
            except BadSensorData as error:
                self.notes.append(f"{reading.sensor}: {error}")
        self._tables.write(self._root, version)

    def _messages(self, bag: Path) -> Iterator[tuple[BagScene, BagReading, bytes]]:
        """The bag's readings with their scene; the bag gives them in the same order as when it was scanned."""
        scene_of = {id(reading): scene for scene in self._scenes for reading in scene.readings}
        topics = {sensor.topic for sensor in self._contents.sensors.values()}
        with open_bag(bag) as reader:
            wanted = [connection for connection in reader.connections if connection.topic in topics]
            order = {name: [r for r in self._contents.readings if r.sensor == name] for name in self._contents.sensors}
            names = {sensor.topic: name for name, sensor in self._contents.sensors.items()}
            positions = dict.fromkeys(order, 0)
            for connection, _, data in reader.messages(connections=wanted):
                name = names[connection.topic]
                reading = order[name][positions[name]]
                positions[name] += 1
                assert reading.stamp_ns == stamp_of(data)
                if id(reading) in scene_of:
                    yield scene_of[id(reading)], reading, bytes(data)

    def _store(self, scene: BagScene, reading: BagReading, data: bytes, mount: np.ndarray, moved: np.ndarray) -> None:
        sample, keyframe = scene.sample_of(reading)
        kind = self._contents.sensors[reading.sensor].kind
        intrinsics, size_wh = None, (0, 0)
        if kind == CLOUD:
            content, suffix = self._points(data), "pcd.bin"
        else:
            calibration = self._calibration(reading)
            mount = mount @ invert(calibration.image_T_camera)
            content, suffix, intrinsics, size_wh = self._image(reading.sensor, kind, data, calibration.model)
        stamp_us = reading.stamp_ns // 1000
        name = f"{'samples' if keyframe else 'sweeps'}/{reading.sensor}/{scene.name}__{reading.sensor}__{stamp_us}.{suffix}"
        (self._root / name).parent.mkdir(parents=True, exist_ok=True)
        (self._root / name).write_bytes(content)
        self._tables.add_reading(scene, sample, reading.sensor, reading.stamp_ns, name, keyframe=keyframe, base_T_sensor=mount, odom_T_base=moved,
                                 intrinsics=intrinsics, size_wh=size_wh)
        self.written[reading.sensor] += 1

    def _points(self, data: bytes) -> bytes:
        columns = cloud_columns(self._codec.decode(CLOUD, data))
        if not {"x", "y", "z"} <= columns.keys():
            raise BadSensorData(f"point cloud: fields {sorted(columns)}; expected x, y and z among them")
        zero = np.zeros(len(columns["x"]), np.float32)
        intensity = intensity_of(columns)
        columns["intensity"] = zero if intensity is None else intensity
        with np.errstate(over="ignore"):  # float64 fields may hold what float32 cannot: left out below
            points = np.stack([columns.get(name, zero).astype(np.float32) for name in CLOUD_FIELDS], axis=1)
        if self._intensity_max != 255:
            points[:, 3] *= np.float32(255 / self._intensity_max)
        points = points[np.isfinite(points[:, :3]).all(axis=1)]
        points[:, 3:] = np.nan_to_num(points[:, 3:], posinf=255, neginf=0)
        if not len(points):
            raise BadSensorData("point cloud: no points")
        return bytes(points.astype("<f4").tobytes())

    def _calibration(self, reading: BagReading) -> BagCalibration:
        known = self._contents.calibrations.get(reading.sensor)
        if not known:
            raise BadSensorData("no camera_info")
        index = bisect_right([calibration.stamp_ns for calibration in known], reading.stamp_ns) - 1
        return known[max(index, 0)]

    def _image(self, name: str, kind: str, data: bytes, model: CameraModel) -> tuple[bytes, str, np.ndarray, tuple[int, int]]:
        message = self._codec.decode(kind, data)
        image = image_from_compressed_msg(message) if kind == COMPRESSED else image_from_msg(message)
        image, intrinsics = self._undistorters.of(name, model).undistort(image)
        if kind == COMPRESSED and model.is_pinhole and not is_mosaic(message):
            content = bytes(message.data)
            return content, "png" if content.startswith(b"\x89PNG") else "jpg", intrinsics, (model.width, model.height)
        return cv2.imencode(".png", image[..., ::-1])[1].tobytes(), "png", intrinsics, (model.width, model.height)


class _TreeAlong:
    """Transforms around each reading, as the bag goes on: the tree forgets what is long past, and is led back where a reading's stamp is."""

    def __init__(self, contents: BagContents) -> None:
        self._tree = TransformTree()
        self._moving = sorted(contents.moving, key=lambda transform: transform.stamp_ns)
        self._stamps_ns = [transform.stamp_ns for transform in self._moving]
        self._static = contents.static
        self._moved, self._set = 0, 0
        for _, transform in reversed(contents.static):  # the first of each frame holds from the start, as one is often sent late
            self._insert(transform, static=True)

    def at(self, reading: BagReading) -> TransformTree:
        while self._set < len(self._static) and self._static[self._set][0] <= reading.logged_ns:
            self._insert(self._static[self._set][1], static=True)
            self._set += 1
        if self._moved and self._stamps_ns[self._moved - 1] > reading.stamp_ns + 2 * MAX_GAP_NS:  # after one whose clock is ahead
            self._tree.forget_after(reading.stamp_ns + MAX_GAP_NS)
            self._moved = bisect_left(self._stamps_ns, reading.stamp_ns - MAX_GAP_NS)
        while self._moved < len(self._moving) and self._stamps_ns[self._moved] <= reading.stamp_ns + MAX_GAP_NS:
            self._insert(self._moving[self._moved], static=False)
            self._moved += 1
        return self._tree

    def _insert(self, transform: Transform, *, static: bool) -> None:
        try:
            self._tree.insert(transform.parent, transform.child, transform.stamp_ns, translation_m=transform.translation_m,
                              rotation_wxyz=transform.rotation_wxyz, static=static)
        except ValueError:
            return  # a transform that is none cannot be followed; readings that need it are left out and named
