"""Mirror, turn and scale the ego frame: points, boxes and camera extrinsics move together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fusion.train.config import AugmentConfig
from fusion.types import GroundTruth, SensorBatch


def draw_bev_transform(config: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """A random `(4, 4)` float64 `new_T_ego`: mirroring, then rotation about z, then scaling, then a shift. Not rigid in general."""
    flip_x, flip_y = rng.random(2) < config.bev_flip
    angle = rng.uniform(-config.bev_rotate_rad, config.bev_rotate_rad)
    scale = rng.uniform(*config.bev_scale)
    cos, sin = np.cos(angle), np.sin(angle)
    mirror = np.diag([-1.0 if flip_x else 1.0, -1.0 if flip_y else 1.0, 1.0])
    new_T_ego = np.eye(4)
    new_T_ego[:3, :3] = scale * np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ mirror
    if config.bev_shift_m > 0:
        new_T_ego[:3, 3] = rng.uniform(-config.bev_shift_m, config.bev_shift_m, 3) * (1.0, 1.0, 0.2)
    return new_T_ego


def transform_batch(batch: SensorBatch, new_T_ego: np.ndarray) -> SensorBatch:
    """The batch in a new ego frame. Every point keeps its pixel, because the extrinsics take the inverse.

    Args:
        batch: B samples, all moved alike.
        new_T_ego: `(4, 4)` invertible; `cam_T_ego` of the result is affine, not rigid, where this scales or mirrors.
    """
    points = batch.points.clone()
    matrix = torch.from_numpy(new_T_ego).to(torch.float64)
    xyz = points[..., :3].to(torch.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    points[..., :3] = torch.where(batch.points_ok[..., None], xyz, 0.0).to(points.dtype)
    moved = batch.cam_T_ego.to(torch.float64) @ torch.linalg.inv(matrix)
    cam_T_ego = torch.where(batch.camera_ok[..., None, None], moved.to(batch.cam_T_ego.dtype), batch.cam_T_ego)
    return replace(batch, points=points, cam_T_ego=cam_T_ego)


def transform_ground_truth(truth: GroundTruth, new_T_ego: np.ndarray) -> GroundTruth:
    """The boxes in a new ego frame: centres, sizes, heading and velocity (`new_T_ego` may mirror and scale uniformly)."""
    linear = new_T_ego[:3, :3]
    boxes = truth.boxes.astype(np.float64)
    heading = np.stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6])], axis=1) @ linear[:2, :2].T
    boxes[:, :3] = boxes[:, :3] @ linear.T + new_T_ego[:3, 3]
    boxes[:, 3:6] *= abs(np.linalg.det(linear)) ** (1 / 3)
    boxes[:, 6] = np.arctan2(heading[:, 1], heading[:, 0])
    boxes[:, 7:9] = boxes[:, 7:9] @ linear[:2, :2].T
    return replace(truth, boxes=boxes.astype(np.float32))
