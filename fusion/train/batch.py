"""What a data loader gives a step of training: samples joined, and the host's part of the step done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.inputs import NetInputs, prepare_inputs
from fusion.network_config import NetworkConfig
from fusion.supervision import Supervision, supervise
from fusion.train.dataset import TrainSample
from fusion.types import GroundTruth, SensorBatch


@dataclass(frozen=True, kw_only=True)
class TrainBatch:
    """B samples as a network's training step wants them.

    Attributes:
        inputs, supervision: for `BevDuetNet.taught`.
        truth: B sets of boxes.
        sensors: what `inputs` were made of, on the CPU; None unless asked for.
    """

    inputs: NetInputs
    supervision: Supervision
    truth: list[GroundTruth]
    sensors: SensorBatch | None = None

    def pin_memory(self) -> TrainBatch:
        """Called by the data loader."""
        return replace(self, inputs=self.inputs.pin_memory(), supervision=self.supervision.pin_memory())

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> TrainBatch:
        """What a step reads, on another device; boxes and sensors stay."""
        return replace(self, inputs=self.inputs.to(device, non_blocking=non_blocking),
                       supervision=self.supervision.to(device, non_blocking=non_blocking))


@dataclass(frozen=True, kw_only=True)
class Collate:
    """Samples -> `TrainBatch`, in a loader's process: the device does not wait for pillars, projections and heatmaps.

    Attributes:
        network: what to prepare for.
        keep_sensors: leave the sensors in the batch.
    """

    network: NetworkConfig
    keep_sensors: bool = False

    def __call__(self, samples: Sequence[TrainSample]) -> TrainBatch:
        """Join and prepare."""
        sensors, truth = join([sample.sensors for sample in samples]), [sample.truth for sample in samples]
        return TrainBatch(inputs=prepare_inputs(self.network, sensors, training=True), supervision=supervise(self.network, sensors, truth),
                          truth=truth, sensors=sensors if self.keep_sensors else None)


def join(parts: Sequence[SensorBatch]) -> SensorBatch:
    """Join batches whose images have one size; fewer cameras or points than the most are padded as absent."""
    cameras = max(p.images.shape[1] for p in parts)
    points = max(p.points.shape[1] for p in parts)

    def pad(value: Tensor, size: int) -> Tensor:
        return F.pad(value, [0, 0] * (value.dim() - 2) + [0, size - value.shape[1]])

    def pad_identity(value: Tensor) -> Tensor:
        padded = pad(value, cameras)
        padded[:, value.shape[1]:] = torch.eye(value.shape[-1])
        return padded

    return SensorBatch(
        images=torch.cat([pad(p.images, cameras) for p in parts]),
        intrinsics=torch.cat([pad_identity(p.intrinsics) for p in parts]),
        cam_T_ego=torch.cat([pad_identity(p.cam_T_ego) for p in parts]),
        valid_px=torch.cat([pad(p.valid_px, cameras) for p in parts]),
        camera_ok=torch.cat([pad(p.camera_ok, cameras) for p in parts]),
        points=torch.cat([pad(p.points, points) for p in parts]),
        points_ok=torch.cat([pad(p.points_ok, points) for p in parts]),
        lidar_ok=torch.cat([p.lidar_ok for p in parts]),
    )
