"""The decoder's layers, cut into what all of them share and what a query's box has to do with it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.heads.query.attention import SelfAttention
from fusion.heads.query.boxes import BOX_WIDTH
from fusion.heads.query.output import Prediction
from fusion.types import ATTRIBUTES

OCTAVES = 6


class BoxEncoding(nn.Module):
    """A box as a vector: its centre at `OCTAVES` wavelengths, the longest twice the map, its height, size and heading."""

    def __init__(self, channels: int, grid: BevGrid) -> None:
        super().__init__()
        self.grid = grid
        self.hidden, self.out = nn.Linear(4 * OCTAVES + 6, channels), nn.Linear(channels, channels)

    def forward(self, boxes: Tensor) -> Tensor:
        """`(B, Q, 10)` -> `(B, Q, C)`."""
        x0, x1, y0, y1 = *self.grid.x_range_m, *self.grid.y_range_m
        phase = torch.stack([(boxes[..., 0] - x0) * (math.pi / (x1 - x0)), (boxes[..., 1] - y0) * (math.pi / (y1 - y0))], dim=-1)
        waves = [wave for octave in range(OCTAVES) for wave in ((phase * 2**octave).sin(), (phase * 2**octave).cos())]
        box = torch.cat([*waves, boxes[..., 2:8]], dim=-1).to(self.hidden.weight.dtype)
        encoded: Tensor = self.out(F.relu(self.hidden(box)))
        return encoded


class Exchange(nn.Module):
    """Self-attention of the queries, added and normalised."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attention, self.norm = SelfAttention(channels, heads), nn.LayerNorm(channels)

    def forward(self, query: Tensor, position: Tensor, valid: Tensor) -> Tensor:
        """`(B, Q, C)`, as `SelfAttention`."""
        out: Tensor = self.norm(query + self.attention(query, position, valid))
        return out


class Absorb(nn.Module):
    """What a query saw, added with a learned weight per channel, then a two-layer network."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.norm_seen, self.norm_out = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.widen, self.narrow = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, query: Tensor, seen: Tensor) -> Tensor:
        """`(B, Q, C)` twice -> `(B, Q, C)`."""
        query = self.norm_seen(query + self.scale * seen)
        out: Tensor = self.norm_out(query + self.narrow(F.relu(self.widen(query))))
        return out


class Predictor(nn.Module):
    """Query -> class, and a better box than the last."""

    def __init__(self, channels: int, classes: int, cell_m: float) -> None:
        super().__init__()
        self.widths, self.cell_m = [classes, BOX_WIDTH, 2, len(ATTRIBUTES)], cell_m
        self.hidden = nn.Sequential(nn.Linear(channels, channels), nn.LayerNorm(channels), nn.ReLU())
        self.out = nn.Linear(channels, sum(self.widths))
        with torch.no_grad():
            self.out.weight[classes : classes + BOX_WIDTH] *= 0.1  # the first boxes stay near where they were
            self.out.bias.zero_()
            self.out.bias[:classes] = -2.19  # a prior of 0.1 keeps the first steps calm

    def forward(self, query: Tensor, boxes: Tensor) -> Prediction:
        """`(B, Q, C)` queries, `(B, Q, 10)` the boxes so far; centres move in units of a cell, no gradient reaches the boxes so far."""
        logits, change, direction, attributes = self.out(self.hidden(query)).float().split(self.widths, dim=-1)
        moved = boxes.detach() + torch.cat([change[..., :2] * self.cell_m, change[..., 2:]], dim=-1)
        return Prediction(logits=logits, boxes=moved, direction=direction, attributes=attributes)
