"""LiDAR-guided polar ray attention: the cells along an image column's ray attend to the pixels of that column.

A column's ray starts under its camera, not under the LiDAR: the column's plane, which holds the camera's centre, cut at one height.
The way back from cells to (column, distance) uses the same plane and the same centre, so that both ways are each other's inverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.interaction.geometry import Rig, best_views, bev_coords, cell_points, in_image, project, tiled
from fusion.interaction.operations import FeedForward, Position, attention, blocks, half_size, resized, sample, silent

_ELEVATION_RAD = 0.5
"""Elevations are divided by this before they are encoded: about the range that cameras see."""


@dataclass(frozen=True, kw_only=True)
class PolarConfig:
    """Attention along rays.

    Attributes:
        heads: attention heads.
        bins: places along a ray.
        first_m, step_m: horizontal distance of the first place from the camera, and from place to place.
        height_m: height above the ego origin (about the ground) at which columns and cells are matched.
        column_stride: feature columns per ray.
        stride: BEV cells per cell that is filled from the rays, along an edge; the answer is interpolated.
        views: cameras that a cell takes the mean of, those nearest to their image's centre column; None: every one that sees it.
        hidden: width of the feed-forward part, in channels.
    """

    heads: int = 4
    bins: int = 60
    first_m: float = 1.0
    step_m: float = 1.0
    height_m: float = 1.0
    column_stride: Literal[1, 2] = 1
    stride: Literal[1, 2, 4] = 1
    views: int | None = None
    hidden: int = 2

    def __post_init__(self) -> None:
        if self.bins < 2 or self.step_m <= 0 or self.first_m <= 0:
            raise ValueError(f"bins, first_m, step_m: expected at least 2 bins and positive metres, got {self.bins}, {self.first_m}, {self.step_m}")
        if self.hidden < 1 or (self.views is not None and self.views < 1):
            raise ValueError(f"hidden, views: expected at least 1, got {self.hidden}, {self.views}")


@dataclass(frozen=True, kw_only=True)
class PolarRays:
    """Rays of all cameras, M = N * columns of them, and the way back to P cells of the coarse grid.

    Attributes:
        coords: `(B, M, R, 2)` float32 positions of the places in the BEV map.
        ok: `(B, M, R)` bool: inside the grid, and the camera is present.
        place: `(B, M, R, 2)` float32: distance as a share of the ray, and elevation of the ground there as the camera sees it, encoded size.
        elevation: `(B, M, h, 1)` float32 elevation of the column's pixels, encoded size.
        cells: `(B, V, P, 2)` float32 positions of the cells in polar maps `(R, M)`.
        cells_ok: `(B, V, P)` bool: the camera is present, and the cell lies in its columns and along its rays (at whatever height).
    """

    coords: Tensor
    ok: Tensor
    place: Tensor
    elevation: Tensor
    cells: Tensor
    cells_ok: Tensor


def ray_columns(width: int, config: PolarConfig) -> int:
    """Rays per camera for feature maps of that width."""
    return half_size((1, width))[1] if config.column_stride == 2 else width


def polar_rays(rig: Rig, grid: BevGrid, config: PolarConfig) -> PolarRays:
    """Rays and the way back (host work)."""
    (_, width), (h, w) = rig.image_hw, rig.feature_hw
    columns, matrix = ray_columns(w, config), rig.image_T_ego
    radius = config.first_m + config.step_m * torch.arange(config.bins).to(matrix)
    u = (torch.arange(columns).to(matrix) + 0.5) * (width / columns) - 0.5
    plane = matrix[:, :, None, 0] - u[:, None] * matrix[:, :, None, 2]  # (B, N, columns, 4): zero for the ego points in the column's plane
    length = plane[..., :2].norm(dim=-1, keepdim=True).clamp(min=1e-6)
    normal = plane[..., :2] / length
    origin = rig.origin_m[:, :, None]  # (B, N, 1, 3)
    aside = ((plane[..., :3] * torch.cat([origin[..., :2], torch.full_like(origin[..., :1], config.height_m)], -1)).sum(-1, keepdim=True)
             + plane[..., 3:]) / length  # how far the line passes by the camera: not at all unless the camera rolls
    along = torch.stack([-normal[..., 1], normal[..., 0]], -1)
    ahead = (along * matrix[:, :, None, 2, :2]).sum(-1, keepdim=True)
    along = torch.where(ahead < 0, -along, along)
    reach = (radius**2 - aside**2).clamp(min=0).sqrt()  # (B, N, columns, R)
    xy = (origin[..., :2] - aside * normal)[..., None, :] + along[..., None, :] * reach[..., None]
    coords = bev_coords(grid, xy)
    ok = (coords.abs() <= 1).all(-1) & rig.camera_ok[:, :, None, None]
    ground = -torch.atan2(origin[..., 2:].squeeze(-1), radius)[:, :, None].expand(ok.shape) / _ELEVATION_RAD
    share = (radius / radius[-1]).expand(ok.shape)
    rays = rig.rays((h, columns))
    elevation = torch.atan2(rays[..., 2], rays[..., :2].norm(dim=-1)).transpose(2, 3)[..., None] / _ELEVATION_RAD  # (B, N, columns, h, 1)
    cells, cells_ok = _way_back(rig, grid, config, columns)
    return PolarRays(coords=torch.where(ok[..., None], coords, 0.0).flatten(1, 2), ok=ok.flatten(1, 2),
                     place=torch.stack([share, ground], -1).flatten(1, 2), elevation=elevation.flatten(1, 2), cells=cells, cells_ok=cells_ok)


def _way_back(rig: Rig, grid: BevGrid, config: PolarConfig, columns: int) -> tuple[Tensor, Tensor]:
    points = cell_points(grid.coarser(config.stride), (config.height_m,), rig.intrinsics)
    u, _, depth_m = project(rig, points)
    away = points[:, :2] - rig.origin_m[:, :, None, :2]
    radius = torch.hypot(away[..., 0], away[..., 1])  # many times as fast as a norm over two numbers
    place = (radius - config.first_m) / config.step_m
    seen = rig.sees(u, None, depth_m) & (place >= -0.5) & (place < config.bins - 0.5)
    camera, found = best_views(rig, u, seen, config.views)
    column = in_image(rig, camera, (u.gather(1, camera) + 0.5) * (columns / rig.image_hw[1]) - 0.5, 0, (1, columns))
    coords = tiled(camera, column, place.gather(1, camera), rig.cameras, (config.bins, columns))
    return torch.where(found[..., None], coords, 0.0), found


class _Attention(nn.Module):
    """Projections around multi-head attention; queries are normed here, keys where they come from."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels) for _ in range(4))

    def forward(self, tokens: Tensor, others: Tensor | None, ok: Tensor | None) -> Tensor:
        normed = self.norm(tokens)
        others = normed if others is None else others
        attended: Tensor = self.out(attention(self.query(normed), self.key(others), self.value(others), self.heads, ok))
        return attended


