"""Concatenation with availability: the baseline way for two streams to meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.types import CameraStream, Interacted, LidarStream


@dataclass(frozen=True, kw_only=True)
class ConcatConfig:
    """The concatenation fuser.

    Attributes:
        channels: channels of the fused map.
    """

    kind: Literal["concat"] = "concat"
    channels: int = 48

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {self.channels}")


class ConcatFuser(nn.Module):
    """Both maps and the planes that say what is there, through one 1x1 convolution.

    Args:
        camera_channels, lidar_channels: channels of each stream's BEV map; 0 where the network has no such stream.
    """

    def __init__(self, config: ConcatConfig, camera_channels: int, lidar_channels: int) -> None:
        super().__init__()
        self.camera_channels, self.lidar_channels = camera_channels, lidar_channels
        planes = 2 * (camera_channels > 0) + (lidar_channels > 0)  # camera: seen, available; LiDAR: available
        self.mix = nn.Sequential(
            nn.Conv2d(camera_channels + lidar_channels + planes, config.channels, 1, bias=False),
            nn.BatchNorm2d(config.channels),
            nn.ReLU(inplace=True),
        )

    def before_lift(self, perspective: Tensor, camera_ok: Tensor, where: object = None) -> Tensor:
        """Nothing is done to image features."""
        return perspective

    def forward(self, camera: CameraStream | None, lidar: LidarStream | None, where: None = None) -> Interacted:
        """The joined map; a stream the network was built with must be given, absent samples are marked in `ok`."""
        parts: list[Tensor] = []
        if self.camera_channels:
            if camera is None:
                raise ValueError("camera: expected a stream (mark absent samples in `ok`), got None")
            parts += [*self._with_planes(camera.bev, camera.ok), camera.seen.to(camera.bev.dtype)]
        if self.lidar_channels:
            if lidar is None:
                raise ValueError("lidar: expected a stream (mark absent samples in `ok`), got None")
            parts += self._with_planes(lidar.bev, lidar.ok)
        mixed: Tensor = self.mix(torch.cat([part.to(parts[0].dtype) for part in parts], dim=1))
        return Interacted(bev=mixed, camera=camera, lidar=lidar)

    @staticmethod
    def _with_planes(bev: Tensor, ok: Tensor) -> list[Tensor]:
        here = ok[:, None, None, None]
        return [torch.where(here, bev, 0.0), here.to(bev.dtype).expand(-1, 1, *bev.shape[-2:])]  # selected, not multiplied: 0 * NaN is NaN
