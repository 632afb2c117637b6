"""Maps of the centre head -> boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.geometry.nms import rotated_nms, soft_nms
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
        candidates: cells of one instant that propose a box, the best of all classes. There is no test for local maxima: on a grid of
            metres it takes one of two cones for the other's slope. What proposes the same object is told by its box.
        max_boxes: K, boxes of one instant, at most 500.
        min_score: boxes below are dropped.
        iou_threshold: overlap above which the weaker of two boxes of a class goes; 1 keeps all.
        spread_m: how exact centres are that the LiDAR measured, standard deviation; boxes of a class that are nearer to each other than some
            of it are taken for one, softly (`soft_nms`); 0 takes each for one of its own.
        spread_by_cameras_m: the same where only cameras looked.
    """

    candidates: int = 1000
    max_boxes: int = 300
    min_score: float = 0.03
    iou_threshold: float = 0.2
    spread_m: float = 0.3
    spread_by_cameras_m: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_boxes <= 500:
            raise ValueError(f"max_boxes: expected 1 to 500, got {self.max_boxes}")
        if self.candidates < self.max_boxes:
            raise ValueError(f"candidates: expected at least max_boxes, {self.max_boxes}, got {self.candidates}")
        if not 0.0 <= self.iou_threshold <= 1.0:
            raise ValueError(f"iou_threshold: expected a number in [0, 1], got {self.iou_threshold}")
        for name in ("spread_m", "spread_by_cameras_m"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name}: expected metres >= 0, got {getattr(self, name)}")


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


def best_cells(output: HeadOutput, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where the heatmap of any class is highest, in every sample.

    Returns:
        scores `(B, K)`, labels `(B, K)`, flat cells `(B, K)` and, at those cells, all box maps `(B, K, C)` in the order
        offset, height, log_size, yaw, direction, velocity, attributes.
    """
    logits = output.heatmap.float()
    cells = logits.shape[2] * logits.shape[3]
    best, flat = logits.flatten(1).topk(min(count, logits[0].numel()), dim=1)
    maps = (output.offset, output.height, output.log_size, output.yaw, output.direction, output.velocity, output.attributes)
    cell = flat % cells
    values = torch.cat([m.flatten(2).gather(2, cell[:, None].expand(-1, m.shape[1], -1)) for m in maps], 1).float().transpose(1, 2)
    return best.sigmoid(), flat // cells, cell, values


def decode(output: HeadOutput, grid: BevGrid, classes: tuple[str, ...], config: DecodeConfig, ok: np.ndarray | None = None,
           lidar_ok: np.ndarray | None = None) -> list[RawDetections]:
    """Boxes of every sample, best first.

    Args:
        output: maps on `grid`.
        ok: `(B,)` bool, False where the sample had no sensor at all: it gives no boxes.
        lidar_ok: `(B,)` bool, False where only cameras looked; None where the LiDAR always did.
    """
    scores_all, labels_all, cells_all, values_all = (t.cpu().numpy() for t in best_cells(output, config.candidates))
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
        best, scores = suppress(boxes, scores, labels, config, lidar_ok is None or bool(lidar_ok[b]))
        results.append(RawDetections(boxes=boxes[best], scores=scores, labels=labels[best], attributes=attributes[best]))
    return results


def _boxes(cells: np.ndarray, values: np.ndarray, grid: BevGrid) -> np.ndarray:
    index = np.stack([cells // grid.shape[1], cells % grid.shape[1]], axis=1)
    xy = grid.cells_to_metres(index + values[:, :2])
    size = np.exp(np.clip(values[:, 3:6], -4.0, 4.0))  # an untrained net must not overflow
    yaw = decode_yaw(values[:, 6], values[:, 7], values[:, 8:10].argmax(axis=1))
    boxes: np.ndarray = np.concatenate([xy, values[:, 2:3], size, yaw[:, None], values[:, 10:12]], axis=1).astype(np.float32)
    return boxes


def suppress(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, config: DecodeConfig, by_lidar: bool) -> tuple[np.ndarray, np.ndarray]:
    """`(kept,)` indices, best first and at most `max_boxes`, and their `(kept,)` float32 scores; `by_lidar`: the LiDAR was there."""
    spread_m = config.spread_m if by_lidar else config.spread_by_cameras_m
    kept, lowered = [np.zeros(0, np.int64)], [np.zeros(0, np.float64)]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        members = members[rotated_nms(boxes[members], scores[members], config.iou_threshold)]
        chosen, low = soft_nms(boxes[members, :2], scores[members], spread_m, config.min_score)
        kept.append(members[chosen])
        lowered.append(low)
    all_kept, all_scores = np.concatenate(kept), np.concatenate(lowered)
    best = np.argsort(-all_scores, kind="stable")[: config.max_boxes]
    return all_kept[best], all_scores[best].astype(np.float32)


def allowed_attributes(classes: tuple[str, ...]) -> np.ndarray:
    """`(K, A)` bool: the attributes a class may have."""
    return np.array([[name.split(".")[0] == _ATTRIBUTE_FAMILY.get(cls) for name in ATTRIBUTES] for cls in classes])
