"""What a LiDAR says about the depth of pixels."""

from __future__ import annotations

import numba
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def lidar_depth_m(intrinsics: Tensor, cam_T_ego: Tensor, camera_ok: Tensor, image_hw: tuple[int, int], feature_hw: tuple[int, int],
                  points: Tensor, points_ok: Tensor) -> Tensor:
    """`(B, N, h, w)` float32: depth of the nearest LiDAR point in each feature pixel, infinity where there is none (host work).

    Args:
        intrinsics, cam_T_ego, camera_ok, points, points_ok: as in `SensorBatch`.
        image_hw: size of the images, pixels.
        feature_hw: size of the feature maps.
    """
    image_T_ego = (intrinsics.float() @ cam_T_ego.float()[:, :, :3]).cpu().numpy()
    nearest = _nearest(np.ascontiguousarray(image_T_ego), camera_ok.cpu().numpy(), image_hw, feature_hw,
                       points.detach().float().cpu().numpy(), points_ok.cpu().numpy())
    return torch.from_numpy(nearest).to(intrinsics.device)


@numba.njit(cache=True, nogil=True)
def _nearest(image_T_ego: np.ndarray, camera_ok: np.ndarray, image_hw: tuple[int, int], feature_hw: tuple[int, int], points: np.ndarray,
             points_ok: np.ndarray) -> np.ndarray:
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
            for p in range(points.shape[1]):
                if not points_ok[b, p]:
                    continue
                x, y, z = points[b, p, 0], points[b, p, 1], points[b, p, 2]
                depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
                if not depth > near:
                    continue
                row = ((m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / depth + half) * down
                column = ((m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / depth + half) * across
                if row >= 0 and row < h and column >= 0 and column < w:
                    i, j = int(row), int(column)
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
