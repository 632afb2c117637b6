"""Camera -> BEV by pulling: every cell samples image features where its centre, at several heights, projects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.bev.image_depth import DepthBins, reference_scale
from fusion.bev.measured_depth import MeasuredDepthConfig, measured_at_cells
from fusion.bev.pull_kernel import project_cells
from fusion.geometry.grid import BevGrid
from fusion.geometry.lidar_depth import newest_depth_m
from fusion.geometry.valid import map_edges
from fusion.types import SensorBatch
from fusion.types.present import train_on_present


@dataclass(frozen=True, kw_only=True)
class PullConfig:
    """The pulling lift.

    Attributes:
        heights_m: heights above the ego origin (about the ground) at which each cell looks into the images.
        views: cameras a cell point may look into; where more see it, those nearest to their image's centre column win.
        channels: channels of the camera stream in BEV.
        depth: bins of a depth distribution per feature pixel; each cell then takes a feature as far as the pixel is likely to lie at the
            cell's depth. None: every cell on a pixel's ray takes its feature alike.
        measured: how far LiDAR points decide about a pixel's depth where there are any; None: the image alone does, also beside a LiDAR.
    """

    kind: Literal["pull"] = "pull"
    heights_m: tuple[float, ...] = (0.2, 1.0, 1.8, 3.0)
    views: int = 2
    channels: int = 48
    depth: DepthBins | None = None
    measured: MeasuredDepthConfig | None = None

    def __post_init__(self) -> None:
        if self.measured is not None and self.depth is None:
            raise ValueError("measured: takes the place of a predicted depth, but depth is null; expected bins there, or null here")
        if not self.heights_m or self.views < 1 or self.channels < 1:
            raise ValueError(f"heights_m, views, channels: expected at least one each, got {self.heights_m}, {self.views}, {self.channels}")


@dataclass(frozen=True, kw_only=True)
class PullGrid:
    """Where each cell looks, in feature maps laid side by side `(B, C, h, N * w)`.

    Attributes:
        coords: `(B, V, Z * X, Y, 2)` float32 normalised (align_corners=True) sample positions; beyond the maps where the view does not exist.
        weight: `(B, V, Z, X, Y)` float32, 1 / number of views used, 0 where the view does not exist.
        seen: `(B, 1, X, Y)` float32 in {0, 1}.
        depth_at: `(B, V, Z, X, Y)` float32, where the cell's depth is among the depth bins (`DepthBins.position`), or None.
        measured: `(B, V, Z, X, Y)` float32, how likely the LiDAR makes the pixel to lie at the cell's depth, in even shares, or None.
        unmeasured: `(B, V, Z, X, Y)` float32, the weight that is left to the predicted distribution, 1 where there is no point, or None.
        depth_bin: `(B, N, h, w)` int64, the bin that the LiDAR's newest sweep saw in the pixel, -1 where it saw none; None where no one asks.
    """

    coords: Tensor
    weight: Tensor
    seen: Tensor
    depth_at: Tensor | None = None
    measured: Tensor | None = None
    unmeasured: Tensor | None = None
    depth_bin: Tensor | None = None


def pull_grid(sensors: SensorBatch, feature_hw: tuple[int, int], grid: BevGrid, heights_m: tuple[float, ...], views: int,
              depth: DepthBins | None = None, min_depth_m: float = 0.5) -> PullGrid:
    """Project cell centres into the images (host work: no gradient, no place in a deployed graph).

    Args:
        sensors: its cameras; what projects into the padding of an image, or into an absent camera's, is not seen.
        feature_hw: size of the feature maps.
        heights_m, views: as in `PullConfig`.
        depth: bins for `depth_at`.
        min_depth_m: nothing nearer to a camera's plane is seen.
    """
    intrinsics, image_hw = sensors.intrinsics, sensors.image_hw
    batch, cameras = sensors.camera_ok.shape
    size_x, size_y = grid.shape
    depth_cells = len(heights_m)
    device = intrinsics.device
    views = min(views, max(cameras, 1))
    if cameras == 0:
        return PullGrid(
            coords=torch.zeros(batch, views, depth_cells * size_x, size_y, 2, device=device),
            weight=torch.zeros(batch, views, depth_cells, size_x, size_y, device=device),
            seen=torch.zeros(batch, 1, size_x, size_y, device=device),
            depth_at=None if depth is None else torch.zeros(batch, views, depth_cells, size_x, size_y, device=device),
        )
    image_T_ego = (intrinsics.float() @ sensors.cam_T_ego.float()[:, :, :3]).cpu().numpy()
    valid_px = sensors.valid_px.float().cpu()
    centres = grid.cell_centres_m()
    coords, weight, seen, depth_m, camera = (torch.from_numpy(found).to(device) for found in project_cells(
        image_T_ego, valid_px.numpy(), map_edges(valid_px, image_hw, feature_hw).numpy(), sensors.camera_ok.cpu().numpy(), image_hw, feature_hw,
        np.ascontiguousarray(centres[:, 0, 0]), np.ascontiguousarray(centres[0, :, 1]),
        np.array(heights_m, np.float32), views, min_depth_m,
    ))
    depth_at: Tensor | None = None
    if depth is not None:
        scale = reference_scale(intrinsics, image_hw[1]).gather(1, camera.flatten(1)).view_as(depth_m)
        depth_at = depth.position(depth_m * scale)
    return PullGrid(coords=coords, weight=weight, seen=seen, depth_at=depth_at)


def with_measured(where: PullGrid, depth: DepthBins, config: MeasuredDepthConfig, sensors: SensorBatch, feature_hw: tuple[int, int]) -> PullGrid:
    """The same with what the LiDAR says about the pixels' depths."""
    assert where.depth_at is not None
    measured, unmeasured = measured_at_cells(sensors, feature_hw, depth, config, where.coords, where.depth_at)
    return replace(where, measured=measured, unmeasured=unmeasured)


