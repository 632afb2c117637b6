"""Readings to tensors: resized and normalised images with their intrinsics moved along, points in the ego frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numba
import numpy as np
import torch

from fusion.geometry.projection import cam_T_ego_at_reference, ref_T_lidar
from fusion.geometry.valid import moved_px
from fusion.threads import side_by_side
from fusion.types import SensorBatch, SensorSet, whole_px

IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Mean of RGB in [0, 1] that ImageNet-trained backbones expect."""

IMAGE_STD = (0.229, 0.224, 0.225)
"""Standard deviation, as `IMAGE_MEAN`."""


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """How readings become tensors.

    Attributes:
        image_size_hw: height and width that every image is brought to, pixels.
        max_points: points kept of one cloud; more are thinned evenly.
        max_range_m: points farther than this from the ego origin along x or y are cut before thinning.
    """

    image_size_hw: tuple[int, int] = (128, 352)
    max_points: int = 60000
    max_range_m: float = 80.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size_hw", tuple(self.image_size_hw))
        if len(self.image_size_hw) != 2 or min(self.image_size_hw) < 1:
            raise ValueError(f"image_size_hw: expected two positive integers, got {self.image_size_hw}")
        if self.max_points < 1:
            raise ValueError(f"max_points: expected at least 1, got {self.max_points}")
        if not self.max_range_m > 0:
            raise ValueError(f"max_range_m: expected a positive distance, got {self.max_range_m}")


