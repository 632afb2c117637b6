"""Image -> BEV: every cell attends to the image features where it projects, at several heights, in every camera that sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.geometry.lidar_depth import completed_depth_m
from fusion.interaction.geometry import Rig, best_views, cell_points, in_image, occupied_cells, project, side_by_side, tiled
from fusion.interaction.operations import (
    Position,
    blocks,
    centres,
    coarsened,
    masked_softmax,
    resized,
    sample,
    silent,
    to_maps,
    to_tokens,
)
from fusion.interaction.pixel_depth import bin_position, depth_share, log_likelihood
from fusion.types import SensorBatch


@dataclass(frozen=True, kw_only=True)
class ImageToBevConfig:
    """Attention of cells to images.

    Attributes:
        heads: attention heads.
        heights_m: heights above the ego origin (about the ground) at which each cell looks into the images.
        views: cameras a cell's point may look into, those nearest to their image's centre column first; None: every one that sees it.
        stride: BEV cells per attending cell along an edge; the answer is interpolated back.
        cells: which cells attend: all that a camera sees, or only those among them that hold LiDAR points (where the LiDAR is present).
        completion_levels: the LiDAR's depth is spread to pixels without a return, in blocks of up to 2 ** levels (`completed_depth_m`).
    """

    heads: int = 4
    heights_m: tuple[float, ...] = (0.2, 1.0, 1.8, 3.0)
    views: int | None = None
    stride: Literal[1, 2, 4] = 1
    cells: Literal["seen", "occupied"] = "seen"
    completion_levels: int = 2

    def __post_init__(self) -> None:
        if not self.heights_m or (self.views is not None and self.views < 1):
            raise ValueError(f"heights_m, views: expected at least one each, got {self.heights_m}, {self.views}")
        if not 0 <= self.completion_levels <= 6:
            raise ValueError(f"completion_levels: expected 0 to 6, got {self.completion_levels}")


@dataclass(frozen=True, kw_only=True)
class CellViews:
    """Where each cell looks; P cells of the coarse grid, row by row.

    Attributes:
        coords: `(B, V, Z, P, 2)` float32 positions in feature maps side by side.
        ok: `(B, V, Z, P)` bool: the camera is present and sees the point, in its image and not in padding.
        occupied: `(B, P)` bool: the cell attends, as it holds a LiDAR point or the LiDAR is absent; None: every cell attends.
        depth_at: `(B, V, Z, P)` float32, where the point's depth is among the lift's depth bins: bin k spans [k, k + 1); or None.
        lidar_bin: `(B, N, h, w)` int64, the bin of the depth that the LiDAR knows in a pixel, -1 where it knows none or one beyond the
            bins; or None.
    """

    coords: Tensor
    ok: Tensor
    occupied: Tensor | None = None
    depth_at: Tensor | None = None
    lidar_bin: Tensor | None = None

    @property
    def attends(self) -> Tensor:
        """`(B, V, Z, P)` bool: the cell looks there."""
        return self.ok if self.occupied is None else self.ok & self.occupied[:, None, None]

    def without(self, cameras: Tensor, lidar: Tensor) -> CellViews:
        """As if `(B,)` bool samples had no camera, and no LiDAR: nothing is left of where its points were."""
        lidar_bin = None if self.lidar_bin is None else torch.where(lidar.view(-1, 1, 1, 1), -1, self.lidar_bin)
        return replace(self, ok=self.ok & ~cameras.view(-1, 1, 1, 1), lidar_bin=lidar_bin,
                       occupied=None if self.occupied is None else self.occupied | lidar[:, None])

    def part(self, block: slice) -> CellViews:
        """Of these cells alone."""
        return replace(self, coords=self.coords[:, :, :, block], ok=self.ok[..., block],
                       occupied=None if self.occupied is None else self.occupied[:, block],
                       depth_at=None if self.depth_at is None else self.depth_at[..., block])


def cell_views(rig: Rig, batch: SensorBatch, grid: BevGrid, config: ImageToBevConfig, bin_edges_m: Tensor | None = None) -> CellViews:
    """Project the cells of `grid.coarser(config.stride)` (host work).

    Args:
        bin_edges_m: `(B, N, bins + 1)` edges of the lift's depth bins in each camera's depths; None where it predicts no depth.
    """
    coarse = grid.coarser(config.stride)
    u, v, depth_m = project(rig, cell_points(coarse, config.heights_m, rig.intrinsics))
    (height, width), (h, w) = rig.image_hw, rig.feature_hw
    camera, found = best_views(rig, u, rig.sees(u, v, depth_m), config.views)
    u, v = u.gather(1, camera), v.gather(1, camera)
    column = in_image(rig, camera, (u + 0.5) * (w / width) - 0.5, 0, (h, w))
    row = in_image(rig, camera, (v + 0.5) * (h / height) - 0.5, 1, (h, w))
    coords = tiled(camera, column, row, rig.cameras, (h, w))
    levels = (len(config.heights_m), -1)
    coords, ok = torch.unflatten(torch.where(found[..., None], coords, 0.0), 2, levels), torch.unflatten(found, 2, levels)
    occupied = occupied_cells(batch, coarse) if config.cells == "occupied" else None
    if bin_edges_m is None:
        return CellViews(coords=coords, ok=ok, occupied=occupied)
    depth_at = torch.unflatten(bin_position(depth_m, bin_edges_m).gather(1, camera), 2, levels)
    lidar, known = completed_depth_m(rig.lidar_depth_m, config.completion_levels)
    at = bin_position(lidar.flatten(2), bin_edges_m).view_as(lidar)
    low, high = bin_edges_m[..., 0, None, None], bin_edges_m[..., -1, None, None]
    inside = known & (lidar >= low) & (lidar < high)
    return CellViews(coords=coords, ok=ok, occupied=occupied, depth_at=torch.where(ok, depth_at, 0.0),
                     lidar_bin=torch.where(inside, at.floor().long(), -1))


class ImageToBev(nn.Module):
    """Query: the cell. Keys and values: its samples, and one that says nothing, so that a cell need not believe any.

    The logit of a sample also depends on its height (a learned bias per head) and, where the lift predicts depth, on how likely its pixel
    lies at the cell's depth (the logarithm, times a learned weight per head): pixels of what stands before or behind the cell tell little
    of it. Samples that are not valid get exactly no weight; images of absent cameras must be zero, as in a `CameraStream`.

    Samples are taken view by view (camera by camera where `views` is None), each for the whole batch, all heads, heights and cells; one
    softmax is over all of them. Taking all views in one call gives the same and costs more: for 6 images of 448 x 800, 180 x 180 cells
    and 128 channels on one core, in blocks of cells, 1.7 s and 270 MB where the loop takes 0.9 s and 155 MB; without blocks, as on a GPU
    and in an exported graph, 1.8 s and 1330 MB where the loop takes 1.8 s and 330 MB.
    """

    def __init__(self, config: ImageToBevConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        self.norm_bev, self.norm_image = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.position = Position(2, channels)
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))
        self.height_bias = nn.Parameter(torch.zeros(config.heads, len(config.heights_m)))
        self.depth_weight, self.nothing = nn.Parameter(torch.ones(config.heads)), nn.Parameter(torch.zeros(config.heads))
        self.out = silent(nn.Linear(channels, channels, bias=False))

    def forward(self, bev: Tensor, perspective: Tensor, where: CellViews, depth_logits: Tensor | None = None) -> Tensor:
        """What to add to the cells: zero in coarse cells that no camera sees, between which and their neighbours it is interpolated.

        Args:
            bev: `(B, C, X, Y)` cells.
            perspective: `(B, N, C, h, w)` images.
            depth_logits: `(B, N, bins, h, w)`, of the bins of `where.depth_at`.

        Returns:
            `(B, C, X, Y)`.
        """
        size, heads = (bev.shape[-2], bev.shape[-1]), self.config.heads
        if where.ok.shape[1] == 0:
            return torch.zeros_like(bev)
        coarse = coarsened(bev, self.config.stride)
        shape = (coarse.shape[-2], coarse.shape[-1])
        query = self.query(self.norm_bev(to_tokens(coarse)) + self.position(centres(shape, bev)))
        query = torch.unflatten(query, -1, (heads, -1)).permute(0, 2, 3, 1)[:, :, :, None]  # (B, heads, c, 1, P)
        image = side_by_side(perspective)
        tile, tokens = (image.shape[-2], image.shape[-1]), self.norm_image(to_tokens(image))
        keys, values = to_maps(self.key(tokens), tile), to_maps(self.value(tokens), tile)
        share = None if depth_logits is None or where.lidar_bin is None else depth_share(depth_logits, where.lidar_bin)
        answers = [self._answer(keys, values, share, where.part(block), query[..., block]) for block in blocks(query.shape[-1], query.device)]
        total = torch.cat(answers, -1)
        added = to_maps(self.out(total.flatten(1, 2).transpose(1, 2)), shape)
        return resized(added, size)

    def _answer(self, keys: Tensor, values: Tensor, share: Tensor | None, where: CellViews, query: Tensor) -> Tensor:
        """`(B, heads, c, 1, P)` queries -> `(B, heads, c, P)`; view by view, for which see the class."""
        views, heights = where.ok.shape[1:3]
        looks = [self._look(keys, share, where, view, query) for view in range(views)]  # first what to look at, then what is there
        nothing = self.nothing[:, None, None].to(looks[0]).expand(len(query), -1, 1, query.shape[-1])
        ok = torch.cat([where.attends.flatten(1, 2), torch.ones_like(where.ok[:, 0, :1])], dim=1)[:, None]
        weight = masked_softmax(torch.cat([*looks, nothing], dim=2), ok, dim=2)[:, :, :-1].to(values.dtype)
        weight = torch.unflatten(weight, 2, (views, heights))
        total = torch.zeros_like(query[:, :, :, 0])
        for view in range(views):
            total = total + (weight[:, :, None, view] * self._samples(values, where, view)).sum(3)
        return total

    def _samples(self, maps: Tensor, where: CellViews, view: int) -> Tensor:
        """`(B, heads, c, Z, P)`; something finite where not valid, as absent images are zero."""
        return torch.unflatten(sample(maps, where.coords[:, view], "border"), 1, (self.config.heads, -1))

    def _look(self, keys: Tensor, share: Tensor | None, where: CellViews, view: int, query: Tensor) -> Tensor:
        """`(B, heads, Z, P)` logits of one view."""
        sampled = self._samples(keys, where, view)
        logits: Tensor = (query / math.sqrt(sampled.shape[2]) * sampled).sum(2) + self.height_bias[:, :, None]
        if share is None or where.depth_at is None:
            return logits
        likely = log_likelihood(share, where.coords[:, view], where.depth_at[:, view])
        return logits + self.depth_weight[:, None, None] * likely[:, None].to(logits.dtype)
