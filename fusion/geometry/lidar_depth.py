"""What a LiDAR says about the depth of pixels."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.types.sensor_batch import SensorBatch

NEWEST_S = 0.04
"""Points at least this much older than the reference stamp are of an earlier sweep: LiDARs turn 5 to 20 times a second."""


def lidar_depth_m(sensors: SensorBatch, feature_hw: tuple[int, int]) -> Tensor:
    """`(B, N, h, w)` float32: depth of the nearest LiDAR point in each feature pixel, infinity where there is none (host work).

    Args:
        sensors: cameras and points; those of an absent LiDAR, and those that lie in the padding of an image, count for nothing.
        feature_hw: size of the feature maps.
    """
    image_T_ego = (sensors.intrinsics.float() @ sensors.cam_T_ego.float()[:, :, :3]).cpu().numpy()
    points_ok = sensors.points_ok & sensors.lidar_ok[:, None]
    nearest = _nearest(np.ascontiguousarray(image_T_ego), sensors.valid_px.float().cpu().numpy(), sensors.camera_ok.cpu().numpy(),
                       sensors.image_hw, feature_hw, sensors.points.detach().float().cpu().numpy(), points_ok.cpu().numpy())
    return torch.from_numpy(nearest).to(sensors.intrinsics.device)


def newest_depth_m(sensors: SensorBatch, feature_hw: tuple[int, int]) -> Tensor:
    """`lidar_depth_m` by the newest sweep alone, to teach depth with: what moves leaves a trail in earlier ones, of depths where it no longer is."""
    newest = sensors.points_ok & (sensors.points[..., 4] < NEWEST_S)
    return lidar_depth_m(replace(sensors, points_ok=newest), feature_hw)


@numba.njit(cache=True, nogil=True)
def _nearest(image_T_ego: np.ndarray, valid_px: np.ndarray, camera_ok: np.ndarray, image_hw: tuple[int, int], feature_hw: tuple[int, int],
             points: np.ndarray, points_ok: np.ndarray) -> np.ndarray:
    """`lidar_depth_m` with `(B, N, 3, 4)` float32 from ego metres to homogeneous pixels: a point is dropped at the first test that it fails."""
    batch, cameras = camera_ok.shape
    h, w = feature_hw
    down, across = np.float32(h / image_hw[0]), np.float32(w / image_hw[1])
    half, near = np.float32(0.5), np.float32(0.1)
    nearest = np.full((batch, cameras, h, w), np.inf, np.float32)
    for b in range(batch):
        for n in range(cameras):
            if not camera_ok[b, n]:
                continue
            m = image_T_ego[b, n]
            left, right = (valid_px[b, n, 0] + half) * across, (valid_px[b, n, 2] + half) * across
            top, bottom = (valid_px[b, n, 1] + half) * down, (valid_px[b, n, 3] + half) * down
            for p in range(points.shape[1]):
                if not points_ok[b, p]:
                    continue
                x, y, z = points[b, p, 0], points[b, p, 1], points[b, p, 2]
                depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
                if not depth > near:
                    continue
                row = ((m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / depth + half) * down
                column = ((m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / depth + half) * across
                if row >= top and row < bottom and column >= left and column < right:
                    i, j = min(int(row), h - 1), min(int(column), w - 1)  # of sizes that do not divide, an edge may round beyond the map
                    if depth < nearest[b, n, i, j]:
                        nearest[b, n, i, j] = depth
    return nearest


def completed_depth_m(nearest_m: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Fill the holes of a sparse depth map, on its device: push and pull (Gortler et al., The Lumigraph, 1996) on inverse depths.

    A pixel with a return keeps it. One without takes the mean inverse depth (the near counts more) of the smallest aligned block of
    2, 4, ... `2 ** levels` pixels that holds a return; where none of them does, such as in the sky, it stays unknown.

    Args:
        nearest_m: `(..., h, w)` metres, infinity where there is no return.

    Returns:
        depth_m: `(..., h, w)`, 1 where unknown.
        known: `(..., h, w)` bool.
    """
    h, w = nearest_m.shape[-2:]
    block = 2**levels
    maps = F.pad(nearest_m, (0, -w % block, 0, -h % block), value=torch.inf)
    known = torch.isfinite(maps)
    inverse = torch.where(known, 1 / torch.where(known, maps, 1.0), 0.0)
    total, count = inverse, known.to(maps.dtype)
    for level in range(1, levels + 1):
        total, count = _block_sums(total), _block_sums(count)
        inverse = torch.where(known, inverse, _repeated(total / count.clamp(min=1), 2**level))
        known = known | _repeated(count > 0, 2**level)
    known, inverse = known[..., :h, :w], inverse[..., :h, :w]
    return torch.where(known, 1 / torch.where(known, inverse, 1.0), 1.0), known


def _block_sums(maps: Tensor) -> Tensor:
    return maps[..., ::2, ::2] + maps[..., ::2, 1::2] + maps[..., 1::2, ::2] + maps[..., 1::2, 1::2]


def _repeated(maps: Tensor, times: int) -> Tensor:
    return maps.repeat_interleave(times, -2).repeat_interleave(times, -1)
