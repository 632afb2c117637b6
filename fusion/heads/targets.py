"""Ground truth boxes -> what the centre head should say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from fusion.geometry.grid import BevGrid
from fusion.heads.yaw import direction_bin
from fusion.types import ATTRIBUTES, GroundTruth


@dataclass(frozen=True, kw_only=True)
class TargetConfig:
    """How wide the heatmap's peaks are.

    Attributes:
        min_overlap: IoU that a box shifted by the radius still has.
        min_radius: smallest radius, cells.
    """

    min_overlap: float = 0.1
    min_radius: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.min_overlap < 1 or self.min_radius < 0:
            raise ValueError(f"min_overlap, min_radius: expected an overlap between 0 and 1 and a radius >= 0, got {self.min_overlap},"
                             f" {self.min_radius}")


@dataclass(frozen=True, kw_only=True)
class CentreTargets:
    """Targets of a batch; M is the largest number of boxes, padding has `ok` False.

    Attributes:
        heatmap: `(B, K, X, Y)` float32 in [0, 1].
        index: `(B, M)` int64 flat cell `i * Y + j`.
        ok: `(B, M)` bool.
        labels: `(B, M)` int64.
        offset `(B, M, 2)`, height `(B, M, 1)`, log_size `(B, M, 3)`, yaw `(B, M, 2)`: as in `HeadOutput`.
        velocity: `(B, M, 2)` m/s, NaN where unknown.
        direction: `(B, M)` int64 bin.
        attributes: `(B, M)` int64, -1 where there is none.
    """

    heatmap: Tensor
    index: Tensor
    ok: Tensor
    labels: Tensor
    offset: Tensor
    height: Tensor
    log_size: Tensor
    yaw: Tensor
    velocity: Tensor
    direction: Tensor
    attributes: Tensor

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> CentreTargets:
        """The same targets on another device."""
        return CentreTargets(**{f.name: getattr(self, f.name).to(device, non_blocking=non_blocking) for f in fields(self)})

    def pin_memory(self) -> CentreTargets:
        """The same targets in pinned memory."""
        return CentreTargets(**{f.name: getattr(self, f.name).pin_memory() for f in fields(self)})


def gaussian_radius(length_cells: float, width_cells: float, min_overlap: float) -> float:
    """Shift of a box, in cells and along both axes, that leaves the IoU at `min_overlap` in the worst of three cases:
    one corner shifted in and one out, both in, both out."""
    total, area = length_cells + width_cells, length_cells * width_cells
    # Shifted as a whole: (l - r)(w - r) / (2 l w - (l - r)(w - r)) = o.
    shifted = (total - np.sqrt(max(total**2 - 4 * area * (1 - min_overlap) / (1 + min_overlap), 0))) / 2
    # Shrunk by r on every side: (l - 2r)(w - 2r) / (l w) = o.
    shrunk = (total - np.sqrt(max(total**2 - 4 * area * (1 - min_overlap), 0))) / 4
    # Grown by r on every side: l w / ((l + 2r)(w + 2r)) = o.
    grown = (-total + np.sqrt(total**2 + 4 * area * (1 / min_overlap - 1))) / 4
    return float(min(shifted, shrunk, grown))


def draw_peak(heatmap: np.ndarray, i: int, j: int, radius: int) -> None:
    """Raise `(X, Y)` heatmap to a Gaussian of value 1 at `(i, j)`, in place; sigma is a sixth of the diameter."""
    size_x, size_y = heatmap.shape
    sigma = (2 * radius + 1) / 6
    x0, x1, y0, y1 = max(i - radius, 0), min(i + radius + 1, size_x), max(j - radius, 0), min(j + radius + 1, size_y)
    along_x = np.exp(-((np.arange(x0, x1) - i) ** 2) / (2 * sigma**2))
    along_y = np.exp(-((np.arange(y0, y1) - j) ** 2) / (2 * sigma**2))
    patch = heatmap[x0:x1, y0:y1]
    np.maximum(patch, (along_x[:, None] * along_y).astype(np.float32), out=patch)


def encode_targets(truths: Sequence[GroundTruth], grid: BevGrid, num_classes: int, config: TargetConfig | None = None) -> CentreTargets:
    """Targets of a batch on the head's grid; boxes whose centre is off the grid are left out.

    Args:
        truths: boxes in the ego frame, labels below `num_classes`.
        grid: the head's grid.
    """
    config = config or TargetConfig()
    size_x, size_y = grid.shape
    truths = [truth.select(grid.holds(truth.boxes[:, :2])) for truth in truths]
    batch, most = len(truths), max(map(len, truths), default=0)
    heatmap = np.zeros((batch, num_classes, size_x, size_y), np.float32)
    floats = {
        name: np.zeros((batch, most, width), np.float32)
        for name, width in (("offset", 2), ("height", 1), ("log_size", 3), ("yaw", 2), ("velocity", 2))
    }
    ints = {name: np.zeros((batch, most), np.int64) for name in ("index", "labels", "direction", "attributes")}
    ok = np.zeros((batch, most), bool)
    for b, truth in enumerate(truths):
        n, boxes = len(truth), truth.boxes.astype(np.float64)
        cell = grid.metres_to_cells(boxes[:, :2])
        corner = np.floor(cell).astype(np.int64)
        ok[b, :n] = True
        ints["index"][b, :n] = corner[:, 0] * size_y + corner[:, 1]
        ints["labels"][b, :n] = truth.labels
        ints["direction"][b, :n] = direction_bin(boxes[:, 6])
        ints["attributes"][b, :n] = [ATTRIBUTES.index(name) if name else -1 for name in truth.attributes]
        floats["offset"][b, :n] = cell - corner
        floats["height"][b, :n] = boxes[:, 2:3]
        floats["log_size"][b, :n] = np.log(boxes[:, 3:6])
        floats["yaw"][b, :n] = np.stack([np.sin(2 * boxes[:, 6]), np.cos(2 * boxes[:, 6])], axis=1)
        floats["velocity"][b, :n] = boxes[:, 7:9]
        for (i, j), box, label in zip(corner, boxes, truth.labels, strict=True):
            radius = gaussian_radius(box[3] / grid.cell_m, box[4] / grid.cell_m, config.min_overlap)
            draw_peak(heatmap[b, label], int(i), int(j), max(config.min_radius, int(radius)))
    arrays = {"heatmap": heatmap, "ok": ok, **floats, **ints}
    return CentreTargets(**{name: torch.from_numpy(array) for name, array in arrays.items()})
