"""Dual-stream interaction (DeepInteraction, arXiv 2208.11112; ++, arXiv 2408.05075): both representations to the end, exchanged, then joined.

The image stream is the camera's perspective features. The BEV stream is the LiDAR's map where the LiDAR is present; where it is not, the
camera's lifted map stands in for it, so that the same layers serve every sensor state, and networks without a LiDAR. The join after the
last layer takes the camera's lifted map and the LiDAR's, whichever are there. The first layer's attention of images to themselves comes
before the lift, which so takes part in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.interaction.absent import AbsentConfig, AbsentModality
from fusion.interaction.bev_to_image import BevToImageConfig
from fusion.interaction.deformable import DeformableSelfAttention, SelfAttentionConfig
from fusion.interaction.image_to_bev import ImageToBevConfig
from fusion.interaction.join import JoinConfig, build_join
from fusion.interaction.layer import InteractionLayer, LayerConfig, Meeting
from fusion.interaction.operations import check_heads
from fusion.interaction.polar import PolarConfig
from fusion.types import CameraStream, Interacted, LidarStream

PARTS = ("image_self", "bev_self", "image_to_bev", "polar", "bev_to_image")
"""Parts of a layer, by their names in `DualStreamConfig`."""

_READS_CAMERA = {"image_self", "image_to_bev", "polar", "bev_to_image"}


@dataclass(frozen=True, kw_only=True)
class DualStreamConfig:
    """The dual-stream fuser; a part that is None is left out of every layer.

    Attributes:
        channels: of both streams within the layers and of the joined map.
        layers: interaction layers; 0 joins what the encoders give.
        image_self, bev_self: attention of a stream to itself.
        image_to_bev, polar: what cells take from images; without a LiDAR, these are the cells of the lifted map.
        bev_to_image: what images take from cells; needs a lift that predicts depth.
        join: how the BEV maps become one.
        absent: what stands in for an absent modality in the join; None leaves it out.
        scale: first value of the learned scale of each cross branch; not 0, as the branches' own output starts there.
    """

    kind: Literal["dual_stream"] = "dual_stream"
    channels: int = 48
    layers: int = 1
    image_self: SelfAttentionConfig | None = field(default_factory=SelfAttentionConfig)
    bev_self: SelfAttentionConfig | None = field(default_factory=lambda: SelfAttentionConfig(stride=2))
    image_to_bev: ImageToBevConfig | None = field(default_factory=lambda: ImageToBevConfig(stride=2))
    polar: PolarConfig | None = field(default_factory=lambda: PolarConfig(stride=2))
    bev_to_image: BevToImageConfig | None = field(default_factory=lambda: BevToImageConfig(stride=2))
    join: JoinConfig = field(default_factory=JoinConfig)
    absent: AbsentConfig | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.layers < 0:
            raise ValueError(f"layers: expected 0 or more, got {self.layers}")
        if self.channels < 1:
            raise ValueError(f"channels: expected at least 1, got {self.channels}")
        if not math.isfinite(self.scale) or self.scale == 0:
            raise ValueError(f"scale: expected a finite number other than 0, from which no cross branch could ever learn, got {self.scale}")
        parts = {name: getattr(self, name) for name in PARTS if getattr(self, name) is not None}
        if self.layers and not parts:
            raise ValueError(f"layers: {self.layers} without any of {list(PARTS)} would do nothing; expected 0, or a part")
        for name, part in parts.items():
            check_heads(self.channels, name, part.heads)

    @property
    def layer(self) -> LayerConfig:
        """The parts of one layer."""
        return LayerConfig(image_self=self.image_self, bev_self=self.bev_self, image_to_bev=self.image_to_bev, polar=self.polar,
                           bev_to_image=self.bev_to_image)

    def check(self, *, camera: bool, lidar: bool, depth: bool, decoder_reads_images: bool, grid: BevGrid) -> None:
        """ValueError that names what this config asks for and the rest of the network cannot give.

        Args:
            camera, lidar: there is such an encoder.
            depth: the lift predicts depth.
            decoder_reads_images: the head looks at the streams, too.
            grid: grid of the BEV maps.
        """
        asked = [name for name in PARTS if self.layers and getattr(self, name) is not None]
        for name in asked:
            if name in _READS_CAMERA and not camera:
                raise ValueError(f"fuser.{name}: reads the cameras, but camera is null; expected null here too, or a camera encoder")
        if self.absent is not None and self.absent.kind == "predict":
            if not (camera and lidar):
                raise ValueError("fuser.absent: predicting one modality from the other needs both encoders, but one is null;"
                                 " expected kind zero or null")
            if any(cells % self.absent.tokens for cells in grid.shape):
                raise ValueError(f"fuser.absent.tokens: expected a divisor of the BEV map's {grid.shape} cells, got {self.absent.tokens}")
        if "bev_to_image" in asked and not depth:
            raise ValueError("fuser.bev_to_image: needs the depth of pixels where the LiDAR gives none, but the lift predicts no depth;"
                             " expected lift.depth with kind pull, or kind splat, or null here")
        if not decoder_reads_images and "image_to_bev" not in asked and "polar" not in asked:
            unread = [name for name in ("image_self", "bev_to_image") if name in asked and (name != "image_self" or self.layers > 1)]
            if unread:
                raise ValueError(f"fuser.{unread[0]}: nothing reads the images after it (the lift takes part in the first layer's image_self alone);"
                                 " expected image_to_bev, polar or a query decoder as well, or null here")
        for name in asked:
            stride = getattr(getattr(self, name), "stride", 1)
            if name != "image_self" and any(cells % stride for cells in grid.shape):
                raise ValueError(f"fuser.{name}.stride: expected a divisor of the BEV map's {grid.shape} cells, got {stride}")


class DualStreamFuser(nn.Module):
    """Layers, then the join.

    Args:
        perspective_channels, camera_channels: of the camera stream's two forms; 0 without cameras.
        lidar_channels: of the LiDAR stream; 0 without LiDAR.
    """

    def __init__(self, config: DualStreamConfig, perspective_channels: int, camera_channels: int, lidar_channels: int) -> None:
        super().__init__()
        self.config = config
        self.has_camera, self.has_lidar = camera_channels > 0, lidar_channels > 0
        channels = config.channels
        self.enter_image = _entry(perspective_channels, channels)
        self.enter_camera, self.enter_lidar = _entry(camera_channels, channels), _entry(lidar_channels, channels)
        look_first = config.layers > 0 and config.image_self is not None and self.has_camera
        self.image_self = DeformableSelfAttention(config.image_self, channels) if look_first and config.image_self is not None else None
        parts = [replace(config.layer, image_self=None) if index == 0 else config.layer for index in range(config.layers)]
        self.layers = nn.ModuleList(InteractionLayer(part, channels, config.scale) for part in parts)
        own = (channels * self.has_camera, channels * self.has_lidar)
        self.absent = None if config.absent is None or not all(own) else AbsentModality(config.absent, *own)
        self.join = build_join(config.join, *own, channels)

    def before_lift(self, perspective: Tensor, camera_ok: Tensor, where: Meeting | None) -> Tensor:
        """`(B, N, C, h, w)` image features of the encoder -> `(B, N, channels, h, w)` of the stream; exactly zero where absent, and in the
        padding of images, of which only the layers' `where` knows: without layers, nothing but the lift reads images."""
        pixels_ok = camera_ok[:, :, None, None] if where is None else where.pixels_ok((perspective.shape[-2], perspective.shape[-1]))
        perspective = torch.where(pixels_ok[:, :, None], perspective, 0.0)
        batch, cameras = camera_ok.shape
        if cameras == 0:
            return perspective.new_zeros(batch, 0, self.config.channels, *perspective.shape[-2:])
        flat = self.enter_image(perspective.flatten(0, 1))
        if self.image_self is not None:
            flat = self.image_self(flat, pixels_ok.flatten(0, 1))
        return torch.where(pixels_ok[:, :, None], flat.view(batch, cameras, *flat.shape[1:]), 0.0)

    def forward(self, camera: CameraStream | None, lidar: LidarStream | None, where: Meeting | None) -> Interacted:
        """Both streams exchanged, and the joined map; a stream the network was built with must be given, absent samples are marked in `ok`."""
        for name, built, stream in (("camera", self.has_camera, camera), ("lidar", self.has_lidar, lidar)):
            if built and stream is None:
                raise ValueError(f"{name}: expected a stream (mark absent samples in `ok`), got None")
        if camera is None:
            assert lidar is not None
            lidar_bev, here = self.enter_lidar(_chosen(lidar.ok, lidar.bev)), lidar.ok[:, None, None, None]
            for layer in self.layers:
                _, lidar_bev = layer(None, lidar_bev, here, None, None)
            joined = self.join(None, None, None, lidar_bev, lidar.ok)
            return Interacted(bev=joined, camera=None, lidar=LidarStream(bev=lidar_bev, ok=lidar.ok))
        camera_bev = self.enter_camera(_chosen(camera.ok, camera.bev))
        lidar_bev = torch.zeros_like(camera_bev) if lidar is None else self.enter_lidar(_chosen(lidar.ok, lidar.bev))
        lidar_ok = torch.zeros_like(camera.ok) if lidar is None else lidar.ok
        hidden = None
        if self.training and self.absent is not None and self.absent.context is not None:
            hidden = self.absent.draw_hidden(camera.ok, lidar_ok)
        shown, shown_lidar = replace(camera, bev=camera_bev), LidarStream(bev=lidar_bev, ok=lidar_ok)
        if hidden is not None:
            shown, shown_lidar = _without(shown, hidden[0]), LidarStream(bev=_chosen(~hidden[1], lidar_bev), ok=lidar_ok & ~hidden[1])
            where = None if where is None else where.without(*hidden)
        shown, shown_lidar = self._exchanged(shown, shown_lidar, where)
        if lidar is None:
            return Interacted(bev=self.join(shown.bev, shown.ok, shown.seen, None, None), camera=shown, lidar=None)
        if self.absent is None:
            return Interacted(bev=self.join(shown.bev, shown.ok, shown.seen, shown_lidar.bev, shown_lidar.ok), camera=shown, lidar=shown_lidar)
        known_camera, known_lidar = shown.bev, shown_lidar.bev
        if hidden is not None:  # what was measured is what the prediction is compared with, and nothing else
            known_camera = torch.where(hidden[0][:, None, None, None], camera_bev, known_camera)
            known_lidar = torch.where(hidden[1][:, None, None, None], lidar_bev, known_lidar)
        joined_camera, joined_lidar, loss = self.absent(known_camera, camera.ok, known_lidar, lidar_ok, seen=camera.seen, hidden=hidden)
        camera_ok, seen, joined_ok = self.absent.presence(shown.ok, shown.seen, shown_lidar.ok)
        joined = self.join(joined_camera, camera_ok, seen, joined_lidar, joined_ok)
        return Interacted(bev=joined, camera=shown, lidar=shown_lidar, reconstruction=loss)

    def _exchanged(self, camera: CameraStream, lidar: LidarStream, where: Meeting | None) -> tuple[CameraStream, LidarStream]:
        """Both streams, their BEV maps of the layers' width, after the layers."""
        perspective: Tensor | None = camera.perspective
        by_lidar = lidar.ok[:, None, None, None]
        here = by_lidar | ((camera.seen > 0) & camera.ok[:, None, None, None])
        bev = torch.where(by_lidar, lidar.bev, camera.bev)
        for layer in self.layers:
            perspective, bev = layer(perspective, bev, here, camera.depth_logits, where)
        assert perspective is not None
        return (replace(camera, perspective=perspective, bev=torch.where(by_lidar, camera.bev, bev)),
                LidarStream(bev=torch.where(by_lidar, bev, 0.0), ok=lidar.ok))


def _entry(own: int, channels: int) -> nn.Module:
    """Brings a stream to the layers' width; without a bias, so that zeros stay zeros."""
    return nn.Identity() if own in (0, channels) else nn.Conv2d(own, channels, 1, bias=False)


def _without(camera: CameraStream, hidden: Tensor) -> CameraStream:
    """The stream as if `(B,)` bool samples had no camera; their depths stay, which the lift's own loss teaches."""
    return replace(camera, perspective=_chosen(~hidden, camera.perspective), bev=_chosen(~hidden, camera.bev),
                   seen=_chosen(~hidden, camera.seen), ok=camera.ok & ~hidden)


def _chosen(ok: Tensor, maps: Tensor) -> Tensor:
    """The maps with exact zeros where absent; selected, not multiplied, as 0 * NaN is NaN."""
    return torch.where(ok.view(*ok.shape, *(1,) * (maps.dim() - ok.dim())), maps, 0.0)
