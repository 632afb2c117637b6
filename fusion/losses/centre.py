"""Losses of the centre head."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.heads.centre import HeadOutput
from fusion.heads.targets import CentreTargets


@dataclass(frozen=True, kw_only=True)
class CentreLossConfig:
    """Weights of the parts of the loss.

    Attributes:
        class_balance: how far rare classes are lifted, 0 to 1: a class with `n` objects in a batch weighs as `n ** -class_balance` does. 0 counts
            every object alike, 1 every class alike (as CenterPoint does by task, arXiv 2006.11275, section 4).
        heatmap, offset, height, log_size, yaw, direction, velocity, attributes: of the head's maps.
        depth: of the camera lift's depth, where it predicts one.
        perspective: of the auxiliary head on image features, where there is one.
    """

    class_balance: float = 0.0
    heatmap: float = 1.0
    offset: float = 0.5
    height: float = 0.25
    log_size: float = 0.5
    yaw: float = 0.5
    direction: float = 0.2
    velocity: float = 0.1
    attributes: float = 0.2
    depth: float = 0.5
    perspective: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.class_balance <= 1:
            raise ValueError(f"class_balance: expected 0 to 1, got {self.class_balance}")
        for f in fields(self):
            if not 0 <= getattr(self, f.name) < float("inf"):
                raise ValueError(f"{f.name}: expected a weight of at least 0, got {getattr(self, f.name)}")


def class_weights(labels: Tensor, num_classes: int, balance: float) -> Tensor:
    """`(K,)` weights of the classes of a batch, 1 for the most frequent one and more for others.

    Args:
        labels: `(N,)` int64 of all objects in the batch.
        num_classes: K.
        balance: `CentreLossConfig.class_balance`.
    """
    counts = torch.bincount(labels, minlength=num_classes).clamp(min=1).float()
    return (counts.max() / counts) ** balance


def gaussian_focal_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Focal loss for heatmaps, summed, per object: cells near a peak count less as negatives; exact in logits.

    Args:
        logits, target: `(B, K, X, Y)`.
        weights: `(K,)` of the classes; None counts all alike.
    """
    logits = logits.float()
    probability = logits.sigmoid()
    positive = target == 1
    loss = torch.where(
        positive,
        -F.logsigmoid(logits) * (1 - probability) ** alpha,
        -F.logsigmoid(-logits) * probability**alpha * (1 - target) ** beta,
    )
    if weights is None:
        return loss.sum() / positive.sum().clamp(min=1)
    return (loss.sum(dim=(0, 2, 3)) * weights).sum() / (positive.sum(dim=(0, 2, 3)) * weights).sum().clamp(min=1)


def centre_losses(output: HeadOutput, targets: CentreTargets, config: CentreLossConfig | None = None) -> dict[str, Tensor]:
    """Weighted losses by name (the head's maps of `CentreLossConfig`), all float32, finite without any box too."""
    config = config or CentreLossConfig()
    ok = targets.ok
    per_class = class_weights(targets.labels[ok], output.heatmap.shape[1], config.class_balance) if config.class_balance else None
    share = ok.float() if per_class is None else ok * per_class[targets.labels]
    losses = {"heatmap": config.heatmap * gaussian_focal_loss(output.heatmap, targets.heatmap, per_class)}
    for name in ("offset", "height", "log_size", "yaw", "velocity"):
        predicted, wanted = _at(getattr(output, name), targets.index), getattr(targets, name)
        known = ok[..., None] & torch.isfinite(wanted)
        error = (predicted - torch.where(known, wanted, 0.0)).abs() * known * share[..., None]
        losses[name] = getattr(config, name) * error.sum() / share.sum().clamp(min=1)
    for name in ("direction", "attributes"):
        logits, wanted = _at(getattr(output, name), targets.index), getattr(targets, name)
        taught = share * (wanted >= 0)
        error = F.cross_entropy(logits.flatten(0, 1), wanted.clamp(min=0).flatten(), reduction="none").view_as(share)
        losses[name] = getattr(config, name) * (error * taught).sum() / taught.sum().clamp(min=1)
    return losses


def _at(maps: Tensor, index: Tensor) -> Tensor:
    """`(B, C, X, Y)` at `(B, M)` flat cells -> `(B, M, C)` float32."""
    return maps.float().flatten(2).gather(2, index[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)