def lidar_depth_bin(depth: DepthBins, sensors: SensorBatch, feature_hw: tuple[int, int]) -> Tensor:
    """`PullGrid.depth_bin`, what a depth distribution is taught with."""
    nearest = newest_depth_m(sensors, feature_hw)
    known = torch.isfinite(nearest)
    at = depth.position(torch.where(known, nearest, 1.0) * reference_scale(sensors.intrinsics, sensors.image_hw[1])[:, :, None, None])
    return torch.where(known & (at >= 0) & (at < depth.count), at.floor().long(), -1)


class PullLift(nn.Module):
    """Sample, average over views, and let a 1x1 convolution read the heights (before the sampling, which is the same and cheaper).

    With `depth`, samples are weighted by the probability that their pixel lies at the cell's depth: pulling's form of the outer product
    in Lift-Splat (arXiv 2008.05711), without a scatter.
    """

    def __init__(self, config: PullConfig, in_channels: int) -> None:
        super().__init__()
        self.config = config
        self.depth = None if config.depth is None else nn.Conv2d(in_channels, config.depth.count, 1)
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels * len(config.heights_m), config.channels, 1, bias=False),
            nn.BatchNorm2d(config.channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, perspective: Tensor, where: PullGrid) -> tuple[Tensor, Tensor | None]:
        """`(B, N, C, h, w)` -> BEV `(B, D, X, Y)`, zero where no present camera sees, and depth logits `(B, N, bins, h, w)` or None."""
        batch, cameras, channels, h, w = perspective.shape
        views, heights, size_x, size_y = where.weight.shape[1:]
        if cameras == 0:
            return perspective.new_zeros(batch, self.config.channels, size_x, size_y), None
        tiled = perspective.permute(0, 2, 3, 1, 4).reshape(batch, channels, h, cameras * w)
        logits: Tensor | None = None if self.depth is None else self.depth(tiled)
        share = None if logits is None else logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(dim=1)
        levels = self._by_height(tiled, heights)
        exact = torch.promote_types(levels.dtype, torch.float32)  # positions of 16 bits would be a quarter of a column off
        levels = levels.to(exact)
        total = levels.new_zeros(batch * heights, self.config.channels, size_x, size_y)
        for view in range(views):
            coords = where.coords[:, view].to(exact)
            sampled = F.grid_sample(levels, coords.reshape(batch * heights, size_x, size_y, 2), align_corners=True)
            weight = where.weight[:, None, view].to(sampled.dtype)
            if share is not None and where.depth_at is not None:
                likely = F.grid_sample(share, coords, align_corners=True).view(batch, -1, heights, size_x, size_y)
                likely = _between_bins(likely, where.depth_at[:, None, view])
                if where.measured is not None and where.unmeasured is not None:
                    likely = likely * where.unmeasured[:, None, view].to(likely.dtype) + where.measured[:, None, view].to(likely.dtype)
                weight = weight * likely
            total = total + sampled * weight.reshape(batch * heights, 1, size_x, size_y)
        total = total.view(batch, heights, -1, size_x, size_y).sum(dim=1).to(tiled.dtype)
        stage: nn.Module = self.reduce[1:]
        bev: Tensor = train_on_present(stage, total, where.seen.flatten(1).any(1)) if self.training else stage(total)
        if logits is not None:
            logits = logits.view(batch, -1, h, cameras, w).permute(0, 3, 1, 2, 4)
        return bev * where.seen.to(bev.dtype), logits

    def _by_height(self, tiled: Tensor, heights: int) -> Tensor:
        """`(B, C, h, N * w)` -> `(B * Z, D, h, N * w)`: what `reduce` makes of the features for each height.

        Sampling is linear, so that the convolution may come before it, on far fewer pixels than there are cells.
        """
        weight: Tensor = self.reduce[0].weight  # type: ignore[assignment]
        kernel = weight.view(self.config.channels, -1, heights).permute(2, 0, 1)  # (Z, D, C)
        mixed = F.conv2d(tiled, kernel.reshape(-1, tiled.shape[1], 1, 1))
        return mixed.reshape(-1, self.config.channels, *tiled.shape[-2:])


def _between_bins(likely: Tensor, at: Tensor) -> Tensor:
    """`(B, bins, Z, X, Y)` probabilities at `(B, 1, Z, X, Y)` positions, linear between the bins' centres, in units of an even share."""
    bins = likely.shape[1]
    centre = (at - 0.5).clamp(0, bins - 1)
    lower = centre.floor().clamp(max=bins - 2)
    index, far = lower.long(), (centre - lower).to(likely.dtype)
    return (likely.gather(1, index) * (1 - far) + likely.gather(1, index + 1) * far) * bins
