"""Multi-scale deformable attention: every query looks at a few positions that it chooses itself (Deformable DETR, arXiv 2010.04159)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.interaction.operations import (
    FeedForward,
    Position,
    blocks,
    centres,
    coarsened,
    halved,
    masked_softmax,
    resized,
    sample,
    silent,
    to_maps,
    to_tokens,
)


@dataclass(frozen=True, kw_only=True)
class SelfAttentionConfig:
    """Deformable attention of a stream to itself.

    Attributes:
        heads: attention heads.
        levels: resolutions looked at, each half the one before.
        points: positions per head and level.
        stride: cells of the stream per query, and per cell of the finest level, along an edge; the answer is interpolated back.
        hidden: width of the feed-forward part, in channels of the stream.
    """

    heads: int = 4
    levels: int = 2
    points: int = 4
    stride: Literal[1, 2, 4] = 1
    hidden: int = 2

    def __post_init__(self) -> None:
        for name in ("heads", "levels", "points", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")


def deformable_attention(values: Sequence[Tensor], coords: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of samples; heads are folded into the batch, so that one 4-D `grid_sample` per level does it.

    Queries are last in memory, along which every step then runs.

    Args:
        values: a map `(B, heads * c, H_l, W_l)` per level; zero outside.
        coords: `(B, heads, levels, points, Q, 2)` positions as `sample` takes them.
        weights: `(B, heads, levels, points, Q)`.

    Returns:
        `(B, heads * c, Q)` in the dtype of the values.
    """
    heads = weights.shape[1]
    total: Tensor | None = None
    for level, value in enumerate(values):
        folded = torch.unflatten(value, 1, (heads, -1)).flatten(0, 1)
        weight = weights[:, :, level].flatten(0, 1)[:, None].to(value.dtype)  # (B * heads, 1, points, Q)
        part = (sample(folded, coords[:, :, level].flatten(0, 1)) * weight).sum(2)  # (B * heads, c, Q)
        total = part if total is None else total + part
    assert total is not None
    return total.view(len(weights), -1, total.shape[-1])


def ring(heads: int, groups: int, points: int) -> Tensor:
    """`(heads * groups * points * 2,)` first offsets in cells: a direction per head, farther from point to point."""
    angle = torch.arange(heads) * (2 * math.pi / heads)
    direction = torch.stack([angle.cos(), angle.sin()], -1)
    distance = torch.arange(1, points + 1.0)
    return (direction[:, None, None] * distance[:, None]).expand(heads, groups, points, 2).reshape(-1)


class DeformableSelfAttention(nn.Module):
    """`(M, C, H, W)` -> the same, every cell having looked around itself at several resolutions, and its feed-forward part."""

    def __init__(self, config: SelfAttentionConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        samples = config.heads * config.levels * config.points
        self.norm = nn.LayerNorm(channels)
        self.position = Position(2, channels)
        self.value = nn.Linear(channels, channels)
        self.offset = nn.Linear(channels, samples * 2)
        self.weight = nn.Linear(channels, samples)
        self.out = silent(nn.Linear(channels, channels))
        self.feed = FeedForward(channels, config.hidden)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.weight.weight)
        nn.init.zeros_(self.weight.bias)
        with torch.no_grad():
            self.offset.bias.copy_(ring(config.heads, config.levels, config.points))

    def forward(self, maps: Tensor, ok: Tensor | None = None) -> Tensor:
        """The stream plus what it learned of itself.

        Args:
            maps: `(M, C, H, W)`, zero where not `ok`.
            ok: `(M, H, W)` bool: what there is of the maps, which end there: whoever looks beyond sees zero. None: all.

        Returns:
            `(M, C, H, W)`; meaningless where not `ok`.
        """
        size = (maps.shape[-2], maps.shape[-1])
        coarse = coarsened(maps, self.config.stride)
        shape = (coarse.shape[-2], coarse.shape[-1])
        tokens = to_tokens(coarse)
        normed = self.norm(tokens)
        here = None if ok is None else ok[:, None]
        if here is not None and self.config.stride > 1:
            here = coarsened(here.to(maps.dtype), self.config.stride) > 0
        pyramid = [_chosen(here, to_maps(self.value(normed), shape))]
        while len(pyramid) < self.config.levels:
            pyramid.append(halved(pyramid[-1]))
        place = centres(shape, maps)
        answers = [self._answer(pyramid, tokens[:, block], normed[:, block], place[block]) for block in blocks(len(place), maps.device)]
        looked: Tensor = maps + resized(_chosen(here, to_maps(torch.cat(answers, 1), shape)), size)
        return looked

    def _answer(self, pyramid: Sequence[Tensor], tokens: Tensor, normed: Tensor, place: Tensor) -> Tensor:
        """What is added to `(M, Q, C)` tokens at `(Q, 2)` places."""
        query = normed + self.position(place)
        heads, levels, points = self.config.heads, self.config.levels, self.config.points
        weights = torch.unflatten(self.weight(query).transpose(1, 2), 1, (heads, levels * points))
        weights = torch.unflatten(masked_softmax(weights, None, dim=2), 2, (levels, points))
        cell = torch.tensor([[2 / m.shape[-1], 2 / m.shape[-2]] for m in pyramid], dtype=place.dtype, device=place.device)
        offsets = torch.unflatten(self.offset(query), -1, (heads, levels, points, 2)).permute(0, 2, 3, 4, 1, 5)  # (M, heads, levels, points, Q, 2)
        coords = place + offsets * cell[:, None, None]
        added = self.out(deformable_attention(pyramid, coords, weights).transpose(1, 2))
        answer: Tensor = added + self.feed(tokens + added)
        return answer


def _chosen(ok: Tensor | None, maps: Tensor) -> Tensor:
    return maps if ok is None else torch.where(ok, maps, 0.0)
