"""nuScenes (and every data set in its format) as a `SceneSource`, without the devkit's slow table loading."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fusion.data.nuscenes_index import load_index
from fusion.data.readers import read_image, read_points_bin, remove_close
from fusion.data.source import WarningLog, check_sweeps, unknown
from fusion.data.splits import choose_by_name
from fusion.errors import BadSensorData, UserError
from fusion.geometry.transforms import invert, pose, transform_points
from fusion.threads import side_by_side
from fusion.types import ATTRIBUTES, CameraReading, GroundTruth, LidarReading, SensorSet

POINT_COLUMNS = 5  # x y z intensity ring
MAX_SWEEP_AGE_S = 0.6  # ten sweeps at 20 Hz span 0.5 s; older ones show another scene


class NuScenesSource:
    """Keyframes of nuScenes by scene name.

    The reference of each keyframe is LIDAR_TOP's stamp and ego pose, whether or not its file can be read; a keyframe without a
    LIDAR_TOP record takes the sample's stamp and the first camera's ego pose.

    Args:
        dataroot: folder with `samples/`, `sweeps/` and the tables' folder.
        version: the tables' folder, such as "v1.0-mini".
        scenes: names to offer, of scenes and of splits; None offers all.

    Raises:
        UserError: unreadable tables, or an unknown scene or split.
    """

    def __init__(self, dataroot: str | Path, version: str, scenes: Sequence[str] | None = None) -> None:
        self.dataroot = Path(dataroot)
        self.version = version
        self._index = load_index(self.dataroot, version)
        names = [name.decode() for name in self._index.scene_name]
        self._scenes = choose_by_name(names, scenes, self.dataroot / version)
        self._tokens: dict[str, list[str]] = {name: [] for name in names}
        self._row: dict[str, int] = {}
        for row, (scene, token) in enumerate(zip(self._index.sample_scene, self._index.sample_token, strict=True)):
            self._tokens[names[scene]].append(token.decode())
            self._row[token.decode()] = row
        channels = [name.decode() for name in self._index.channel]
        self._cameras, self._lidar = tuple(channels[:-1]), channels[-1]

    def scenes(self) -> list[str]:
        """Names of the scenes on offer."""
        return list(self._scenes)

    def tokens(self, scene: str) -> list[str]:
        """Sample tokens of a scene in time order; UserError for an unknown scene."""
        if scene not in self._scenes:
            raise unknown("scene", scene, self._scenes, f"{self.dataroot / self.version}")
        return list(self._tokens[scene])

    def sensors(self) -> tuple[str, ...]:
        """Cameras clockwise from the front, then LIDAR_TOP."""
        return (*self._cameras, self._lidar)

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        """The readings of a keyframe (see `SceneSource.load`).

        Points within 1 m of the LiDAR (in x and y) are the vehicle itself and are removed. Sweeps are motion-compensated into the
        keyframe's LiDAR frame; those whose file is absent and those older than 0.6 s are left out.
        """
        check_sweeps(num_sweeps)
        row = self._row_of(token)
        log = WarningLog()
        readings: dict[str, CameraReading | None] = dict.fromkeys(self._cameras)
        if cameras:
            for name, (reading, lines) in zip(self._cameras, side_by_side(partial(self._camera, row), range(len(self._cameras))), strict=True):
                readings[name] = reading
                log.lines += lines
        cloud = self._cloud(row, num_sweeps, log) if lidar else None
        stamp_us, global_T_ego = self._reference(row)
        return SensorSet(cameras=readings, lidar=cloud, stamp_ns=stamp_us * 1000, global_T_ego=global_T_ego, token=token,
                         lidar_name=self._lidar, warnings=tuple(log.lines))

    def ground_truth(self, token: str) -> GroundTruth | None:
        """Boxes of the ten classes in the ego frame at the reference stamp; None in a version without annotations.

        Velocity is the devkit's central difference, rotated into the ego frame (not relative to the ego's motion).
        """
        index, row = self._index, self._row_of(token)
        if not bool(index.has_annotations):
            return None
        part = slice(int(index.annotation_start[row]), int(index.annotation_start[row + 1]))
        stored = index.annotation_box[part]
        global_T_ego = self._reference(row)[1]
        if global_T_ego is None:
            raise UserError(f"sample {token}: has no LiDAR or camera record, so its ego pose is unknown; check sample_data.json")
        ego_T_global = invert(global_T_ego)
        boxes = np.zeros((len(stored), 9))
        boxes[:, :3] = transform_points(ego_T_global, stored[:, :3])
        boxes[:, 3:6] = stored[:, [4, 3, 5]]  # tables store width, length, height
        forward = _forward(stored[:, 6:10]) @ ego_T_global[:3, :3].T
        boxes[:, 6] = np.arctan2(forward[:, 1], forward[:, 0])
        boxes[:, 7:] = (stored[:, 10:] @ ego_T_global[:3, :3].T)[:, :2]
        return GroundTruth(
            boxes=boxes.astype(np.float32), labels=index.annotation_label[part].copy(),
            attributes=tuple(ATTRIBUTES[i] if i >= 0 else "" for i in index.annotation_attribute[part]),
            num_lidar_pts=index.annotation_points[part, 0].copy(), num_radar_pts=index.annotation_points[part, 1].copy(),
            visibility=index.annotation_visibility[part].copy(),
            tokens=tuple(name.decode() for name in index.annotation_instance[part]),
        )

    def _row_of(self, token: str) -> int:
        if token not in self._row:
            raise UserError(f"sample token {token!r}: not in {self.dataroot / self.version}; take tokens from its sample.json")
        return self._row[token]

    def _reference(self, row: int) -> tuple[int, np.ndarray | None]:
        slots = self._index.sample_reading[row]
        if slots[-1] >= 0:
            return int(self._index.reading_stamp_us[slots[-1]]), self._ego_pose(int(slots[-1]))
        present = slots[slots >= 0]
        return int(self._index.sample_stamp_us[row]), self._ego_pose(int(present[0])) if len(present) else None

    def _ego_pose(self, reading: int) -> np.ndarray:
        stored = self._index.reading_pose[reading]
        return pose(stored[:4], stored[4:])

    def _sensor_pose(self, reading: int) -> np.ndarray:
        stored = self._index.calibration_pose[self._index.reading_calibration[reading]]
        return pose(stored[:4], stored[4:])

    def _file(self, reading: int) -> Path:
        return self.dataroot / str(self._index.reading_file[reading].decode())

    def _camera(self, row: int, column: int) -> tuple[CameraReading | None, list[str]]:
        """The reading of a camera, and what is to be said about it."""
        name, log = self._cameras[column], WarningLog()
        reading = int(self._index.sample_reading[row, column])
        if reading < 0:
            return None, [f"{name}: no sample_data record for this keyframe; taken as absent"]
        height, width = (int(size) for size in self._index.reading_hw[reading])
        try:
            image = read_image(self._file(reading), expected_hw=(height, width) if height and width else None)
        except BadSensorData as error:
            log.add(name, error)
            return None, log.lines
        return CameraReading(
            image=image, intrinsics=self._index.calibration_intrinsics[self._index.reading_calibration[reading]].copy(),
            ego_T_cam=self._sensor_pose(reading), stamp_ns=int(self._index.reading_stamp_us[reading]) * 1000,
            global_T_ego=self._ego_pose(reading),
        ), []

    def _cloud(self, row: int, num_sweeps: int, log: WarningLog) -> LidarReading | None:
        keyframe = int(self._index.sample_reading[row, -1])
        if keyframe < 0:
            log.lines.append(f"{self._lidar}: no sample_data record for this keyframe; taken as absent")
            return None
        try:
            clouds = [self._points(keyframe, age_s=0.0)]
        except BadSensorData as error:
            log.add(self._lidar, error)
            return None
        ego_T_lidar, global_T_ego = self._sensor_pose(keyframe), self._ego_pose(keyframe)
        lidar_T_global = invert(global_T_ego @ ego_T_lidar)
        stamp_us = int(self._index.reading_stamp_us[keyframe])
        sweep = keyframe
        while len(clouds) <= num_sweeps and (sweep := int(self._index.reading_prev[sweep])) >= 0:
            age_s = 1e-6 * (stamp_us - int(self._index.reading_stamp_us[sweep]))
            if not 0 <= age_s <= MAX_SWEEP_AGE_S:
                break
            if not self._file(sweep).exists():
                continue
            try:
                points = self._points(sweep, age_s=age_s)
            except BadSensorData as error:
                log.add(f"{self._lidar} sweep", error)
                continue
            keyframe_T_sweep = lidar_T_global @ self._ego_pose(sweep) @ self._sensor_pose(sweep)
            points[:, :3] = transform_points(keyframe_T_sweep, points[:, :3])
            clouds.append(points)
        return LidarReading(points=np.concatenate(clouds), ego_T_lidar=ego_T_lidar, stamp_ns=stamp_us * 1000,
                            global_T_ego=global_T_ego)

    def _points(self, reading: int, *, age_s: float) -> np.ndarray:
        """`(P, 5)` float32 in the sweep's own LiDAR frame, without the vehicle's own points."""
        points = remove_close(read_points_bin(self._file(reading), POINT_COLUMNS))
        points[:, 3] = np.clip(points[:, 3] / 255, 0, 1)
        points[:, 4] = age_s  # the ring number is not used
        return points


def _forward(quaternions: np.ndarray) -> np.ndarray:
    """First axis `(M, 3)` of the rotations w x y z `(M, 4)`: where the boxes point."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=1)
