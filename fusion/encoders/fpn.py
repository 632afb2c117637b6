"""Feature pyramid: three scales of image features into one map."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Fpn(nn.Module):
    """Sum the scales top-down and smooth the result; the output keeps the resolution of the finest scale given."""

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, out_channels, 1) for channels in in_channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps from fine to coarse, `(B, C_i, h_i, w_i)` -> `(B, C, h_0, w_0)`."""
        total = self.lateral[-1](features[-1])
        for lateral, feature in zip(reversed(self.lateral[:-1]), reversed(features[:-1]), strict=True):
            finer = lateral(feature)
            total = finer + F.interpolate(total, size=finer.shape[-2:], mode="nearest")
        smoothed: Tensor = self.smooth(total)
        return smoothed
