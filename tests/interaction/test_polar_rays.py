"""Rays start under their cameras: what lies somewhere is found there, however far from the LiDAR a camera stands."""

from __future__ import annotations

import math

import pytest
import torch
from random_rigs import random_batch, rotation
from torch import nn

from fusion.geometry.grid import BevGrid
from fusion.interaction.geometry import rig_of
from fusion.interaction.operations import sample
from fusion.interaction.polar import PolarAttention, PolarConfig, polar_rays
from fusion.types import SensorBatch, whole_px

GRID = BevGrid(x_range_m=(-16, 16), y_range_m=(-16, 16), cell_m=0.8)
FEATURE_HW = (16, 44)
IMAGE_HW = (128, 352)


def rig_batch(centre_m: tuple[float, float, float], yaw: float, roll: float = 0.0) -> SensorBatch:
    """One camera."""
    height, width = IMAGE_HW
    turned = rotation(yaw, 0.0, roll)
    cam_T_ego = torch.eye(4, dtype=torch.float64)
    cam_T_ego[:3, :3], cam_T_ego[:3, 3] = turned, -turned @ torch.tensor(centre_m, dtype=torch.float64)
    intrinsics = torch.tensor([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1]], dtype=torch.float64)
    return SensorBatch(images=torch.zeros(1, 1, 3, height, width), intrinsics=intrinsics[None, None], cam_T_ego=cam_T_ego[None, None],
                       valid_px=whole_px(IMAGE_HW)[None, None], camera_ok=torch.ones(1, 1, dtype=torch.bool),
                       points=torch.zeros(1, 0, 5), points_ok=torch.zeros(1, 0, dtype=torch.bool),
                       lidar_ok=torch.ones(1, dtype=torch.bool))


def matching_attention(config: PolarConfig) -> PolarAttention:
    """By hand: channel 0 of a cell asks for channel 1 of a pixel; what is found is written to channel 2. Nothing else does anything."""
    module = PolarAttention(config, 4).double()
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    for norm in ("norm_bev", "norm_image"):
        setattr(module, norm, nn.Identity())
    module.look.norm = nn.Identity()
    with torch.no_grad():
        module.look.query.weight[0, 0] = 60.0
        module.look.key.weight[0, 1] = 1.0
        module.look.value.weight[2, 1] = 1.0
        module.look.out.weight[2, 2] = 1.0
        module.out.weight[2, 2] = 1.0
    return module


@pytest.mark.parametrize(("centre_m", "yaw"), [((5.0, -4.0, 1.5), 1.9), ((-9.0, 3.0, 2.5), 0.1), ((0.0, 12.0, 1.0), -1.1), ((1.7, 0.0, 1.5), 1.0)])
def test_an_object_lights_up_its_cell_for_cameras_far_from_the_lidar(centre_m: tuple[float, float, float], yaw: float) -> None:
    batch, (i, j) = rig_batch(centre_m, yaw), (25, 27)
    object_m = torch.tensor([*GRID.cell_centres_m()[i, j].tolist(), 1.0, 1.0], dtype=torch.float64)
    uvd = batch.intrinsics[0, 0] @ (batch.cam_T_ego[0, 0] @ object_m)[:3]
    column, row = (float(x) for x in ((uvd[:2] / uvd[2] + 0.5) / 8 - 0.5).round())
    assert uvd[2] > 1 and 0 <= column < FEATURE_HW[1]
    image = torch.zeros(1, 1, 4, *FEATURE_HW, dtype=torch.float64)
    image[0, 0, 1, int(row), max(int(column) - 1, 0):int(column) + 2] = 1.0
    bev = torch.zeros(1, 4, *GRID.shape, dtype=torch.float64)
    bev[0, 0, i, j] = 1.0
    sides = torch.from_numpy(GRID.cell_centres_m()).double() - torch.tensor(centre_m[:2], dtype=torch.float64)
    off_ray = torch.atan2(sides[..., 1], sides[..., 0]) - torch.atan2(sides[i, j, 1], sides[i, j, 0])
    off_ray = torch.atan2(off_ray.sin(), off_ray.cos()).abs()  # as the camera sees it
    # The LiDAR sees other things, which the camera does not: some of them in line with the LiDAR and the object.
    others = torch.zeros(GRID.shape, dtype=torch.bool)
    others[::5, ::5] = True
    others[21, 22], others[30, 34] = True, True
    bev[0, 0][others & (off_ray > 0.25)] = 1.0
    config = PolarConfig(heads=1, bins=48, first_m=0.5, step_m=0.5)
    everywhere = torch.ones(1, 1, *FEATURE_HW, dtype=torch.bool)
    answer = matching_attention(config)(bev, image, everywhere, polar_rays(rig_of(batch, FEATURE_HW), GRID, config))[0, 2]
    lit = divmod(int(answer.argmax()), GRID.shape[1])
    assert lit == (i, j), (lit, float(answer.max()))
    assert answer.max() > 0.5
    elsewhere = answer.clone()
    elsewhere[i - 1:i + 2, j - 1:j + 2] = 0
    assert elsewhere.max() < 0.5 * answer.max()


@pytest.mark.parametrize("roll", [0.0, 0.2])
def test_there_and_back_is_the_same_place(roll: float) -> None:
    """A map that holds its own metres, sampled along rays and resampled to cells, must still hold them."""
    batch, config = rig_batch((4.0, -6.0, 2.0), 2.0, roll), PolarConfig(bins=60, first_m=0.5, step_m=0.5)
    where = polar_rays(rig_of(batch, FEATURE_HW), GRID, config)
    metres = torch.from_numpy(GRID.cell_centres_m()).double().permute(2, 0, 1)[None]
    along = sample(metres, where.coords, "border").permute(0, 1, 3, 2)  # (1, 2, R, M)
    back = sample(along, where.cells, "border").view(1, 2, *GRID.shape)
    inner = where.cells_ok.view(GRID.shape).clone()
    inner[[0, -1]], inner[:, [0, -1]] = False, False
    radius = (metres[0] - torch.tensor([4.0, -6.0])[:, None, None].double()).norm(dim=0)
    inner &= (radius > 2) & (radius < 25)
    assert inner.sum() > 150
    assert (back - metres)[0].norm(dim=0)[inner].max() < 0.4  # half a cell; bins and columns are as coarse


def test_rays_leave_from_under_the_camera_along_their_column() -> None:
    batch = random_batch(2, batch=1, roll=0.0)
    config = PolarConfig(bins=8, first_m=1.0, step_m=1.0)
    where = polar_rays(rig_of(batch, (4, 6)), GRID, config)
    y, x = (where.coords * 16).unbind(-1)
    for n in range(2):
        origin = torch.linalg.inv(batch.cam_T_ego[0, n])[:3, 3]
        distance = torch.hypot(x[0, n * 6:(n + 1) * 6] - origin[0], y[0, n * 6:(n + 1) * 6] - origin[1])
        ok = where.ok[0, n * 6:(n + 1) * 6]
        assert ok.any()
        torch.testing.assert_close(distance[ok], torch.arange(1.0, 9).double().expand(6, 8)[ok])
        for k in range(6):
            for r in range(8):
                if ok[k, r]:
                    uvd = batch.intrinsics[0, n] @ (batch.cam_T_ego[0, n] @ torch.stack([x[0, n * 6 + k, r], y[0, n * 6 + k, r], *torch.ones(2)]))[:3]
                    assert math.isclose(uvd[0] / uvd[2], (k + 0.5) * 44 / 6 - 0.5, abs_tol=1e-3) and uvd[2] > 0
