"""KITTI's object detection benchmark as a `SceneSource`: one colour camera, one LiDAR, no poses."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusion.data.classes import KITTI_NAME, label_of
from fusion.data.readers import read_bytes, read_image, read_points_bin
from fusion.data.source import WarningLog, check_sweeps, unknown
from fusion.errors import BadSensorData, UserError
from fusion.geometry.projection import project
from fusion.geometry.transforms import invert, transform_points
from fusion.types import CameraReading, GroundTruth, LidarReading, SensorSet

CAMERA, LIDAR = "image_2", "velodyne"
LIDAR_HEIGHT_M = 1.73
"""The LiDAR's height above the ground in KITTI's vehicle."""
LABEL_FIELDS = 15
UNKNOWN = ("DontCare", "Misc")
"""Types of labels that say nothing of the detection classes: objects nobody labelled, and other things such as trailers."""


@dataclass(frozen=True, kw_only=True)
class LabelLine:
    """A line of `label_2`.

    Attributes:
        kind: the object's type.
        rectangle_px: left, top, right and bottom pixel in image_2.
        box: height, width, length, bottom centre x, y, z and turn about y, in the rectified reference camera; no numbers that mean anything
            where `kind` is DontCare.
    """

    kind: str
    rectangle_px: tuple[float, ...]
    box: tuple[float, ...]


class KittiSource:
    """Frames of `root/<split>` (`image_2`, `velodyne`, `calib`, and `label_2` in training), in one scene named after the split.

    Ego frame: the LiDAR's axes (x forward, y left, z up) with the origin on the ground below it, so `ego_T_lidar` lifts by
    1.73 m. Frames are single shots: stamps are 0 and poses unknown. Tokens are the frame numbers, such as "000001".
    The LiDAR sees all around, but only objects that `image_2` sees are labelled: elsewhere, nothing tells a detection from a false one.

    Args:
        root: folder that holds the split.
        split: "training" or "testing".
        labelled_only: read only the points that `image_2` sees, and neither points nor pixels of the regions that its labels leave open
            (types `UNKNOWN`), so that no unlabelled object is taught as background. Such pixels get the image's mean colour.

    Raises:
        UserError: the split's folder or its calibration is absent.
    """

    def __init__(self, root: str | Path, split: str = "training", *, labelled_only: bool = False) -> None:
        self.folder = Path(root) / split
        self._labelled_only = labelled_only
        self._split = split
        self._tokens = sorted(path.stem for path in (self.folder / "calib").glob("*.txt"))
        if not self._tokens:
            raise UserError(f"{self.folder / 'calib'}: no calibration files; pass the folder that holds KITTI's {split}/calib")

    def scenes(self) -> list[str]:
        """The split's name."""
        return [self._split]

    def tokens(self, scene: str) -> list[str]:
        """Frame numbers in ascending order."""
        if scene != self._split:
            raise unknown("scene", scene, self.scenes(), str(self.folder.parent))
        return list(self._tokens)

    def sensors(self) -> tuple[str, ...]:
        """The left colour camera and the LiDAR."""
        return CAMERA, LIDAR

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        """The readings of a frame (see `SceneSource.load`); there are no sweeps, so `num_sweeps` adds nothing."""
        check_sweeps(num_sweeps)
        calibration = self._calibration(token)
        log = WarningLog()
        image = self._camera(token, calibration, log) if cameras else None
        return SensorSet(cameras={CAMERA: image}, lidar=self._cloud(token, calibration, log) if lidar else None, stamp_ns=0, token=token,
                         lidar_name=LIDAR, warnings=tuple(log.lines))

    def ground_truth(self, token: str) -> GroundTruth | None:
        """The labelled objects that have a detection class; velocity, point count and visibility are unknown."""
        lines = self._labels(token)
        if lines is None:
            return None
        ego_T_rect = invert(_rect_T_ego(self._calibration(token)))
        boxes, labels = [], []
        for line in lines:
            label = label_of(KITTI_NAME.get(line.kind))
            if label < 0:
                continue
            height, width, length, x, y, z, turn = line.box
            # Labels give the bottom centre; the camera's y points down.
            centre = transform_points(ego_T_rect, np.array([x, y - height / 2, z]))
            # At ry = 0 the object faces the camera's x axis, and ry turns about the camera's y axis.
            forward = ego_T_rect[:3, :3] @ [np.cos(turn), 0, -np.sin(turn)]
            boxes.append([*centre, length, width, height, np.arctan2(forward[1], forward[0]), np.nan, np.nan])
            labels.append(label)
        return GroundTruth(
            boxes=np.array(boxes, np.float32).reshape(-1, 9), labels=np.array(labels, np.int64), attributes=("",) * len(boxes),
            num_lidar_pts=np.full(len(boxes), -1), visibility=np.zeros(len(boxes), np.int64), tokens=("",) * len(boxes),
        )

    def _known(self, token: str) -> None:
        if token not in self._tokens:
            raise unknown("frame", token, self._tokens, str(self.folder))

    def _labels(self, token: str) -> list[LabelLine] | None:
        path = self.folder / "label_2" / f"{token}.txt"
        if not path.exists():
            self._known(token)
            return None
        lines = []
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            try:
                values = tuple(float(word) for word in words[1:LABEL_FIELDS])
            except ValueError:
                values = ()
            if len(values) != LABEL_FIELDS - 1 or not all(map(math.isfinite, values)):
                raise UserError(f"{path}: line {number}: expected a type and {LABEL_FIELDS - 1} numbers, got {line!r}")
            lines.append(LabelLine(kind=words[0], rectangle_px=values[3:7], box=values[7:]))
        return lines

    def _unknown(self, token: str, size_hw: tuple[int, int]) -> np.ndarray:
        """`(h, w)` bool: pixels of which the labels leave open what they show. A labelled object in front of such a region is known."""
        unknown = np.zeros(size_hw, bool)
        for line in sorted(self._labels(token) or [], key=lambda line: line.kind not in UNKNOWN):
            left, top, right, bottom = np.maximum(line.rectangle_px, 0)
            unknown[int(top):math.ceil(bottom) + 1, int(left):math.ceil(right) + 1] = line.kind in UNKNOWN
        return unknown

    def _camera(self, token: str, calibration: dict[str, np.ndarray], log: WarningLog) -> CameraReading | None:
        try:
            image = read_image(self.folder / CAMERA / f"{token}.png")
        except BadSensorData as error:
            log.add(CAMERA, error)
            return None
        if self._labelled_only:
            unknown = self._unknown(token, (image.shape[0], image.shape[1]))
            image = np.where(unknown[..., None], image.mean(axis=(0, 1)).astype(np.uint8), image)
        intrinsics, cam_T_rect = _split_projection(calibration["P2"])
        cam_T_ego = cam_T_rect @ _rect_T_ego(calibration)
        return CameraReading(image=image, intrinsics=intrinsics, ego_T_cam=invert(cam_T_ego), stamp_ns=0)

    def _cloud(self, token: str, calibration: dict[str, np.ndarray], log: WarningLog) -> LidarReading | None:
        try:
            stored = read_points_bin(self.folder / LIDAR / f"{token}.bin", 4)
            if self._labelled_only:
                known = ~self._unknown(token, _png_size_hw(self.folder / CAMERA / f"{token}.png"))
                stored = stored[_shown(stored[:, :3], calibration, known)]
        except BadSensorData as error:
            log.add(LIDAR, error)
            return None
        points = np.zeros((len(stored), 5), np.float32)
        points[:, :4] = stored
        return LidarReading(points=points, ego_T_lidar=_ego_T_lidar(), stamp_ns=0)

    def _calibration(self, token: str) -> dict[str, np.ndarray]:
        self._known(token)
        path = self.folder / "calib" / f"{token}.txt"
        found: dict[str, np.ndarray] = {}
        for name, shape in (("P2", (3, 4)), ("R0_rect", (3, 3)), ("Tr_velo_to_cam", (3, 4))):
            lines = [line for line in path.read_text().splitlines() if line.startswith(f"{name}:")]
            try:
                found[name] = np.array(lines[0].split()[1:], np.float64).reshape(shape)
            except (IndexError, ValueError):
                count = shape[0] * shape[1]
                raise UserError(f"{path}: {name}: expected {count} numbers, got {lines or 'no such line'}") from None
        return found


