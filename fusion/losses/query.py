"""Losses of the query decoder: every layer is taught, each with its own assignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.heads.query.boxes import BOX_WIDTH, VELOCITY
from fusion.heads.query.decode import metric_boxes
from fusion.heads.query.output import QueryOutput
from fusion.heads.targets import CentreTargets, TargetConfig, encode_targets
from fusion.losses.centre import class_weights, gaussian_focal_loss
from fusion.losses.matching import FOCAL_ALPHA, FOCAL_GAMMA, MatchConfig, assign, match_costs
from fusion.types import GroundTruth


@dataclass(frozen=True, kw_only=True)
class QueryLossConfig:
    """Weights of the parts of the loss; those of boxes and classes are summed over the layers.

    Attributes:
        class_balance: how far rare classes are lifted, 0 to 1; as in `CentreLossConfig`.
        heatmap: Gaussian focal loss of the heatmap.
        label: focal loss of the queries' classes.
        box: L1 of the box's ten numbers, centres in cells.
        velocity: share of the two velocities in `box`.
        direction, attributes: cross-entropies.
        match: what the assignment weighs.
        peaks: how wide the heatmap's peaks are where the truth comes as boxes; a network is taught those of its `targets`.
    """

    class_balance: float = 0.0
    heatmap: float = 1.0
    label: float = 1.0
    box: float = 0.25
    velocity: float = 0.2
    direction: float = 0.2
    attributes: float = 0.1
    match: MatchConfig = field(default_factory=MatchConfig)
    peaks: TargetConfig = field(default_factory=TargetConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.class_balance <= 1:
            raise ValueError(f"class_balance: expected 0 to 1, got {self.class_balance}")
        for name in ("heatmap", "label", "box", "velocity", "direction", "attributes"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: expected a weight of at least 0, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Matches:
    """M pairs of a query in a layer and an object, over the whole batch: `(M,)` int64 each."""

    sample: Tensor
    layer: Tensor
    query: Tensor
    truth: Tensor


def match_queries(output: QueryOutput, targets: CentreTargets, grid: BevGrid, config: MatchConfig) -> Matches:
    """Each layer's assignment, among all queries but fillers (also those that no camera sees, or objects that no camera sees would be
    given to queries elsewhere)."""
    states, logits, directions = (t.detach().float().cpu().numpy() for t in (output.boxes, output.logits, output.direction))
    with np.errstate(invalid="ignore"):
        rows = metric_boxes(states, directions.argmax(axis=-1), grid)
    wanted = _target_boxes(targets, grid)
    truths = metric_boxes(wanted.cpu().numpy(), targets.direction.cpu().numpy(), grid)
    labels, valid, ok = targets.labels.cpu().numpy(), output.valid.cpu().numpy(), targets.ok.cpu().numpy()
    pairs: list[np.ndarray] = [np.zeros((4, 0), np.int64)]
    for sample, layer in np.ndindex(states.shape[:2]):
        queries, objects = np.flatnonzero(valid[sample]), np.flatnonzero(ok[sample])
        costs = match_costs(logits[sample, layer, queries], rows[sample, layer, queries], labels[sample, objects], truths[sample, objects],
                            grid, config)
        query, truth = assign(costs)
        pairs.append(np.stack([np.full_like(query, sample), np.full_like(query, layer), queries[query], objects[truth]]))
    sample_, layer_, query_, truth_ = torch.from_numpy(np.concatenate(pairs, axis=1)).to(output.logits.device)
    return Matches(sample=sample_, layer=layer_, query=query_, truth=truth_)


def query_losses(output: QueryOutput, truths: Sequence[GroundTruth] | CentreTargets, grid: BevGrid,
                 config: QueryLossConfig | None = None) -> dict[str, Tensor]:
    """Weighted losses by name, all float32, finite without any box too.

    A query that an image layer left as it was is not taught by that layer.

    Args:
        output: of a head on `grid`.
        truths: boxes in the ego frame with labels below K, or what `encode_targets` made of them.
    """
    config = config or QueryLossConfig()
    device, classes = output.heatmap.device, output.heatmap.shape[1]
    targets = truths if isinstance(truths, CentreTargets) else encode_targets(truths, grid, classes, config.peaks)
    targets = targets.to(device)
    weights = class_weights(targets.labels[targets.ok], classes, config.class_balance) if config.class_balance else torch.ones(classes, device=device)
    losses = {"heatmap": config.heatmap * gaussian_focal_loss(output.heatmap, targets.heatmap, weights)}

    taught = output.refreshed & output.valid[:, None]
    matches = match_queries(output, targets, grid, config.match)
    at = (matches.sample, matches.layer, matches.query)
    label = targets.labels[matches.sample, matches.truth]
    share = weights[label] * taught[at]  # (M,)
    layers = output.logits.shape[1]
    per_layer = torch.zeros(layers, device=device).index_add(0, matches.layer, share).clamp(min=1)
    share = share / per_layer[matches.layer]

    positive = torch.zeros_like(output.logits, dtype=torch.float32)
    positive[(*at, label)] = 1.0
    focal = _focal(output.logits.float(), positive) * weights * taught[..., None]
    losses["label"] = config.label * (focal.sum(dim=(0, 2, 3)) / per_layer).sum()

    wanted = _target_boxes(targets, grid)[matches.sample, matches.truth]
    unit = torch.ones(BOX_WIDTH, device=device)
    unit[:2], unit[VELOCITY] = 1 / grid.cell_m, config.velocity
    known = torch.isfinite(wanted)
    error = (output.boxes.float()[at] - torch.where(known, wanted, 0.0)).abs() * known * unit
    losses["box"] = config.box * (error.sum(dim=-1) * share).sum()
    for name in ("direction", "attributes"):
        choice = getattr(targets, name)[matches.sample, matches.truth]
        wrong = F.cross_entropy(getattr(output, name).float()[at], choice.clamp(min=0), reduction="none")
        losses[name] = getattr(config, name) * (wrong * share * (choice >= 0)).sum()
    return losses


def _focal(logits: Tensor, positive: Tensor) -> Tensor:
    """Sigmoid focal loss (arXiv 1708.02002), element by element."""
    probability = logits.sigmoid()
    miss = -F.logsigmoid(logits) * FOCAL_ALPHA * (1 - probability) ** FOCAL_GAMMA
    false = -F.logsigmoid(-logits) * (1 - FOCAL_ALPHA) * probability**FOCAL_GAMMA
    return torch.where(positive > 0, miss, false)


def _target_boxes(targets: CentreTargets, grid: BevGrid) -> Tensor:
    """`(B, M, 10)` float32 boxes as a query should carry them; velocities NaN where unknown."""
    corner = torch.stack([targets.index // grid.shape[1], targets.index % grid.shape[1]], dim=-1)
    low = targets.offset.new_tensor([grid.x_range_m[0], grid.y_range_m[0]])
    xy = (corner + targets.offset) * grid.cell_m + low
    return torch.cat([xy, targets.height, targets.log_size, targets.yaw, targets.velocity], dim=-1)
