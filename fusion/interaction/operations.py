"""What every attention of the interaction is made of: sampling, masked softmax, position features, tokens and maps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 4096
"""Queries answered at a time on a CPU: their samples stay in its cache, and memory is not asked for anew, which costs more than the arithmetic."""

_FAR_BELOW = -3e4
"""Stands for minus infinity among logits: finite, also in float16, so that a row without any valid key gives no NaN."""


def precise(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute positions and softmax in: float32 for the short types, else unchanged."""
    return torch.promote_types(dtype, torch.float32)


def sample(maps: Tensor, coords: Tensor, padding: str = "zeros") -> Tensor:
    """Bilinear samples of `(M, C, H, W)` at `(M, I, J, 2)` positions -> `(M, C, I, J)`, in the dtype of the maps.

    Args:
        coords: (column, row) from -1 to 1 over the map's edges (align_corners=False). In bf16 a position would be a cell off at 256 cells,
            so they stay float32 and the sampling runs in it.
    """
    dtype = precise(maps.dtype)
    return F.grid_sample(maps.to(dtype), coords.to(dtype), padding_mode=padding, align_corners=False).to(maps.dtype)


def blocks(rows: int, device: torch.device, queries: int = 1) -> list[slice]:
    """Slices of rows of so many queries to answer one after the other; all at once on a GPU, which wants much to do, and in an exported graph."""
    size = max(BLOCK // queries, 1)
    if device.type != "cpu" or rows <= size or torch.compiler.is_compiling():
        return [slice(None)]
    return [slice(start, start + size) for start in range(0, rows, size)]


def masked_softmax(logits: Tensor, ok: Tensor | None, dim: int) -> Tensor:
    """Softmax over the valid entries, exactly zero elsewhere and zero throughout where none is valid; computed and returned in `precise`."""
    logits = logits.to(precise(logits.dtype))
    if ok is None:
        return logits.softmax(dim)
    return torch.where(ok, torch.where(ok, logits, _FAR_BELOW).softmax(dim), 0.0)


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int, key_ok: Tensor | None = None) -> Tensor:
    """Multi-head attention of projected tokens: `(M, Q, C)` over `(M, K, C)` keys and values, `(M, K)` bool validity -> `(M, Q, C)`.

    Rows without a valid key give zero.
    """
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(1, 2) for x in (query, key, value))  # (M, heads, T, c)
    logits = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
    weight = masked_softmax(logits, None if key_ok is None else key_ok[:, None, None], dim=-1)
    attended: Tensor = (weight.to(v.dtype) @ v).transpose(1, 2).flatten(2)
    return attended


def to_tokens(maps: Tensor) -> Tensor:
    """`(M, C, H, W)` -> `(M, H * W, C)`."""
    return maps.flatten(2).transpose(1, 2)


def to_maps(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """`(M, H * W, C)` -> `(M, C, H, W)`."""
    return torch.unflatten(tokens.transpose(1, 2), 2, size)


def half_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size of `halved` maps."""
    return -(-size[0] // 2), -(-size[1] // 2)


def halved(maps: Tensor) -> Tensor:
    """Half the resolution over the same extent: the mean of 2 x 2, for odd sizes the nearest that keeps the edges where they are."""
    if maps.shape[-2] % 2 == 0 and maps.shape[-1] % 2 == 0:
        return F.avg_pool2d(maps, 2)
    return F.interpolate(maps, size=half_size((maps.shape[-2], maps.shape[-1])), mode="bilinear", align_corners=False)


def coarsened(maps: Tensor, stride: int) -> Tensor:
    """Maps at 1 / `stride` of the resolution, a power of two."""
    while stride > 1:
        maps, stride = halved(maps), stride // 2
    return maps


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps brought to `size` over the same extent."""
    if (maps.shape[-2], maps.shape[-1]) == size:
        return maps
    # Maps made of tokens have their channels last in memory; on them the result would be laid out anew, at its larger size.
    return F.interpolate(maps.contiguous(), size=size, mode="bilinear", align_corners=False)


def centres(size: tuple[int, int], like: Tensor) -> Tensor:
    """`(H * W, 2)` (column, row) of every pixel's centre from -1 to 1 over the map's edges, as `sample` takes them."""
    rows, columns = ((2 * torch.arange(n, device=like.device, dtype=precise(like.dtype)) + 1) / n - 1 for n in size)
    return torch.stack([columns.expand(size), rows[:, None].expand(size)], -1).view(-1, 2)


class Position(nn.Module):
    """A linear map of numbers of order one and of their sines and cosines (the Fourier features of arXiv 2006.10739, octaves)."""

    def __init__(self, inputs: int, channels: int, octaves: int = 3) -> None:
        super().__init__()
        self.octaves = octaves
        self.linear = nn.Linear(inputs * (2 * octaves + 1), channels)

    def forward(self, numbers: Tensor) -> Tensor:
        """`(..., inputs)` -> `(..., channels)` in the dtype of the weights."""
        angles = [math.pi * 2**octave * numbers for octave in range(self.octaves)]
        features = torch.cat([numbers, *(angle.sin() for angle in angles), *(angle.cos() for angle in angles)], -1)
        encoded: Tensor = self.linear(features.to(self.linear.weight.dtype))
        return encoded


def silent(linear: nn.Linear) -> nn.Linear:
    """The layer with zero weights: a residual branch that ends in it first adds nothing, so that a network that worked still does."""
    nn.init.zeros_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear


class FeedForward(nn.Module):
    """Norm, linear, ReLU, linear: what a transformer adds to every token by itself; at first nothing."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, ratio * channels), nn.ReLU(),
                                  silent(nn.Linear(ratio * channels, channels)))

    def forward(self, tokens: Tensor) -> Tensor:
        """`(..., channels)` -> what to add to it."""
        added: Tensor = self.body(tokens)
        return added


def check_heads(channels: int, part: str, heads: int) -> None:
    """ValueError unless `channels` divides into `heads`."""
    if heads < 1 or channels % heads:
        raise ValueError(f"{part}.heads: expected a divisor of channels {channels}, got {heads}")
