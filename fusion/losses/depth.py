"""Depth supervision: the predicted depth distribution against the LiDAR."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def depth_loss(logits: Tensor, depth_bin: Tensor) -> Tensor:
    """Mean cross-entropy over the pixels that a LiDAR point hits; zero (with gradient) where there is none.

    Args:
        logits: `(B, N, bins, h, w)`.
        depth_bin: `(B, N, h, w)` int64, -1 where unknown.
    """
    total = F.cross_entropy(logits.float().flatten(0, 1), depth_bin.flatten(0, 1), ignore_index=-1, reduction="sum")
    return total / (depth_bin >= 0).sum().clamp(min=1)
