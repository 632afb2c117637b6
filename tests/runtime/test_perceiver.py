"""Readings to detections: says what the answer rests on, and answers nothing from nothing."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from fusion.encoders.camera import CameraConfig
from fusion.encoders.pillars import PillarConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.geometry.grid import BevGrid
from fusion.geometry.view import BESIDE_VIEW_M
from fusion.inputs import looked_at, prepare_inputs
from fusion.model import ModelConfig
from fusion.network import build_network
from fusion.network_config import NetworkConfig
from fusion.runtime.backends.torch_eager import TorchBackend
from fusion.runtime.perceiver import Perceiver
from fusion.sensors.preprocess import InputConfig
from fusion.types import SensorSet


@functools.cache
def small(camera: bool = True, lidar: bool = True) -> Perceiver:
    config = ModelConfig(
        input=InputConfig(image_size_hw=(64, 96)),
        network=NetworkConfig(
            grid=BevGrid(x_range_m=(-12.8, 12.8), y_range_m=(-12.8, 12.8)),
            camera=CameraConfig(backbone=ResNetConfig(width=0.25)) if camera else None, lidar=PillarConfig() if lidar else None),
    )
    torch.manual_seed(0)
    return Perceiver(TorchBackend(build_network(config.network), config))


READINGS = SensorSet.example(cameras=3, size_hw=(64, 96))


@pytest.mark.parametrize("dropped", [(), ("LIDAR_TOP",), ("CAM_0", "CAM_1", "CAM_2"), ("CAM_1",)])
def test_sensors_used_are_those_present(dropped: tuple[str, ...]) -> None:
    answer = small().perceive(READINGS.without(*dropped))
    assert answer.sensors_used == tuple(n for n in ("CAM_0", "CAM_1", "CAM_2", "LIDAR_TOP") if n not in dropped)
    assert np.isfinite(answer.boxes).all()
    assert (np.diff(answer.scores) <= 0).all()


def test_a_network_names_only_sensors_it_reads() -> None:
    assert small(camera=False).perceive(READINGS).sensors_used == ("LIDAR_TOP",)
    assert small(lidar=False).perceive(READINGS).sensors_used == ("CAM_0", "CAM_1", "CAM_2")


def test_no_sensor_gives_the_empty_answer() -> None:
    nothing = READINGS.without("CAM_0", "CAM_1", "CAM_2", "LIDAR_TOP")
    assert small().perceive(nothing).sensors_used == ()
    assert len(small().perceive(nothing)) == 0
    assert len(small(camera=False).perceive(READINGS.without("LIDAR_TOP"))) == 0


def test_a_rig_without_cameras_and_the_stages() -> None:
    perceiver = small()
    perceiver.perceive(SensorSet.example(cameras=0))
    assert {"preprocess", "prepare", "network", "decode"} <= set(perceiver.timer.summary())


def test_warming_up_is_off_the_clock() -> None:
    perceiver = small(camera=False)
    before = perceiver.timer.summary()
    perceiver.warm_up(READINGS)
    assert perceiver.timer.summary() == before


def test_no_box_where_no_sensor_looks() -> None:
    """One camera looks forward: what the maps say behind it rests on nothing."""
    perceiver = small()
    grid, ahead = perceiver.config.network.bev_grid, READINGS.without("CAM_1", "CAM_2", "LIDAR_TOP")
    inputs = prepare_inputs(perceiver.config.network, perceiver.batch(ahead))
    seen = looked_at(perceiver.config.network, inputs)[0].numpy()
    assert 0.05 < seen.mean() < 0.6
    boxes = perceiver.perceive(ahead).boxes
    cells = np.floor(grid.metres_to_cells(boxes[:, :2].astype(np.float64))).astype(int)
    assert len(boxes) and seen[tuple(cells.T)].all()
    assert boxes[:, 0].min() > -BESIDE_VIEW_M
    everywhere = perceiver.perceive(ahead.without("CAM_0")), perceiver.perceive(READINGS.without("CAM_0", "CAM_1", "CAM_2"))
    assert len(everywhere[0]) == 0 and everywhere[1].boxes[:, 0].min() < -BESIDE_VIEW_M
