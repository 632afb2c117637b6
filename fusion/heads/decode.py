"""Maps of the centre head -> boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.geometry.nms import circle_nms, rotated_nms
from fusion.heads.centre import HeadOutput
from fusion.heads.yaw import decode_yaw
from fusion.types import ATTRIBUTES

_ATTRIBUTE_FAMILY = {
    "car": "vehicle",
    "truck": "vehicle",
    "bus": "vehicle",
    "trailer": "vehicle",
    "construction_vehicle": "vehicle",
    "motorcycle": "cycle",
    "bicycle": "cycle",
    "pedestrian": "pedestrian",
}


@dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """From maps to boxes.

    Attributes:
        max_boxes: K, boxes of one instant before suppression, at most 500.
        min_score: boxes below are dropped.
        nms: suppression within a class, beside the 3x3 peak test: rotated overlap, distance, or none.
        iou_threshold: overlap above which the weaker box goes (`rotated`).
        radius_m: distance below which the weaker box goes (`circle`).
    """

    max_boxes: int = 300
    min_score: float = 0.03
    nms: Literal["rotated", "circle", "none"] = "rotated"
    iou_threshold: float = 0.2
    radius_m: float = 0.5

    def __post_init__(self) -> None:
        if not 1 <= self.max_boxes <= 500:
            raise ValueError(f"max_boxes: expected 1 to 500, got {self.max_boxes}")


@dataclass(frozen=True, kw_only=True)
class RawDetections:
    """Boxes of one instant, best first.

    Attributes:
        boxes: `(M, 9)` float32, `BOX_FIELDS`, ego frame at the reference stamp.
        scores: `(M,)` float32.
        labels: `(M,)` int64.
        attributes: `(M,)` int64 indices into `ATTRIBUTES`, -1 for none.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """M names, "" for none."""
        return tuple(ATTRIBUTES[index] if index >= 0 else "" for index in self.attributes)

    @classmethod
    def empty(cls) -> RawDetections:
        """No boxes."""
        return cls(boxes=np.zeros((0, 9), np.float32), scores=np.zeros(0, np.float32), labels=np.zeros(0, np.int64), attributes=np.zeros(0, np.int64))


def top_peaks(output: HeadOutput, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best local maxima of every sample.

    Returns:
        scores `(B, K)`, labels `(B, K)`, flat cells `(B, K)` and, at those cells, all box maps `(B, K, C)` in the order
        offset, height, log_size, yaw, direction, velocity, attributes.
    """
    heat = output.heatmap.float().sigmoid()
    peaks = torch.where(_largest_around(heat) == heat, heat, 0.0)
    cells = heat.shape[2] * heat.shape[3]
    scores, flat = peaks.flatten(1).topk(min(count, peaks[0].numel()), dim=1)
    maps = (output.offset, output.height, output.log_size, output.yaw, output.direction, output.velocity, output.attributes)
    cell = flat % cells
    values = torch.cat([m.flatten(2).gather(2, cell[:, None].expand(-1, m.shape[1], -1)) for m in maps], 1).float().transpose(1, 2)
    return scores, flat // cells, cell, values


def _largest_around(maps: Tensor) -> Tensor:
    """The maximum of each 3x3 neighbourhood of `(..., X, Y)`: of three rows, then of three columns. Pooling on CPUs takes ten times as long."""
    rows = maps.clone()
    torch.maximum(rows[..., 1:, :], maps[..., :-1, :], out=rows[..., 1:, :])
    torch.maximum(rows[..., :-1, :], maps[..., 1:, :], out=rows[..., :-1, :])
    around = rows.clone()
    torch.maximum(around[..., 1:], rows[..., :-1], out=around[..., 1:])
    torch.maximum(around[..., :-1], rows[..., 1:], out=around[..., :-1])
    return around


def decode(output: HeadOutput, grid: BevGrid, classes: tuple[str, ...], config: DecodeConfig, ok: np.ndarray | None = None) -> list[RawDetections]:
    """Boxes of every sample, best first.

    Args:
        output: maps on `grid`.
        ok: `(B,)` bool, False where the sample had no sensor at all: it gives no boxes.
    """
    scores_all, labels_all, cells_all, values_all = (t.cpu().numpy() for t in top_peaks(output, config.max_boxes))
    allowed = allowed_attributes(classes)
    results: list[RawDetections] = []
    for b in range(len(scores_all)):
        keep = (scores_all[b] >= config.min_score) & np.isfinite(values_all[b]).all(axis=1)
        if not keep.any() or (ok is not None and not ok[b]):
            results.append(RawDetections.empty())
            continue
        scores, labels, cells, values = scores_all[b][keep], labels_all[b][keep], cells_all[b][keep], values_all[b][keep].astype(np.float64)
        boxes = _boxes(cells, values, grid)
        logits = np.where(allowed[labels], values[:, 12:], -np.inf)
        attributes = np.where(allowed[labels].any(axis=1), logits.argmax(axis=1), -1)
        best = suppress(boxes, scores, labels, config)
        results.append(RawDetections(boxes=boxes[best], scores=scores[best], labels=labels[best], attributes=attributes[best]))
    return results


def _boxes(cells: np.ndarray, values: np.ndarray, grid: BevGrid) -> np.ndarray:
    index = np.stack([cells // grid.shape[1], cells % grid.shape[1]], axis=1)
    xy = grid.cells_to_metres(index + values[:, :2])
    size = np.exp(np.clip(values[:, 3:6], -4.0, 4.0))  # an untrained net must not overflow
    yaw = decode_yaw(values[:, 6], values[:, 7], values[:, 8:10].argmax(axis=1))
    boxes: np.ndarray = np.concatenate([xy, values[:, 2:3], size, yaw[:, None], values[:, 10:12]], axis=1).astype(np.float32)
    return boxes


def suppress(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, config: DecodeConfig) -> np.ndarray:
    """Indices kept, best first."""
    kept = [np.zeros(0, np.int64)]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        match config.nms:
            case "rotated":
                chosen = rotated_nms(boxes[members], scores[members], config.iou_threshold)
            case "circle":
                chosen = circle_nms(boxes[members, :2], scores[members], config.radius_m)
            case "none":
                chosen = np.arange(len(members))
        kept.append(members[chosen])
    all_kept = np.concatenate(kept)
    best: np.ndarray = all_kept[np.argsort(-scores[all_kept], kind="stable")]
    return best


def allowed_attributes(classes: tuple[str, ...]) -> np.ndarray:
    """`(K, A)` bool: the attributes a class may have."""
    return np.array([[name.split(".")[0] == _ATTRIBUTE_FAMILY.get(cls) for name in ATTRIBUTES] for cls in classes])
