"""What was added to an image to bring it to a size is no image: nobody looks there, and what features hold there reaches nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_dual import dual_config, maps, tiny_batch, tiny_net
from torch import Tensor

from fusion.bev.image_depth import DepthBins
from fusion.bev.lift_splat import SplatConfig
from fusion.bev.pull import PullConfig
from fusion.geometry.valid import map_edges, map_pixels_ok, moved_px
from fusion.heads.query.head import QueryHeadConfig
from fusion.heads.query.output import QueryOutput
from fusion.inputs import Output
from fusion.interaction.concat import ConcatConfig
from fusion.network import BevDuetNet
from fusion.sensors.preprocess import InputConfig, to_batch
from fusion.train.augment_image import transform_images
from fusion.train.batch import join
from fusion.types import SensorBatch, SensorSet, whole_px

HEAD = QueryHeadConfig(queries=8, layers=2, channels=8, hidden=8, heads=2, points=2, region=3, kernel=4, ffn=8)
NETS: dict[str, dict[str, Any]] = {
    "pull": {"fuser": ConcatConfig(channels=8), "lift": PullConfig(channels=8)},
    "pull by depth": {"fuser": ConcatConfig(channels=8), "lift": PullConfig(channels=8, depth=DepthBins(count=6))},
    "splat": {"fuser": ConcatConfig(channels=8), "lift": SplatConfig(channels=8, depth_range_m=(1, 11))},
    "pull, query decoder": {"fuser": ConcatConfig(channels=8), "head": HEAD},
    "dual": {},
    "dual, query decoder": {"fuser": dual_config(layers=2), "head": HEAD},
}


def padded_batch() -> SensorBatch:
    """Of 32 x 64 pixels and 4 x 8 features: cameras that end within and between feature rows, one moved as by augmentation, one whole, one absent."""
    batch = tiny_batch()
    valid_px = batch.valid_px.clone()
    valid_px[0, 0, 3], valid_px[0, 1, 3] = 23.5, 17.5
    valid_px[0, 2] = torch.tensor([9.25, 8.5, 50.75, 31.5])
    return replace(batch, valid_px=valid_px).drop(cameras=torch.tensor([[False] * 5 + [True]]))


def said(output: Output) -> dict[str, Tensor]:
    if isinstance(output, QueryOutput):
        return {name: getattr(output, name) for name in ("heatmap", "logits", "boxes", "direction", "attributes")}
    return maps(output)


def with_padding(net: BevDuetNet, batch: SensorBatch, fill: float | None, seen: list[Tensor]) -> Output:
    """The answer where the camera encoder's features are `fill` in padding; what it gave, a leaf, is put into `seen`."""
    ok = map_pixels_ok(batch.valid_px, batch.camera_ok, batch.image_hw, (4, 8))

    def change(module: torch.nn.Module, given: Any, features: Tensor) -> Tensor:
        changed = features if fill is None else torch.where(ok[:, :, None] | ~batch.camera_ok[..., None, None, None], features, fill)
        seen.append(changed.detach().requires_grad_())
        return seen[-1]

    assert net.camera is not None
    handle = net.camera.register_forward_hook(change)
    try:
        return net(batch)
    finally:
        handle.remove()


@pytest.mark.parametrize("name", NETS)
def test_what_features_hold_in_padding_reaches_nothing(name: str) -> None:
    net, batch = tiny_net(**NETS[name]), padded_batch().drop(lidar=torch.tensor([True]))
    leaves: list[Tensor] = []
    plain, spoilt = (said(with_padding(net, batch, fill, leaves)) for fill in (None, math.nan))
    for key, value in plain.items():
        assert torch.isfinite(value).all() and torch.equal(value, spoilt[key]), key
    sum((value.sum() for value in plain.values()), torch.zeros(())).backward()
    gradient, ok = leaves[0].grad, map_pixels_ok(batch.valid_px, batch.camera_ok, batch.image_hw, (4, 8))
    assert gradient is not None and not gradient.movedim(2, -1)[~ok].any()
    assert all(gradient[0, n].any() for n in range(5))  # of what is image, each camera has something to say


@torch.no_grad()
@pytest.mark.parametrize("name", ["pull", "dual, query decoder"])
def test_what_pixels_hold_in_padding_reaches_nothing(name: str) -> None:
    net, batch = tiny_net(**NETS[name]), padded_batch()
    image = map_pixels_ok(batch.valid_px, batch.camera_ok, (32, 64), (32, 64))[:, :, None]
    spoilt = replace(batch, images=torch.where(image, batch.images, 9.0))
    before, answers = spoilt.images.clone(), [said(net(one)) for one in (batch, spoilt)]
    assert torch.equal(spoilt.images, before)
    for key, value in answers[0].items():
        assert torch.equal(value, answers[1][key]), key


