"""Adaptive gradient modulation: the modality that runs ahead learns slower, the one that lags learns faster (arXiv 2308.07686).

Published for plain gradient descent, where a factor on an encoder's gradient is a factor on its step. Adam takes a gradient's size out
again, so here the factor is on the step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from fusion.errors import UserError
from fusion.losses.contribution import contributions
from fusion.network import BevDuetNet
from fusion.train.batch import TrainBatch
from fusion.train.config import BalanceConfig
from fusion.train.groups import scale_steps
from fusion.types import GroundTruth, SensorBatch


@dataclass(kw_only=True)
class Modulation:
    """Running means of how well each modality explains objects, and what follows for the steps.

    Attributes:
        measured: how many measurements went into the means.
        camera_nats, lidar_nats: running means of -log p of the mono-modal contributions.
        scale: modality -> factor of its encoder's steps.
    """

    config: BalanceConfig
    measured: int = 0
    camera_nats: float = 0.0
    lidar_nats: float = 0.0
    scale: dict[str, float]

    @classmethod
    def start(cls, config: BalanceConfig) -> Modulation:
        """Nothing measured, nothing scaled."""
        return cls(config=config, scale={"camera": 1.0, "lidar": 1.0})

    def update(self, camera_nats: float, lidar_nats: float) -> None:
        """Take one measurement in; numbers that are not finite are left out."""
        if not math.isfinite(camera_nats) or not math.isfinite(lidar_nats):
            return
        self.measured += 1
        self.camera_nats += (camera_nats - self.camera_nats) / self.measured
        self.lidar_nats += (lidar_nats - self.lidar_nats) / self.measured
        lead = lidar_nats - camera_nats  # above 0 where the camera explains objects better
        usual = self.lidar_nats - self.camera_nats if self.config.reference == "running" else 0.0
        bound = math.log(self.config.max_scale)
        step = min(max(self.config.alpha * (usual - lead), -bound), bound)
        self.scale = {"camera": math.exp(step), "lidar": math.exp(-step)}


class BalanceCallback(L.Callback):
    """Measures the contributions every so many steps and scales every step of both encoders.

    Measuring answers the samples that have both modalities three times in eval mode: it draws no random numbers and changes no statistics.
    What auxiliary losses teach an encoder is scaled along.
    """

    def __init__(self, config: BalanceConfig) -> None:
        self.config = config
        self.modulation = Modulation.start(config)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Trainer hook."""
        network = _network(pl_module)
        if network.camera is None or network.lidar is None:
            raise UserError("train.balance: expected a network with a camera and a LiDAR encoder to balance, got one of them; leave it away")

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: TrainBatch, batch_idx: int) -> None:
        """Trainer hook."""
        if trainer.global_step % self.config.every:
            return
        assert batch.sensors is not None, "the loader keeps them for this"
        with trainer.precision_plugin.forward_context():
            sums = measure(_network(pl_module), batch.sensors.to(pl_module.device), batch.truth)
        camera, lidar, count = trainer.strategy.reduce(sums, reduce_op="sum").tolist()  # all devices scale alike, or their weights would part
        if count:
            self.modulation.update(camera / count, lidar / count)
            pl_module.log_dict({"nats_camera": camera / count, "nats_lidar": lidar / count,
                                **{f"step_scale_{name}": value for name, value in self.modulation.scale.items()}})

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Trainer hook."""
        scale_steps(optimizer, self.modulation.scale)

    def state_dict(self) -> dict[str, Any]:
        """For the trainer's checkpoint."""
        state = self.modulation
        return {"measured": state.measured, "camera_nats": state.camera_nats, "lidar_nats": state.lidar_nats, "scale": dict(state.scale)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the trainer's checkpoint."""
        self.modulation = Modulation(config=self.config, **state_dict)


@torch.no_grad()
def measure(network: BevDuetNet, sensors: SensorBatch, truths: Sequence[GroundTruth]) -> Tensor:
    """`(3,)` float64: summed -log p by the camera's and by the LiDAR's contribution, and the number of objects, over samples with both."""
    rows = (sensors.camera_ok.any(dim=1) & sensors.lidar_ok).nonzero().flatten()
    chosen = [truths[index] for index in rows.tolist()]
    if not any(len(truth) for truth in chosen):
        return torch.zeros(3, dtype=torch.float64, device=sensors.images.device)
    both = replace(sensors, **{f.name: getattr(sensors, f.name)[rows] for f in fields(sensors)})
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        heatmaps = [network(view).heatmap for view in (
            both, both.drop(lidar=torch.ones_like(both.lidar_ok)), both.drop(cameras=torch.ones_like(both.camera_ok)))]
    finally:
        for module, mode in modes:  # each its own: some may be kept in eval mode while training
            module.training = mode
    parts = contributions(heatmaps[0], heatmaps[1], heatmaps[2], chosen, network.config.bev_grid)
    return torch.stack([parts.camera_nats.double().sum(), parts.lidar_nats.double().sum(), parts.labels.new_tensor(len(parts)).double()])


def _network(module: L.LightningModule) -> BevDuetNet:
    network = module.network
    assert isinstance(network, BevDuetNet)
    return network
