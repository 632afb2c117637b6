"""How the cameras of a batch look at the ego frame: what the query decoder needs of the calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fusion.geometry.valid import map_pixels_ok
from fusion.types import SensorBatch
from fusion.types.checks import check_dtype, check_shape


@dataclass(frozen=True, kw_only=True)
class ViewGeometry:
    """Projections of a batch, computed on the host.

    Attributes:
        image_T_ego: `(B, N, 3, 4)` float32, metres in the ego frame -> pixels times depth, pixel centres at integers.
        image_hw: height and width of the (padded) images, pixels.
        valid_px: `(B, N, 4)` float32, which part of an image is no padding, as in `SensorBatch`.
        camera_ok: `(B, N)` bool; what an absent camera's matrix holds has no effect.
    """

    image_T_ego: Tensor
    image_hw: tuple[int, int]
    valid_px: Tensor
    camera_ok: Tensor

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("image_T_ego", self.image_T_ego, ("B", "N", 3, 4), dims)
        check_dtype("image_T_ego", self.image_T_ego, torch.float32)
        check_shape("valid_px", self.valid_px, ("B", "N", 4), dims)
        check_shape("camera_ok", self.camera_ok, ("B", "N"), dims)
        check_dtype("camera_ok", self.camera_ok, torch.bool)

    def pixels_ok(self, size: tuple[int, int]) -> Tensor:
        """`(B, N, h, w)` bool: pixels of maps of that size that are image: the camera is present, and they are not all padding."""
        return map_pixels_ok(self.valid_px, self.camera_ok, self.image_hw, size)

    def only(self, samples: Tensor) -> ViewGeometry:
        """As if samples whose `(B,)` bool is False had no camera."""
        return replace(self, camera_ok=self.camera_ok & samples[:, None])


@torch.no_grad()
def view_geometry(sensors: SensorBatch) -> ViewGeometry:
    """Projections of a batch's cameras."""
    # In double precision, by which mixed precision keeps its hands off the product.
    image_T_ego = (sensors.intrinsics.double() @ sensors.cam_T_ego.double()[:, :, :3]).float()
    image_T_ego = torch.where(sensors.camera_ok[:, :, None, None], image_T_ego, 0.0)
    return ViewGeometry(image_T_ego=image_T_ego, image_hw=sensors.image_hw, valid_px=sensors.valid_px, camera_ok=sensors.camera_ok)
