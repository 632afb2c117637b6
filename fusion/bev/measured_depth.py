"""The LiDAR's word on the depth of pixels, beside the distribution that the image predicts: exact where there are points, silent where not.

A predicted distribution is the prior, points are observations: with n points in a pixel, of which n_k lie in bin k, the pixel lies there with
probability (n_k + w p_k) / (n + w), the mean of a Dirichlet distribution whose prior weighs as much as w points. BEVFusion (arXiv 2205.13542)
hands points' depths to its camera branch, too, but through weights that must do without them where the LiDAR is gone; here its absence
leaves exactly the prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from fusion.bev.image_depth import DepthBins, reference_scale
from fusion.geometry.lidar_depth import lidar_depth_counts
from fusion.types import SensorBatch


@dataclass(frozen=True, kw_only=True)
class MeasuredDepthConfig:
    """What measured depths weigh, and how finely they are told apart.

    Attributes:
        prior_points: points in a feature pixel that weigh as much as its predicted distribution.
        finer: bins of measured depth in each bin of the predicted one.
    """

    prior_points: float = 1.0
    finer: int = 2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.prior_points) and self.prior_points > 0):
            raise ValueError(f"prior_points: expected a number above 0, got {self.prior_points}")
        if self.finer < 1:
            raise ValueError(f"finer: expected at least 1, got {self.finer}")


def measured_at_cells(sensors: SensorBatch, feature_hw: tuple[int, int], bins: DepthBins, config: MeasuredDepthConfig, coords: Tensor,
                      depth_at: Tensor) -> tuple[Tensor, Tensor]:
    """What the newest sweep says about pixels and depths that cells look at (host work).

    Args:
        sensors: cameras and points; those of an absent LiDAR count for nothing.
        feature_hw: size of the feature maps.
        coords: `(B, V, Z * X, Y, 2)` positions in the maps side by side, as in `PullGrid`.
        depth_at: `(B, V, Z, X, Y)` positions among `bins`.

    Returns:
        measured: `(B, V, Z, X, Y)` float32, the share of points at that depth, in even shares over the bins; 0 where there are none.
        unmeasured: `(B, V, Z, X, Y)` float32 in (0, 1], the weight of the prediction, 1 where there are no points.
    """
    scale = reference_scale(sensors.intrinsics, sensors.image_hw[1])
    found = lidar_depth_counts(sensors, feature_hw, scale, bins.range_m, bins.count * config.finer)
    measured, unmeasured = _read(found, coords.cpu().numpy(), depth_at.cpu().numpy(), np.float32(config.prior_points), config.finer)
    return torch.from_numpy(measured).to(depth_at.device), torch.from_numpy(unmeasured).to(depth_at.device)


@numba.njit(cache=True, nogil=True)
def _read(counts: np.ndarray, coords: np.ndarray, depth_at: np.ndarray, prior: np.float32, finer: int) -> tuple[np.ndarray, np.ndarray]:
    """`measured_at_cells` of counts, which are used up: bilinear between pixels, linear between bins."""
    batch, h, cameras, w, count = counts.shape
    views, size_z, size_x, size_y = depth_at.shape[1:]
    measured, unmeasured = np.zeros(depth_at.shape, np.float32), np.ones(depth_at.shape, np.float32)
    one, half, zero = np.float32(1), np.float32(0.5), np.float32(0)
    width = cameras * w
    to_column, to_row = half * np.float32(width - 1), half * np.float32(h - 1)
    decided = np.zeros((h, width), np.float32)  # how far the points decide about a pixel
    for b in range(batch):
        shares = counts[b].reshape(h, width, count)
        for i in range(h):
            for j in range(width):
                points = shares[i, j].sum()
                decided[i, j] = points / (points + prior)
                if points > zero:
                    shares[i, j] *= np.float32(count) / (points + prior)
        for v in range(views):
            for z in range(size_z):
                for x in range(size_x):
                    for y in range(size_y):
                        column, row = coords[b, v, z * size_x + x, y, 0], coords[b, v, z * size_x + x, y, 1]
                        if column < -one or row < -one:
                            continue  # no such view
                        column, row = (column + one) * to_column, (row + one) * to_row
                        left, top = min(int(column), width - 1), min(int(row), h - 1)
                        beyond_x, beyond_y = column - np.float32(left), row - np.float32(top)
                        right, below = min(left + 1, width - 1), min(top + 1, h - 1)
                        at = min(max(depth_at[b, v, z, x, y] * np.float32(finer) - half, zero), np.float32(count - 1))
                        k = min(int(at), count - 2)
                        far = at - np.float32(k)
                        likely, known = zero, zero
                        for i, down in ((top, one - beyond_y), (below, beyond_y)):
                            for j, across in ((left, one - beyond_x), (right, beyond_x)):
                                if decided[i, j] > zero:
                                    share = down * across
                                    known += share * decided[i, j]
                                    likely += share * (shares[i, j, k] * (one - far) + shares[i, j, k + 1] * far)
                        measured[b, v, z, x, y] = likely
                        unmeasured[b, v, z, x, y] = one - known  # exactly 1 where there are no points
    return measured, unmeasured
