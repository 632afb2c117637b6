"""The host's part of a network's work, before and after it: what it reads, made from a batch; what its answer means, as boxes.

Everything here follows from the config alone, without weights: an exported engine and the network it came from share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from fusion.bev.image_depth import reference_scale
from fusion.bev.lift_splat import SplatConfig, SplatGrid, splat_grid
from fusion.bev.pull import PullConfig, PullGrid, lidar_depth_bin, pull_grid, with_measured
from fusion.encoders.pillars import PillarConfig, PillarInput, prepare_pillars
from fusion.encoders.voxels import VoxelConfig, VoxelInput, prepare_voxels
from fusion.geometry.valid import map_pixels_ok
from fusion.geometry.view import looked_at as cells_looked_at
from fusion.heads.centre import HeadOutput
from fusion.heads.decode import RawDetections, decode
from fusion.heads.query.decode import decode_queries
from fusion.heads.query.head import QueryHeadConfig
from fusion.heads.query.output import QueryOutput
from fusion.heads.query.view import ViewGeometry, view_geometry
from fusion.interaction.dual import DualStreamConfig
from fusion.interaction.layer import Meeting, meeting_of
from fusion.network_config import NetworkConfig
from fusion.types import SensorBatch, whole_px

Output: TypeAlias = HeadOutput | QueryOutput
"""What a network answers, by its head."""

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class NetInputs:
    """What `prepare_inputs` makes of a batch: everything that the network reads.

    Attributes:
        images: `(B, N, 3, H, W)`, zero in padding.
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

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> NetInputs:
        """The same inputs on another device."""
        return _each(self, lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> NetInputs:
        """The same inputs in pinned memory."""
        return _each(self, Tensor.pin_memory)


def _each(value: _T, change: Callable[[Tensor], Tensor]) -> _T:
    changes: dict[str, Any] = {}
    for f in fields(value):  # type: ignore[arg-type]
        item = getattr(value, f.name)
        if isinstance(item, Tensor):
            changes[f.name] = change(item)
        elif is_dataclass(item):
            changes[f.name] = _each(item, change)
    return replace(value, **changes)  # type: ignore[type-var]


def prepare_inputs(config: NetworkConfig, batch: SensorBatch, *, training: bool = False) -> NetInputs:
    """Pillars or voxels, and where cells and pixels look; changes nothing in `batch`. With `training`, also what the depths are taught by."""
    where: PullGrid | SplatGrid | None = None
    meeting: Meeting | None = None
    view: ViewGeometry | None = None
    points_ok = batch.points_ok & batch.lidar_ok[:, None]
    batch = _calibrated(batch)
    if config.camera is not None:
        feature_hw, grid = config.camera.feature_hw(batch.image_hw), config.bev_grid
        with torch.no_grad(), torch.autocast(batch.images.device.type, enabled=False):
            match config.lift:
                case PullConfig() as lift:
                    where = pull_grid(batch, feature_hw, grid, lift.heights_m, lift.views, lift.depth)
                    if lift.depth is not None and lift.measured is not None:
                        where = with_measured(where, lift.depth, lift.measured, batch, feature_hw)
                    if lift.depth is not None and training:
                        where = replace(where, depth_bin=lidar_depth_bin(lift.depth, batch, feature_hw))
                case SplatConfig() as lift:
                    where = splat_grid(batch, feature_hw, grid, lift)
            if isinstance(config.fuser, DualStreamConfig) and config.fuser.layers:
                # A network without a LiDAR answers by cameras alone, whatever the batch holds.
                known = batch if config.lidar is not None else replace(batch, lidar_ok=torch.zeros_like(batch.lidar_ok))
                meeting = meeting_of(config.fuser.layer, known, grid, feature_hw, _bin_edges_m(config, batch))
            if isinstance(config.head, QueryHeadConfig):
                view = view_geometry(batch)
    cloud: PillarInput | VoxelInput | None = None
    match config.lidar:
        case PillarConfig() as lidar:
            cloud = prepare_pillars(lidar, config.grid, batch.points, points_ok)
        case VoxelConfig() as lidar:
            cloud = prepare_voxels(lidar, config.grid, batch.points, points_ok)
        case None:
            pass
    return NetInputs(images=_images(batch), camera_ok=batch.camera_ok, lidar_ok=batch.lidar_ok, cloud=cloud, where=where, meeting=meeting, view=view)


def _calibrated(batch: SensorBatch) -> SensorBatch:
    """The batch with identities for the calibrations of absent cameras: a NaN there would be no number to compute with, and no index."""
    ok = batch.camera_ok[:, :, None, None]
    if bool(ok.all()):
        return batch
    eye = torch.eye(4).to(batch.cam_T_ego)
    return replace(batch, intrinsics=torch.where(ok, batch.intrinsics, eye[:3, :3].to(batch.intrinsics)),
                   cam_T_ego=torch.where(ok, batch.cam_T_ego, eye))


def _images(batch: SensorBatch) -> Tensor:
    """The images, zero in their padding: what stands there would reach the features beside it."""
    whole = (batch.valid_px == whole_px(batch.image_hw).to(batch.valid_px)).all(dim=-1)
    if bool((whole | ~batch.camera_ok).all()):
        return batch.images
    return torch.where(map_pixels_ok(batch.valid_px, batch.camera_ok, batch.image_hw, batch.image_hw)[:, :, None], batch.images, 0.0)


def _bin_edges_m(config: NetworkConfig, batch: SensorBatch) -> Tensor | None:
    """`(B, N, bins + 1)` edges of the lift's depth bins in each camera's own depths; None where it predicts no depth."""
    match config.lift:
        case SplatConfig() as lift:
            return lift.edges_m().to(batch.intrinsics).expand(*batch.camera_ok.shape, -1)
        case PullConfig(depth=bins) if bins is not None:
            return bins.edges_m().to(batch.intrinsics) / reference_scale(batch.intrinsics, batch.image_hw[1])[..., None]
    return None


def looked_at(config: NetworkConfig, inputs: NetInputs) -> Tensor:
    """`(B, X, Y)` bool: cells of `config.bev_grid` that a present sensor looks at, or nearly."""
    everywhere = inputs.lidar_ok if config.lidar is not None else torch.zeros_like(inputs.lidar_ok)
    seen = everywhere[:, None, None].expand(-1, *config.bev_grid.shape)
    if inputs.where is None or bool(everywhere.all()):
        return seen
    return cells_looked_at(inputs.where.seen, everywhere, config.bev_grid.shape, config.bev_grid.cell_m)[:, 0]


def decode_output(config: NetworkConfig, output: Output, inputs: NetInputs | None = None) -> list[RawDetections]:
    """Boxes of an answer; with the `inputs` that it is an answer to, only where a present sensor looks: none without any sensor."""
    ok, lidar_ok = None, None
    if inputs is not None:
        lidar_ok = (inputs.lidar_ok if config.lidar is not None else torch.zeros_like(inputs.lidar_ok)).cpu().numpy()
        seen = looked_at(config, inputs)
        ok = seen.flatten(1).any(dim=1).cpu().numpy()
        if not bool(seen.all()):
            output = _within(config, output, seen)
    if isinstance(output, QueryOutput):
        return decode_queries(output, config.bev_grid, config.classes, config.decode, ok, lidar_ok)
    return decode(output, config.bev_grid, config.classes, config.decode, ok, lidar_ok)


def _within(config: NetworkConfig, output: Output, seen: Tensor) -> Output:
    """The answer without what it says where `(B, X, Y)` bool `seen` is False."""
    if isinstance(output, QueryOutput):
        valid = _at(config, seen.to(output.boxes.device), output.boxes[:, -1, :, :2].float())
        return replace(output, valid=output.valid & valid)
    return replace(output, heatmap=torch.where(seen.to(output.heatmap.device)[:, None], output.heatmap, -torch.inf))


def _at(config: NetworkConfig, seen: Tensor, xy_m: Tensor) -> Tensor:
    """`(B, X, Y)` at `(B, Q, 2)` centres in metres, those outside taken to the nearest cell -> `(B, Q)`."""
    size_x, size_y = config.bev_grid.shape
    cells = torch.from_numpy(config.bev_grid.metres_to_cells(xy_m.detach().cpu().double().nan_to_num().numpy())).to(seen.device).floor().long()
    flat = cells[..., 0].clamp(0, size_x - 1) * size_y + cells[..., 1].clamp(0, size_y - 1)
    return seen.flatten(1).gather(1, flat)
