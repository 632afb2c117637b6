"""A data set in memory, and the smallest recipe that trains on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fusion.config import from_mapping
from fusion.train.recipe import Recipe
from fusion.types import GroundTruth, SensorSet


class SyntheticSource:
    """`samples` random instants with one box each; every third one holds a pedestrian instead of a car."""

    def __init__(self, samples: int = 4) -> None:
        self._count = samples

    def scenes(self) -> list[str]:
        return ["synthetic"]

    def tokens(self, scene: str) -> list[str]:
        return [str(i) for i in range(self._count)]

    def sensors(self) -> tuple[str, ...]:
        return SensorSet.example().sensors_present

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        return SensorSet.example(points=300, seed=int(token))

    def ground_truth(self, token: str) -> GroundTruth:
        pedestrian = int(token) % 3 == 2
        box = [8.0 - int(token), 2, 0, 4, 2, 3, 0.3, 1, 0]
        return GroundTruth(boxes=np.array([box], np.float32), labels=np.array([5 if pedestrian else 0]), visibility=np.array([4]),
                           num_lidar_pts=np.array([9]), tokens=(token,),
                           attributes=("pedestrian.moving" if pedestrian else "vehicle.moving",))


# Width 0.25: with 8 channels, the convolution library in torch 2.13 corrupts memory in its AVX-512 backward pass on two threads (seen on an
# AMD EPYC; ONEDNN_MAX_CPU_ISA=AVX2 avoids it). No shipped config is that narrow.
MODEL: dict[str, Any] = {
    "input": {"image_size_hw": [32, 64]},
    "network": {"grid": {"x_range_m": [-12.8, 12.8], "y_range_m": [-12.8, 12.8], "cell_m": 0.8},
                "camera": {"backbone": {"kind": "resnet", "width": 0.25}, "channels": 8}, "lidar": {"kind": "pillars", "channels": 8},
                "trunk": {"channels": [8, 8], "blocks": [1, 1], "out_channels": 8}},
}


def tiny_recipe(**train: Any) -> Recipe:
    """A recipe of seconds; `train` fields override."""
    settings: Mapping[str, Any] = {"epochs": 4, "batch_size": 2, "log_every": 1, **train}
    return from_mapping(Recipe, {"model": MODEL, "train": settings})
