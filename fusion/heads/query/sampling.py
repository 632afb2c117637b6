"""Looking into maps at fractional positions, always in float32: a bfloat16 coordinate is half a cell off at the far end of 256 cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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


def tile_cameras(perspective: Tensor, camera_ok: Tensor) -> Tensor:
    """Cameras side by side, absent ones zero whatever they hold: `(B, N, C, h, w)`, `(B, N)` -> `(B, C, h, N * w)`."""
    present = torch.where(camera_ok[:, :, None, None, None], perspective, 0.0)
    return present.permute(0, 2, 3, 1, 4).flatten(3)


def sample_tiles(tiles: Tensor, camera: Tensor, uv_px: Tensor, image_hw: tuple[int, int], cameras: int) -> Tensor:
    """Bilinear samples of one camera each; beyond its image's edge the edge goes on.

    Args:
        tiles: `(B, C, h, N * w)` of `tile_cameras`.
        camera: `(B, Q)` int64 index of the camera looked into.
        uv_px: `(B, Q, P, 2)` float32 column and row, pixel centres at integers.
        image_hw: size of one image, pixels.
        cameras: N.

    Returns:
        `(B, Q, P, C)` float32.
    """
    (height, width), h, w = image_hw, tiles.shape[2], tiles.shape[3] // cameras
    # Clamping inside the own tile keeps bilinear taps from reaching into the neighbour's image.
    column = ((uv_px[..., 0] + 0.5) * (w / width)).clamp(0.5, w - 0.5) + (camera * w).to(uv_px.dtype)[..., None]
    row = ((uv_px[..., 1] + 0.5) * (h / height)).clamp(0.5, h - 0.5)
    where = torch.stack([column * (2 / (cameras * w)) - 1, row * (2 / h) - 1], dim=-1)
    return F.grid_sample(tiles.float(), where, align_corners=False, padding_mode="border").permute(0, 2, 3, 1)
