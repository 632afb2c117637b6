"""The network: streams, their meeting, and the head, put together. The only place that composes stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from fusion.bev.image_depth import reference_scale
from fusion.bev.lift_splat import SplatConfig, SplatGrid, SplatLift, splat_grid
from fusion.bev.pull import PullConfig, PullGrid, PullLift, lidar_depth_bin, pull_grid
from fusion.bev.trunk import BevTrunk, TrunkConfig
from fusion.encoders.camera import CameraConfig, CameraEncoder
from fusion.encoders.efficientnet import EfficientNetLite, EfficientNetLiteConfig
from fusion.encoders.pillars import PillarConfig, PillarEncoder, PillarInput
from fusion.encoders.resnet import ResNetConfig
from fusion.encoders.voxels import VoxelConfig, VoxelEncoder, VoxelInput
from fusion.geometry.grid import BevGrid
from fusion.heads.centre import CentreHead, HeadConfig, HeadOutput
from fusion.heads.decode import DecodeConfig, RawDetections, decode
from fusion.heads.perspective import PerspectiveConfig, PerspectiveHead, perspective_heatmap
from fusion.heads.query.decode import decode_queries
from fusion.heads.query.head import QueryHead, QueryHeadConfig
from fusion.heads.query.output import QueryOutput
from fusion.heads.query.view import ViewGeometry, view_geometry
from fusion.heads.targets import CentreTargets, TargetConfig, encode_targets
from fusion.interaction.concat import ConcatConfig, ConcatFuser
from fusion.interaction.dual import DualStreamConfig, DualStreamFuser
from fusion.interaction.layer import Meeting
from fusion.losses.centre import CentreLossConfig, centre_losses, class_weights, gaussian_focal_loss
from fusion.losses.depth import depth_loss
from fusion.losses.query import QueryLossConfig, query_losses
from fusion.types import DETECTION_CLASSES, CameraStream, GroundTruth, Interacted, LidarStream, SensorBatch

__all__ = [
    "BevDuetNet",
    "ConcatConfig",
    "DualStreamConfig",
    "EfficientNetLiteConfig",
    "HeadConfig",
    "HeadOutput",
    "NetInputs",
    "NetworkConfig",
    "PillarConfig",
    "PullConfig",
    "QueryHeadConfig",
    "QueryOutput",
    "RawDetections",
    "ResNetConfig",
    "SplatConfig",
    "VoxelConfig",
    "build_network",
]

_T = TypeVar("_T")


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
        if isinstance(self.fuser, DualStreamConfig):
            depth = isinstance(self.lift, SplatConfig) or self.lift.depth is not None
            query = isinstance(self.head, QueryHeadConfig)
            self.fuser.check(camera=self.camera is not None, lidar=self.lidar is not None, depth=depth, decoder_reads_images=query,
                             grid=self.bev_grid)
            if self.fuser.layers == 0 and query:
                raise ValueError("fuser.layers: a query decoder looks at both streams after their exchange; expected at least 1, got 0")

    @property
    def bev_grid(self) -> BevGrid:
        """The grid of the BEV maps and the head."""
        return self.grid.coarser(self.out_stride)


@dataclass(frozen=True, kw_only=True)
class NetInputs:
    """What `BevDuetNet.prepare` makes of a batch: everything that is computed on the host.

    Attributes:
        images: `(B, N, 3, H, W)`.
        camera_ok: `(B, N)` bool.
        lidar_ok: `(B,)` bool.
        cloud: pillars or voxels, None without a LiDAR encoder.
        where: geometry of the camera lift, None without a camera encoder.
        meeting: geometry of the interaction, None where it needs none.
        view: how the cameras look, for a query decoder.
    """

    images: Tensor
    camera_ok: Tensor
    lidar_ok: Tensor
    cloud: PillarInput | VoxelInput | None
    where: PullGrid | SplatGrid | None
    meeting: Meeting | None = None
    view: ViewGeometry | None = None

    def to(self, device: torch.device | str) -> NetInputs:
        """The same inputs on another device."""
        return _move(self, device)


def _move(value: _T, device: torch.device | str) -> _T:
    changes: dict[str, Any] = {}
    for f in fields(value):  # type: ignore[arg-type]
        item = getattr(value, f.name)
        if isinstance(item, Tensor):
            changes[f.name] = item.to(device)
        elif is_dataclass(item):
            changes[f.name] = _move(item, device)
    return replace(value, **changes)  # type: ignore[type-var]


class BevDuetNet(nn.Module):
    """Sensors in, maps out. Any subset of the sensors, also none, is a valid input."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        camera_channels, lidar_channels = 0, 0
        image_channels: int | None = None
        self.camera: CameraEncoder | None = None
        self.lift: PullLift | SplatLift | None = None
        self.perspective: PerspectiveHead | None = None
        if config.camera is not None:
            self.camera = CameraEncoder(config.camera)
            image_channels = config.fuser.channels if isinstance(config.fuser, DualStreamConfig) else config.camera.channels
            match config.lift:
                case PullConfig():
                    self.lift = PullLift(config.lift, image_channels)
                case SplatConfig():
                    self.lift = SplatLift(config.lift, image_channels)
            camera_channels = config.lift.channels
            if config.perspective is not None:
                self.perspective = PerspectiveHead(config.perspective, image_channels, len(config.classes))
        self.lidar: PillarEncoder | VoxelEncoder | None = None
        match config.lidar:
            case PillarConfig():
                self.lidar = PillarEncoder(config.lidar, config.grid, config.out_stride)
                lidar_channels = config.lidar.out_channels
            case VoxelConfig():
                self.lidar = VoxelEncoder(config.lidar, config.grid, config.out_stride)
                lidar_channels = config.lidar.out_channels
            case None:
                pass
        self.fuser: ConcatFuser | DualStreamFuser
        match config.fuser:
            case ConcatConfig():
                self.fuser = ConcatFuser(config.fuser, camera_channels, lidar_channels)
            case DualStreamConfig():
                own_channels = 0 if config.camera is None else config.camera.channels
                self.fuser = DualStreamFuser(config.fuser, own_channels, camera_channels, lidar_channels)
        self.trunk = BevTrunk(config.trunk, config.fuser.channels)
        self.head: CentreHead | QueryHead
        match config.head:
            case HeadConfig():
                self.head = CentreHead(config.head, config.trunk.out_channels, len(config.classes))
            case QueryHeadConfig():
                self.head = QueryHead(config.head, config.trunk.out_channels, image_channels, len(config.classes), config.bev_grid)
        for module in self.modules():  # half the time of a convolution on the CPU; sparse kernels have their own layout
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)

    def load_pretrained(self) -> None:
        """Take ImageNet weights where the config asks for them; called once before training, not when loading a checkpoint."""
        if self.camera is not None and isinstance(self.camera.backbone, EfficientNetLite) and self.camera.backbone.config.pretrained:
            self.camera.backbone.load_pretrained()

    def prepare(self, batch: SensorBatch) -> NetInputs:
        """The host's part of the work: pillars or voxels, and where cells and pixels look. Changes nothing in `batch`."""
        where: PullGrid | SplatGrid | None = None
        meeting: Meeting | None = None
        view: ViewGeometry | None = None
        if self.config.camera is not None:
            image_hw = (batch.images.shape[-2], batch.images.shape[-1])
            feature_hw, grid = self.config.camera.feature_hw(image_hw), self.config.bev_grid
            with torch.no_grad(), torch.autocast(batch.images.device.type, enabled=False):
                match self.config.lift:
                    case PullConfig() as lift:
                        where = pull_grid(
                            batch.intrinsics, batch.cam_T_ego, batch.camera_ok, image_hw, feature_hw, grid, lift.heights_m, lift.views, lift.depth
                        )
                        if lift.depth is not None and self.training:
                            where = replace(where, depth_bin=lidar_depth_bin(
                                lift.depth, batch.intrinsics, batch.cam_T_ego, batch.camera_ok, image_hw, feature_hw, batch.points, batch.points_ok
                            ))
                    case SplatConfig() as lift:
                        where = splat_grid(
                            batch.intrinsics, batch.cam_T_ego, batch.camera_ok, image_hw, feature_hw, grid, lift, batch.points, batch.points_ok
                        )
                meeting = self.fuser.prepare(batch, grid, feature_hw, self._bin_edges_m(batch))
                if isinstance(self.head, QueryHead):
                    view = view_geometry(batch.intrinsics, batch.cam_T_ego, batch.camera_ok, image_hw)
        cloud = None if self.lidar is None else self.lidar.prepare(batch.points, batch.points_ok & batch.lidar_ok[:, None])
        return NetInputs(images=batch.images, camera_ok=batch.camera_ok, lidar_ok=batch.lidar_ok, cloud=cloud, where=where, meeting=meeting,
                         view=view)

    def _bin_edges_m(self, batch: SensorBatch) -> Tensor | None:
        """`(B, N, bins + 1)` edges of the lift's depth bins in each camera's own depths; None where it predicts no depth."""
        match self.config.lift:
            case SplatConfig() as lift:
                return lift.edges_m().to(batch.intrinsics).expand(*batch.camera_ok.shape, -1)
            case PullConfig(depth=bins) if bins is not None:
                return bins.edges_m().to(batch.intrinsics) / reference_scale(batch.intrinsics, batch.images.shape[-1])[..., None]
        return None

    def forward(self, inputs: SensorBatch | NetInputs) -> HeadOutput | QueryOutput:
        """Maps, or queries, on `config.bev_grid`."""
        if isinstance(inputs, SensorBatch):
            inputs = self.prepare(inputs)
        return self._answer(self.interact(self.camera_stream(inputs), self.lidar_stream(inputs), inputs), inputs)

    def interact(self, camera: CameraStream | None, lidar: LidarStream | None, inputs: NetInputs) -> Interacted:
        """Both streams after their exchange, and the map they join into."""
        if isinstance(self.fuser, ConcatFuser):
            return self.fuser(camera, lidar)  # type: ignore[no-any-return]
        return self.fuser(camera, lidar, inputs.meeting)  # type: ignore[no-any-return]

    def _answer(self, interacted: Interacted, inputs: NetInputs) -> HeadOutput | QueryOutput:
        joined = self.trunk(interacted.bev)
        output: HeadOutput | QueryOutput
        if isinstance(self.head, QueryHead):
            output = self.head(joined, interacted.camera, interacted.lidar, inputs.view)
        else:
            output = self.head(joined)
        return output if interacted.camera is None else replace(output, depth_logits=interacted.camera.depth_logits)

    def camera_stream(self, inputs: NetInputs) -> CameraStream | None:
        """Camera features in both forms; None in a network without cameras."""
        if self.camera is None or inputs.where is None:
            return None
        perspective = self.fuser.before_lift(self.camera(inputs.images, inputs.camera_ok), inputs.camera_ok)
        assert self.lift is not None
        bev, depth_logits = self.lift(perspective, inputs.where)
        return CameraStream(perspective=perspective, bev=bev, seen=inputs.where.seen, ok=inputs.camera_ok.any(dim=1), depth_logits=depth_logits)

    def lidar_stream(self, inputs: NetInputs) -> LidarStream | None:
        """LiDAR features; None in a network without LiDAR."""
        if self.lidar is None or inputs.cloud is None:
            return None
        return LidarStream(bev=self.lidar(inputs.cloud, inputs.lidar_ok), ok=inputs.lidar_ok)

    def targets(self, truths: Sequence[GroundTruth]) -> CentreTargets:
        """What the head should say about these boxes (on the CPU)."""
        return encode_targets(truths, self.config.bev_grid, len(self.config.classes), self.config.targets)

    def losses(self, output: HeadOutput | QueryOutput, targets: CentreTargets, inputs: NetInputs | None = None) -> dict[str, Tensor]:
        """Weighted losses by name (their sum is to be minimised); `inputs` is needed for depth supervision alone."""
        if isinstance(output, QueryOutput):
            losses = query_losses(output, targets, self.config.bev_grid, self.config.query_loss)
        else:
            losses = centre_losses(output, targets, self.config.loss)
        if output.depth_logits is not None and inputs is not None and inputs.where is not None and inputs.where.depth_bin is not None:
            losses["depth"] = self.config.loss.depth * depth_loss(output.depth_logits, inputs.where.depth_bin)
        return losses

    def loss(self, batch: SensorBatch | NetInputs, truths: Sequence[GroundTruth]) -> dict[str, Tensor]:
        """Forward and losses in one: weighted losses by name."""
        inputs = self.prepare(batch) if isinstance(batch, SensorBatch) else batch
        camera, lidar = self.camera_stream(inputs), self.lidar_stream(inputs)
        interacted = self.interact(camera, lidar, inputs)
        losses = self.losses(self._answer(interacted, inputs), self.targets(truths).to(inputs.images.device), inputs)
        if interacted.reconstruction is not None:
            losses["reconstruction"] = interacted.reconstruction
        if self.perspective is not None and camera is not None and isinstance(batch, SensorBatch) and bool(batch.camera_ok.any()):
            losses["perspective"] = self.config.loss.perspective * self._perspective_loss(self.perspective, camera, batch, truths)
        return losses

    def _perspective_loss(self, head: PerspectiveHead, camera: CameraStream, batch: SensorBatch, truths: Sequence[GroundTruth]) -> Tensor:
        logits = head(camera.perspective, batch.camera_ok)
        image_hw = (batch.images.shape[-2], batch.images.shape[-1])
        target = perspective_heatmap(truths, batch.intrinsics, batch.cam_T_ego, batch.camera_ok, image_hw,
                                     (logits.shape[-2], logits.shape[-1]), len(self.config.classes)).to(logits.device)
        labels = (target == 1).nonzero()[:, 1]
        return gaussian_focal_loss(logits, target, class_weights(labels, len(self.config.classes), self.config.loss.class_balance))

    def decode(self, output: HeadOutput | QueryOutput, ok: np.ndarray | None = None) -> list[RawDetections]:
        """Boxes of an answer; `(B,)` bool `ok` False gives none."""
        if isinstance(output, QueryOutput):
            return decode_queries(output, self.config.bev_grid, self.config.classes, self.config.decode, ok)
        return decode(output, self.config.bev_grid, self.config.classes, self.config.decode, ok)

    @torch.no_grad()
    def detect(self, batch: SensorBatch | NetInputs) -> list[RawDetections]:
        """Boxes of every sample, best first; a sample without any sensor of this network gives none."""
        inputs = self.prepare(batch) if isinstance(batch, SensorBatch) else batch
        return self.decode(self(inputs), self.usable(inputs))

    def usable(self, inputs: NetInputs) -> np.ndarray:
        """`(B,)` bool: at least one sensor that this network reads is present."""
        usable = np.zeros(len(inputs.lidar_ok), bool)
        if self.camera is not None:
            usable |= inputs.camera_ok.any(dim=1).cpu().numpy()
        if self.lidar is not None:
            usable |= inputs.lidar_ok.cpu().numpy()
        return usable


def build_network(config: NetworkConfig) -> BevDuetNet:
    """A network with fresh weights."""
    return BevDuetNet(config)
