"""Depth in images: bins that mean the same for every focal length, and what the LiDAR says about a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

REFERENCE_FOCAL = 0.8
"""Focal length, in image widths, of the camera in whose depths the bins are given (nuScenes' front camera)."""


@dataclass(frozen=True, kw_only=True)
class DepthBins:
    """Bins of equal ratio. An image tells depth / focal length only, so depths are first brought to `REFERENCE_FOCAL`.

    Attributes:
        count: number of bins.
        range_m: lower edge of the first and upper edge of the last bin.
    """

    count: int = 24
    range_m: tuple[float, float] = (2.0, 64.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "range_m", tuple(self.range_m))
        if self.count < 2:
            raise ValueError(f"count: expected at least 2 depth bins, got {self.count}")
        if len(self.range_m) != 2 or not 0 < self.range_m[0] < self.range_m[1]:
            raise ValueError(f"range_m: expected a near and a far depth, 0 < near < far, got {self.range_m}")

    def position(self, depth_m: Tensor) -> Tensor:
        """Reference depths -> where they are among the bins: bin k spans [k, k + 1); outside the range below 0 or at least `count`."""
        low, high = self.range_m
        return torch.log(depth_m.clamp(min=1e-3) / low) * (self.count / math.log(high / low))


def reference_scale(intrinsics: Tensor, width_px: int) -> Tensor:
    """`(B, N)` factor from a camera's depths to reference depths; `(B, N, 3, 3)` intrinsics of images of that width (a mirrored image
    has a negative focal length)."""
    return REFERENCE_FOCAL * width_px / intrinsics[:, :, 0, 0].float().abs().clamp(min=1e-3)


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
