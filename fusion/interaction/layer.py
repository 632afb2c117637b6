"""One interaction layer: each stream looks at itself, then at the other; both stay.

Images look first, and cells then look into what came of that: so one layer already exchanges both ways.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.geometry.valid import map_pixels_ok
from fusion.interaction.bev_to_image import BevToImage, BevToImageConfig, PixelRays, pixel_places
from fusion.interaction.deformable import DeformableSelfAttention, SelfAttentionConfig
from fusion.interaction.geometry import rig_of
from fusion.interaction.image_to_bev import CellViews, ImageToBev, ImageToBevConfig, cell_views
from fusion.interaction.polar import PolarAttention, PolarConfig, PolarRays, polar_rays, ray_columns
from fusion.types import SensorBatch

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """The parts of a layer; None leaves one out.

    Attributes:
        image_self, bev_self: attention of a stream to itself.
        image_to_bev, polar: what cells take from images.
        bev_to_image: what images take from cells.
    """

    image_self: SelfAttentionConfig | None
    bev_self: SelfAttentionConfig | None
    image_to_bev: ImageToBevConfig | None
    polar: PolarConfig | None
    bev_to_image: BevToImageConfig | None


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Where the streams of a batch meet: everything of the interaction that depends on calibration and LiDAR points alone.

    Attributes:
        camera_ok: `(B, N)` bool.
        valid_px: `(B, N, 4)` which part of an image is no padding, as in `SensorBatch`.
        image_hw: size of the images, padding included, pixels.
        cells, rays, pixels: for the parts that need them, else None.
    """

    camera_ok: Tensor
    valid_px: Tensor
    image_hw: tuple[int, int]
    cells: CellViews | None = None
    rays: PolarRays | None = None
    pixels: PixelRays | None = None

    def pixels_ok(self, size: tuple[int, int]) -> Tensor:
        """`(B, N, h, w)` bool: pixels of maps of that size that are image: the camera is present, and they are not all padding."""
        return map_pixels_ok(self.valid_px, self.camera_ok, self.image_hw, size)

    def without(self, cameras: Tensor, lidar: Tensor) -> Meeting:
        """As if `(B,)` bool samples had no camera, and no LiDAR."""
        seen, measured = ~cameras, ~lidar
        cells, rays, pixels = self.cells, self.rays, self.pixels
        if cells is not None:
            cells = cells.without(cameras, lidar)
        if rays is not None:
            rays = replace(rays, ok=rays.ok & seen[:, None, None], cells_ok=rays.cells_ok & seen[:, None, None])
        if pixels is not None:
            pixels = replace(pixels, camera_ok=pixels.camera_ok & seen[:, None], lidar_known=pixels.lidar_known & measured.view(-1, 1, 1, 1))
        return replace(self, camera_ok=self.camera_ok & seen[:, None], cells=cells, rays=rays, pixels=pixels)


def meeting_of(config: LayerConfig, batch: SensorBatch, grid: BevGrid, feature_hw: tuple[int, int], bin_edges_m: Tensor | None) -> Meeting:
    """The host's part of all layers of a config; changes nothing in `batch`.

    Args:
        grid: grid of the BEV maps.
        feature_hw: size of the perspective features.
        bin_edges_m: `(B, N, bins + 1)` edges of the lift's depth bins; needed by `bev_to_image`, and read by `image_to_bev` if there.
    """
    rig = rig_of(batch, feature_hw)
    pixels = None
    if config.bev_to_image is not None:
        if bin_edges_m is None:
            raise ValueError("bin_edges_m: expected the depth bins of the lift, which bev_to_image needs, got None")
        pixels = pixel_places(rig, grid, config.bev_to_image, bin_edges_m)
    return Meeting(
        camera_ok=batch.camera_ok,
        valid_px=batch.valid_px,
        image_hw=batch.image_hw,
        cells=None if config.image_to_bev is None else cell_views(rig, batch, grid, config.image_to_bev, bin_edges_m),
        rays=None if config.polar is None else polar_rays(rig, grid, config.polar),
        pixels=pixels,
    )


class InteractionLayer(nn.Module):
    """Self attention of both streams, then the cross branches from its results, each scaled per channel by a learned number.

    Args:
        channels: of both streams.
        scale: first value of the learned scales.
    """

    def __init__(self, config: LayerConfig, channels: int, scale: float = 1.0) -> None:
        super().__init__()
        self.image_self = None if config.image_self is None else DeformableSelfAttention(config.image_self, channels)
        self.bev_self = None if config.bev_self is None else DeformableSelfAttention(config.bev_self, channels)
        self.image_to_bev = None if config.image_to_bev is None else ImageToBev(config.image_to_bev, channels)
        self.polar = None if config.polar is None else PolarAttention(config.polar, channels)
        self.bev_to_image = None if config.bev_to_image is None else BevToImage(config.bev_to_image, channels)
        self.scales = nn.ParameterDict({name: nn.Parameter(torch.full((channels, 1, 1), scale))
                                        for name in ("image_to_bev", "polar", "bev_to_image") if getattr(config, name) is not None})

    def forward(self, perspective: Tensor | None, bev: Tensor, bev_here: Tensor, depth_logits: Tensor | None,
                where: Meeting | None) -> tuple[Tensor | None, Tensor]:
        """Both streams, exchanged.

        Args:
            perspective: `(B, N, C, h, w)`, zero in padding, as the answer is; None in a network without cameras.
            bev: `(B, C, X, Y)`.
            bev_here: `(B, 1, X, Y)` bool: cells of which the BEV stream can know; exactly zero elsewhere, as absent images are.
            depth_logits: `(B, N, bins, h, w)`; None of a lift without depth, which `bev_to_image` needs.
            where: what every part needs must be there, unless there are no cameras.

        Raises:
            ValueError: something is missing that a part reads.
        """
        if self.bev_self is not None:
            bev = torch.where(bev_here, self.bev_self(bev), 0.0)
        if perspective is None or perspective.shape[1] == 0:
            return perspective, bev
        if where is None:
            raise ValueError("where: expected where the streams meet, as there are cameras, got None")
        pixels_ok = where.pixels_ok((perspective.shape[-2], perspective.shape[-1]))
        image_here = pixels_ok[:, :, None]
        if self.image_self is not None:
            looked = self.image_self(perspective.flatten(0, 1), pixels_ok.flatten(0, 1)).view(perspective.shape)
            perspective = torch.where(image_here, looked, 0.0)
        if self.bev_to_image is not None:
            depth = _needed("depth_logits", depth_logits, "bev_to_image")
            added = self.bev_to_image(perspective, bev, depth, _needed("where.pixels", where.pixels, "bev_to_image"))
            perspective = torch.where(image_here, perspective + self.scales["bev_to_image"] * added, 0.0)
        seen = bev
        if self.image_to_bev is not None:
            cells = _needed("where.cells", where.cells, "image_to_bev")
            if cells.depth_at is not None:
                _needed("depth_logits", depth_logits, "image_to_bev")
            seen = seen + self.scales["image_to_bev"] * self.image_to_bev(bev, perspective, cells, depth_logits)
        if self.polar is not None:
            rays = _needed("where.rays", where.rays, "polar")
            in_columns = where.pixels_ok((perspective.shape[-2], ray_columns(perspective.shape[-1], self.polar.config)))
            seen = seen + self.scales["polar"] * self.polar(bev, perspective, in_columns, rays)
        return perspective, torch.where(bev_here, seen, 0.0)


def _needed(name: str, value: _T | None, part: str) -> _T:
    if value is None:
        raise ValueError(f"{name}: expected what {part} reads, got None")
    return value
