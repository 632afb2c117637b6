"""The query decoder looks at what the interaction hands on: both streams and the joined map."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from tiny_dual import dual_config, tiny_batch, tiny_net
from torch import Tensor

from fusion.heads.query.head import QueryHeadConfig
from fusion.heads.query.output import QueryOutput
from fusion.interaction.absent import AbsentConfig
from fusion.interaction.concat import ConcatConfig
from fusion.interaction.dual import DualStreamConfig
from fusion.network import BevDuetNet
from fusion.types import GroundTruth

HEAD = QueryHeadConfig(queries=8, layers=2, channels=8, hidden=8, heads=2, points=2, region=3, kernel=4, ffn=8)
FUSERS = {"dual": dual_config(layers=1), "images only": dual_config(layers=1, image_to_bev=None, polar=None), "concat": ConcatConfig(channels=8)}


def said(net: BevDuetNet, batch: object) -> list[Tensor]:
    output = net(batch)
    assert isinstance(output, QueryOutput)
    return [getattr(output, f.name) for f in fields(output) if f.name != "depth_logits"]


@pytest.mark.parametrize("name", FUSERS)
def test_training_reaches_every_parameter(name: str) -> None:
    fuser: DualStreamConfig | ConcatConfig = FUSERS[name]
    net = tiny_net(head=HEAD, fuser=fuser).train()
    losses = net.loss(tiny_batch(batch=2), [GroundTruth.example()] * 2)
    assert {"heatmap", "label", "box", "depth"} >= set(losses) - {"direction", "attributes"} and all(torch.isfinite(v) for v in losses.values())
    sum(losses.values(), torch.zeros(())).backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


@torch.no_grad()
def test_absent_sensors_have_no_effect_and_every_state_answers() -> None:
    net, batch = tiny_net(head=HEAD), tiny_batch()
    camera_ok = torch.tensor([[True, False, True, True, False, True]])
    absent = replace(batch, camera_ok=camera_ok, lidar_ok=torch.tensor([False]))
    noise = torch.where(camera_ok[..., None, None, None], batch.images, 1e3)
    for one, two in zip(said(net, absent), said(net, replace(absent, images=noise, points=7 * batch.points)), strict=True):
        assert torch.equal(one, two)
    every = torch.ones(1, 6, dtype=torch.bool)
    for state, expected in ((batch, True), (batch.drop(cameras=every), True), (batch.drop(lidar=torch.tensor([True])), True),
                            (batch.drop(cameras=every, lidar=torch.tensor([True])), False), (tiny_batch(cameras=0), True)):
        assert (len(net.detect(state)[0]) > 0) == expected


@pytest.mark.parametrize("sensor", ["camera", "lidar"])
@torch.no_grad()
def test_the_decoder_looks_at_nothing_that_was_hidden_on_purpose(sensor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, batch = tiny_net(head=HEAD, fuser=dual_config(layers=1, absent=AbsentConfig(kind="predict", tokens=4, channels=8, heads=2))), tiny_batch()
    absent = batch.drop(cameras=torch.ones(1, 6, dtype=torch.bool)) if sensor == "camera" else batch.drop(lidar=torch.tensor([True]))
    expected = said(net, absent)
    assert net.fuser.absent is not None
    hidden = torch.tensor([sensor == "camera"]), torch.tensor([sensor == "lidar"])
    monkeypatch.setattr(net.fuser.absent, "draw_hidden", lambda camera_ok, lidar_ok: hidden)
    net.fuser.train()  # the rest stays as it is: batch statistics would tell of what is hidden
    for one, two in zip(said(net, batch), expected, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("part", ["camera", "lidar"])
def test_networks_of_one_sensor(part: str) -> None:
    fuser = dual_config(layers=1, image_self=None, image_to_bev=None, polar=None, bev_to_image=None)
    assert len(tiny_net(**{part: None}, head=HEAD, fuser=fuser).detect(tiny_batch())[0]) > 0