def _png_size_hw(path: Path) -> tuple[int, int]:
    """Height and width of a PNG, from its first chunk; decoding it takes longer than reading the cloud."""
    content = read_bytes(path)
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise BadSensorData(f"{path}: not a PNG image; restore it from the data set's archive")
    width, height = struct.unpack(">II", content[16:24])
    return height, width


def _shown(points: np.ndarray, calibration: dict[str, np.ndarray], pixels_ok: np.ndarray) -> np.ndarray:
    """`(P,)` bool: which `(P, 3)` points of the LiDAR's frame project into image_2, into a pixel of `(h, w)` bool `pixels_ok`."""
    intrinsics, cam_T_rect = _split_projection(calibration["P2"])
    uv, _ = project(transform_points(cam_T_rect @ _rect_T_ego(calibration) @ _ego_T_lidar(), points), intrinsics)
    shown: np.ndarray = ((uv >= -0.5) & (uv < np.array(pixels_ok.shape[::-1]) - 0.5)).all(axis=1)
    column, row = np.floor(uv[shown] + 0.5).astype(np.int64).T
    shown[shown] = pixels_ok[row, column]
    return shown


def _ego_T_lidar() -> np.ndarray:
    matrix = np.eye(4)
    matrix[2, 3] = LIDAR_HEIGHT_M
    return matrix


def _square(matrix: np.ndarray) -> np.ndarray:
    """A 3x3 or 3x4 matrix as a 4x4 transform."""
    full = np.eye(4)
    full[:3, : matrix.shape[1]] = matrix
    return full


def _orthonormal(transform: np.ndarray) -> np.ndarray:
    """The nearest rigid transform: the files' seven digits leave rotations slightly off."""
    u, _, vt = np.linalg.svd(transform[:3, :3])
    result = transform.copy()
    result[:3, :3] = u @ vt
    return result


def _rect_T_ego(calibration: dict[str, np.ndarray]) -> np.ndarray:
    """Ego -> rectified reference camera, the frame of the labels."""
    rect_T_lidar = _square(calibration["R0_rect"]) @ _square(calibration["Tr_velo_to_cam"])
    rect_T_ego: np.ndarray = _orthonormal(rect_T_lidar) @ invert(_ego_T_lidar())
    return rect_T_ego


def _split_projection(projection: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P = K [I | t]: the intrinsics, and the shift from the reference camera to this one as a transform."""
    intrinsics = projection[:, :3].copy()
    shift = np.eye(4)
    shift[:3, 3] = np.linalg.solve(intrinsics, projection[:, 3])
    return intrinsics, shift
