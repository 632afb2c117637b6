"""BEV -> image: every image feature attends to the BEV map around where it lies, as deep as the LiDAR says or the lift believes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.geometry.lidar_depth import completed_depth_m
from fusion.interaction.deformable import deformable_attention, ring
from fusion.interaction.geometry import Rig
from fusion.interaction.operations import Position, centres, coarsened, masked_softmax, precise, silent, to_maps, to_tokens


@dataclass(frozen=True, kw_only=True)
class BevToImageConfig:
    """Attention of pixels to the BEV map.

    Attributes:
        heads: attention heads.
        depths: places along a pixel's ray: even quantiles of its predicted depth. Where the LiDAR knows the depth, all are there.
        points: positions looked at around each place, per head.
        stride: BEV cells per cell of the map that is looked at, along an edge.
        completion_levels: the LiDAR's depth is spread to pixels without a return, in blocks of up to 2 ** levels (`completed_depth_m`).
    """

    heads: int = 4
    depths: int = 3
    points: int = 2
    stride: Literal[1, 2, 4] = 1
    completion_levels: int = 2

    def __post_init__(self) -> None:
        for name in ("heads", "depths", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 <= self.completion_levels <= 6:
            raise ValueError(f"completion_levels: expected 0 to 6, got {self.completion_levels}")

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Shares of the depth distribution that lie before the places."""
        return tuple((k + 0.5) / self.depths for k in range(self.depths))


@dataclass(frozen=True, kw_only=True)
class PixelRays:
    """Where a pixel lies, given its depth: position in the BEV map = `origin + depth * slope`.

    Attributes:
        origin: `(B, N, 2)` float32 position of the camera in the BEV map, as `sample` takes it.
        slope: `(B, N, h, w, 2)` float32, per metre of depth.
        bin_edges_m: `(B, N, bins + 1)` float32 edges of the lift's depth bins, each camera's own.
        lidar_depth_m: `(B, N, h, w)` float32, completed; 1 where unknown.
        lidar_known: `(B, N, h, w)` bool.
        camera_ok: `(B, N)` bool.
    """

    origin: Tensor
    slope: Tensor
    bin_edges_m: Tensor
    lidar_depth_m: Tensor
    lidar_known: Tensor
    camera_ok: Tensor


def pixel_places(rig: Rig, grid: BevGrid, config: BevToImageConfig, bin_edges_m: Tensor) -> PixelRays:
    """Rays and what the LiDAR says (host work); `bin_edges_m` as in `PixelRays`."""
    rays = rig.rays(rig.feature_hw)[..., :2]
    (x_low, x_high), (y_low, y_high) = grid.x_range_m, grid.y_range_m
    scale, low = torch.tensor([2 / (y_high - y_low), 2 / (x_high - x_low)]).to(rays), torch.tensor([y_low, x_low]).to(rays)
    depth_m, known = completed_depth_m(rig.lidar_depth_m, config.completion_levels)
    return PixelRays(origin=(rig.origin_m[..., [1, 0]] - low) * scale - 1, slope=rays[..., [1, 0]] * scale, bin_edges_m=bin_edges_m.to(rays),
                     lidar_depth_m=depth_m.to(rays), lidar_known=known, camera_ok=rig.camera_ok)


def depth_quantiles_m(logits: Tensor, edges_m: Tensor, quantiles: tuple[float, ...]) -> Tensor:
    """Depths before which the given shares of a distribution lie; within a bin it is even.

    Args:
        logits: `(B, N, bins, h, w)`.
        edges_m: `(B, N, bins + 1)`.

    Returns:
        `(B, N, quantiles, h, w)` in `precise`.
    """
    share = logits.to(precise(logits.dtype)).softmax(2)
    # Sums of the bins before, by a triangular matrix: cumulative sums are missing in some deployed runtimes.
    earlier = torch.ones(logits.shape[2], logits.shape[2], device=logits.device).tril(-1).to(share)
    with torch.autocast(logits.device.type, enabled=False):  # a short type would be a metre off
        before = (share.movedim(2, -1) @ earlier.T).movedim(-1, 2)
    widths = (edges_m[..., 1:] - edges_m[..., :-1])[..., None, None]
    depths = [(((quantile - before) / share.clamp(min=1e-6)).clamp(0, 1) * widths).sum(2) for quantile in quantiles]
    return torch.stack(depths, 2) + edges_m[:, :, :1, None, None]


