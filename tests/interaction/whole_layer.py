"""One layer with every part, and what it reads, at any size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.interaction.bev_to_image import BevToImageConfig
from fusion.interaction.deformable import SelfAttentionConfig
from fusion.interaction.image_to_bev import ImageToBevConfig
from fusion.interaction.layer import InteractionLayer, LayerConfig, Meeting, meeting_of
from fusion.interaction.polar import PolarConfig
from fusion.types import SensorBatch


def awake(config: LayerConfig, channels: int) -> InteractionLayer:
    """A layer whose branches, which start silent, say something."""
    layer = InteractionLayer(config, channels)
    for module in layer.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():
            module.reset_parameters()
    return layer


def layer_config(stride: int = 2, views: int | None = None) -> LayerConfig:
    return LayerConfig(
        image_self=SelfAttentionConfig(heads=2, points=2), bev_self=SelfAttentionConfig(heads=2, points=2, stride=stride),  # type: ignore[arg-type]
        image_to_bev=ImageToBevConfig(heads=2, heights_m=(0.5, 1.5), stride=stride, views=views),  # type: ignore[arg-type]
        polar=PolarConfig(heads=2, bins=16, step_m=2.0, stride=stride, column_stride=2, views=views),  # type: ignore[arg-type]
        bev_to_image=BevToImageConfig(heads=2, depths=2, points=2),
    )


def square(cells: int, cell_m: float = 0.8) -> BevGrid:
    half_m = cells * cell_m / 2
    return BevGrid(x_range_m=(-half_m, half_m), y_range_m=(-half_m, half_m), cell_m=cell_m)


def meeting(config: LayerConfig, grid: BevGrid, cameras: int, feature_hw: tuple[int, int], bins: int = 6) -> Meeting:
    batch = SensorBatch.example(cameras=cameras, points=400, size_hw=(8 * feature_hw[0], 8 * feature_hw[1]))
    return meeting_of(config, batch, grid, feature_hw, torch.linspace(1, 40, bins + 1).expand(1, cameras, -1))


def inputs(grid: BevGrid, channels: int, cameras: int, feature_hw: tuple[int, int], bins: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Perspective, BEV, which cells are there (all), depth logits."""
    torch.manual_seed(0)
    return (torch.randn(1, cameras, channels, *feature_hw), torch.randn(1, channels, *grid.shape),
            torch.ones(1, 1, *grid.shape, dtype=torch.bool), torch.randn(1, cameras, bins, *feature_hw))