def fit_image(image: np.ndarray, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Bring an image to a size: scaled to the width, surplus rows cut from the top (sky), missing rows added below, as padding.

    Args:
        image: `(h, w, 3)` uint8.
        size_hw: target (H, W).

    Returns:
        `(H, W, 3)` uint8 and `new_T_old` `(3, 3)` float64, the pixel transform with pixel centres at integer
        coordinates: `K_new = new_T_old @ K_old`. Added rows hold the mean colour, which normalises to about zero.
    """
    (height, width), (new_height, new_width) = image.shape[:2], size_hw
    scale = new_width / width
    # Cutting whole source rows before scaling saves the work on rows that nobody sees; the vertical scale takes up the rounding.
    used_rows = min(height, max(1, round(new_height / scale)))
    halve = width % 2 == 0 and width >= 4 * new_width and used_rows > 1 and (used_rows % 2 == 0 or used_rows < height)
    if halve:
        used_rows -= used_rows % 2
    top = height - used_rows
    filled = new_height if top > 0 else min(new_height, max(1, round(used_rows * scale)))
    scale_y = filled / used_rows
    if (filled, new_width) == (used_rows, width):
        scaled = image[top:]
    else:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        # Means of 2x2 pixels first: by whole pixels OpenCV is several times as fast, and areas of areas are areas.
        used = cv2.resize(image[top:], (width // 2, used_rows // 2), interpolation=method) if halve else image[top:]
        scaled = cv2.resize(used, (new_width, filled), interpolation=method)
    if filled < new_height:
        padded = np.empty((new_height, new_width, 3), np.uint8)
        padded[:filled] = scaled
        padded[filled:] = np.round(np.array(IMAGE_MEAN) * 255).astype(np.uint8)
        scaled = padded
    # cv2.resize maps centres by x' = (x + 0.5) s - 0.5
    new_T_old = np.array([
        [scale, 0.0, 0.5 * scale - 0.5],
        [0.0, scale_y, (0.5 - top) * scale_y - 0.5],
        [0.0, 0.0, 1.0],
    ])
    return scaled, new_T_old


def normalise_images(images: torch.Tensor) -> torch.Tensor:
    """`(..., H, W, 3)` uint8 RGB -> `(..., 3, H, W)` float32 with ImageNet's mean and deviation."""
    scale = torch.tensor([1 / (255 * s) for s in IMAGE_STD])
    shift = torch.tensor([-m / s for m, s in zip(IMAGE_MEAN, IMAGE_STD, strict=True)])
    channels = images.movedim(-1, -3).to(torch.float32, memory_format=torch.contiguous_format)
    return channels.mul_(scale[:, None, None]).add_(shift[:, None, None])


def thin_points(points: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` rows of `(P, 5)` float32, chosen evenly by a hash of each row: the same set for any row order."""
    if len(points) <= limit:
        return points
    key = np.full(len(points), 0x9E3779B97F4A7C15, np.uint64)
    for column in np.ascontiguousarray(points).view(np.uint32).T:
        key = (key ^ column.astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
        key ^= key >> np.uint64(29)
    return points[np.sort(np.argpartition(key, limit - 1)[:limit])]


def _ego_points(sensor_set: SensorSet, config: InputConfig) -> np.ndarray:
    """`(P, 5)` float32 points of one instant in the ego frame at the reference stamp, cut and thinned."""
    if sensor_set.lidar is None:
        return np.zeros((0, 5), np.float32)
    return thin_points(_moved(sensor_set.lidar.points, ref_T_lidar(sensor_set), config.max_range_m), config.max_points)


@numba.njit(cache=True, nogil=True)
def _moved(points: np.ndarray, transform: np.ndarray, max_range_m: float) -> np.ndarray:
    """`(P, 5)` float32 points by a `(4, 4)` float64 transform, those within the range along x and y."""
    moved = np.empty_like(points)
    kept = 0
    for p in range(len(points)):
        # Written out: a matrix product may round differently with the position of the row.
        x, y, z = np.float64(points[p, 0]), np.float64(points[p, 1]), np.float64(points[p, 2])
        for row in range(3):
            moved[kept, row] = x * transform[row, 0] + y * transform[row, 1] + z * transform[row, 2] + transform[row, 3]
        if abs(moved[kept, 0]) <= max_range_m and abs(moved[kept, 1]) <= max_range_m:
            moved[kept, 3:] = points[p, 3:]
            kept += 1
    return moved[:kept]


def to_batch(sets: Sequence[SensorSet], config: InputConfig, cameras: Sequence[str] | None = None) -> SensorBatch:
    """Preprocess instants into one padded batch.

    Args:
        sets: B instants; their rigs may differ.
        config: sizes and limits.
        cameras: names of the camera slots in order; the slots are each rig's own cameras in rig order when None.

    Returns:
        A batch with N = the most camera slots and P = the most points of any instant. A camera that gave nothing keeps its slot
        with `camera_ok` False.
    """
    slots = [list(s.cameras) if cameras is None else list(cameras) for s in sets]
    size_b, size_n = len(sets), max((len(names) for names in slots), default=0)
    height, width = config.image_size_hw
    images = torch.zeros(size_b, size_n, 3, height, width)
    intrinsics = torch.eye(3).repeat(size_b, size_n, 1, 1)
    cam_T_ego = torch.eye(4).repeat(size_b, size_n, 1, 1)
    valid_px = torch.zeros(size_b, size_n, 4)
    camera_ok = torch.zeros(size_b, size_n, dtype=torch.bool)
    present = [(index, slot, reading) for index, (sensor_set, names) in enumerate(zip(sets, slots, strict=True))
               for slot, name in enumerate(names) if (reading := sensor_set.cameras.get(name)) is not None]
    fitted = side_by_side(lambda item: fit_image(item[2].image, config.image_size_hw), present)
    for (index, slot, reading), (image, new_T_old) in zip(present, fitted, strict=True):
        images[index, slot] = normalise_images(torch.from_numpy(image))
        intrinsics[index, slot] = torch.from_numpy(new_T_old @ reading.intrinsics)
        cam_T_ego[index, slot] = torch.from_numpy(cam_T_ego_at_reference(sets[index], reading))
        taken_px = whole_px((reading.image.shape[0], reading.image.shape[1])).numpy()
        valid_px[index, slot] = torch.from_numpy(moved_px(taken_px, new_T_old, config.image_size_hw))
        camera_ok[index, slot] = True
    clouds = [_ego_points(s, config) for s in sets]
    points = torch.zeros(size_b, max((len(c) for c in clouds), default=0), 5)
    points_ok = torch.zeros(points.shape[:2], dtype=torch.bool)
    for index, cloud in enumerate(clouds):
        points[index, :len(cloud)] = torch.from_numpy(cloud)
        points_ok[index, :len(cloud)] = True
    return SensorBatch(
        images=images, intrinsics=intrinsics, cam_T_ego=cam_T_ego, valid_px=valid_px, camera_ok=camera_ok, points=points, points_ok=points_ok,
        lidar_ok=torch.tensor([s.lidar is not None for s in sets], dtype=torch.bool),
    )
