"""Losses of the centre head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.heads.centre import HeadOutput
from fusion.heads.targets import CentreTargets


@dataclass(frozen=True, kw_only=True)
class CentreLossConfig:
    """Weights of the parts of the loss."""

    heatmap: float = 1.0
    offset: float = 0.5
    height: float = 0.25
    log_size: float = 0.5
    yaw: float = 0.5
    direction: float = 0.2
    velocity: float = 0.1
    attributes: float = 0.2
    depth: float = 0.5


def gaussian_focal_loss(logits: Tensor, target: Tensor, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Focal loss for heatmaps, summed, per object: cells near a peak count less as negatives; exact in logits."""
    logits = logits.float()
    probability = logits.sigmoid()
    positive = target == 1
    loss = torch.where(
        positive,
        -F.logsigmoid(logits) * (1 - probability) ** alpha,
        -F.logsigmoid(-logits) * probability**alpha * (1 - target) ** beta,
    )
    return loss.sum() / positive.sum().clamp(min=1)


def centre_losses(output: HeadOutput, targets: CentreTargets, config: CentreLossConfig | None = None) -> dict[str, Tensor]:
    """Weighted losses by name (each field of `CentreLossConfig` but depth), all float32, finite without any box too."""
    config = config or CentreLossConfig()
    ok = targets.ok
    count = ok.sum().clamp(min=1)
    losses = {"heatmap": config.heatmap * gaussian_focal_loss(output.heatmap, targets.heatmap)}
    for name in ("offset", "height", "log_size", "yaw", "velocity"):
        predicted, wanted = _at(getattr(output, name), targets.index), getattr(targets, name)
        known = ok[..., None] & torch.isfinite(wanted)
        error = (predicted - torch.where(known, wanted, 0.0)).abs() * known
        losses[name] = getattr(config, name) * error.sum() / count
    for name in ("direction", "attributes"):
        logits, wanted = _at(getattr(output, name), targets.index), getattr(targets, name)
        wanted = torch.where(ok, wanted, -1)
        total = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-1, reduction="sum")
        losses[name] = getattr(config, name) * total / (wanted >= 0).sum().clamp(min=1)
    return losses


def _at(maps: Tensor, index: Tensor) -> Tensor:
    """`(B, C, X, Y)` at `(B, M)` flat cells -> `(B, M, C)` float32."""
    return maps.float().flatten(2).gather(2, index[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)
