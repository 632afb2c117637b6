"""Centre head: per cell, is there an object's centre, and what is the object like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from fusion.types import ATTRIBUTES

BRANCHES = {"offset": 2, "height": 1, "log_size": 3, "yaw": 2, "direction": 2, "velocity": 2, "attributes": len(ATTRIBUTES)}
"""Channels of every map beside the heatmap, in the order in which they are computed."""


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """The centre head.

    Attributes:
        channels: channels shared by all branches.
        hidden: channels of the hidden layer of the heatmap, and again of all other branches together.
    """

    kind: Literal["centre"] = "centre"
    channels: int = 48
    hidden: int = 32

    def __post_init__(self) -> None:
        for name in ("channels", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class HeadOutput:
    """Dense predictions on the BEV grid, raw (logits).

    Attributes:
        heatmap: `(B, K, X, Y)` logits, one map per class.
        offset: `(B, 2, X, Y)` centre within its cell, in cells (0 to 1).
        height: `(B, 1, X, Y)` z of the gravity centre, metres.
        log_size: `(B, 3, X, Y)` natural logarithm of length, width, height in metres.
        yaw: `(B, 2, X, Y)` sin and cos of twice the yaw.
        direction: `(B, 2, X, Y)` logits, which of the two opposite headings; see `direction_bin`.
        velocity: `(B, 2, X, Y)` m/s, ego axes.
        attributes: `(B, A, X, Y)` logits.
        depth_logits: `(B, N, bins, h, w)` where the camera lift predicts depth, else None.
    """

    heatmap: Tensor
    offset: Tensor
    height: Tensor
    log_size: Tensor
    yaw: Tensor
    direction: Tensor
    velocity: Tensor
    attributes: Tensor
    depth_logits: Tensor | None = None


class CentreHead(nn.Module):
    """Shared convolution, then two merged branches: the heatmap, and everything else."""

    def __init__(self, config: HeadConfig, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.shared = _conv(in_channels, config.channels)
        self.heatmap_hidden, self.box_hidden = _conv(config.channels, config.hidden), _conv(config.channels, config.hidden)
        self.heatmap = nn.Conv2d(config.hidden, num_classes, 1)
        self.box = nn.Conv2d(config.hidden, sum(BRANCHES.values()), 1)
        nn.init.constant_(self.heatmap.bias, -2.19)  # type: ignore[arg-type]  # a prior of 0.1 keeps the first steps calm

    def forward(self, bev: Tensor) -> HeadOutput:
        """`(B, C, X, Y)` -> maps."""
        shared = self.shared(bev)
        parts = self.box(self.box_hidden(shared)).split(list(BRANCHES.values()), dim=1)
        maps = dict(zip(BRANCHES, parts, strict=True))
        return HeadOutput(heatmap=self.heatmap(self.heatmap_hidden(shared)), **maps)


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
