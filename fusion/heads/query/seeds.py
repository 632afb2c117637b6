"""Where queries start: the best local maxima of the heatmap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """Places at which queries start; Q is fixed, so where the heatmap has fewer peaks some are fillers.

    Attributes:
        cells: `(B, Q)` int64 flat cell `i * Y + j`.
        labels: `(B, Q)` int64, the class whose peak it is.
        valid: `(B, Q)` bool, False for fillers, which all stand in cell 0: no other query looks at them, no loss, no box.
        heat: `(B, Q, K)` probabilities of all classes in that cell.
    """

    cells: Tensor
    labels: Tensor
    valid: Tensor
    heat: Tensor


def find_seeds(heatmap: Tensor, count: int, looked: Tensor | None = None) -> Seeds:
    """The best 3x3 peaks over all classes, without gradient; `(B, K, X, Y)` logits.

    Args:
        looked: `(B, 1, X, Y)` bool, False where peaks are only rounding: queries would start there by chance, and others look at them.
    """
    heat = heatmap.detach().float().sigmoid()
    size = heat.shape[2] * heat.shape[3]
    is_peak = F.max_pool2d(heat, 3, 1, 1) == heat
    peaks = torch.where(is_peak if looked is None else is_peak & looked, heat, 0.0)
    best, flat = peaks.flatten(1).topk(min(count, heat.shape[1] * size), dim=1)
    flat = torch.where(best > 0, flat, 0)  # which of the zeros are taken differs from engine to engine
    cells = flat % size
    return Seeds(cells=cells, labels=flat // size, valid=best > 0, heat=at_cells(heat, cells))


def at_cells(maps: Tensor, cells: Tensor) -> Tensor:
    """`(B, C, X, Y)` at `(B, Q)` flat cells -> `(B, Q, C)`."""
    return maps.flatten(2).gather(2, cells[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)
