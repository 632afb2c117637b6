"""Camera -> BEV by splatting: a depth distribution per feature pixel, added up in the cells it reaches (training, CPU)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.geometry.lidar_depth import newest_depth_m
from fusion.geometry.rays import camera_centres_m, pixel_rays
from fusion.geometry.valid import map_pixels_ok
from fusion.types import SensorBatch
from fusion.types.present import train_on_present


@dataclass(frozen=True, kw_only=True)
class SplatConfig:
    """The splatting lift.

    Attributes:
        channels: channels of the camera stream in BEV.
        depth_range_m: nearest and farthest depth.
        depth_step_m: length of a depth bin.
    """

    kind: Literal["splat"] = "splat"
    channels: int = 64
    depth_range_m: tuple[float, float] = (1.0, 61.0)
    depth_step_m: float = 1.0

    def __post_init__(self) -> None:
        low, high = self.depth_range_m
        if not 0 < low < high or not self.depth_step_m > 0:
            raise ValueError(f"depth_range_m, depth_step_m: expected 0 < near < far and a positive step, got {(low, high)}, {self.depth_step_m}")
        bins = (high - low) / self.depth_step_m
        if abs(bins - round(bins)) > 1e-6:  # a depth beyond the last bin would be taught as one that does not exist
            raise ValueError(f"depth_step_m: expected depth_range_m {(low, high)} to be whole steps, got {bins:g} of {self.depth_step_m} m")
        if self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {self.channels}")

    @property
    def bins(self) -> int:
        """Number of depth bins."""
        return round((self.depth_range_m[1] - self.depth_range_m[0]) / self.depth_step_m)

    def edges_m(self) -> Tensor:
        """`(bins + 1,)` edges of the depth bins."""
        return self.depth_range_m[0] + self.depth_step_m * torch.arange(self.bins + 1)


@dataclass(frozen=True, kw_only=True)
class SplatGrid:
    """Where each pixel's depth bins land.

    Attributes:
        source: `(S,)` int64 flat (b, n, bin, row, column) of the contributions that land in the grid.
        cell: `(S,)` int64 flat (b, x, y) where each lands.
        seen: `(B, 1, X, Y)` float in {0, 1}.
        depth_bin: `(B, N, h, w)` int64, the bin of the newest sweep's nearest LiDAR point in the pixel, -1 where there is none.
    """

    source: Tensor
    cell: Tensor
    seen: Tensor
    depth_bin: Tensor


def splat_grid(sensors: SensorBatch, feature_hw: tuple[int, int], grid: BevGrid, config: SplatConfig) -> SplatGrid:
    """Geometry of one batch (host work); pixels of absent cameras and of padding land nowhere."""
    batch = sensors.batch_size
    size_x, size_y = grid.shape
    device = sensors.intrinsics.device
    low, high = config.depth_range_m
    depths = low + (torch.arange(config.bins, device=device) + 0.5) * config.depth_step_m
    cam_T_ego = sensors.cam_T_ego.float()
    rays, origin = pixel_rays(sensors.intrinsics.float(), cam_T_ego, sensors.image_hw, feature_hw), camera_centres_m(cam_T_ego)
    xyz = origin[:, :, None, None, None] + rays[:, :, None] * depths[:, None, None, None]  # (B, N, D, h, w, 3)
    i = torch.floor((xyz[..., 0] - grid.x_range_m[0]) / grid.cell_m).long()
    j = torch.floor((xyz[..., 1] - grid.y_range_m[0]) / grid.cell_m).long()
    inside = (i >= 0) & (i < size_x) & (j >= 0) & (j < size_y) & (xyz[..., 2] >= grid.z_range_m[0]) & (xyz[..., 2] < grid.z_range_m[1])
    inside &= map_pixels_ok(sensors.valid_px, sensors.camera_ok, sensors.image_hw, feature_hw)[:, :, None]
    sample = torch.arange(batch, device=device)[:, None, None, None, None]
    source = torch.nonzero(inside.flatten()).squeeze(1)
    cell = ((sample * size_x + i) * size_y + j).flatten()[source]
    seen = torch.zeros(batch * size_x * size_y, device=device).index_fill(0, cell, 1.0).view(batch, 1, size_x, size_y)
    nearest = newest_depth_m(sensors, feature_hw)
    known = (nearest >= low) & (nearest < high)
    at = torch.floor((torch.where(known, nearest, low) - low) / config.depth_step_m).long().clamp(max=config.bins - 1)  # rounding may reach `high`
    depth_bin = torch.where(known, at, -1)
    return SplatGrid(source=source, cell=cell, seen=seen, depth_bin=depth_bin)


class SplatLift(nn.Module):
    """Predict depth and context per pixel, splat their product."""

    def __init__(self, config: SplatConfig, in_channels: int) -> None:
        super().__init__()
        self.config = config
        self.depth = nn.Conv2d(in_channels, config.bins, 1)
        self.context = nn.Conv2d(in_channels, config.channels, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(config.channels, config.channels, 3, padding=1, bias=False), nn.BatchNorm2d(config.channels), nn.ReLU(inplace=True)
        )

    def forward(self, perspective: Tensor, where: SplatGrid) -> tuple[Tensor, Tensor]:
        """`(B, N, C, h, w)` -> BEV `(B, D, X, Y)`, zero where no present camera sees, and depth logits `(B, N, bins, h, w)`."""
        batch, cameras, _, h, w = perspective.shape
        size_x, size_y = where.seen.shape[-2:]
        channels = self.config.channels
        if cameras == 0:
            return perspective.new_zeros(batch, channels, size_x, size_y), perspective.new_zeros(batch, 0, self.config.bins, h, w)
        flat = perspective.flatten(0, 1)
        logits = self.depth(flat)
        share = logits.float().softmax(dim=1).flatten()[where.source]
        context = self.context(flat).float().permute(0, 2, 3, 1).reshape(-1, channels)
        image, rest = where.source // (self.config.bins * h * w), where.source % (h * w)
        canvas = torch.zeros(batch * size_x * size_y, channels, device=flat.device)
        canvas = canvas.index_add(0, where.cell, context[image * (h * w) + rest] * share[:, None])
        canvas = canvas.view(batch, size_x, size_y, channels).permute(0, 3, 1, 2)
        bev: Tensor = train_on_present(self.refine, canvas, where.seen.flatten(1).any(1)) if self.training else self.refine(canvas)
        return bev * where.seen.to(bev.dtype), logits.unflatten(0, (batch, cameras))
