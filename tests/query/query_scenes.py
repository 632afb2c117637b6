"""Random rigs, boxes and heads for the tests of the query decoder, and slow, obvious ways to look into maps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.heads.query.head import QueryHead, QueryHeadConfig
from fusion.heads.query.view import ViewGeometry, view_geometry
from fusion.types import CameraStream, GroundTruth, SensorBatch, whole_px

GRID = BevGrid(x_range_m=(-8, 8), y_range_m=(-6.4, 6.4), cell_m=0.8)
IMAGE_HW, FEATURE_HW = (48, 80), (6, 10)


def random_rig(seed: int, cameras: int, batch: int = 2, absent: float = 0.3, padded: bool = False) -> ViewGeometry:
    """Cameras anywhere near the ego, level or tilted, some mirrored, some absent; `padded`: of images that do not fill their size."""
    rng = np.random.default_rng(seed)
    intrinsics, cam_T_ego = np.zeros((batch, cameras, 3, 3)), np.zeros((batch, cameras, 4, 4))
    valid_px = whole_px(IMAGE_HW).repeat(batch, cameras, 1)
    for index in np.ndindex(batch, cameras):
        width, height, focal = rng.uniform(40, 80), rng.uniform(24, 48), rng.uniform(20, 60)
        intrinsics[index] = [[focal * rng.choice([-1, 1]), 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
        if padded:
            valid_px[index][2:] = torch.tensor([width, height]) - 0.5
        yaw, pitch = rng.uniform(-np.pi, np.pi), rng.uniform(-0.3, 0.3)
        forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
        right = np.array([np.sin(yaw), -np.cos(yaw), 0])
        rotation = np.stack([right, np.cross(forward, right), forward])
        cam_T_ego[index][:3, :3], cam_T_ego[index][3, 3] = rotation, 1
        cam_T_ego[index][:3, 3] = -rotation @ rng.uniform([-2, -1, 0.5], [2, 1, 2])
    ok = torch.from_numpy(rng.uniform(size=(batch, cameras)) >= absent)
    return view_geometry(replace(
        SensorBatch.example(batch=batch, cameras=cameras, points=0, size_hw=IMAGE_HW), intrinsics=torch.from_numpy(intrinsics).float(),
        cam_T_ego=torch.from_numpy(cam_T_ego).float(), valid_px=valid_px, camera_ok=ok))


def random_boxes(seed: int, queries: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    """`(B, Q, 10)` boxes of queries and `(B, Q, 2)` direction logits; some stand in a camera, some off the grid."""
    rng = np.random.default_rng(seed)
    shape = (batch, queries)
    columns = [rng.uniform(-10, 10, (*shape, 2)), rng.uniform(-1, 2, (*shape, 1)), rng.uniform(-1, 2, (*shape, 3)), rng.normal(size=(*shape, 4))]
    return torch.from_numpy(np.concatenate(columns, axis=-1)).float(), torch.from_numpy(rng.normal(size=(*shape, 2))).float()


def bilinear(image: Tensor, row: float, column: float) -> Tensor:
    """`(C,)` of `(C, h, w)` at continuous indices (centres at integers), zero beyond the edge."""
    total = image.new_zeros(image.shape[0])
    top, left = math.floor(row), math.floor(column)
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < image.shape[1] and 0 <= c < image.shape[2]:
                total = total + image[:, r, c] * ((1 - abs(row - r)) * (1 - abs(column - c)))
    return total


def small_head(perspective_channels: int | None = 16, *, classes: int = 3, grid: BevGrid = GRID, seed: int = 0, **changes: int) -> QueryHead:
    """A head whose normalisation is not the identity."""
    torch.manual_seed(seed)
    config = QueryHeadConfig(**{"queries": 12, "channels": 16, "hidden": 16, "heads": 2, "points": 2, "region": 3, "kernel": 4, "ffn": 16, **changes})
    head = QueryHead(config, 16, perspective_channels, classes, grid)
    for module in head.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
    return head


def random_stream(view: ViewGeometry, grid: BevGrid = GRID, seed: int = 0) -> tuple[Tensor, CameraStream]:
    """A joined map and a camera stream of 16 channels."""
    generator = torch.Generator().manual_seed(seed)
    batch, cameras = view.camera_ok.shape
    perspective = torch.randn(batch, cameras, 16, *FEATURE_HW, generator=generator)
    perspective = torch.where(view.camera_ok[:, :, None, None, None], perspective, 0.0)
    stream = CameraStream(perspective=perspective, bev=torch.zeros(batch, 1, *grid.shape), seen=torch.zeros(batch, 1, *grid.shape),
                          ok=view.camera_ok.any(dim=1))
    return torch.randn(batch, 16, *grid.shape, generator=generator), stream


def truths(*rows: tuple[int, list[float], str]) -> GroundTruth:
    """Ground truth of `(label, box, attribute)` rows."""
    n = len(rows)
    labels, boxes, attributes = zip(*rows, strict=True)
    return GroundTruth(boxes=np.array(boxes, np.float32), labels=np.array(labels), attributes=attributes, num_lidar_pts=np.full(n, 9),
                       visibility=np.full(n, 4))
