"""SensorSets -> SensorBatch: resize, normalise, one ego frame, padding and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from fusion.geometry.projection import cam_T_ego_at_reference, ref_T_lidar
from fusion.geometry.transforms import transform_points
from fusion.types import SensorBatch, SensorSet

IMAGENET_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
IMAGENET_STD = np.array([58.395, 57.12, 57.375], np.float32)


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """How readings become tensors.

    Attributes:
        image_size_hw: network image, pixels. Images are scaled to this width; what is then too tall loses its top (sky), what is
            too short is padded there.
        max_points: points kept per cloud; a larger one is thinned evenly, whatever the order of its points.
    """

    image_size_hw: tuple[int, int] = (128, 352)
    max_points: int = 120_000

    def __post_init__(self) -> None:
        if min(self.image_size_hw) < 32 or any(size % 32 for size in self.image_size_hw):
            raise ValueError(f"image_size_hw: expected multiples of 32, got {self.image_size_hw}")
        if self.max_points < 1:
            raise ValueError(f"max_points: expected at least 1, got {self.max_points}")


def fit_image(image: np.ndarray, intrinsics: np.ndarray, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Scale an image to the wanted width and cut or pad its top to the wanted height; the intrinsics move along.

    Args:
        image: `(H, W, 3)` uint8.
        intrinsics: `(3, 3)`, pixel centres at integers.

    Returns:
        `(h, w, 3)` uint8 and `(3, 3)` float64.
    """
    height, width = size_hw
    scale = width / image.shape[1]
    scaled_height = max(1, round(image.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (width, scaled_height), interpolation=interpolation)
    scale_y = scaled_height / image.shape[0]
    # A pixel centre u of the original lies at (u + 0.5) * scale - 0.5 of the scaled image.
    moved = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale_y, 0.5 * scale_y - 0.5], [0, 0, 1]]) @ intrinsics
    cut = scaled_height - height
    moved[1, 2] -= cut
    if cut >= 0:
        return scaled[cut:], moved
    return np.concatenate([np.zeros((-cut, width, 3), np.uint8), scaled]), moved


def _thin(points: np.ndarray, limit: int) -> np.ndarray:
    if len(points) <= limit:
        return points
    order = np.lexsort(points.T[::-1])  # sorted by value, so that the choice does not depend on the order of arrival
    return points[order[np.linspace(0, len(points) - 1, limit).astype(np.int64)]]


def to_batch(sets: Sequence[SensorSet], config: InputConfig) -> SensorBatch:
    """Prepare instants for the network. An absent camera keeps its slot with `camera_ok` False.

    Rigs of different size share a batch: slots follow each rig's own order and the rest stays absent.
    """
    if not sets:
        raise ValueError("sets: expected at least one SensorSet, got none")
    batch, (height, width) = len(sets), config.image_size_hw
    slots = max(len(s.cameras) for s in sets)
    images = torch.zeros(batch, slots, 3, height, width)
    intrinsics = torch.eye(3).repeat(batch, slots, 1, 1)
    cam_T_ego = torch.eye(4).repeat(batch, slots, 1, 1)
    camera_ok = torch.zeros(batch, slots, dtype=torch.bool)
    clouds: list[np.ndarray] = []
    for b, sensor_set in enumerate(sets):
        for n, reading in enumerate(sensor_set.cameras.values()):
            if reading is None:
                continue
            fitted, moved = fit_image(reading.image, reading.intrinsics, config.image_size_hw)
            normalised = (fitted.astype(np.float32) - IMAGENET_MEAN) / IMAGENET_STD
            images[b, n] = torch.from_numpy(normalised.transpose(2, 0, 1))
            intrinsics[b, n] = torch.from_numpy(moved)
            cam_T_ego[b, n] = torch.from_numpy(cam_T_ego_at_reference(sensor_set, reading))
            camera_ok[b, n] = True
        clouds.append(np.zeros((0, 5), np.float32) if sensor_set.lidar is None else _ego_cloud(sensor_set, config.max_points))
    most = max(len(cloud) for cloud in clouds)
    points = torch.zeros(batch, most, 5)
    points_ok = torch.zeros(batch, most, dtype=torch.bool)
    for b, cloud in enumerate(clouds):
        points[b, : len(cloud)] = torch.from_numpy(cloud)
        points_ok[b, : len(cloud)] = True
    return SensorBatch(
        images=images, intrinsics=intrinsics, cam_T_ego=cam_T_ego, camera_ok=camera_ok, points=points, points_ok=points_ok,
        lidar_ok=torch.tensor([s.lidar is not None for s in sets]),
    )


def _ego_cloud(sensor_set: SensorSet, limit: int) -> np.ndarray:
    assert sensor_set.lidar is not None
    cloud = _thin(sensor_set.lidar.points, limit).copy()
    cloud[:, :3] = transform_points(ref_T_lidar(sensor_set), cloud[:, :3])
    return cloud