@pytest.mark.parametrize("name", NETS)
def test_images_that_fill_their_size_are_seen_as_ever_and_padding_is_not(name: str) -> None:
    net, batch = tiny_net(**NETS[name]), tiny_batch()
    cut = padded_batch()
    whole = replace(cut, valid_px=torch.where(cut.camera_ok[..., None], batch.valid_px, 0.0))
    with torch.no_grad():
        assert not torch.equal(said(net(cut))["heatmap"], said(net(whole))["heatmap"])
        prepared, full = net.prepare(cut), net.prepare(whole)
    assert prepared.where is not None and full.where is not None
    assert (prepared.where.seen <= full.where.seen).all() and prepared.where.seen.sum() < full.where.seen.sum()


@torch.no_grad()
def test_no_box_lies_where_only_padding_looks() -> None:
    """Level cameras whose images end at the horizon see nothing below their own height, where this lift looks."""
    net, batch = tiny_net(lift=PullConfig(channels=8, heights_m=(0.2, 1.0)), fuser=ConcatConfig(channels=8)), tiny_batch()
    batch = batch.drop(lidar=torch.tensor([True]))
    assert len(net.detect(batch)[0]) > 0
    above = batch.valid_px.clone()
    above[..., 3] = 15.5
    assert len(net.detect(replace(batch, valid_px=above))[0]) == 0


def test_pixels_of_maps_that_hold_any_image() -> None:
    valid_px = torch.tensor([[[-0.5, -0.5, 63.5, 31.5], [-0.5, -0.5, 63.5, 15.5], [-0.5, -0.5, 63.5, 16.5], [7.5, 8.5, 40.0, 31.5]]])
    assert map_edges(valid_px, (32, 64), (4, 8))[0].tolist() == [[0, 0, 7, 3], [0, 0, 7, 1], [0, 0, 7, 2], [1, 1, 5, 3]]
    ok = map_pixels_ok(valid_px, torch.ones(valid_px.shape[:2], dtype=torch.bool), (32, 64), (4, 8))[0]
    assert ok[0].all() and ok[1].sum() == 16 and ok[2].sum() == 24 and ok[3].sum() == 15 and ok[3, 1:, 1:6].all()
    odd = torch.tensor([[[-0.5, -0.5, 29.5, 14.5]]])  # sizes that do not divide: rounding adds no pixel
    assert map_edges(odd, (30, 44), (4, 6))[0, 0, 3] == 1


def test_preprocessing_tells_what_is_image() -> None:
    """One rig with images of the model's shape, lower ones, and higher ones."""
    config, rigs = InputConfig(image_size_hw=(32, 64)), [SensorSet.example(cameras=1, size_hw=size) for size in ((64, 128), (51, 128), (90, 128))]
    cameras = {f"CAM_{n}": rig.cameras["CAM_0"] for n, rig in enumerate(rigs)} | {"GONE": None}
    batch = to_batch([replace(rigs[0], cameras=cameras)], config)
    assert batch.valid_px[0].tolist() == [[-0.5, -0.5, 63.5, 31.5], [-0.5, -0.5, 63.5, 25.5], [-0.5, -0.5, 63.5, 31.5], [0.0] * 4]
    assert batch.images[0, 1, :, 26:].abs().max() < 0.01 < batch.images[0, 1, :, 25].abs().max()
    joined = join([batch, SensorBatch.example(cameras=5, size_hw=(32, 64))])
    assert torch.equal(joined.valid_px[0, :4], batch.valid_px[0]) and not joined.valid_px[0, 4].any()
    assert torch.equal(joined.valid_px[1], whole_px((32, 64)).expand(5, 4))


def test_augmentation_moves_what_is_image() -> None:
    batch = padded_batch()
    ones = map_pixels_ok(batch.valid_px, batch.camera_ok, (32, 64), (32, 64))[:, :, None].float().expand_as(batch.images)
    batch = replace(batch, images=ones.contiguous())
    zoom, shift = 1.25, np.array([6.0, -3.0])
    transform = np.array([[-zoom, 0, 63 + shift[0]], [0, zoom, shift[1]], [0, 0, 1]])  # mirrored
    moved = transform_images(batch, np.broadcast_to(transform, (1, 6, 3, 3)))
    for n in range(5):
        left, top, right, bottom = moved.valid_px[0, n].tolist()
        assert -0.5 <= left < right <= 63.5 and -0.5 <= top < bottom <= 31.5
        inside = torch.zeros(32, 64, dtype=torch.bool)
        inside[math.ceil(top + 2):math.floor(bottom - 2) + 1, math.ceil(left + 2):math.floor(right - 2) + 1] = True
        beyond = torch.ones(32, 64, dtype=torch.bool)
        beyond[max(math.floor(top - 2), 0):math.ceil(bottom + 2) + 1, max(math.floor(left - 2), 0):math.ceil(right + 2) + 1] = False
        pixels = moved.images[0, n, 0]  # but for two pixels' width: parts of pixels, zoomed and interpolated
        assert (pixels[inside] == 1).all() and not pixels[beyond].any()
    assert torch.equal(moved.valid_px[0, 5], batch.valid_px[0, 5])
    back = moved_px(moved_px(np.array([3.5, 4.5, 40.5, 20.5]), transform, (99, 99)), np.linalg.inv(transform), (99, 99))
    np.testing.assert_allclose(back, [3.5, 4.5, 40.5, 20.5])
