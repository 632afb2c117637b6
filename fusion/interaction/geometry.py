"""Where cells, rays and pixels of a rig meet. Host work: it depends on calibration alone, has no gradient and no place in a deployed graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.geometry.lidar_depth import lidar_depth_m
from fusion.geometry.rays import camera_centres_m, pixel_rays
from fusion.geometry.valid import map_edges
from fusion.interaction.operations import precise
from fusion.types import SensorBatch

MIN_DEPTH_M = 0.5
"""Points nearer to a camera's plane than this are not seen by it."""


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The cameras of a batch, and what the LiDAR measured beside them.

    Attributes:
        sensors: the numbers of absent cameras replaced, so that theirs, whatever they are, reach nothing; in `precise`.
        feature_hw: size of the feature maps `(h, w)`.
    """

    sensors: SensorBatch
    feature_hw: tuple[int, int]

    @cached_property
    def lidar_depth_m(self) -> Tensor:
        """`(B, N, h, w)` depth of the nearest LiDAR point in every feature pixel; infinite where there is none."""
        return lidar_depth_m(self.sensors, self.feature_hw)

    @property
    def intrinsics(self) -> Tensor:
        """`(B, N, 3, 3)` pixels."""
        return self.sensors.intrinsics

    @property
    def camera_ok(self) -> Tensor:
        """`(B, N)` bool."""
        return self.sensors.camera_ok

    @property
    def image_hw(self) -> tuple[int, int]:
        """Size of the images, padding included, pixels."""
        return self.sensors.image_hw

    @property
    def cameras(self) -> int:
        """N."""
        return int(self.camera_ok.shape[1])

    @property
    def image_T_ego(self) -> Tensor:
        """`(B, N, 3, 4)`: homogeneous ego coordinates -> (u d, v d, d), d the depth in metres."""
        return self.intrinsics @ self.sensors.cam_T_ego[:, :, :3]

    @property
    def origin_m(self) -> Tensor:
        """`(B, N, 3)` camera centres in the ego frame."""
        return camera_centres_m(self.sensors.cam_T_ego)

    def rays(self, size: tuple[int, int]) -> Tensor:
        """`(B, N, h, w, 3)`: the ego vector that one metre of depth is worth, for every pixel of maps of `size` over the images."""
        return pixel_rays(self.intrinsics, self.sensors.cam_T_ego, self.image_hw, size)

    def sees(self, u: Tensor, v: Tensor | None, depth_m: Tensor) -> Tensor:
        """`(B, N, P)` bool: the camera is present, and the point lies before it and in its image, not in padding; without v, at whatever height."""
        left, top, right, bottom = self.sensors.valid_px[..., None].unbind(2)
        seen = (depth_m > MIN_DEPTH_M) & (u >= left) & (u < right) & self.camera_ok[:, :, None]
        return seen if v is None else seen & (v >= top) & (v < bottom)


def rig_of(batch: SensorBatch, feature_hw: tuple[int, int]) -> Rig:
    """The rig of a batch whose camera features are `feature_hw`."""
    ok, dtype = batch.camera_ok, precise(batch.intrinsics.dtype)
    intrinsics, cam_T_ego = batch.intrinsics.to(dtype), batch.cam_T_ego.to(dtype)
    sensors = replace(
        batch,
        intrinsics=torch.where(ok[:, :, None, None], intrinsics, torch.eye(3).to(intrinsics)),
        cam_T_ego=torch.where(ok[:, :, None, None], cam_T_ego, torch.eye(4).to(intrinsics)),
        valid_px=torch.where(ok[:, :, None], batch.valid_px.to(dtype), 0.0),
    )
    return Rig(sensors=sensors, feature_hw=feature_hw)


def cell_points(grid: BevGrid, heights_m: tuple[float, ...], like: Tensor) -> Tensor:
    """`(Z * X * Y, 3)` cell centres at every height, ego frame."""
    xy = torch.from_numpy(grid.cell_centres_m()).to(like).view(1, -1, 2).expand(len(heights_m), -1, 2)
    z = torch.tensor(heights_m, dtype=like.dtype, device=like.device)[:, None, None].expand(-1, xy.shape[1], 1)
    return torch.cat([xy, z], -1).view(-1, 3)


def project(rig: Rig, points_m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`(P, 3)` ego points -> u, v in pixels and depth in metres, `(B, N, P)` each; u and v mean nothing where depth <= `MIN_DEPTH_M`."""
    matrix = rig.image_T_ego
    uvd = torch.einsum("bnij,pj->bnip", matrix[..., :3], points_m) + matrix[..., 3:]
    depth_m = uvd[:, :, 2]
    safe = depth_m.clamp(min=MIN_DEPTH_M)
    return uvd[:, :, 0] / safe, uvd[:, :, 1] / safe, depth_m