class BevToImage(nn.Module):
    """Deformable attention of image features to the BEV map around their places.

    No gradient goes to the depths: where a pixel lies is taught by the lift and its supervision, not by what is found there.
    """

    def __init__(self, config: BevToImageConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        samples = config.heads * config.depths * config.points
        self.norm_bev, self.norm_image = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.position = Position(2, channels)
        self.value = nn.Linear(channels, channels)
        self.offset, self.weight = nn.Linear(channels, samples * 2), nn.Linear(channels, samples)
        self.out = silent(nn.Linear(channels, channels, bias=False))
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.weight.weight)
        nn.init.zeros_(self.weight.bias)
        with torch.no_grad():
            self.offset.bias.copy_(ring(config.heads, config.depths, config.points) - ring(config.heads, config.depths, 1).view(-1, 1, 2)
                                   .expand(-1, config.points, 2).reshape(-1))  # the first position is the place itself

    def places(self, depth_logits: Tensor, where: PixelRays) -> tuple[Tensor, Tensor]:
        """`(B, depths, N * h * w, 2)` positions in the BEV map and `(B, depths, N * h * w)` bool: on the map, of a present camera."""
        with torch.no_grad():
            depth_m = depth_quantiles_m(depth_logits, where.bin_edges_m, self.config.quantiles)
            depth_m = torch.where(where.lidar_known[:, :, None], where.lidar_depth_m[:, :, None], depth_m)
            at = where.origin[:, :, None, None, None] + where.slope[:, :, None] * depth_m[..., None]  # (B, N, depths, h, w, 2)
            ok = (at.abs() <= 1).all(-1) & where.camera_ok[:, :, None, None, None]
            at = torch.where(ok[..., None], at, 0.0)
            return at.transpose(1, 2).flatten(2, 4), ok.transpose(1, 2).flatten(2, 4)

    def forward(self, perspective: Tensor, bev: Tensor, depth_logits: Tensor, where: PixelRays) -> Tensor:
        """`(B, N, C, h, w)` images, `(B, C, X, Y)` cells, `(B, N, bins, h, w)` -> `(B, N, C, h, w)` to add; zero where a pixel lies nowhere."""
        batch, cameras, channels, h, w = perspective.shape
        if cameras == 0:
            return torch.zeros_like(perspective)
        heads, depths, points = self.config.heads, self.config.depths, self.config.points
        places, ok = self.places(depth_logits, where)
        coarse = coarsened(bev, self.config.stride)
        value = to_maps(self.value(self.norm_bev(to_tokens(coarse))), (coarse.shape[-2], coarse.shape[-1]))
        query = self.norm_image(to_tokens(perspective.flatten(0, 1))) + self.position(centres((h, w), perspective))
        query = query.view(batch, cameras * h * w, channels)
        weights = torch.unflatten(self.weight(query).transpose(1, 2), 1, (heads, depths * points))
        ok = ok[:, None, :, None].expand(-1, heads, -1, points, -1).flatten(2, 3)
        weights = torch.unflatten(masked_softmax(weights, ok, dim=2), 2, (1, depths * points))
        cell = torch.tensor([2 / coarse.shape[-1], 2 / coarse.shape[-2]], dtype=places.dtype, device=bev.device)
        offsets = torch.unflatten(self.offset(query), -1, (heads, depths, points, 2)).permute(0, 2, 3, 4, 1, 5) * cell
        coords = (places[:, None, :, None] + offsets).flatten(2, 3)[:, :, None]  # (B, heads, 1, depths * points, Q, 2)
        added: Tensor = self.out(deformable_attention([value], coords, weights).transpose(1, 2))
        return added.view(batch, cameras, h, w, channels).permute(0, 1, 4, 2, 3)
