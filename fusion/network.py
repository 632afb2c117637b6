"""The network: streams, their meeting, and the head, put together. The only place that composes stages' modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from fusion.bev.lift_splat import SplatConfig, SplatLift
from fusion.bev.pull import PullConfig, PullLift
from fusion.bev.trunk import BevTrunk
from fusion.encoders.camera import CameraEncoder
from fusion.encoders.efficientnet import EfficientNetLite
from fusion.encoders.pillars import PillarConfig, PillarEncoder
from fusion.encoders.voxels import VoxelConfig, VoxelEncoder
from fusion.geometry.view import looked_at
from fusion.heads.centre import CentreHead, HeadConfig
from fusion.heads.decode import RawDetections
from fusion.heads.perspective import PerspectiveHead
from fusion.heads.query.head import QueryHead, QueryHeadConfig
from fusion.heads.query.output import QueryOutput
from fusion.inputs import NetInputs, Output, decode_output, prepare_inputs
from fusion.interaction.concat import ConcatConfig, ConcatFuser
from fusion.interaction.dual import DualStreamConfig, DualStreamFuser
from fusion.losses.centre import centre_losses, class_weights, gaussian_focal_loss
from fusion.losses.depth import depth_loss
from fusion.losses.query import query_losses
from fusion.network_config import NetworkConfig
from fusion.supervision import Supervision, supervise
from fusion.types import CameraStream, GroundTruth, Interacted, LidarStream, SensorBatch


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
        """The host's part of the work; see `prepare_inputs`."""
        return prepare_inputs(self.config, batch, training=self.training)

    def forward(self, inputs: SensorBatch | NetInputs) -> Output:
        """Maps, or queries, on `config.bev_grid`."""
        if isinstance(inputs, SensorBatch):
            inputs = self.prepare(inputs)
        return self._answer(self.interact(self.camera_stream(inputs), self.lidar_stream(inputs), inputs), inputs)

    def interact(self, camera: CameraStream | None, lidar: LidarStream | None, inputs: NetInputs) -> Interacted:
        """Both streams after their exchange, and the map they join into."""
        if isinstance(self.fuser, ConcatFuser):
            return self.fuser(camera, lidar)  # type: ignore[no-any-return]
        return self.fuser(camera, lidar, inputs.meeting)  # type: ignore[no-any-return]

    def _answer(self, interacted: Interacted, inputs: NetInputs) -> Output:
        joined = self.trunk(interacted.bev)
        output: Output
        if isinstance(self.head, QueryHead):
            camera, view = interacted.camera, inputs.view
            if camera is not None and view is not None:
                view = view.only(camera.ok)  # the interaction may have hidden some
            output = self.head(joined, camera, interacted.lidar, view, self._looked_at(interacted))
        else:
            output = self.head(joined)
        return output if interacted.camera is None else replace(output, depth_logits=interacted.camera.depth_logits)

    def _looked_at(self, interacted: Interacted) -> Tensor:
        """`(B, 1, X, Y)` bool: cells that a present sensor looks at, or nearly."""
        camera, lidar, grid = interacted.camera, interacted.lidar, self.config.bev_grid
        return looked_at(None if camera is None else camera.seen, None if lidar is None else lidar.ok, grid.shape, grid.cell_m)

    def camera_stream(self, inputs: NetInputs) -> CameraStream | None:
        """Camera features in both forms; None in a network without cameras."""
        if self.camera is None or inputs.where is None:
            return None
        perspective = self.fuser.before_lift(self.camera(inputs.images, inputs.camera_ok), inputs.camera_ok, inputs.meeting)
        assert self.lift is not None
        bev, depth_logits = self.lift(perspective, inputs.where)
        return CameraStream(perspective=perspective, bev=bev, seen=inputs.where.seen, ok=inputs.camera_ok.any(dim=1), depth_logits=depth_logits)

    def lidar_stream(self, inputs: NetInputs) -> LidarStream | None:
        """LiDAR features; None in a network without LiDAR."""
        if self.lidar is None or inputs.cloud is None:
            return None
        return LidarStream(bev=self.lidar(inputs.cloud, inputs.lidar_ok), ok=inputs.lidar_ok)

    def loss(self, batch: SensorBatch, truths: Sequence[GroundTruth]) -> dict[str, Tensor]:
        """All of a training step but its backward pass: weighted losses by name, their sum is to be minimised."""
        return self.taught(self.prepare(batch), supervise(self.config, batch, truths).to(batch.images.device))

    def taught(self, inputs: NetInputs, supervision: Supervision) -> dict[str, Tensor]:
        """The network's part of `loss`, the host's having been done (in a data loader, say, while the device is busy)."""
        camera, lidar = self.camera_stream(inputs), self.lidar_stream(inputs)
        interacted = self.interact(camera, lidar, inputs)
        output = self._answer(interacted, inputs)
        if isinstance(output, QueryOutput):
            losses = query_losses(output, supervision.targets, self.config.bev_grid, self.config.query_loss)
        else:
            losses = centre_losses(output, supervision.targets, self.config.loss)
        if output.depth_logits is not None and inputs.where is not None and inputs.where.depth_bin is not None:
            losses["depth"] = self.config.loss.depth * depth_loss(output.depth_logits, inputs.where.depth_bin)
        if interacted.reconstruction is not None:
            losses["reconstruction"] = interacted.reconstruction
        if self.perspective is not None and camera is not None and supervision.perspective is not None:
            logits = self.perspective(camera.perspective, inputs.camera_ok)
            losses["perspective"] = self.config.loss.perspective * self._perspective_loss(logits, supervision.perspective)
        return losses

    def _perspective_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        labels = (target == 1).nonzero()[:, 1]
        return gaussian_focal_loss(logits, target, class_weights(labels, len(self.config.classes), self.config.loss.class_balance))

    def decode(self, output: Output, inputs: NetInputs | None = None) -> list[RawDetections]:
        """Boxes of an answer; with its `inputs`, only where a present sensor looks."""
        return decode_output(self.config, output, inputs)

    @torch.no_grad()
    def detect(self, batch: SensorBatch | NetInputs) -> list[RawDetections]:
        """Boxes of every sample, best first; a sample without any sensor of this network gives none."""
        inputs = self.prepare(batch) if isinstance(batch, SensorBatch) else batch
        return self.decode(self(inputs), inputs)


def build_network(config: NetworkConfig) -> BevDuetNet:
    """A network with fresh weights."""
    return BevDuetNet(config)