class PolarAttention(nn.Module):
    """One transformer decoder layer per ray, of which the cells get what it took from the images; the mean over the cameras that see one."""

    def __init__(self, config: PolarConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        self.norm_bev, self.norm_image = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.place, self.elevation = Position(2, channels), Position(1, channels)
        self.among, self.look = _Attention(channels, config.heads), _Attention(channels, config.heads)
        self.feed = FeedForward(channels, config.hidden)
        self.out = silent(nn.Linear(channels, channels, bias=False))

    def forward(self, bev: Tensor, perspective: Tensor, pixels_ok: Tensor, where: PolarRays) -> Tensor:
        """What to add to the cells: zero in coarse cells that no ray passes, between which and their neighbours it is interpolated.

        Args:
            bev: `(B, C, X, Y)` cells.
            perspective: `(B, N, C, h, w)` images, zero in padding.
            pixels_ok: `(B, N, h, columns)` bool: pixels of the columns of `ray_columns` that are image; no cell looks at others.

        Returns:
            `(B, C, X, Y)`.
        """
        batch, rays, bins = where.ok.shape
        if rays == 0:
            return torch.zeros_like(bev)
        size, height = (bev.shape[-2], bev.shape[-1]), perspective.shape[-2]
        shape = (size[0] // self.config.stride, size[1] // self.config.stride)
        images = resized(perspective.flatten(0, 1), (height, rays // perspective.shape[1]))  # half the width is the mean of two columns
        columns = torch.unflatten(images, 0, (batch, -1)).permute(0, 1, 4, 3, 2).reshape(batch * rays, height, -1)
        cells = torch.where(where.ok[:, None], sample(bev, where.coords), 0.0).permute(0, 2, 3, 1).flatten(0, 1)  # (B * M, R, C)
        looks = pixels_ok.transpose(2, 3).flatten(0, 2)  # (B * M, h)
        given = (cells, columns, looks, where.place.flatten(0, 1), where.elevation.flatten(0, 1), where.ok.flatten(0, 1))
        rays_of = [self._rays(*(part[block] for part in given)) for block in blocks(batch * rays, bev.device, bins)]
        polar = torch.cat(rays_of).view(batch, rays, bins, -1).permute(0, 3, 2, 1)  # (B, C, R, M)
        looked = torch.where(where.cells_ok[:, None], sample(polar, where.cells, "border"), 0.0)
        count = where.cells_ok.sum(1).clamp(min=1).to(looked.dtype)
        return resized(torch.unflatten(looked.sum(2) / count[:, None], 2, shape), size)

    def _rays(self, cells: Tensor, columns: Tensor, looks: Tensor, place: Tensor, elevation: Tensor, ok: Tensor) -> Tensor:
        """`(M, R, C)` cells along rays, `(M, h, C)` image columns and `(M, h)` bool which of their pixels are image -> `(M, R, C)`; place,
        elevation and ok as in `PolarRays`."""
        columns = self.norm_image(columns) + self.elevation(elevation)
        tokens = self.norm_bev(cells) + self.place(place)
        tokens = tokens + self.among(tokens, None, ok)
        looked = self.look(tokens, columns, looks)
        answer: Tensor = self.out(looked + self.feed(tokens + looked))  # what the cells were is not added to them once more
        return answer
