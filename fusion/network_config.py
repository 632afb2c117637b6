"""The settings of a whole network: every stage's config, and what must hold between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fusion.bev.lift_splat import SplatConfig
from fusion.bev.pull import PullConfig
from fusion.bev.trunk import TrunkConfig
from fusion.encoders.camera import CameraConfig
from fusion.encoders.pillars import PillarConfig
from fusion.encoders.voxels import VoxelConfig
from fusion.geometry.grid import BevGrid
from fusion.heads.centre import HeadConfig
from fusion.heads.decode import DecodeConfig
from fusion.heads.perspective import PerspectiveConfig
from fusion.heads.query.head import QueryHeadConfig
from fusion.heads.targets import TargetConfig
from fusion.interaction.concat import ConcatConfig
from fusion.interaction.dual import DualStreamConfig
from fusion.losses.centre import CentreLossConfig
from fusion.losses.query import QueryLossConfig
from fusion.types import DETECTION_CLASSES


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The whole network; the defaults are the real-time size.

    Attributes:
        classes: class names; labels index into them.
        grid: the LiDAR's input grid.
        out_stride: cells of `grid` per cell of the BEV maps in which the streams meet; a power of two.
        camera, lidar: the encoders; None builds a network without that sensor (not both).
        lift: camera features to BEV.
        fuser: how the streams meet.
        trunk, head, decode, targets, loss: the stages after that.
        query_loss: in place of the head's part of `loss`, for a query decoder.
        perspective: an auxiliary head that teaches the camera encoder while training, or None.
    """

    classes: tuple[str, ...] = DETECTION_CLASSES
    grid: BevGrid = field(default_factory=BevGrid)
    out_stride: Literal[1, 2, 4, 8] = 2
    camera: CameraConfig | None = field(default_factory=CameraConfig)
    lidar: PillarConfig | VoxelConfig | None = field(default_factory=PillarConfig)
    lift: PullConfig | SplatConfig = field(default_factory=PullConfig)
    fuser: ConcatConfig | DualStreamConfig = field(default_factory=ConcatConfig)
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    head: HeadConfig | QueryHeadConfig = field(default_factory=HeadConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    targets: TargetConfig = field(default_factory=TargetConfig)
    loss: CentreLossConfig = field(default_factory=CentreLossConfig)
    query_loss: QueryLossConfig = field(default_factory=QueryLossConfig)
    perspective: PerspectiveConfig | None = None

    def __post_init__(self) -> None:
        if self.camera is None and self.lidar is None:
            raise ValueError("camera, lidar: expected at least one encoder, got none")
        if any(size % self.out_stride for size in self.grid.shape):
            raise ValueError(f"grid: expected cells divisible by out_stride {self.out_stride}, got {self.grid.shape}")
        if not self.classes:
            raise ValueError("classes: expected at least one class, got none")
        if self.query_loss.peaks not in (TargetConfig(), self.targets):
            raise ValueError(f"query_loss.peaks: a network is taught the peaks of `targets`, {self.targets}; expected other ones there, got"
                             f" {self.query_loss.peaks} here")
        if self.camera is not None and self.lidar is None and isinstance(self.lift, PullConfig) and self.lift.measured is not None:
            raise ValueError("lift.measured: asks the LiDAR for depths, but lidar is null; expected null here too, or a LiDAR encoder")
        if isinstance(self.fuser, DualStreamConfig):
            depth = isinstance(self.lift, SplatConfig) or self.lift.depth is not None
            query = isinstance(self.head, QueryHeadConfig)
            self.fuser.check(camera=self.camera is not None, lidar=self.lidar is not None, depth=depth, decoder_reads_images=query,
                             grid=self.bev_grid)
            if self.fuser.layers == 0 and query:
                raise ValueError("fuser.layers: a query decoder behind dual_stream looks at what its layers exchange; expected at least 1, got 0,"
                                 " or kind concat, whose streams stay as their encoders made them")

    @property
    def bev_grid(self) -> BevGrid:
        """The grid of the BEV maps and the head."""
        return self.grid.coarser(self.out_stride)
