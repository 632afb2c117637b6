"""How likely a pixel lies at a depth: by the LiDAR where it knows, else by the depth distribution of the lift."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from fusion.interaction.geometry import side_by_side
from fusion.interaction.operations import precise

UNLIKELY = 0.02
"""Added to a likelihood in even shares before its logarithm: no pixel is ruled out by a guess of its depth."""


def bin_position(depth_m: Tensor, edges_m: Tensor) -> Tensor:
    """`(B, N, P)` depths -> where they are among bins of `(B, N, bins + 1)` edges, linear within a bin; clamped to the bins' range."""
    depth_m, edges_m = depth_m.contiguous().to(edges_m.dtype), edges_m.contiguous()
    upper = torch.searchsorted(edges_m, depth_m, right=True).clamp(1, edges_m.shape[-1] - 1)
    low, high = edges_m.gather(-1, upper - 1), edges_m.gather(-1, upper)
    return upper - 1 + ((depth_m - low) / (high - low)).clamp(0, 1)


def depth_share(logits: Tensor, lidar_bin: Tensor) -> Tensor:
    """`(B, bins, h, N * w)` how likely a pixel lies in each depth bin: surely where the LiDAR says, else as `(B, N, bins, h, w)` logits say."""
    share = logits.to(precise(logits.dtype)).softmax(2)
    bins = torch.arange(logits.shape[2], device=logits.device)[:, None, None]
    measured = lidar_bin[:, :, None]
    return side_by_side(torch.where(measured >= 0, (measured == bins).to(share), share))


def log_likelihood(share: Tensor, coords: Tensor, at: Tensor) -> Tensor:
    """The logarithm of how likely pixels at some positions lie at some depths, in even shares; linear between pixels' and bins' centres.

    Eight numbers are read for each; sampling whole distributions would read four times as many as there are bins.

    Args:
        share: `(B, bins, H, W)`, from `depth_share`.
        coords: `(B, Z, P, 2)` positions as `sample` takes them, those beyond the edge taken to it.
        at: `(B, Z, P)` positions among the bins.

    Returns:
        `(B, Z, P)`.
    """
    bins, height, width = share.shape[1:]
    column, row = (((coords[..., axis] + 1) * size - 1) / 2 for axis, size in ((0, width), (1, height)))
    positions = [position.clamp(0, size - 1) for position, size in ((at - 0.5, bins), (row, height), (column, width))]
    lower = [position.floor().clamp(max=max(size - 2, 0)) for position, size in zip(positions, (bins, height, width), strict=True)]
    beyond = [position - low for position, low in zip(positions, lower, strict=True)]
    first = ((lower[0] * height + lower[1]) * width + lower[2]).long().flatten(1)
    steps = (height * width, width * (height > 1), int(width > 1))
    flat, total = share.flatten(1), torch.zeros_like(at, dtype=share.dtype)
    for corner in product((0, 1), repeat=3):
        weight = torch.ones_like(at)
        for far, upper in zip(beyond, corner, strict=True):
            weight = weight * (far if upper else 1 - far)
        index = first + sum(step * upper for step, upper in zip(steps, corner, strict=True))
        total = total + flat.gather(1, index).view_as(at) * weight.to(share.dtype)
    return (total * bins + UNLIKELY).log()
