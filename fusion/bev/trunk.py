"""BEV trunk: residual blocks at three scales, summed back at the finest."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """The trunk over the fused BEV map.

    Attributes:
        channels: channels per scale; each scale halves the resolution.
        blocks: residual blocks per scale.
        out_channels: channels of the result, at the resolution of the input.
    """

    channels: tuple[int, ...] = (48, 64, 96)
    blocks: tuple[int, ...] = (1, 1, 2)
    out_channels: int = 48

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.blocks) or not self.channels:
            raise ValueError(f"blocks: expected one number per scale {self.channels}, got {self.blocks}")
        if min(*self.channels, *self.blocks, self.out_channels) < 1:
            raise ValueError(f"channels, blocks, out_channels: expected at least 1 each, got {self.channels}, {self.blocks}, {self.out_channels}")


class _Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        same = stride == 1 and in_channels == out_channels
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class BevTrunk(nn.Module):
    """`(B, C, X, Y)` -> `(B, out_channels, X, Y)`."""

    def __init__(self, config: TrunkConfig, in_channels: int) -> None:
        super().__init__()
        self.scales, self.lateral = nn.ModuleList(), nn.ModuleList()
        for level, (channels, count) in enumerate(zip(config.channels, config.blocks, strict=True)):
            blocks: list[nn.Module] = []
            for index in range(count):
                blocks.append(_Block(in_channels, channels, 2 if level > 0 and index == 0 else 1))
                in_channels = channels
            self.scales.append(nn.Sequential(*blocks))
            self.lateral.append(nn.Sequential(nn.Conv2d(channels, config.out_channels, 1, bias=False), nn.BatchNorm2d(config.out_channels)))

    def forward(self, bev: Tensor) -> Tensor:
        """The fused map refined with context; the grid stays."""
        total: Tensor | None = None
        x = bev
        for scale, lateral in zip(self.scales, self.lateral, strict=True):
            x = scale(x)
            part = lateral(x)
            if total is None:
                total = part
            else:
                total = total + F.interpolate(part, size=total.shape[-2:], mode="bilinear", align_corners=False)
        assert total is not None
        return F.relu(total)
