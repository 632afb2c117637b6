"""A tiny network with dual-stream interaction, and what the tests compare of its answers."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import Tensor

from fusion.bev.image_depth import DepthBins
from fusion.bev.pull import PullConfig
from fusion.bev.trunk import TrunkConfig
from fusion.encoders.camera import CameraConfig
from fusion.encoders.pillars import PillarConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.geometry.grid import BevGrid
from fusion.heads.centre import HeadConfig, HeadOutput
from fusion.heads.decode import DecodeConfig
from fusion.interaction.bev_to_image import BevToImageConfig
from fusion.interaction.deformable import SelfAttentionConfig
from fusion.interaction.dual import DualStreamConfig
from fusion.interaction.image_to_bev import ImageToBevConfig
from fusion.interaction.join import JoinConfig
from fusion.interaction.polar import PolarConfig
from fusion.network import BevDuetNet, build_network
from fusion.network_config import NetworkConfig
from fusion.types import SensorBatch

GRID = BevGrid(x_range_m=(-12.8, 12.8), y_range_m=(-12.8, 12.8), cell_m=0.8)


def dual_config(**changes: object) -> DualStreamConfig:
    config = DualStreamConfig(
        channels=8, layers=2, image_self=SelfAttentionConfig(heads=2, points=2), bev_self=SelfAttentionConfig(heads=2, points=2, stride=2),
        image_to_bev=ImageToBevConfig(heads=2, stride=2), polar=PolarConfig(heads=2, bins=12, stride=2, column_stride=2),
        bev_to_image=BevToImageConfig(heads=2), join=JoinConfig(kind="cnw"),
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def tiny_config(**changes: object) -> NetworkConfig:
    config = NetworkConfig(
        grid=GRID, camera=CameraConfig(backbone=ResNetConfig(width=0.125), channels=6), lidar=PillarConfig(channels=8, out_channels=10),
        lift=PullConfig(channels=8, depth=DepthBins(count=6)), fuser=dual_config(), trunk=TrunkConfig(channels=(8, 8), blocks=(1, 1), out_channels=8),
        head=HeadConfig(channels=8, hidden=8), decode=DecodeConfig(max_boxes=20, min_score=0.0, iou_threshold=1.0, spread_m=0.5),
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def tiny_net(**changes: object) -> BevDuetNet:
    """In eval mode, nothing at zero, so that a leak of absent data would show."""
    torch.manual_seed(0)
    net = build_network(tiny_config(**changes))
    for name, value in [*net.named_parameters(), *net.named_buffers()]:
        if value.is_floating_point() and value.dim() <= 1 and "running_var" not in name:
            value.data += torch.rand_like(value) - 0.5
        elif value.dim() > 1 and not value.any():
            torch.nn.init.normal_(value, std=0.1)
    return net.eval()


def tiny_batch(batch: int = 1, cameras: int = 6) -> SensorBatch:
    return SensorBatch.example(batch=batch, cameras=cameras, points=300, size_hw=(32, 64))


def maps(output: HeadOutput) -> dict[str, Tensor]:
    return {f.name: getattr(output, f.name) for f in fields(output) if f.name != "depth_logits"}


def assert_same(first: HeadOutput, second: HeadOutput, atol: float = 1e-4) -> None:
    for name, value in maps(first).items():
        torch.testing.assert_close(value, maps(second)[name], atol=atol, rtol=10 * atol, msg=lambda text, name=name: f"{name}: {text}")
