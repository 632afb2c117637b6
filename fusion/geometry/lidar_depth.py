"""What a LiDAR says about the depth of pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def lidar_depth_m(intrinsics: Tensor, cam_T_ego: Tensor, camera_ok: Tensor, image_hw: tuple[int, int], feature_hw: tuple[int, int],
                  points: Tensor, points_ok: Tensor) -> Tensor:
    """`(B, N, h, w)` float32: depth of the nearest LiDAR point in each feature pixel, infinity where there is none.

    Args:
        intrinsics, cam_T_ego, camera_ok, points, points_ok: as in `SensorBatch`.
        image_hw: size of the images, pixels.
        feature_hw: size of the feature maps.
    """
    batch, cameras = camera_ok.shape
    (height, width), (h, w) = image_hw, feature_hw
    image_T_ego = intrinsics.float() @ cam_T_ego.float()[:, :, :3]
    uvd = torch.einsum("bnij,bpj->bnpi", image_T_ego[..., :3], points[..., :3].float()) + image_T_ego[:, :, None, :, 3]
    depth = uvd[..., 2]
    row = torch.floor((uvd[..., 1] / depth.clamp(min=1e-3) + 0.5) * (h / height))
    column = torch.floor((uvd[..., 0] / depth.clamp(min=1e-3) + 0.5) * (w / width))
    inside = (depth > 0.1) & (row >= 0) & (row < h) & (column >= 0) & (column < w) & camera_ok[:, :, None] & points_ok[:, None]
    image = torch.arange(batch * cameras, device=depth.device).view(batch, cameras, 1)
    pixel = ((image * h + row.clamp(0, h - 1).long()) * w + column.clamp(0, w - 1).long())[inside]
    nearest = torch.full((batch * cameras * h * w,), torch.inf, device=depth.device).scatter_reduce(0, pixel, depth[inside], "amin")
    return nearest.view(batch, cameras, h, w)


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
