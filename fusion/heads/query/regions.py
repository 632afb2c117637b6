"""Regions of interest: what the two representations show where a query's box lies."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.heads.query.boxes import corners_m, heading, size_m
from fusion.heads.query.sampling import sample_bev, sample_tiles
from fusion.heads.query.view import ViewGeometry

NEAR_M = 0.1
"""Boxes are cut by a plane this far in front of a camera: one that stands half beside it still fills the image up to its edge."""


def steps(count: int, device: torch.device) -> Tensor:
    """`(count,)` centres of `count` equal parts of [0, 1]."""
    return (torch.arange(count, dtype=torch.float32, device=device) + 0.5) / count


def box_cells(boxes: Tensor, direction: Tensor, grid: BevGrid, count: int, zoom: float = 2.0) -> Tensor:
    """Where a box, enlarged `zoom` times about its centre and turned with it, lies in BEV.

    Args:
        boxes: `(B, Q, 10)`.
        direction: `(B, Q, 2)` logits.

    Returns:
        `(B, Q, count * count, 2)` continuous cells, from rear right to front left, left running faster.
    """
    length_width = size_m(boxes)[..., None, None, :2] * zoom
    part = steps(count, boxes.device) - 0.5
    ahead, left = part[:, None] * length_width[..., 0], part * length_width[..., 1]
    turn = heading(boxes, direction)[..., None, None, :]
    cos, sin = turn[..., 0], turn[..., 1]
    x = boxes[..., 0, None, None] + ahead * cos - left * sin
    y = boxes[..., 1, None, None] + ahead * sin + left * cos
    return torch.stack([(x - grid.x_range_m[0]) / grid.cell_m, (y - grid.y_range_m[0]) / grid.cell_m], dim=-1).flatten(2, 3)


def bev_regions(bev: Tensor, boxes: Tensor, direction: Tensor, grid: BevGrid, count: int) -> Tensor:
    """`(B, Q, count * count, C)` of a map `(B, C, X, Y)` on `grid` within the doubled boxes; order as in `box_cells`."""
    return sample_bev(bev, box_cells(boxes, direction, grid, count))


def image_rectangles(boxes: Tensor, view: ViewGeometry) -> tuple[Tensor, Tensor]:
    """The smallest upright rectangle around the part of each box in front of each camera, cut at the edges of the image, padding left out.

    Args:
        boxes: `(B, Q, 10)`.

    Returns:
        rectangles `(B, N, Q, 4)`: left, top, right, bottom, pixels; and their areas `(B, N, Q)`, pixels, 0 where the camera is absent or
        does not see the box.
    """
    present = view.camera_ok[:, :, None, None]
    matrix = torch.where(present, view.image_T_ego, 0.0)[:, :, None, None]
    # No matrix product here: mixed precision would take it in half precision.
    uvd = (matrix[..., :3] * corners_m(boxes)[:, None, :, :, None, :]).sum(-1) + matrix[..., 3]  # (B, N, Q, 8, 3)
    cube = uvd.view(*uvd.shape[:3], 2, 2, 2, 3)
    first = torch.cat([cube.select(axis, 0).flatten(3, 4) for axis in (3, 4, 5)], dim=3)  # the twelve edges
    second = torch.cat([cube.select(axis, 1).flatten(3, 4) for axis in (3, 4, 5)], dim=3)
    crosses = (first[..., 2] > NEAR_M) != (second[..., 2] > NEAR_M)
    share = (NEAR_M - first[..., 2]) / torch.where(crosses, second[..., 2] - first[..., 2], 1.0)
    cut = first[..., :2] + share[..., None] * (second[..., :2] - first[..., :2])
    before = torch.cat([uvd[..., 2] > NEAR_M, crosses], dim=3)
    depth = torch.cat([uvd[..., 2].clamp(min=NEAR_M), torch.full_like(share, NEAR_M)], dim=3)
    uv = torch.cat([uvd[..., :2], cut], dim=3) / depth[..., None]
    near, far = view.valid_px[:, :, None, None, :2], view.valid_px[:, :, None, None, 2:]
    uv = torch.minimum(torch.maximum(uv, near), far)
    low = torch.where(before[..., None], uv, far).amin(dim=3)
    high = torch.where(before[..., None], uv, near).amax(dim=3)
    extent = (high - low).clamp(min=0)
    area = torch.where(view.camera_ok[:, :, None], extent[..., 0] * extent[..., 1], 0.0)
    return torch.cat([low, high], dim=-1), area


def image_regions(tiles: Tensor, boxes: Tensor, view: ViewGeometry, count: int, views: int) -> tuple[Tensor, Tensor]:
    """Image features within the boxes' rectangles, averaged over the cameras that see the box.

    Args:
        tiles: `(B, C, h, N * w)` of `tile_cameras`, N >= 1.
        boxes: `(B, Q, 10)`.
        views: cameras looked into per box; where more see it, those that show most of it win.

    Returns:
        `(B, Q, count * count, C)` float32, row by row, zero where no camera sees the box; and `(B, Q)` bool, whether one does.
    """
    rectangles, area = image_rectangles(boxes, view)
    cameras = view.camera_ok.shape[1]
    shown, camera = area.topk(min(views, cameras), dim=1)  # (B, V, Q)
    seen = shown > 0
    corner = rectangles.gather(1, camera[..., None].expand(-1, -1, -1, 4))[..., None, None, :]
    part = steps(count, boxes.device)
    u = corner[..., 0] + (corner[..., 2] - corner[..., 0]) * part.expand(count, count)
    v = corner[..., 1] + (corner[..., 3] - corner[..., 1]) * part[:, None].expand(count, count)
    uv = torch.stack([u, v], dim=-1).flatten(3, 4)  # (B, V, Q, P, 2)
    sampled = sample_tiles(tiles, camera.flatten(1), uv.flatten(1, 2), view)
    sampled = sampled.view(*seen.shape, *sampled.shape[2:])
    share = (seen / seen.sum(dim=1, keepdim=True).clamp(min=1))[..., None, None]  # tiles of absent cameras are finite, so 0 hides them
    total = sampled[:, 0] * share[:, 0]
    for index in range(1, seen.shape[1]):
        total = total + sampled[:, index] * share[:, index]
    return total, seen.any(dim=1)
