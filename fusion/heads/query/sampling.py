"""Looking into maps at fractional positions, always in float32: a bfloat16 coordinate is half a cell off at the far end of 256 cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.geometry.valid import map_edges
from fusion.heads.query.view import ViewGeometry


def sample_bev(bev: Tensor, cells: Tensor) -> Tensor:
    """Bilinear samples of a BEV map; beyond its edge it is zero.

    Args:
        bev: `(B, C, X, Y)`.
        cells: `(B, Q, P, 2)` float32 continuous cells, first index forward; the centre of cell i is at i + 0.5.

    Returns:
        `(B, Q, P, C)` float32.
    """
    size_x, size_y = bev.shape[-2:]
    where = torch.stack([cells[..., 1] * (2 / size_y) - 1, cells[..., 0] * (2 / size_x) - 1], dim=-1)
    return F.grid_sample(bev.float(), where, align_corners=False).permute(0, 2, 3, 1)


def tile_cameras(perspective: Tensor, pixels_ok: Tensor) -> Tensor:
    """Cameras side by side, zero whatever they hold where `(B, N, h, w)` bool is False: `(B, N, C, h, w)` -> `(B, C, h, N * w)`."""
    present = torch.where(pixels_ok[:, :, None], perspective, 0.0)
    return present.permute(0, 2, 3, 1, 4).flatten(3)


def sample_tiles(tiles: Tensor, camera: Tensor, uv_px: Tensor, view: ViewGeometry) -> Tensor:
    """Bilinear samples of one camera each; beyond its image's edge, in padding too, the edge goes on.

    Args:
        tiles: `(B, C, h, N * w)` of `tile_cameras`.
        camera: `(B, Q)` int64 index of the camera looked into.
        uv_px: `(B, Q, P, 2)` float32 column and row, pixel centres at integers.
        view: how the N cameras look.

    Returns:
        `(B, Q, P, C)` float32.
    """
    (height, width), cameras = view.image_hw, view.camera_ok.shape[1]
    h, w = tiles.shape[2], tiles.shape[3] // cameras
    # Clamping inside the own image keeps bilinear taps from reaching into the neighbour's, or into padding.
    edges = map_edges(view.valid_px, view.image_hw, (h, w)) + 0.5
    left, top, right, bottom = edges.gather(1, camera[..., None].expand(-1, -1, 4))[..., None].unbind(2)  # (B, Q, 1) each
    column = torch.minimum(torch.maximum((uv_px[..., 0] + 0.5) * (w / width), left), right) + (camera * w).to(uv_px.dtype)[..., None]
    row = torch.minimum(torch.maximum((uv_px[..., 1] + 0.5) * (h / height), top), bottom)
    where = torch.stack([column * (2 / (cameras * w)) - 1, row * (2 / h) - 1], dim=-1)
    return F.grid_sample(tiles.float(), where, align_corners=False, padding_mode="border").permute(0, 2, 3, 1)
