"""Every operation equals its slow reference, values and gradients, on random rigs."""

from __future__ import annotations

from dataclasses import replace

import loops
import pytest
import torch
from random_rigs import FEATURE_HW, GRID, IMAGE_HW, assert_equal_with_gradients, random_batch, stirred, streams

from fusion.geometry.valid import map_pixels_ok
from fusion.interaction import operations
from fusion.interaction.bev_to_image import BevToImage, BevToImageConfig, pixel_places
from fusion.interaction.deformable import DeformableSelfAttention, SelfAttentionConfig
from fusion.interaction.geometry import rig_of
from fusion.interaction.image_to_bev import ImageToBev, ImageToBevConfig, cell_views
from fusion.interaction.polar import PolarAttention, PolarConfig, polar_rays, ray_columns

CHANNELS = 8
HEIGHTS = (0.5, 1.5)
UNEVEN = 44
"""The seed of rigs whose cameras take images of other sizes."""


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Modules begin with the same weights whichever tests run before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, params=[5, operations.BLOCK], ids=["in_blocks", "at_once"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Queries answered at a time: few, so that a last block is not full, or all."""
    monkeypatch.setattr(operations, "BLOCK", request.param)
    return int(request.param)


def test_blocks_take_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "BLOCK", 10)
    device = torch.device("cpu")
    assert [list(range(23)[part]) for part in operations.blocks(23, device)] == [list(range(10)), list(range(10, 20)), [20, 21, 22]]
    assert [list(range(5)[part]) for part in operations.blocks(5, device, queries=4)] == [[0, 1], [2, 3], [4]]
    assert len(operations.blocks(3, device, queries=99)) == 3
    assert operations.blocks(23, torch.device("cuda")) == operations.blocks(10, device) == [slice(None)]


@pytest.mark.parametrize(("stride", "levels", "size", "seed"), [(1, 2, (4, 8), 3), (2, 1, (4, 8), 3), (1, 1, (4, 8), 3), (1, 3, (5, 7), 4),
                                                               (2, 2, (5, 7), 5), (4, 1, (3, 6), 6)])
def test_deformable_self_attention(stride: int, levels: int, size: tuple[int, int], seed: int) -> None:
    module = stirred(DeformableSelfAttention(SelfAttentionConfig(heads=2, levels=levels, points=2, stride=stride), CHANNELS))  # type: ignore[arg-type]
    maps = torch.randn(2, CHANNELS, *size, generator=torch.Generator().manual_seed(seed)).double().requires_grad_()
    assert_equal_with_gradients(module(maps), loops.deformable_self(module, maps), [maps], module)
    torch.testing.assert_close(module.float()(maps.float()).double(), module.double()(maps), atol=1e-5, rtol=1e-5)
    ok = torch.ones(2, *size, dtype=torch.bool)
    ok[0, 2:], ok[1, :, :3] = False, False
    cut = torch.where(ok[:, None], maps.detach(), 0.0).requires_grad_()
    assert_equal_with_gradients(torch.where(ok[:, None], module(cut, ok), 0.0), torch.where(ok[:, None], loops.deformable_self(module, cut, ok), 0.0),
                                [cut], module)
    if stride == 1:  # of what is beyond, nothing is read
        gradient, = torch.autograd.grad(torch.where(ok[:, None], module(cut, ok), 0.0).sum(), cut)
        assert not torch.where(ok[:, None], 0.0, gradient).any()


def bin_edges_m(cameras: int) -> torch.Tensor:
    """Of five bins, a little different for every camera."""
    edges = torch.tensor([0.5, 1.5, 3.0, 5.0, 8.0, 12.0]).double()
    return edges * torch.linspace(0.8, 1.2, cameras).double()[:, None].expand(2, cameras, 1)


@pytest.mark.parametrize(("cameras", "views", "stride", "cells", "seed"), [
    (1, None, 1, "seen", 1), (3, None, 2, "occupied", 3), (7, None, 1, "seen", 7), (7, 2, 2, "seen", 7), (4, None, 2, "seen", UNEVEN),
    (2, 1, 1, "occupied", 31), (3, 2, 2, "seen", 32)])
def test_image_to_bev(cameras: int, views: int | None, stride: int, cells: str, seed: int) -> None:
    config = ImageToBevConfig(heads=2, heights_m=HEIGHTS, views=views, stride=stride, cells=cells, completion_levels=1)  # type: ignore[arg-type]
    module, batch = stirred(ImageToBev(config, CHANNELS)), random_batch(cameras, seed=seed, points=24, uneven=seed == UNEVEN)
    batch = replace(batch, lidar_ok=torch.tensor([True, cameras == 3]))
    perspective, bev, logits = streams(batch, CHANNELS)
    edges = bin_edges_m(cameras)
    where = cell_views(rig_of(batch, FEATURE_HW), batch, GRID, config, edges)
    assert where.lidar_bin is not None
    assert cameras != seed or cameras == 1 or {-1, 2, 3} <= set(where.lidar_bin.flatten().tolist())  # depth by the lift, and by the LiDAR
    slow, seen_by = loops.image_to_bev(module, bev, perspective, batch, GRID, logits, edges)
    assert_equal_with_gradients(module(bev, perspective, where, logits), slow, [bev, perspective, logits], module, tolerance=2e-6)
    if cameras == 7 and views is None:
        assert {0, 1, 2, 3} <= set(seen_by)
    single = replace(where, coords=where.coords.float(), depth_at=where.depth_at.float())
    fast = module.float()(bev.float(), perspective.float(), single, logits.float()).double()
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)


def test_image_to_bev_of_a_lift_without_depth() -> None:
    config = ImageToBevConfig(heads=2, heights_m=HEIGHTS)
    module, batch = stirred(ImageToBev(config, CHANNELS)), random_batch(3, seed=3)
    perspective, bev, _ = streams(batch, CHANNELS)
    where = cell_views(rig_of(batch, FEATURE_HW), batch, GRID, config)
    assert where.depth_at is None and where.lidar_bin is None
    slow, _ = loops.image_to_bev(module, bev, perspective, batch, GRID)
    assert_equal_with_gradients(module(bev, perspective, where), slow, [bev, perspective], module, unused=("depth_weight",))


@pytest.mark.parametrize(("cameras", "views", "stride", "columns", "seed"), [
    (1, None, 1, 1, 11), (3, None, 2, 2, 13), (7, None, 1, 2, 17), (5, 2, 1, 2, 15), (4, None, 2, 1, UNEVEN), (2, 1, 2, 1, 31)])
def test_polar_attention(cameras: int, views: int | None, stride: int, columns: int, seed: int) -> None:
    config = PolarConfig(heads=2, bins=4, first_m=1.5, step_m=2.0, stride=stride, column_stride=columns, views=views)  # type: ignore[arg-type]
    module, batch = stirred(PolarAttention(config, CHANNELS)), random_batch(cameras, seed=seed, uneven=seed == UNEVEN)
    perspective, bev, _ = streams(batch, CHANNELS)
    where = polar_rays(rig_of(batch, FEATURE_HW), GRID, config)
    slow, seen_by = loops.polar(module, bev, perspective, batch, GRID)
    pixels_ok = map_pixels_ok(batch.valid_px, batch.camera_ok, IMAGE_HW, (FEATURE_HW[0], ray_columns(FEATURE_HW[1], config)))
    assert_equal_with_gradients(module(bev, perspective, pixels_ok, where), slow, [bev, perspective], module)
    if cameras == 7:
        assert {0, 1, 2, 3} <= set(seen_by)
    single = replace(where, **{name: getattr(where, name).float() for name in ("coords", "place", "elevation", "cells")})
    torch.testing.assert_close(module.float()(bev.float(), perspective.float(), pixels_ok, single).double(), slow, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("cameras", "depths", "stride", "seed"), [(1, 1, 1, 21), (3, 3, 2, 23), (7, 2, 1, 27), (4, 2, 1, UNEVEN), (2, 3, 2, 31)])
def test_bev_to_image(cameras: int, depths: int, stride: int, seed: int) -> None:
    config = BevToImageConfig(heads=2, depths=depths, points=2, stride=stride, completion_levels=1)  # type: ignore[arg-type]
    module, batch = stirred(BevToImage(config, CHANNELS)), random_batch(cameras, seed=seed, points=24, uneven=seed == UNEVEN)
    batch = replace(batch, lidar_ok=torch.tensor([True, cameras == 3]))
    perspective, bev, logits = streams(batch, CHANNELS)
    edges = bin_edges_m(cameras)
    where = pixel_places(rig_of(batch, FEATURE_HW), GRID, config, edges)
    slow, sources = loops.bev_to_image(module, perspective, bev, logits, edges, batch, GRID)
    assert set(sources) == {0, 1, 2}
    image = map_pixels_ok(batch.valid_px, batch.camera_ok, IMAGE_HW, FEATURE_HW)[:, :, None]  # a layer keeps nothing else
    slow = torch.where(image, slow, 0.0)
    fast = torch.where(image, module(perspective, bev, logits, where), 0.0)
    assert_equal_with_gradients(fast, slow, [perspective, bev], module, tolerance=2e-6)  # the LiDAR is float32
    single = replace(where, **{name: getattr(where, name).float() for name in ("origin", "slope", "bin_edges_m", "lidar_depth_m")})
    fast = torch.where(image, module.float()(perspective.float(), bev.float(), logits.float(), single).double(), 0.0)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)
