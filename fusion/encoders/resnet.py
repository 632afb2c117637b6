"""Residual image backbones (ResNet-18/34/50 with a width factor), features at strides 8, 16 and 32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """A residual backbone.

    Attributes:
        depth: 18, 34 or 50 layers.
        width: factor on the usual 64 to 512 channels; 0.5 is the real-time size.
    """

    kind: Literal["resnet"] = "resnet"
    depth: Literal[18, 34, 50] = 18
    width: float = 0.5

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ValueError(f"width: expected a positive factor, got {self.width}")


_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def conv_bn(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A bias-free convolution padded to keep the size (over the stride), then batch normalisation."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_bn(in_channels, out_channels, 3, stride)
        self.second = conv_bn(out_channels, out_channels, 3)
        same = stride == 1 and in_channels == out_channels
        self.shortcut: nn.Module = nn.Identity() if same else conv_bn(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions with a four times narrower middle, and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        middle = out_channels // 4
        self.reduce = conv_bn(in_channels, middle, 1)
        self.middle = conv_bn(middle, middle, 3, stride)
        self.expand = conv_bn(middle, out_channels, 1)
        same = stride == 1 and in_channels == out_channels
        self.shortcut: nn.Module = nn.Identity() if same else conv_bn(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.expand(F.relu(self.middle(F.relu(self.reduce(x))))) + self.shortcut(x))


class ResNet(nn.Module):
    """`(B, 3, H, W)` -> features at strides 8, 16 and 32, whose channels are `out_channels`."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        block: type[BasicBlock] | type[Bottleneck] = Bottleneck if config.depth == 50 else BasicBlock
        expansion = 4 if config.depth == 50 else 1
        widths = [max(8, round(64 * config.width) // 8 * 8) * 2**level for level in range(4)]
        self.stem = nn.Sequential(conv_bn(3, widths[0], 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        channels = widths[0]
        self.stages = nn.ModuleList()
        for level, (count, width) in enumerate(zip(_BLOCKS[config.depth], widths, strict=True)):
            blocks: list[nn.Module] = []
            for index in range(count):
                blocks.append(block(channels, width * expansion, 2 if index == 0 and level > 0 else 1))
                channels = width * expansion
            self.stages.append(nn.Sequential(*blocks))
        self.out_channels = tuple(width * expansion for width in widths[1:])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at strides 8, 16, 32."""
        x = self.stages[0](self.stem(images))
        s8 = self.stages[1](x)
        s16 = self.stages[2](s8)
        return s8, s16, self.stages[3](s16)
