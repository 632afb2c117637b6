"""Sparse voxel encoder: 3D sparse convolutions (spconv), flattened to a BEV map. The large model's LiDAR encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
import torch
from torch import Tensor, nn

from fusion.encoders.resnet import conv_bn
from fusion.errors import UserError
from fusion.geometry.grid import BevGrid
from fusion.types.present import train_on_present


@dataclass(frozen=True, kw_only=True)
class VoxelConfig:
    """The sparse voxel encoder; needs the extra `voxels`.

    Attributes:
        z_cell_m: height of a voxel; its ground edge is the grid's cell.
        channels: channels at strides 1, 2, 4, 8; as many levels as the output stride needs are used.
        out_channels: channels of the LiDAR stream.
    """

    kind: Literal["voxels"] = "voxels"
    z_cell_m: float = 0.2
    channels: tuple[int, ...] = (16, 32, 64, 64)
    out_channels: int = 128

    def __post_init__(self) -> None:
        if not self.z_cell_m > 0:
            raise ValueError(f"z_cell_m: expected a positive length, got {self.z_cell_m}")
        if min(self.out_channels, *self.channels) < 1:
            raise ValueError(f"channels, out_channels: expected at least 1 each, got {self.channels}, {self.out_channels}")

    def size_z(self, grid: BevGrid) -> int:
        """Voxels of a column."""
        return max(1, round((grid.z_range_m[1] - grid.z_range_m[0]) / self.z_cell_m))


@dataclass(frozen=True, kw_only=True)
class VoxelInput:
    """Occupied voxels: `features (M, 5)` means of the points, `coords (M, 4)` int32 sample, z, x, y; ordered by coords x, y, z."""

    features: Tensor
    coords: Tensor


def import_spconv() -> Any:
    """spconv, ready for the CPU too; raises UserError naming the extra where it is absent."""
    try:
        import spconv.pytorch as spconv  # type: ignore[import-untyped]
        from spconv.pytorch import ops  # type: ignore[import-untyped]
    except ImportError:
        raise UserError("lidar.kind voxels: spconv is not installed; run `pip install bevduet[sparse]` or use kind: pillars") from None
    if not torch.cuda.is_available():
        ops.get_current_stream = lambda: 0  # its backward asks for CUDA's stream on the CPU as well, where there is none
    return spconv


def prepare_voxels(config: VoxelConfig, grid: BevGrid, points: Tensor, points_ok: Tensor) -> VoxelInput:
    """Voxelise `(B, P, 5)` points on the host; the result is on the device of `points`."""
    size_z = config.size_z(grid)
    low = np.array([grid.x_range_m[0], grid.y_range_m[0], grid.z_range_m[0]])
    size = np.array([*grid.shape, size_z])
    step = np.array([grid.cell_m, grid.cell_m, (grid.z_range_m[1] - grid.z_range_m[0]) / size_z])
    rows, flat = _assign(points.detach().cpu().numpy(), points_ok.detach().cpu().numpy(), low, step, size)
    unique, owner, counts = np.unique(flat, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(owner, rows[:, c].astype(np.float64), len(unique)) for c in range(5)], axis=1)
    features = (sums / counts[:, None]).astype(np.float32)
    sample, rest = np.divmod(unique, int(size.prod()))
    x, rest = np.divmod(rest, size[1] * size[2])
    y, z = np.divmod(rest, size[2])
    coords = np.stack([sample, z, x, y], axis=1).astype(np.int32)
    return VoxelInput(features=torch.from_numpy(features).to(points.device), coords=torch.from_numpy(coords).to(points.device))


class VoxelEncoder(nn.Module):
    """Submanifold blocks at every level, a strided sparse convolution between levels, then height into channels."""

    def __init__(self, config: VoxelConfig, grid: BevGrid, out_stride: int) -> None:
        super().__init__()
        self.config, self.grid, self.out_stride = config, grid, out_stride
        levels = out_stride.bit_length()
        if len(config.channels) < levels:
            raise UserError(f"lidar.channels: expected {levels} levels for out_stride {out_stride}, got {config.channels}")
        spconv = import_spconv()
        self.size_z = config.size_z(grid)
        stages: list[nn.Module] = []
        channels, height = 5, self.size_z
        for level, width in enumerate(config.channels[:levels]):
            if level > 0:
                stages.append(_sparse(spconv, spconv.SparseConv3d(channels, width, 3, 2, 1, bias=False), width))
                channels, height = width, (height + 1) // 2
            for _ in range(2):
                stages.append(_sparse(spconv, spconv.SubMConv3d(channels, width, 3, padding=1, bias=False, indice_key=f"level{level}"), width))
                channels = width
        self.stages = spconv.SparseSequential(*stages)
        self.flatten = nn.Sequential(conv_bn(channels * height, config.out_channels, 3), nn.ReLU(inplace=True))
        self.flat_channels = channels * height

    def forward(self, voxels: VoxelInput, lidar_ok: Tensor) -> Tensor:
        """Voxels and `(B,)` availability -> `(B, C, X, Y)`, exactly zero where the LiDAR is absent."""
        batch, (size_x, size_y) = len(lidar_ok), self.grid.shape
        if len(voxels.features) == 0:
            dense = voxels.features.new_zeros(batch, self.flat_channels, size_x // self.out_stride, size_y // self.out_stride)
        else:
            spconv = import_spconv()
            with torch.autocast(voxels.features.device.type, enabled=False):
                sparse = spconv.SparseConvTensor(voxels.features.float(), voxels.coords, [self.size_z, size_x, size_y], batch)
                dense = self.stages(sparse).dense().flatten(1, 2)
        if self.training:
            return train_on_present(self.flatten, dense, lidar_ok)
        bev: Tensor = self.flatten(dense)
        return bev * lidar_ok.to(bev.dtype)[:, None, None, None]


def _sparse(spconv: Any, convolution: nn.Module, width: int) -> nn.Module:
    block: nn.Module = spconv.SparseSequential(convolution, nn.BatchNorm1d(width, eps=1e-3), nn.ReLU(inplace=True))
    return block


@numba.njit(cache=True)
def _assign(points: np.ndarray, points_ok: np.ndarray, low: np.ndarray, step: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points inside and the flat (sample, x, y, z) voxel of each."""
    batch, count = points.shape[0], points.shape[1]
    rows = np.empty((batch * count, points.shape[2]), np.float32)
    flat = np.empty(batch * count, np.int64)
    n = 0
    for b in range(batch):
        for p in range(count):
            if not points_ok[b, p]:
                continue
            key, inside = b, True
            for axis in range(3):
                scaled = (points[b, p, axis] - low[axis]) / step[axis]
                if not (scaled >= 0 and scaled < size[axis]):  # NaN is left out too
                    inside = False
                    break
                key = key * size[axis] + int(scaled)
            if inside:
                rows[n] = points[b, p]
                flat[n] = key
                n += 1
    return rows[:n], flat[:n]
