"""Which query answers for which object: the cheapest assignment of all (DETR, arXiv 2005.12872, section 3.1), on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.geometry.grid import BevGrid
from fusion.geometry.iou import iou_3d

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0


@dataclass(frozen=True, kw_only=True)
class MatchConfig:
    """Weights of what a pair of query and object costs.

    Attributes:
        label: focal cost of the object's class.
        centre: distance of the centres in BEV along both axes, in lengths of the grid.
        overlap: minus the IoU of the volumes.
    """

    label: float = 0.15
    centre: float = 0.25
    overlap: float = 0.25

    def __post_init__(self) -> None:
        for name in ("label", "centre", "overlap"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected a weight of at least 0, got {getattr(self, name)}")


def match_costs(logits: np.ndarray, boxes: np.ndarray, labels: np.ndarray, truths: np.ndarray, grid: BevGrid, config: MatchConfig) -> np.ndarray:
    """What each pair costs.

    Args:
        logits: `(Q, K)` of the queries.
        boxes: `(Q, 7+)` of the queries, metres.
        labels: `(T,)` classes of the objects.
        truths: `(T, 7+)` their boxes.

    Returns:
        `(Q, T)` float64, finite whatever a diverging network says.
    """
    wanted = np.nan_to_num(logits.astype(np.float64), posinf=1e3, neginf=-1e3)[:, labels]
    no, yes = np.logaddexp(0, wanted), np.logaddexp(0, -wanted)  # -log(1 - p), -log(p)
    focal = FOCAL_ALPHA * np.exp(-no) ** FOCAL_GAMMA * yes - (1 - FOCAL_ALPHA) * np.exp(-yes) ** FOCAL_GAMMA * no
    rows = np.clip(np.nan_to_num(boxes[:, :7].astype(np.float64)), -1e4, 1e4)
    span = np.array([grid.x_range_m[1] - grid.x_range_m[0], grid.y_range_m[1] - grid.y_range_m[0]])
    distance = (np.abs(rows[:, None, :2] - truths[None, :, :2]) / span).sum(axis=-1)
    costs: np.ndarray = config.label * focal + config.centre * distance - config.overlap * iou_3d(rows, truths)
    return costs


def assign(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(Q, T)` costs -> int64 indices of queries and of the objects they answer for, min(Q, T) pairs of least total cost."""
    from scipy.optimize import linear_sum_assignment  # for training alone: answers need not wait for it

    queries, truths = linear_sum_assignment(costs)
    return np.asarray(queries, np.int64), np.asarray(truths, np.int64)
