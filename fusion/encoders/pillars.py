"""Pillar encoder: points of a vertical column into one feature, columns into a BEV map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.encoders.pillarise import PILLAR_FEATURES, pillarise
from fusion.encoders.resnet import conv_bn
from fusion.geometry.grid import BevGrid
from fusion.types.present import train_on_present


@dataclass(frozen=True, kw_only=True)
class PillarConfig:
    """The pillar encoder.

    Attributes:
        channels: channels of a pillar.
        out_channels: channels of the LiDAR stream.
        max_points: points kept in a pillar.
    """

    kind: Literal["pillars"] = "pillars"
    channels: int = 32
    out_channels: int = 48
    max_points: int = 16

    def __post_init__(self) -> None:
        for name in ("channels", "out_channels", "max_points"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class PillarInput:
    """Pillars as tensors; see `fusion.encoders.pillarise.Pillars`: `features (M, K, F)`, `mask (M, K)`, `index (M,)`."""

    features: Tensor
    mask: Tensor
    index: Tensor


def prepare_pillars(config: PillarConfig, grid: BevGrid, points: Tensor, points_ok: Tensor) -> PillarInput:
    """Pillarise `(B, P, 5)` points on the host; the result is on the device of `points`."""
    pillars = pillarise(points.detach().cpu().numpy(), points_ok.detach().cpu().numpy(), grid, config.max_points)
    device = points.device
    return PillarInput(
        features=torch.from_numpy(pillars.features).to(device),
        mask=torch.from_numpy(pillars.mask).to(device),
        index=torch.from_numpy(pillars.index).to(device),
    )


class PillarEncoder(nn.Module):
    """Linear, batch norm, ReLU, maximum over points; canvas by unique indices; strided convolutions to the BEV grid."""

    def __init__(self, config: PillarConfig, grid: BevGrid, out_stride: int) -> None:
        super().__init__()
        self.config, self.grid = config, grid
        self.linear = nn.Linear(len(PILLAR_FEATURES), config.channels, bias=False)
        self.norm = nn.BatchNorm1d(config.channels, eps=1e-3)
        layers: list[nn.Module] = []
        channels, stride = config.channels, out_stride
        while stride > 1:
            layers += [conv_bn(channels, config.out_channels, 3, 2), nn.ReLU(inplace=True)]
            channels, stride = config.out_channels, stride // 2
        if not layers:
            layers += [conv_bn(channels, config.out_channels, 3), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers)

    def forward(self, pillars: PillarInput, lidar_ok: Tensor) -> Tensor:
        """Pillars and `(B,)` availability -> `(B, C, X, Y)`, exactly zero where the LiDAR is absent."""
        size_x, size_y = self.grid.shape
        batch = lidar_ok.shape[0]
        columns = self.columns(pillars.features, pillars.mask)
        # Indices are unique, so this is a plain placement without reduction.
        canvas = columns.new_zeros(batch * size_x * size_y, columns.shape[1]).index_copy(0, pillars.index, columns)
        image = canvas.view(batch, size_x, size_y, -1).permute(0, 3, 1, 2)  # channels last in memory, as convolutions like it
        if self.training:
            return train_on_present(self.stem, image, lidar_ok)
        bev: Tensor = self.stem(image)
        return bev * lidar_ok.to(bev.dtype)[:, None, None, None]

    def columns(self, features: Tensor, mask: Tensor) -> Tensor:
        """`(M, K, F)` points -> `(M, C)` pillars; M = 0 is fine."""
        if torch.compiler.is_exporting():
            padded = F.relu(self._normalise(self.linear(features).flatten(0, 1))).view(*mask.shape, -1)
            return (padded * mask[..., None].to(padded.dtype)).amax(dim=1)
        rows = features[mask]  # padding must not enter batch normalisation
        if len(rows) == 0:
            return features.new_zeros(len(features), self.config.channels)
        encoded = F.relu(self._normalise(self.linear(rows)))
        # ReLU output is >= 0 and every pillar has a point: starting from zeros changes no maximum.
        owner = torch.repeat_interleave(mask.sum(dim=1))[:, None].expand_as(encoded)
        return encoded.new_zeros(len(mask), encoded.shape[1]).scatter_reduce(0, owner, encoded, "amax")

    def _normalise(self, rows: Tensor) -> Tensor:
        if self.training and len(rows) > 1:
            normalised: Tensor = self.norm(rows)
            return normalised
        norm = self.norm  # one row has no variance: use the running statistics
        return F.batch_norm(rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