def best_views(rig: Rig, u: Tensor, seen: Tensor, views: int | None) -> tuple[Tensor, Tensor]:
    """Which cameras a point looks into: every one, or the `views` whose centre column is nearest among those that see it.

    Args:
        u: `(B, N, P)` pixels.
        seen: `(B, N, P)` bool.

    Returns:
        camera: `(B, V, P)` int64.
        found: `(B, V, P)` bool: there is such a view.
    """
    if views is None or views >= rig.cameras:
        return torch.arange(rig.cameras, device=u.device)[None, :, None].expand(u.shape), seen
    off_centre = torch.where(seen, (u - (rig.image_hw[1] - 1) / 2).abs(), torch.inf)
    best, camera = off_centre.topk(views, dim=1, largest=False)
    return camera, torch.isfinite(best)


def in_image(rig: Rig, camera: Tensor, position: Tensor, axis: Literal[0, 1], size: tuple[int, int]) -> Tensor:
    """Columns (axis 0) or rows (axis 1) of maps of `size` over the images, clamped to what holds any image: the nearest that is not padding.

    Args:
        camera, position: `(B, V, P)` index, and continuous pixel position in its map, pixel centres at integers.
    """
    edges = map_edges(rig.sensors.valid_px, rig.image_hw, size).gather(1, camera.flatten(1)[..., None].expand(-1, -1, 4)).view(*camera.shape, 4)
    return position.clamp(edges[..., axis], edges[..., axis + 2])


def tiled(camera: Tensor, column: Tensor, row: Tensor, cameras: int, size: tuple[int, int]) -> Tensor:
    """Positions `(..., 2)`, as `sample` takes them, in `(h, N * w)` maps that lie side by side; clamped to the own camera's map, so that no
    bilinear tap reaches into the neighbour's.

    Args:
        camera, column, row: `(...)` index, and continuous pixel position in its map of `size` (h, w), pixel centres at integers.
    """
    h, w = size
    column = column.clamp(0, w - 1) + camera * w
    return torch.stack([(2 * column + 1) / (cameras * w) - 1, (2 * row.clamp(0, h - 1) + 1) / h - 1], -1)


def side_by_side(perspective: Tensor) -> Tensor:
    """`(B, N, C, h, w)` -> `(B, C, h, N * w)`."""
    return perspective.permute(0, 2, 3, 1, 4).flatten(3)


def bev_coords(grid: BevGrid, xy_m: Tensor) -> Tensor:
    """`(..., 2)` ego metres -> positions in BEV maps as `sample` takes them (first Y, then X)."""
    (x_low, x_high), (y_low, y_high) = grid.x_range_m, grid.y_range_m
    return torch.stack([2 * (xy_m[..., 1] - y_low) / (y_high - y_low) - 1, 2 * (xy_m[..., 0] - x_low) / (x_high - x_low) - 1], -1)


def occupied_cells(batch: SensorBatch, grid: BevGrid) -> Tensor:
    """`(B, X * Y)` bool: cells with a LiDAR point, and every cell of a sample whose LiDAR is absent."""
    size_x, size_y = grid.shape
    xyz = torch.where(batch.points_ok[..., None], batch.points[..., :3], torch.inf)
    i = torch.floor((xyz[..., 0] - grid.x_range_m[0]) / grid.cell_m)
    j = torch.floor((xyz[..., 1] - grid.y_range_m[0]) / grid.cell_m)
    inside = (i >= 0) & (i < size_x) & (j >= 0) & (j < size_y) & (xyz[..., 2] >= grid.z_range_m[0]) & (xyz[..., 2] < grid.z_range_m[1])
    sample = torch.arange(len(xyz), device=xyz.device)[:, None].expand_as(inside)[inside]
    cell = (sample * size_x + i[inside].long()) * size_y + j[inside].long()
    occupied = torch.zeros(len(xyz) * size_x * size_y, dtype=torch.bool, device=xyz.device).index_fill(0, cell, True)
    return occupied.view(len(xyz), -1) | ~batch.lidar_ok[:, None]
