"""The box that a query carries from layer to layer: ten numbers, float32 in every precision of the network.

Columns: centre x y z (m), natural logarithm of length width height (m), sin and cos of twice the yaw (of any length), velocity x y (m/s).
A heading's sign is not in them; two logits say it (`fusion.heads.yaw`).
"""

from __future__ import annotations

import torch
from torch import Tensor

CENTRE, LOG_SIZE, YAW, VELOCITY = slice(0, 3), slice(3, 6), slice(6, 8), slice(8, 10)
BOX_WIDTH = 10
MAX_LOG_SIZE = 4.0
"""Sizes lie within exp(-4) and exp(4) metres: an untrained network must not overflow."""

_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, -0.5), (0.5, -0.5, 0.5), (0.5, -0.5, -0.5),
         (-0.5, 0.5, 0.5), (-0.5, 0.5, -0.5), (-0.5, -0.5, 0.5), (-0.5, -0.5, -0.5))


def size_m(boxes: Tensor) -> Tensor:
    """`(..., 10)` -> `(..., 3)` length, width, height."""
    return boxes[..., LOG_SIZE].clamp(-MAX_LOG_SIZE, MAX_LOG_SIZE).exp()


def heading(boxes: Tensor, direction: Tensor | None = None) -> Tensor:
    """`(..., 10)` -> `(..., 2)` cos and sin of the yaw, by half-angle formulas (without an arctangent, which not every backend has).

    Args:
        direction: `(..., 2)` logits of the two bins of `direction_bin`; None leaves the heading's sign open (cos >= 0).
    """
    twice = boxes[..., YAW]
    sin2, cos2 = twice[..., 0], twice[..., 1]
    length = (sin2 * sin2 + cos2 * cos2).clamp(min=1e-12).sqrt()
    sin2, cos2 = sin2 / length, cos2 / length
    larger = ((1 + cos2.abs()) / 2).sqrt()
    smaller = sin2.abs() / (2 * larger)  # (1 - |cos2|) would cancel to nothing
    cos, sin = torch.where(cos2 >= 0, larger, smaller), torch.where(cos2 >= 0, smaller, larger)
    sin = torch.where(sin2 < 0, -sin, sin)
    if direction is not None:
        in_bin_0 = sin >= cos  # bin 0 is [45, 225) degrees: left of the diagonal
        sign = torch.where(in_bin_0 == (direction[..., 0] >= direction[..., 1]), 1.0, -1.0)
        cos, sin = cos * sign, sin * sign
    return torch.stack([cos, sin], dim=-1)


def corners_m(boxes: Tensor) -> Tensor:
    """`(..., 10)` -> `(..., 8, 3)` corners; index 4a + 2b + c with a, b, c = 0 at the front, left and top face."""
    local = size_m(boxes)[..., None, :] * torch.tensor(_HALF, dtype=boxes.dtype, device=boxes.device)
    turn = heading(boxes)[..., None, :]
    x = local[..., 0] * turn[..., 0] - local[..., 1] * turn[..., 1]
    y = local[..., 0] * turn[..., 1] + local[..., 1] * turn[..., 0]
    return torch.stack([x, y, local[..., 2]], dim=-1) + boxes[..., None, CENTRE]
