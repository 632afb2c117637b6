"""Dynamic convolution: a query writes the kernels by which its own region is read (Sparse R-CNN, arXiv 2011.12450, section 3.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DynamicConv(nn.Module):
    """Two 1x1 convolutions over a region's positions, with kernels from the query, then one matrix over all positions.

    Args:
        channels: C of queries and regions.
        hidden: channels between the two convolutions.
        positions: P of a region.
    """

    def __init__(self, channels: int, hidden: int, positions: int) -> None:
        super().__init__()
        self.channels, self.hidden = channels, hidden
        self.kernels = nn.Linear(channels, 2 * channels * hidden)
        self.norm_hidden, self.norm_region = nn.LayerNorm(hidden), nn.LayerNorm(channels)
        self.out = nn.Linear(positions * channels, channels)
        self.norm_out = nn.LayerNorm(channels)

    def forward(self, query: Tensor, region: Tensor) -> Tensor:
        """`(B, Q, C)` and `(B, Q, P, C)` -> `(B, Q, C)`."""
        narrow, widen = self.kernels(query).chunk(2, dim=-1)
        x = F.relu(self.norm_hidden(region @ narrow.reshape(*query.shape[:2], self.channels, self.hidden)))
        x = F.relu(self.norm_region(x @ widen.reshape(*query.shape[:2], self.hidden, self.channels)))
        out: Tensor = self.norm_out(self.out(x.flatten(2)))
        return out
