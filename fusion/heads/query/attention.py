"""Attention of queries: to each other, and to the BEV map around them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.heads.query.sampling import sample_bev

HIDDEN_KEY = -1e4
"""Added to the logits of keys that must not be seen: small enough to vanish, and within float16; minus infinity gives NaN where all are hidden."""


class SelfAttention(nn.Module):
    """Queries look at each other, so that of several on one object one may win."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key, self.value = nn.Linear(channels, 2 * channels), nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, query: Tensor, position: Tensor, valid: Tensor) -> Tensor:
        """`(B, Q, C)` queries and their encoded positions, `(B, Q)` bool: which of them others may look at -> `(B, Q, C)`."""
        q, k = (self._split(part) for part in self.query_key(query + position).chunk(2, dim=-1))
        hidden = torch.where(valid, 0.0, HIDDEN_KEY).to(q.dtype)[:, None, None]
        mixed = F.scaled_dot_product_attention(q, k, self._split(self.value(query)), attn_mask=hidden)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, heads, Q, C / heads)


class BevAttention(nn.Module):
    """Each query looks at a few learned places around itself in the BEV map (Deformable DETR, arXiv 2010.04159, section 4.1, one scale).

    Its cost does not depend on the size of the map, apart from one 1x1 convolution over it.
    """

    def __init__(self, channels: int, heads: int, points: int) -> None:
        super().__init__()
        self.heads, self.points = heads, points
        self.value = nn.Conv2d(channels, channels, 1)
        self.offsets, self.weights = nn.Linear(channels, heads * points * 2), nn.Linear(channels, heads * points)
        self.out = nn.Linear(channels, channels)
        # At first each head looks into its own direction, 1 to `points` cells far.
        angle = torch.arange(heads) * (2 * math.pi / heads)
        ring = torch.stack([angle.cos(), angle.sin()], dim=-1)[:, None] * torch.arange(1, points + 1)[:, None]
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        with torch.no_grad():
            self.offsets.bias.copy_(ring.flatten())

    def forward(self, query: Tensor, cells: Tensor, bev: Tensor) -> Tensor:
        """`(B, Q, C)` queries with their positions, `(B, Q, 2)` float32 continuous cells, map `(B, C, X, Y)` -> `(B, Q, C)`."""
        batch, queries, channels = query.shape
        offsets = self.offsets(query).float().view(batch, queries, self.heads, self.points, 2)
        weights = self.weights(query).float().view(batch, queries, self.heads, self.points).softmax(dim=-1)
        where = (cells[:, :, None, None] + offsets).transpose(1, 2).flatten(0, 1)  # heads in the batch: (B * heads, Q, points, 2)
        value = self.value(bev).reshape(batch * self.heads, channels // self.heads, *bev.shape[-2:])
        sampled = sample_bev(value, where).reshape(batch, self.heads, queries, self.points, -1)  # (..., C / heads)
        mixed = (sampled * weights.transpose(1, 2)[..., None]).sum(dim=3)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2).to(query.dtype))
        return out
