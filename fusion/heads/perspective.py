"""Perspective supervision: while training, the camera encoder itself says which object is where in its image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fusion.heads.targets import draw_peak
from fusion.types import GroundTruth, SensorBatch

MIN_DEPTH_M = 1.0
WELL_SEEN = 2  # visibility of at least 40 %, or unknown (0)


@dataclass(frozen=True, kw_only=True)
class PerspectiveConfig:
    """The auxiliary head on image features (as BEVFormer v2 has one, arXiv 2211.10439, section 3.2, here a class heatmap alone). It takes no
    part in an answer.

    Attributes:
        hidden: channels of its hidden layer.
    """

    hidden: int = 48

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"hidden: expected at least 1, got {self.hidden}")


class PerspectiveHead(nn.Module):
    """Image features -> class heatmaps."""

    def __init__(self, config: PerspectiveConfig, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, config.hidden, 3, padding=1, bias=False), nn.BatchNorm2d(config.hidden), nn.ReLU(inplace=True),
        )
        self.heatmap = nn.Conv2d(config.hidden, num_classes, 1)
        nn.init.constant_(self.heatmap.bias, -4.6)  # type: ignore[arg-type]  # objects are rarer in images than in BEV: a prior of 0.01

    def forward(self, perspective: Tensor, camera_ok: Tensor) -> Tensor:
        """`(B, N, C, h, w)` features and `(B, N)` availability -> logits `(M, K, h, w)` of the M present images, in the order of the mask."""
        logits: Tensor = self.heatmap(self.body(perspective[camera_ok]))
        return logits


def perspective_heatmap(truths: Sequence[GroundTruth], sensors: SensorBatch, feature_hw: tuple[int, int], num_classes: int) -> Tensor:
    """`(M, K, h, w)` heatmaps of the M present images: a peak where a box's centre projects, as wide as a quarter of its extent.

    Args:
        truths: B sets of boxes, ego frame. Boxes that are mostly hidden, and those in the padding of an image, have no peak in it.
        sensors: its cameras.
        feature_hw: size of the feature maps.
        num_classes: K.
    """
    (height, width), (h, w) = sensors.image_hw, feature_hw
    image_T_ego = (sensors.intrinsics.double() @ sensors.cam_T_ego.double()[:, :, :3]).cpu().numpy()
    focal_px = sensors.intrinsics[:, :, 0, 0].abs().cpu().numpy()
    present, valid = sensors.camera_ok.cpu().numpy(), (sensors.valid_px.double().cpu().numpy() + 0.5) * np.tile([w / width, h / height], 2)
    heatmap = np.zeros((int(present.sum()), num_classes, h, w), np.float32)
    for image, (sample, camera) in enumerate(np.argwhere(present)):
        truth = truths[sample]
        boxes = truth.boxes.astype(np.float64)
        uvd = boxes[:, :3] @ image_T_ego[sample, camera, :, :3].T + image_T_ego[sample, camera, :, 3]
        depth = np.maximum(uvd[:, 2], MIN_DEPTH_M)
        column, row = (uvd[:, 0] / depth + 0.5) * (w / width), (uvd[:, 1] / depth + 0.5) * (h / height)
        left, top, right, bottom = valid[sample, camera]
        seen = (uvd[:, 2] > MIN_DEPTH_M) & (column >= left) & (column < right) & (row >= top) & (row < bottom)
        seen &= (truth.visibility >= WELL_SEEN) | (truth.visibility == 0)
        extent = focal_px[sample, camera] * boxes[:, 3:6].max(axis=1, initial=0) / depth * (w / width)
        for k in np.flatnonzero(seen):
            draw_peak(heatmap[image, truth.labels[k]], int(row[k]), int(column[k]), max(1, int(extent[k] / 4)))
    return torch.from_numpy(heatmap)
