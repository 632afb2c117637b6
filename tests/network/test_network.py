"""The network as a whole: any subset of sensors, in any order, nothing leaks from what is absent."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest
import torch

from fusion.bev.lift_splat import SplatConfig
from fusion.bev.trunk import TrunkConfig
from fusion.encoders.camera import CameraConfig
from fusion.encoders.pillars import PillarConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.encoders.voxels import VoxelConfig
from fusion.errors import UserError
from fusion.geometry.grid import BevGrid
from fusion.heads.centre import HeadConfig, HeadOutput
from fusion.heads.decode import DecodeConfig
from fusion.interaction.concat import ConcatConfig
from fusion.model import load_model_config
from fusion.network import BevDuetNet, build_network
from fusion.network_config import NetworkConfig
from fusion.types import GroundTruth, SensorBatch

GRID = BevGrid(x_range_m=(-12.8, 12.8), y_range_m=(-12.8, 12.8), cell_m=0.8)


def tiny_config(**changes: object) -> NetworkConfig:
    config = NetworkConfig(
        grid=GRID,
        camera=CameraConfig(backbone=ResNetConfig(width=0.125), channels=8),
        lidar=PillarConfig(channels=8, out_channels=8),
        fuser=ConcatConfig(channels=8),
        trunk=TrunkConfig(channels=(8, 8), blocks=(1, 1), out_channels=8),
        head=HeadConfig(channels=8, hidden=8),
        decode=DecodeConfig(max_boxes=20, min_score=0.0, iou_threshold=1.0, spread_m=0.5),
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def tiny_net(**changes: object) -> BevDuetNet:
    """A net in eval mode whose normalisation is not the identity, so that a leak of absent data would show."""
    torch.manual_seed(0)
    net = build_network(tiny_config(**changes))
    for module in net.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
    return net.eval()


def tiny_batch(batch: int = 1, cameras: int = 6, seed: int = 0) -> SensorBatch:
    return SensorBatch.example(batch=batch, cameras=cameras, points=300, size_hw=(32, 64), seed=seed)


def maps(output: HeadOutput) -> dict[str, torch.Tensor]:
    return {f.name: getattr(output, f.name) for f in fields(output) if f.name != "depth_logits"}


def assert_same(first: HeadOutput, second: HeadOutput, atol: float = 1e-4) -> None:
    for name, value in maps(first).items():
        torch.testing.assert_close(value, maps(second)[name], atol=atol, rtol=1e-4, msg=name)


@pytest.fixture(scope="module")
def net() -> BevDuetNet:
    return tiny_net()


def test_shapes_and_no_mutation(net: BevDuetNet) -> None:
    batch = tiny_batch(batch=2)
    before = {f.name: getattr(batch, f.name).clone() for f in fields(batch)}
    with torch.no_grad():
        output = net(batch)
    assert {name: tuple(value.shape) for name, value in maps(output).items()} == {
        "heatmap": (2, 10, 16, 16),
        "offset": (2, 2, 16, 16),
        "height": (2, 1, 16, 16),
        "log_size": (2, 3, 16, 16),
        "yaw": (2, 2, 16, 16),
        "direction": (2, 2, 16, 16),
        "velocity": (2, 2, 16, 16),
        "attributes": (2, 8, 16, 16),
    }
    assert all(torch.equal(value, getattr(batch, name)) for name, value in before.items())


@torch.no_grad()
def test_every_subset_of_six_cameras_and_lidar(net: BevDuetNet) -> None:
    batch = tiny_batch()
    for *cameras, lidar in product([False, True], repeat=7):
        subset = batch.drop(cameras=~torch.tensor([cameras]), lidar=~torch.tensor([lidar]))
        inputs = net.prepare(subset)
        output = net(inputs)
        assert all(torch.isfinite(value).all() for value in maps(output).values()), (cameras, lidar)
        found = net.decode(output, inputs)[0]
        assert (len(found) > 0) == (any(cameras) or lidar)


@torch.no_grad()
def test_order_of_cameras_and_points_is_irrelevant(net: BevDuetNet) -> None:
    batch = tiny_batch()
    order, shuffled = torch.tensor([3, 0, 5, 1, 4, 2]), torch.randperm(300, generator=torch.Generator().manual_seed(1))
    permuted = replace(
        batch,
        images=batch.images[:, order],
        intrinsics=batch.intrinsics[:, order],
        cam_T_ego=batch.cam_T_ego[:, order],
        points=batch.points[:, shuffled],
    )
    assert_same(net(batch), net(permuted))
    crowded = replace(batch, points=batch.points * torch.tensor([0.05, 0.05, 1, 1, 1]))  # pillars overflow
    assert_same(net(crowded), net(replace(crowded, points=crowded.points[:, shuffled])))


@torch.no_grad()
@pytest.mark.parametrize("lift", ["pull", "splat"])
def test_absent_sensors_have_no_effect(lift: str) -> None:
    net = tiny_net(lift=SplatConfig(channels=8, depth_range_m=(1, 11))) if lift == "splat" else tiny_net()
    batch = tiny_batch()
    camera_ok = torch.tensor([[True, False, True, True, False, True]])
    absent = replace(batch, camera_ok=camera_ok, lidar_ok=torch.tensor([False]))
    noise = torch.where(camera_ok[..., None, None, None], batch.images, 1e3 * torch.randn_like(batch.images))
    assert_same(net(absent), net(replace(absent, images=noise, points=7 * batch.points)), atol=0)
    kept = camera_ok[0].nonzero().squeeze(1)
    fewer = replace(
        absent, images=batch.images[:, kept], intrinsics=batch.intrinsics[:, kept], cam_T_ego=batch.cam_T_ego[:, kept],
        valid_px=batch.valid_px[:, kept], camera_ok=camera_ok[:, kept],
    )
    assert_same(net(absent), net(fewer))  # an absent slot is as good as no slot
    assert not torch.allclose(net(batch).heatmap, net(replace(batch, camera_ok=camera_ok)).heatmap)


@torch.no_grad()
def test_present_streams_matter_and_samples_do_not_mix(net: BevDuetNet) -> None:
    batch = tiny_batch(batch=2)
    both = net(batch)
    gone = torch.zeros(2, 6, dtype=torch.bool)
    gone[1] = True
    mixed = net(batch.drop(cameras=gone, lidar=torch.tensor([True, False])))
    alone = net(batch.drop(cameras=~gone | True, lidar=torch.tensor([False, False])))
    assert not torch.allclose(both.heatmap[0], mixed.heatmap[0])
    torch.testing.assert_close(mixed.heatmap[1], alone.heatmap[1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("cameras", [0, 1])
@pytest.mark.parametrize("points", [0, 300])
def test_few_cameras_and_empty_clouds(net: BevDuetNet, cameras: int, points: int) -> None:
    batch = SensorBatch.example(cameras=cameras, points=points, size_hw=(32, 64))
    found = net.detect(batch)
    assert len(found) == 1
    assert len(found[0]) > 0
    assert len(net.detect(batch.drop(cameras=torch.ones(1, cameras, dtype=torch.bool), lidar=torch.tensor([True])))[0]) == 0


@pytest.mark.parametrize("part", ["camera", "lidar"])
def test_networks_of_one_sensor(part: str) -> None:
    net = tiny_net(**{part: None})
    batch = tiny_batch()
    assert len(net.detect(batch)[0]) > 0
    other = batch.drop(lidar=torch.tensor([True])) if part == "camera" else batch.drop(cameras=torch.ones(1, 6, dtype=torch.bool))
    assert len(net.detect(other)[0]) == 0  # only the sensor that it does not read is left


@pytest.mark.parametrize("lift", ["pull", "splat"])
def test_training_reaches_every_parameter(lift: str) -> None:
    net = tiny_net(lift=SplatConfig(channels=8, depth_range_m=(1, 11))) if lift == "splat" else tiny_net()
    net.train()
    losses = net.loss(tiny_batch(batch=2), [GroundTruth.example(), GroundTruth.example().select(torch.zeros(1).bool().numpy())])
    assert ("depth" in losses) == (lift == "splat")
    assert all(torch.isfinite(value) for value in losses.values())
    sum(losses.values(), torch.zeros(())).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_absent_images_leave_batch_norm_statistics_alone() -> None:
    batch = tiny_batch(batch=2)
    camera_ok = torch.tensor([[True] * 3 + [False] * 3, [False] * 6])
    stats = []
    for images in (batch.images, torch.where(camera_ok[..., None, None, None], batch.images, 99.0)):
        net = tiny_net().train()
        net(replace(batch, images=images, camera_ok=camera_ok))
        assert net.camera is not None
        stats.append(torch.cat([b.flatten() for name, b in net.camera.named_buffers() if "running" in name]))
    assert torch.equal(stats[0], stats[1])
    net = tiny_net().train()  # nothing at all, still trainable
    empty = batch.drop(cameras=torch.ones(2, 6, dtype=torch.bool), lidar=torch.ones(2, dtype=torch.bool))
    sum(net.loss(empty, [GroundTruth.example()] * 2).values(), torch.zeros(())).backward()


def test_voxel_encoder_with_gradients() -> None:
    pytest.importorskip("spconv", reason="sparse voxels are an extra")
    net = tiny_net(grid=replace(GRID, cell_m=0.4), lidar=VoxelConfig(channels=(8, 8), out_channels=8, z_cell_m=0.5), camera=None)
    batch = tiny_batch(batch=2)
    shuffled = replace(batch, points=batch.points.flip(1))
    with torch.no_grad():
        assert net(batch).heatmap.shape == (2, 10, 32, 32)
        assert_same(net(batch), net(shuffled))
        assert torch.isfinite(net(replace(batch, points_ok=torch.zeros_like(batch.points_ok))).heatmap).all()
    net.train()
    sum(net.loss(batch, [GroundTruth.example()] * 2).values(), torch.zeros(())).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_config_refuses_what_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="expected at least one encoder"):
        NetworkConfig(camera=None, lidar=None)
    with pytest.raises(ValueError, match="divisible by out_stride 8"):
        NetworkConfig(grid=replace(GRID, cell_m=6.4), out_stride=8)


@pytest.mark.parametrize(("setting", "message"), [
    ("grid.cell_m=0", "grid: cell_m: expected a positive length, got 0.0"),
    ("lift={kind: splat, depth_range_m: [1, 61.4]}", "lift: depth_step_m: expected .* whole steps, got 60.4 of 1.0 m"),
    ("lift={kind: splat, depth_step_m: 0}", "lift: depth_range_m, depth_step_m: .* got .1.0, 61.0., 0.0"),
    ("lift={kind: splat, depth_range_m: [61, 1]}", "expected 0 < near < far"),
    ("lift={kind: splat, channels: 0}", "lift: channels: expected at least 1, got 0"),
    ("lift.channels=0", "heights_m, views, channels: expected at least one each"),
    ("camera.channels=-1", "camera: channels: expected at least 1, got -1"),
    ("lidar.max_points=0", "lidar: max_points: expected at least 1, got 0"),
    ("lidar={kind: voxels, z_cell_m: 0}", "lidar: z_cell_m: expected a positive length"),
    ("fuser.channels=0", "fuser: channels: expected at least 1, got 0"),
    ("trunk.blocks=[1, 0, 2]", "trunk: channels, blocks, out_channels: expected at least 1 each"),
    ("head.hidden=0", "head: hidden: expected at least 1, got 0"),
    ("perspective.hidden=0", "perspective: hidden: expected at least 1, got 0"),
    ("targets.min_overlap=0", "targets: min_overlap, min_radius: expected an overlap between 0 and 1"),
    ("loss.heatmap=-1", "loss: heatmap: expected a weight of at least 0, got -1.0"),
    ("query_loss.box=.nan", "query_loss: box: expected a weight of at least 0, got nan"),
    ("query_loss.peaks.min_radius=1", "query_loss.peaks: a network is taught the peaks of `targets`"),
])
def test_a_setting_that_would_fail_later_or_do_nothing_is_one_line(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_model_config("nano", [f"model.network.{setting}"])
