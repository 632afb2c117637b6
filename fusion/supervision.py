"""What a network should say about a batch, made on the host: with `prepare_inputs`, all of a training step that is not the network's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fusion.heads.perspective import perspective_heatmap
from fusion.heads.targets import CentreTargets, encode_targets
from fusion.network_config import NetworkConfig
from fusion.types import GroundTruth, SensorBatch


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """Attributes:
    targets: of the head, in BEV.
    perspective: `(M, K, h, w)` float32, of the auxiliary head on the M present images; None without such a head, or without an image.
    """

    targets: CentreTargets
    perspective: Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Supervision:
        """The same on another device."""
        image = self.perspective
        return Supervision(targets=self.targets.to(device, non_blocking=non_blocking),
                           perspective=None if image is None else image.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Supervision:
        """The same in pinned memory."""
        return Supervision(targets=self.targets.pin_memory(), perspective=None if self.perspective is None else self.perspective.pin_memory())


def supervise(config: NetworkConfig, batch: SensorBatch, truths: Sequence[GroundTruth]) -> Supervision:
    """Targets of a batch, on the CPU; boxes in its ego frame."""
    targets = encode_targets(truths, config.bev_grid, len(config.classes), config.targets)
    perspective: Tensor | None = None
    if config.camera is not None and config.perspective is not None and bool(batch.camera_ok.any()):
        perspective = perspective_heatmap(truths, batch, config.camera.feature_hw(batch.image_hw), len(config.classes))
    return Supervision(targets=targets, perspective=perspective)
