"""In training, what a sample's features are does not depend on which sensors its batch mates lack."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn

from fusion.bev.lift_splat import SplatConfig, SplatLift, splat_grid
from fusion.bev.pull import PullConfig, PullLift, pull_grid
from fusion.encoders.pillars import PillarConfig, PillarEncoder, prepare_pillars
from fusion.geometry.grid import BevGrid
from fusion.types import SensorBatch
from fusion.types.present import train_on_present

GRID = BevGrid(x_range_m=(-8, 8), y_range_m=(-8, 8), cell_m=1.0)
SPLAT = SplatConfig(channels=4, depth_range_m=(1, 9))
HW, FEATURES = (32, 64), (4, 8)


def batch(lacking: int) -> SensorBatch:
    """Two samples with every sensor, then so many without any; the two are the same however many follow."""
    sensors = SensorBatch.example(batch=2, cameras=2, size_hw=HW, points=300)
    rows = torch.tensor([0, 1, *[0] * lacking])
    absent = torch.arange(len(rows)) >= 2
    sensors = SensorBatch(**{field.name: getattr(sensors, field.name)[rows] for field in fields(sensors)})
    return sensors.drop(cameras=absent[:, None].expand(-1, 2), lidar=absent)


def lidar(module: nn.Module, sensors: SensorBatch) -> Tensor:
    pillars = prepare_pillars(PillarConfig(channels=4, out_channels=4), GRID, sensors.points, sensors.points_ok)
    made: Tensor = module(pillars, sensors.lidar_ok)
    return made


def features(sensors: SensorBatch) -> Tensor:
    drawn = torch.randn(2, 2, 4, *FEATURES, generator=torch.Generator().manual_seed(4))
    return torch.cat([drawn, drawn.new_zeros(len(sensors.lidar_ok) - 2, 2, 4, *FEATURES)])


def pulled(module: nn.Module, sensors: SensorBatch) -> Tensor:
    where = pull_grid(sensors, FEATURES, GRID, (0.5, 1.5), 1)
    made: Tensor = module(features(sensors), where)[0]
    return made


def splatted(module: nn.Module, sensors: SensorBatch) -> Tensor:
    where = splat_grid(sensors, FEATURES, GRID, SPLAT)
    made: Tensor = module(features(sensors), where)[0]
    return made


Run = Callable[[nn.Module, SensorBatch], Tensor]
STAGES: dict[str, tuple[Run, Callable[[], nn.Module]]] = {
    "lidar": (lidar, lambda: PillarEncoder(PillarConfig(channels=4, out_channels=4), GRID, 2)),
    "pull": (pulled, lambda: PullLift(PullConfig(channels=4, heights_m=(0.5, 1.5), views=1), 4)),
    "splat": (splatted, lambda: SplatLift(SPLAT, 4)),
}


@pytest.mark.parametrize("name", STAGES)
def test_batch_mates_without_the_sensor_change_nothing(name: str) -> None:
    run, make = STAGES[name]
    torch.manual_seed(0)
    alone = make().train()
    beside = copy.deepcopy(alone)
    first, second = run(alone, batch(0)), run(beside, batch(2))
    assert first.abs().amax(dim=(1, 2, 3)).min() > 0.1
    torch.testing.assert_close(second[:2], first)
    assert not second[2:].any()
    for (key, one), two in zip(alone.state_dict().items(), beside.state_dict().values(), strict=True):  # the running statistics, too
        torch.testing.assert_close(two, one, msg=lambda text, key=key: f"{key}: {text}")


def test_a_batch_without_the_sensor_leaves_the_stage_as_it_was() -> None:
    stage = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.BatchNorm2d(3)).train()
    before = copy.deepcopy(stage.state_dict())
    nothing = train_on_present(stage, torch.randn(2, 2, 8, 8), torch.zeros(2, dtype=torch.bool))
    assert nothing.shape == (2, 3, 4, 4) and not nothing.any() and not nothing.requires_grad
    assert all(torch.equal(stage.state_dict()[key], value) for key, value in before.items())
    assert all(module.training for module in stage.modules())


def test_gradients_reach_what_was_present_alone() -> None:
    stage = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU()).train()
    maps = torch.randn(3, 2, 4, 4, requires_grad=True)
    weight = torch.randn(3, 3, 4, 4)
    (train_on_present(stage, maps, torch.tensor([True, False, True])) * weight).sum().backward()
    assert maps.grad is not None
    assert not maps.grad[1].any() and maps.grad[0].any() and maps.grad[2].any()
