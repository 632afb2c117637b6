"""Queries of the last layer -> boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.heads.decode import DecodeConfig, RawDetections, allowed_attributes, suppress
from fusion.heads.query.boxes import CENTRE, LOG_SIZE, MAX_LOG_SIZE, VELOCITY, YAW
from fusion.heads.query.output import QueryOutput
from fusion.heads.yaw import decode_yaw


def query_scores(output: QueryOutput) -> tuple[Tensor, Tensor]:
    """`(B, Q)` float32 score and int64 class of every query: the geometric mean of what the last layer and the heatmap say; fillers score 0."""
    said = (output.logits[:, -1].float().sigmoid() * output.heat.float()).sqrt()
    score, label = said.max(dim=-1)
    return torch.where(output.valid, score, 0.0), label


def metric_boxes(boxes: np.ndarray, bins: np.ndarray, grid: BevGrid) -> np.ndarray:
    """`(..., 10)` boxes of a query and `(...)` direction bins -> `(..., 9)` float64 `BOX_FIELDS`: centres on the grid, sizes within
    exp(-4) and exp(4) metres, yaw in [-pi, pi)."""
    boxes = boxes.astype(np.float64)
    size = np.exp(np.clip(boxes[..., LOG_SIZE], -MAX_LOG_SIZE, MAX_LOG_SIZE))
    yaw = decode_yaw(boxes[..., YAW][..., 0], boxes[..., YAW][..., 1], bins)
    low, high = (np.array([grid.x_range_m[side], grid.y_range_m[side]]) for side in (0, 1))
    centre = boxes[..., CENTRE]
    rows: np.ndarray = np.concatenate([np.clip(centre[..., :2], low, high), centre[..., 2:], size, yaw[..., None], boxes[..., VELOCITY]], axis=-1)
    return rows


def decode_queries(output: QueryOutput, grid: BevGrid, classes: tuple[str, ...], config: DecodeConfig,
                   ok: np.ndarray | None = None, lidar_ok: np.ndarray | None = None) -> list[RawDetections]:
    """Boxes of every sample, best first.

    Args:
        output: of a head on `grid` for `classes`.
        config: queries that compete already need no suppression, so that for a trained decoder an overlap of 1 and spreads of 0 are right.
        ok: `(B,)` bool, False where the sample had no sensor at all: it gives no boxes.
        lidar_ok: `(B,)` bool, False where only cameras looked; None where the LiDAR always did.
    """
    scores_all, labels_all = (t.detach().cpu().numpy() for t in query_scores(output))
    states, directions, logits_all = (t[:, -1].detach().float().cpu().numpy() for t in (output.boxes, output.direction, output.attributes))
    allowed = allowed_attributes(classes)
    results: list[RawDetections] = []
    for b in range(len(scores_all)):
        keep = np.flatnonzero((scores_all[b] >= config.min_score) & (scores_all[b] > 0) & np.isfinite(states[b]).all(axis=1))
        keep = keep[np.argsort(-scores_all[b, keep], kind="stable")][: config.candidates]
        if not len(keep) or (ok is not None and not ok[b]):
            results.append(RawDetections.empty())
            continue
        scores, labels = scores_all[b, keep].astype(np.float32), labels_all[b, keep]
        boxes = metric_boxes(states[b, keep], directions[b, keep].argmax(axis=-1), grid).astype(np.float32)
        logits = np.where(allowed[labels], logits_all[b, keep], -np.inf)
        attributes = np.where(allowed[labels].any(axis=1), logits.argmax(axis=1), -1)
        best, scores = suppress(boxes, scores, labels, config, lidar_ok is None or bool(lidar_ok[b]))
        results.append(RawDetections(boxes=boxes[best], scores=scores, labels=labels[best], attributes=attributes[best]))
    return results
