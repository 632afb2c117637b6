"""A network with dual-stream interaction: any subset of sensors, in any order; nothing leaks from what is absent."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from itertools import product

import pytest
import torch
from tiny_dual import assert_same, dual_config, maps, tiny_batch, tiny_config, tiny_net

from fusion.bev.image_depth import DepthBins
from fusion.bev.lift_splat import SplatConfig
from fusion.bev.measured_depth import MeasuredDepthConfig
from fusion.bev.pull import PullConfig
from fusion.encoders.camera import CameraConfig
from fusion.encoders.pillars import PillarConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.inputs import prepare_inputs
from fusion.interaction.absent import AbsentConfig
from fusion.interaction.concat import ConcatConfig
from fusion.interaction.dual import DualStreamConfig
from fusion.interaction.image_to_bev import ImageToBevConfig
from fusion.interaction.join import JoinConfig
from fusion.network import BevDuetNet, build_network
from fusion.types import CameraStream, GroundTruth, LidarStream, SensorBatch


@pytest.fixture(scope="module")
def net() -> BevDuetNet:
    return tiny_net()


@torch.no_grad()
def test_every_subset_is_an_input(net: BevDuetNet) -> None:
    batch = tiny_batch(cameras=3)
    before = {f.name: getattr(batch, f.name).clone() for f in fields(batch)}
    for *cameras, lidar in product([False, True], repeat=4):
        inputs = net.prepare(batch.drop(cameras=~torch.tensor([cameras]), lidar=~torch.tensor([lidar])))
        output = net(inputs)
        assert all(torch.isfinite(value).all() for value in maps(output).values()), (cameras, lidar)
        assert (len(net.decode(output, inputs)[0]) > 0) == (any(cameras) or lidar)
    assert all(torch.equal(value, getattr(batch, name)) for name, value in before.items())


@torch.no_grad()
def test_order_of_cameras_and_points_is_irrelevant(net: BevDuetNet) -> None:
    batch, order = tiny_batch(), torch.tensor([3, 0, 5, 1, 4, 2])
    permuted = replace(batch, images=batch.images[:, order], intrinsics=batch.intrinsics[:, order], cam_T_ego=batch.cam_T_ego[:, order],
                       points=batch.points.flip(1))
    assert_same(net(batch), net(permuted))


@torch.no_grad()
@pytest.mark.parametrize("lift", [
    PullConfig(channels=8, depth=DepthBins(count=6)), PullConfig(channels=8, depth=DepthBins(count=6), measured=MeasuredDepthConfig()),
    SplatConfig(channels=8, depth_range_m=(1, 11))], ids=["pull", "pull, measured", "splat"])
def test_absent_sensors_have_no_effect_whatever_they_hold(lift: PullConfig | SplatConfig) -> None:
    net = tiny_net(lift=lift)
    batch, camera_ok = tiny_batch(), torch.tensor([[False, True, True, True, False, True]])
    absent = replace(batch, camera_ok=camera_ok, lidar_ok=torch.tensor([False]))
    here = camera_ok[..., None, None]
    garbage = replace(absent, images=torch.where(here[..., None], batch.images, math.nan), points=batch.points + 3.0,
                      intrinsics=torch.where(here, batch.intrinsics, math.nan), cam_T_ego=torch.where(here, batch.cam_T_ego, math.nan))
    assert_same(net(absent), net(garbage), atol=0)
    kept = camera_ok[0].nonzero().squeeze(1)
    fewer = replace(absent, images=batch.images[:, kept], intrinsics=batch.intrinsics[:, kept], cam_T_ego=batch.cam_T_ego[:, kept],
                    valid_px=batch.valid_px[:, kept], camera_ok=camera_ok[:, kept])
    assert_same(net(absent), net(fewer))  # an absent slot is as good as no slot
    for other in (replace(batch, camera_ok=camera_ok), replace(batch, lidar_ok=torch.tensor([False]))):
        assert not torch.allclose(net(batch).heatmap, net(other).heatmap)


@torch.no_grad()
def test_what_no_sensor_gives_is_exactly_zero_and_streams_of_absent_samples_meet_no_arithmetic(net: BevDuetNet) -> None:
    batch = tiny_batch(batch=3)
    gone = torch.zeros(3, 6, dtype=torch.bool)
    gone[1], gone[2], gone[0, 2] = True, True, True
    inputs = net.prepare(batch.drop(cameras=gone, lidar=torch.tensor([True, False, True])))
    camera, lidar = net.camera_stream(inputs), net.lidar_stream(inputs)
    assert camera is not None and lidar is not None
    clean = net.interact(camera, lidar, inputs)
    here = camera.ok[:, None, None, None]
    dirty_camera = CameraStream(perspective=camera.perspective, bev=torch.where(here, camera.bev, math.nan), seen=camera.seen, ok=camera.ok,
                                depth_logits=camera.depth_logits)
    dirty = net.interact(dirty_camera, LidarStream(bev=torch.where(lidar.ok[:, None, None, None], lidar.bev, math.nan), ok=lidar.ok), inputs)
    assert clean.camera is not None and clean.lidar is not None and dirty.camera is not None and dirty.lidar is not None
    for one, two in ((clean.bev, dirty.bev), (clean.camera.bev, dirty.camera.bev), (clean.lidar.bev, dirty.lidar.bev),
                     (clean.camera.perspective, dirty.camera.perspective)):
        assert torch.equal(one, two)
    assert not clean.camera.perspective[inputs.camera_ok.logical_not()].any() and clean.camera.perspective[inputs.camera_ok].any()
    assert not clean.lidar.bev[[0, 2]].any() and clean.lidar.bev[1].any()
    assert not clean.camera.bev[1:].any() and clean.camera.bev[0].any()
    assert not torch.where(camera.seen > 0, 0.0, clean.camera.bev).any()  # the camera's map knows nothing of cells that no camera sees
    assert not clean.bev[2].any()


@torch.no_grad()
def test_samples_do_not_mix(net: BevDuetNet) -> None:
    batch, gone = tiny_batch(batch=2), torch.zeros(2, 6, dtype=torch.bool)
    gone[1] = True
    mixed = net(batch.drop(cameras=gone, lidar=torch.tensor([True, False])))
    alone = net(batch.drop(cameras=torch.ones_like(gone), lidar=torch.tensor([False, False])))
    torch.testing.assert_close(mixed.heatmap[1], alone.heatmap[1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("cameras", [0, 1])
@pytest.mark.parametrize("points", [0, 300])
def test_few_cameras_and_empty_clouds(net: BevDuetNet, cameras: int, points: int) -> None:
    batch = SensorBatch.example(cameras=cameras, points=points, size_hw=(32, 64))
    assert len(net.detect(batch)[0]) > 0
    assert len(net.detect(batch.drop(cameras=torch.ones(1, cameras, dtype=torch.bool), lidar=torch.tensor([True])))[0]) == 0


@pytest.mark.parametrize(("part", "fuser"), [
    ("camera", dual_config(image_self=None, image_to_bev=None, polar=None, bev_to_image=None)),
    ("lidar", dual_config(layers=1, image_to_bev=None, polar=None, bev_to_image=None)),
])
def test_networks_of_one_sensor(part: str, fuser: DualStreamConfig) -> None:
    net, batch = tiny_net(**{part: None}, fuser=fuser), tiny_batch()
    assert len(net.detect(batch)[0]) > 0
    other = batch.drop(lidar=torch.tensor([True])) if part == "camera" else batch.drop(cameras=torch.ones(1, 6, dtype=torch.bool))
    assert len(net.detect(other)[0]) == 0


def test_cameras_alone_exchange_with_their_own_map() -> None:
    """Every part, polar rays included, in a network without a LiDAR: what the state without LiDAR is to a network with one."""
    net, batch = tiny_net(lidar=None), tiny_batch()
    assert len(net.detect(batch)[0]) > 0
    assert_same(net(batch), net(replace(batch, points=batch.points * 0.5)), atol=0)  # no LiDAR: no depth of its points, no cells that hold them
    both = tiny_net()
    both.load_state_dict({**both.state_dict(), **{k: v for k, v in net.state_dict().items() if k.startswith(("camera.", "lift.", "fuser."))}})
    gone = batch.drop(lidar=torch.tensor([True]))
    streams = [one.interact(one.camera_stream(given), one.lidar_stream(given), given).camera for one in (net, both) for given in (one.prepare(gone),)]
    torch.testing.assert_close(streams[0].bev, streams[1].bev)
    torch.testing.assert_close(streams[0].perspective, streams[1].perspective)
    net.train()
    sum(net.loss(tiny_batch(batch=2), [GroundTruth.example()] * 2).values(), torch.zeros(())).backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == ["fuser.join.logits"]  # one map alone is not weighed


@pytest.mark.parametrize("lift", ["pull", "splat"])
def test_a_lidar_that_is_marked_absent_teaches_no_depth(lift: str) -> None:
    config = tiny_config(lift=SplatConfig(channels=8, depth_range_m=(1, 11))) if lift == "splat" else tiny_config()
    batch = tiny_batch(batch=2)
    where = prepare_inputs(config, replace(batch, lidar_ok=torch.tensor([True, False])), training=True).where
    assert where is not None and where.depth_bin is not None
    assert (where.depth_bin[0] >= 0).any() and not (where.depth_bin[1] >= 0).any()


@pytest.mark.parametrize("kind", ["concat", "cnw", "ssma"])
def test_training_reaches_every_parameter(kind: str) -> None:
    net = tiny_net(fuser=dual_config(layers=2 if kind == "cnw" else 1, join=JoinConfig(kind=kind),  # type: ignore[arg-type]
                                     absent=AbsentConfig(kind="predict", tokens=4, channels=8, heads=2, hide=0.0))).train()
    batch = tiny_batch(batch=3).drop(cameras=torch.tensor([[False] * 6, [True] * 6, [False] * 6]), lidar=torch.tensor([True, False, False]))
    losses = net.loss(batch, [GroundTruth.example()] * 3)
    assert losses["reconstruction"] == 0 and all(torch.isfinite(value) for value in losses.values())
    sum(losses.values(), torch.zeros(())).backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []
    still = [name for name, p in net.named_parameters() if name.startswith("fuser.layers") and not p.grad.any()]
    # A bias of keys shifts all logits of a softmax alike.
    assert [name for name in still if not name.endswith("key.bias")] == []


def test_nothing_at_all_is_still_trainable() -> None:
    net = tiny_net().train()
    empty = tiny_batch(batch=2).drop(cameras=torch.ones(2, 6, dtype=torch.bool), lidar=torch.ones(2, dtype=torch.bool))
    sum(net.loss(empty, [GroundTruth.example()] * 2).values(), torch.zeros(())).backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in net.parameters())


@torch.no_grad()
def test_fresh_layers_change_nothing() -> None:
    """So that a network that was trained without them starts from what it can do."""
    def fresh(fuser: DualStreamConfig) -> BevDuetNet:
        torch.manual_seed(0)
        return build_network(tiny_config(fuser=fuser)).eval()

    layers = fresh(dual_config(layers=2))
    none = fresh(dual_config(layers=0))
    none.load_state_dict({name: layers.state_dict()[name] for name in none.state_dict()})
    for batch in (tiny_batch(), tiny_batch().drop(lidar=torch.tensor([True])), tiny_batch().drop(cameras=torch.ones(1, 6, dtype=torch.bool))):
        assert_same(layers(batch), none(batch), atol=1e-6)


@torch.no_grad()
def test_no_layers_and_concatenation_join_what_the_encoders_give() -> None:
    """With nothing in between, the dual fuser is the concatenation."""
    plain = tiny_net(camera=CameraConfig(backbone=ResNetConfig(width=0.125), channels=8), lidar=PillarConfig(channels=8, out_channels=8),
                     fuser=dual_config(layers=0, join=JoinConfig(kind="concat")))
    concat = build_network(replace(plain.config, fuser=ConcatConfig(channels=8))).eval()
    concat.load_state_dict({name.replace("fuser.join.", "fuser."): value for name, value in plain.state_dict().items()})
    assert_same(plain(tiny_batch()), concat(tiny_batch()), atol=0)


@pytest.mark.parametrize("sensor", ["camera", "lidar"])
def test_what_is_hidden_on_purpose_is_guessed_as_if_it_were_absent(sensor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_net(fuser=dual_config(layers=1, image_to_bev=ImageToBevConfig(heads=2, stride=2, cells="occupied"),
                                     absent=AbsentConfig(kind="predict", tokens=4, channels=8, heads=2)))
    fuser, batch = net.fuser, tiny_batch()
    assert fuser.absent is not None
    guesses: list[torch.Tensor] = []
    fill = fuser.absent.to_camera if sensor == "camera" else fuser.absent.to_lidar
    fill.register_forward_hook(lambda module, args, made: guesses.append(made.detach()))
    absent = batch.drop(cameras=torch.ones(1, 6, dtype=torch.bool)) if sensor == "camera" else batch.drop(lidar=torch.tensor([True]))
    other = replace(batch, images=batch.images + 1.0) if sensor == "camera" else replace(batch, points=batch.points * 0.9)
    with torch.no_grad():
        gone = net.prepare(absent)
        lost = net.interact(net.camera_stream(gone), net.lidar_stream(gone), gone)
        hidden = (torch.tensor([sensor == "camera"]), torch.tensor([sensor == "lidar"]))
        fuser.train()  # the rest stays as it is: batch statistics would tell of what is hidden
        monkeypatch.setattr(fuser.absent, "draw_hidden", lambda camera_ok, lidar_ok: hidden)
        answers = [net.interact(net.camera_stream(inputs), net.lidar_stream(inputs), inputs) for inputs in map(net.prepare, (batch, other))]
    torch.testing.assert_close(guesses[1], guesses[0])
    torch.testing.assert_close(guesses[2], guesses[0])
    errors = [float(answer.reconstruction) for answer in answers]
    assert all(error > 0 for error in errors) and errors[0] != errors[1]  # compared with what was measured
    for answer in answers:  # whatever comes after is told no more than where it is absent
        torch.testing.assert_close(answer.bev, lost.bev)
        for stream, without in ((answer.camera, lost.camera), (answer.lidar, lost.lidar)):
            for name in {f.name for f in fields(stream)} - {"depth_logits"}:
                torch.testing.assert_close(getattr(stream, name), getattr(without, name))
