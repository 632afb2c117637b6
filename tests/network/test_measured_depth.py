"""The LiDAR's word on pixels' depths: equal to loops over points and cells, exactly nothing without a LiDAR."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fusion.bev.image_depth import REFERENCE_FOCAL, DepthBins
from fusion.bev.measured_depth import MeasuredDepthConfig
from fusion.bev.pull import PullConfig, PullGrid, PullLift, pull_grid, with_measured
from fusion.geometry.grid import BevGrid
from fusion.network_config import NetworkConfig
from fusion.types import SensorBatch

GRID = BevGrid(x_range_m=(-8, 8), y_range_m=(-8, 8), cell_m=1.0)
HEIGHTS, FEATURE_HW = (0.5, 1.5), (8, 16)
BINS, CONFIG = DepthBins(count=6, range_m=(1.0, 12.0)), MeasuredDepthConfig(prior_points=1.5, finer=2)


def _where(batch: SensorBatch, views: int = 1, heights_m: tuple[float, ...] = HEIGHTS) -> PullGrid:
    return with_measured(pull_grid(batch, FEATURE_HW, GRID, heights_m, views, BINS), BINS, CONFIG, batch, FEATURE_HW)


def _counts_by_loops(batch: SensorBatch, count: int) -> Tensor:
    """`(B, h, N * w, count)` in float64, from the definition: points one by one, each shared between two bins."""
    size_b, size_n = batch.camera_ok.shape
    h, w = FEATURE_HW
    counts = torch.zeros(size_b, h, size_n * w, count, dtype=torch.float64)
    low, high = BINS.range_m
    for b in range(size_b):
        for n in range(size_n):
            for p in range(batch.points.shape[1]):
                if not (batch.camera_ok[b, n] and batch.lidar_ok[b] and batch.points_ok[b, p]) or batch.points[b, p, 4] >= 0.04:
                    continue
                x, y, z = (batch.cam_T_ego[b, n] @ torch.cat([batch.points[b, p, :3], torch.ones(1)]))[:3].double()
                if z <= 0.1:
                    continue
                u, v, _ = (batch.intrinsics[b, n].double() @ torch.stack([x, y, z]) / z).tolist()
                left, top, right, bottom = batch.valid_px[b, n].tolist()
                if not (left <= u < right and top <= v < bottom):
                    continue
                focal = float(batch.intrinsics[b, n, 0, 0]) / batch.image_hw[1]
                at = math.log(float(z) * REFERENCE_FOCAL / focal / low) / math.log(high / low) * count
                if not 0 <= at < count:
                    continue
                centre = min(max(at - 0.5, 0), count - 1)
                row, column = int((v + 0.5) * h / batch.image_hw[0]), int((u + 0.5) * w / batch.image_hw[1])
                for k in range(count):
                    counts[b, row, n * w + column, k] += max(0.0, 1 - abs(centre - k))
    return counts


def _at_cells_by_loops(where: PullGrid, counts: Tensor, config: MeasuredDepthConfig) -> tuple[Tensor, Tensor]:
    """Bilinear between pixels and linear between bins, a cell at a time."""
    assert where.depth_at is not None
    measured, unmeasured = torch.zeros_like(where.depth_at, dtype=torch.float64), torch.ones_like(where.depth_at, dtype=torch.float64)
    _, h, width, count = counts.shape
    known = counts.sum(-1, keepdim=True) + config.prior_points
    share, left = counts / known, config.prior_points / known[..., 0]
    coords = where.coords.double().view(*where.depth_at.shape, 2)
    for index in torch.nonzero(where.weight > 0).tolist():
        b, at = index[0], tuple(index)
        column, row = (float(coords[(*at, axis)] + 1) / 2 * (size - 1) for axis, size in ((0, width), (1, h)))
        centre = min(max(float(where.depth_at[at]) * config.finer - 0.5, 0), count - 1)
        hat = torch.tensor([max(0.0, 1 - abs(centre - k)) for k in range(count)], dtype=torch.float64)
        measured[at], unmeasured[at] = 0, 0
        for i in range(h):
            for j in range(width):
                tap = max(0.0, 1 - abs(i - row)) * max(0.0, 1 - abs(j - column))
                if tap:
                    measured[at] += tap * (share[b, i, j] * hat).sum() * count
                    unmeasured[at] += tap * left[b, i, j]
    return measured, unmeasured


@pytest.mark.parametrize(("seed", "cameras", "views"), [(0, 1, 1), (1, 3, 2), (2, 4, 1)])
def test_equals_loops(seed: int, cameras: int, views: int) -> None:
    torch.manual_seed(seed)
    batch = SensorBatch.example(batch=2, cameras=cameras, points=300, size_hw=(64, 128), seed=seed)
    points = batch.points.clone()
    points[..., :2] /= 4
    points[..., 2] = 1 + points[..., 2] / 6
    points[:, ::5, 4] = 0.3
    intrinsics = batch.intrinsics.clone()
    intrinsics[:, 0, :2, :2] *= 1.4
    valid_px = batch.valid_px.clone()
    valid_px[0, 0, 3] = 47.5
    batch = replace(batch, points=points, points_ok=torch.rand(2, 300) < 0.9, intrinsics=intrinsics, valid_px=valid_px)
    where = _where(batch, views=views)
    expected = _at_cells_by_loops(where, _counts_by_loops(batch, BINS.count * CONFIG.finer), CONFIG)
    assert where.measured is not None and where.unmeasured is not None
    torch.testing.assert_close(where.measured.double(), expected[0], atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(where.unmeasured.double(), expected[1], atol=1e-5, rtol=1e-5)
    assert (where.measured > 1).any() and (where.unmeasured < 0.8).any() and (where.unmeasured == 1).any()


def test_a_wall_draws_the_features_to_itself() -> None:
    """A wall of points 6 m before the camera at x = 1, and pixels whose image says nothing of depth."""
    y, z = torch.meshgrid(torch.linspace(-4, 4, 161), torch.linspace(0, 3, 61), indexing="ij")
    wall = torch.stack([torch.full_like(y, 7.0), y, z, torch.zeros_like(y), torch.zeros_like(y)], -1).view(1, -1, 5)
    batch = SensorBatch.example(cameras=1, size_hw=(64, 128))
    batch = replace(batch, points=wall, points_ok=torch.ones(1, wall.shape[1]).bool())
    lift = PullLift(PullConfig(heights_m=(1.5,), channels=2, depth=BINS, measured=CONFIG), 3)
    lift.eval()
    assert lift.depth is not None and lift.depth.bias is not None
    with torch.no_grad():
        lift.depth.weight.zero_()
        lift.depth.bias.zero_()
        lift.reduce[0].weight.fill_(1.0)
        here, _ = lift(torch.ones(1, 1, 3, *FEATURE_HW), _where(batch, heights_m=(1.5,)))
        alone, _ = lift(torch.ones(1, 1, 3, *FEATURE_HW), _where(batch.drop(lidar=torch.tensor([True])), heights_m=(1.5,)))
    ahead, evenly = here[0, 0, :, 7], alone[0, 0, :, 7]  # cells of 1 m along the camera's axis, from 8 m behind the ego
    torch.testing.assert_close(evenly[11:15], evenly[11].expand(4))
    assert int(ahead.argmax()) in (14, 15) and ahead[14] > 2 * evenly[14] and ahead[11] < 0.1 * evenly[11]


@torch.no_grad()
def test_without_a_lidar_nothing_is_different() -> None:
    batch = SensorBatch.example(batch=2, cameras=2, size_hw=(64, 128)).drop(lidar=torch.tensor([True, False]))
    torch.manual_seed(0)
    lift = PullLift(PullConfig(heights_m=HEIGHTS, views=2, channels=4, depth=BINS, measured=CONFIG), 3).eval()
    features = torch.randn(2, 2, 3, *FEATURE_HW)
    plain = pull_grid(batch, FEATURE_HW, GRID, HEIGHTS, 2, BINS)
    with_lidar, without = lift(features, _where(batch, views=2))[0], lift(features, plain)[0]
    assert without.any() and torch.equal(with_lidar[0], without[0]) and not torch.allclose(with_lidar[1], without[1])
    garbage = replace(batch, points=torch.full_like(batch.points, math.nan))
    assert torch.equal(lift(features, _where(replace(garbage, lidar_ok=torch.zeros(2).bool()), views=2))[0], lift(features, plain)[0])


def test_no_camera_slot_is_an_input() -> None:
    where = _where(SensorBatch.example(cameras=0))
    assert where.measured is not None and where.unmeasured is not None
    assert not where.measured.any() and (where.unmeasured == 1).all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="prior_points: expected a number above 0, got 0"):
        MeasuredDepthConfig(prior_points=0.0)
    with pytest.raises(ValueError, match="finer: expected at least 1, got 0"):
        MeasuredDepthConfig(finer=0)
    with pytest.raises(ValueError, match="measured: takes the place of a predicted depth, but depth is null"):
        PullConfig(measured=CONFIG)
    with pytest.raises(ValueError, match=r"lift\.measured: asks the LiDAR for depths, but lidar is null"):
        NetworkConfig(lidar=None, lift=PullConfig(depth=BINS, measured=CONFIG))
