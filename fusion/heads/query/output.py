"""What the query decoder says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one layer says about every query.

    Attributes:
        logits: `(B, Q, K)` one per class.
        boxes: `(B, Q, 10)` float32, columns of `fusion.heads.query.boxes`.
        direction: `(B, Q, 2)` logits, which of the two opposite headings; see `direction_bin`.
        attributes: `(B, Q, A)` logits.
    """

    logits: Tensor
    boxes: Tensor
    direction: Tensor
    attributes: Tensor

    def or_else(self, take: Tensor, other: Prediction) -> Prediction:
        """This prediction where `(B, Q)` bool `take` is True, elsewhere the other one, without gradient to it: its own layer teaches it."""
        take = take[..., None]
        return Prediction(
            logits=torch.where(take, self.logits, other.logits.detach()),
            boxes=torch.where(take, self.boxes, other.boxes.detach()),
            direction=torch.where(take, self.direction, other.direction.detach()),
            attributes=torch.where(take, self.attributes, other.attributes.detach()),
        )


@dataclass(frozen=True, kw_only=True)
class QueryOutput:
    """The heatmap that queries start from, and what L layers say about them (the first from BEV attention, then one per refining layer).

    Attributes:
        heatmap: `(B, K, X, Y)` logits, one map per class.
        cells, labels, valid, heat: of the queries' start; see `Seeds`.
        logits: `(B, L, Q, K)` float32.
        boxes: `(B, L, Q, 10)` float32, columns of `fusion.heads.query.boxes`.
        direction: `(B, L, Q, 2)` logits, float32.
        attributes: `(B, L, Q, A)` logits, float32.
        refreshed: `(B, L, Q)` bool, False where an image layer left a query as it was, because no camera sees its box.
        depth_logits: `(B, N, bins, h, w)` where the camera lift predicts depth, else None.
    """

    heatmap: Tensor
    cells: Tensor
    labels: Tensor
    valid: Tensor
    heat: Tensor
    logits: Tensor
    boxes: Tensor
    direction: Tensor
    attributes: Tensor
    refreshed: Tensor
    depth_logits: Tensor | None = None
