"""Camera encoder: every present image through one shared backbone; absent images take no part at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.encoders.efficientnet import EfficientNetLite, EfficientNetLiteConfig
from fusion.encoders.fpn import Fpn
from fusion.encoders.resnet import ResNet, ResNetConfig


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """The camera encoder.

    Attributes:
        backbone: image backbone, chosen by `kind`.
        channels: channels of the perspective features.
        stride: image pixels per feature pixel, 8 or 16.
    """

    backbone: ResNetConfig | EfficientNetLiteConfig = field(default_factory=ResNetConfig)
    channels: int = 48
    stride: Literal[8, 16] = 8

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {self.channels}")

    def feature_hw(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Feature size `(h, w)` for images of `(H, W)` pixels."""
        return -(-image_hw[0] // self.stride), -(-image_hw[1] // self.stride)


class CameraEncoder(nn.Module):
    """Images -> perspective features."""

    def __init__(self, config: CameraConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone: ResNet | EfficientNetLite
        match config.backbone:
            case ResNetConfig():
                self.backbone = ResNet(config.backbone)
            case EfficientNetLiteConfig():
                self.backbone = EfficientNetLite(config.backbone)
        self.first = 0 if config.stride == 8 else 1
        self.neck = Fpn(self.backbone.out_channels[self.first :], config.channels)

    def forward(self, images: Tensor, camera_ok: Tensor) -> Tensor:
        """`(B, N, 3, H, W)` images and `(B, N)` availability -> `(B, N, C, h, w)`, exactly zero where absent."""
        batch, cameras = camera_ok.shape
        flat, ok = images.flatten(0, 1), camera_ok.flatten()
        if torch.compiler.is_exporting():  # a deployed graph has one shape: absent images run through and are masked
            features = torch.where(ok[:, None, None, None], self.encode(flat), 0.0)  # selected, not multiplied: 0 * NaN is NaN
            return features.view(batch, cameras, *features.shape[1:])
        present = torch.nonzero(ok).squeeze(1)
        height, width = self.config.feature_hw((images.shape[-2], images.shape[-1]))
        if len(present) == 0:
            return images.new_zeros(batch, cameras, self.config.channels, height, width)
        # Only present images may enter batch normalisation: zeros would shift its statistics.
        encoded = self.encode(flat if len(present) == len(ok) else flat[present])
        if len(present) < len(ok):
            encoded = encoded.new_zeros(len(ok), *encoded.shape[1:]).index_copy(0, present, encoded)
        return encoded.view(batch, cameras, *encoded.shape[1:])

    def encode(self, images: Tensor) -> Tensor:
        """`(M, 3, H, W)` -> `(M, C, h, w)`."""
        features: Tensor = self.neck(self.backbone(images.contiguous(memory_format=torch.channels_last))[self.first :])
        return features
