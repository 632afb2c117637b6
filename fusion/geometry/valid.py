"""Which part of an image is image: the rest was added to bring it to a size, holds no light, and must not be looked at."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_SLIVER_PX = 1e-3
"""A map's pixel that holds less of the image than this along an edge holds none of it: rounding must not decide."""


def moved_px(valid_px: np.ndarray, new_T_old: np.ndarray, image_hw: tuple[int, int]) -> np.ndarray:
    """Where the valid part of an image is after a pixel transform.

    Args:
        valid_px: `(4,)` left, top, right, bottom, as in `SensorBatch`.
        new_T_old: `(3, 3)`, pixel centres at integers; it may scale, shift and mirror, not turn.
        image_hw: size of the new image, by whose edges the part is cut.

    Returns:
        `(4,)` float64.
    """
    scale, shift = np.diag(new_T_old)[:2], new_T_old[:2, 2]
    corners = np.asarray(valid_px, np.float64).reshape(2, 2) * scale + shift
    whole = np.array([image_hw[1], image_hw[0]]) - 0.5
    moved: np.ndarray = np.concatenate([corners.min(0), corners.max(0)]).clip(-0.5, np.tile(whole, 2))
    return moved


def map_edges(valid_px: Tensor, image_hw: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """`(B, N, 4)` first column, first row, last column and last row of maps of `size` (h, w) over the images that hold any of the valid part.

    Args:
        valid_px: `(B, N, 4)`, as in `SensorBatch`.
    """
    scale = torch.tensor([size[1] / image_hw[1], size[0] / image_hw[0]], dtype=valid_px.dtype, device=valid_px.device)
    first = ((valid_px[..., :2] + (0.5 + _SLIVER_PX)) * scale).floor()
    last = ((valid_px[..., 2:] + (0.5 - _SLIVER_PX)) * scale).ceil() - 1
    return torch.cat([first, last], -1)


def map_pixels_ok(valid_px: Tensor, camera_ok: Tensor, image_hw: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """`(B, N, h, w)` bool: pixels of maps of `size` (h, w) over the images that hold any of the valid part of a present camera's.

    Args:
        valid_px: `(B, N, 4)`, as in `SensorBatch`.
        camera_ok: `(B, N)` bool.
    """
    edges = map_edges(valid_px, image_hw, size)[..., None, None]
    column, row = (torch.arange(n, device=valid_px.device).to(valid_px.dtype) for n in (size[1], size[0]))
    in_columns = (column >= edges[:, :, 0]) & (column <= edges[:, :, 2])  # (B, N, 1, w)
    in_rows = (row[:, None] >= edges[:, :, 1]) & (row[:, None] <= edges[:, :, 3])
    return in_columns & in_rows & camera_ok[:, :, None, None]
