"""Which cells the sensors of a sample look at. Where none looks, maps are the same from cell to cell but for rounding: a peak there means nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BESIDE_VIEW_M = 4.0
"""How far outside of what the cameras see a centre may lie: that of a long vehicle of which they see an end."""


def looked_at(seen: Tensor | None, lidar_ok: Tensor | None, size: tuple[int, int], cell_m: float) -> Tensor:
    """`(B, 1, X, Y)` bool: cells that a present sensor looks at, or that are within `BESIDE_VIEW_M` of such a cell along x and y.

    Args:
        seen: `(B, 1, X, Y)` float, above 0 in cells that a present camera sees; None without cameras.
        lidar_ok: `(B,)` bool: the LiDAR, which looks everywhere, is present; None without LiDAR.
        size: cells X and Y.
        cell_m: edge of a cell.

    Raises:
        ValueError: neither.
    """
    if seen is None and lidar_ok is None:
        raise ValueError("seen, lidar_ok: expected at least one, got None and None")
    everywhere = None if lidar_ok is None else lidar_ok[:, None, None, None].expand(-1, 1, *size)
    if seen is None:
        assert everywhere is not None
        return everywhere
    margin = round(BESIDE_VIEW_M / cell_m)
    near = F.max_pool2d(seen.float(), (2 * margin + 1, 1), 1, (margin, 0))
    near = F.max_pool2d(near, (1, 2 * margin + 1), 1, (0, margin)) > 0
    return near if everywhere is None else torch.logical_or(near, everywhere)
