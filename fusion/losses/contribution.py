"""How much of a detection each modality contributes: heatmaps with one modality masked, compared at the objects' centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.types import GroundTruth


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """Mono-modal contributions at M objects, in logits; they add up to the logit of the whole network.

    Attributes:
        labels: `(M,)` int64 class of each object.
        camera, lidar: `(M,)` float32 part of the logit of the object's class at its centre.
    """

    labels: Tensor
    camera: Tensor
    lidar: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def camera_nats(self) -> Tensor:
        """`(M,)` -log p of each object by the camera's contribution alone: the lower, the more the camera explains."""
        return -F.logsigmoid(self.camera)

    @property
    def lidar_nats(self) -> Tensor:
        """`(M,)` as `camera_nats`, by the LiDAR's."""
        return -F.logsigmoid(self.lidar)


def contributions(both: Tensor, camera_only: Tensor, lidar_only: Tensor, truths: Sequence[GroundTruth], grid: BevGrid) -> Contributions:
    """Each modality's part of the answer (adaptive gradient modulation, arXiv 2308.07686, read at objects' centres).

    A modality's part is half of what it adds to the other one and half of what it says alone.

    Args:
        both, camera_only, lidar_only: `(B, K, X, Y)` heatmap logits on `grid` of the same samples with both modalities and with one of them.
        truths: B entries, labels below K; objects with a centre off the grid are left out.
    """
    sample, cells, labels = object_cells(truths, grid)
    sample, cells, labels = (part.to(both.device) for part in (sample, cells, labels))
    whole, camera, lidar = (heat.float()[sample, labels, cells[:, 0], cells[:, 1]] for heat in (both, camera_only, lidar_only))
    return Contributions(labels=labels, camera=(whole - lidar + camera) / 2, lidar=(whole - camera + lidar) / 2)


def object_cells(truths: Sequence[GroundTruth], grid: BevGrid) -> tuple[Tensor, Tensor, Tensor]:
    """The sample `(M,)`, the cell `(M, 2)` and the class `(M,)` of every object whose centre is on the grid, int64 on the CPU."""
    samples, cells, labels = [np.zeros(0, np.int64)], [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]
    for index, truth in enumerate(truths):
        truth = truth.select(grid.holds(truth.boxes[:, :2]))
        samples.append(np.full(len(truth), index, np.int64))
        cells.append(np.floor(grid.metres_to_cells(truth.boxes[:, :2].astype(np.float64))).astype(np.int64))
        labels.append(truth.labels.astype(np.int64))
    sample, cell, label = (torch.from_numpy(np.concatenate(parts)) for parts in (samples, cells, labels))
    return sample, cell, label
