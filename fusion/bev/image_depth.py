"""Depth in images: bins that mean the same for every focal length."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

REFERENCE_FOCAL = 0.8
"""Focal length, in image widths, of the camera in whose depths the bins are given (nuScenes' front camera)."""


@dataclass(frozen=True, kw_only=True)
class DepthBins:
    """Bins of equal ratio. An image tells depth / focal length only, so depths are first brought to `REFERENCE_FOCAL`.

    Attributes:
        count: number of bins.
        range_m: lower edge of the first and upper edge of the last bin.
    """

    count: int = 24
    range_m: tuple[float, float] = (2.0, 64.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "range_m", tuple(self.range_m))
        if self.count < 2:
            raise ValueError(f"count: expected at least 2 depth bins, got {self.count}")
        if len(self.range_m) != 2 or not 0 < self.range_m[0] < self.range_m[1]:
            raise ValueError(f"range_m: expected a near and a far depth, 0 < near < far, got {self.range_m}")

    def position(self, depth_m: Tensor) -> Tensor:
        """Reference depths -> where they are among the bins: bin k spans [k, k + 1); outside the range below 0 or at least `count`."""
        low, high = self.range_m
        return torch.log(depth_m.clamp(min=1e-3) / low) * (self.count / math.log(high / low))

    def edges_m(self) -> Tensor:
        """`(count + 1,)` edges of the bins, reference depths."""
        low, high = self.range_m
        return low * (high / low) ** (torch.arange(self.count + 1) / self.count)


def reference_scale(intrinsics: Tensor, width_px: int) -> Tensor:
    """`(B, N)` factor from a camera's depths to reference depths; `(B, N, 3, 3)` intrinsics of images of that width (a mirrored image
    has a negative focal length)."""
    return REFERENCE_FOCAL * width_px / intrinsics[:, :, 0, 0].float().abs().clamp(min=1e-3)
