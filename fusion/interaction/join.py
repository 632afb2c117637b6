"""Where the two streams become one BEV map: a choice per channel, a gate, or plain concatenation, each by what is present."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class JoinConfig:
    """How the streams' BEV maps meet after the last interaction layer.

    Attributes:
        kind: "cnw" weighs each channel of the two maps (UniBEV, arXiv 2309.14516), "ssma" gates the concatenated maps cell by cell
            (arXiv 1808.03833), "concat" is one 1x1 convolution over maps and availability, as in `ConcatFuser`.
        reduction: "ssma": channels of both maps per channel of the gate's bottleneck.
        kernel: "ssma": width of its three convolutions in cells; 3 as published, 1 costs a ninth.
    """

    kind: Literal["concat", "cnw", "ssma"] = "cnw"
    reduction: int = 8
    kernel: Literal[1, 3] = 3

    def __post_init__(self) -> None:
        if self.reduction < 1:
            raise ValueError(f"reduction: expected at least 1, got {self.reduction}")


class _Join(nn.Module):
    """The face of every join.

    Args:
        camera_channels, lidar_channels: channels of each stream's BEV map; 0 where the network has no such stream.
        channels: channels of the joined map.
    """

    def __init__(self, camera_channels: int, lidar_channels: int) -> None:
        super().__init__()
        if not camera_channels and not lidar_channels:
            raise ValueError("camera_channels, lidar_channels: expected at least one above 0, got 0 and 0")
        self.camera_channels, self.lidar_channels = camera_channels, lidar_channels
        self.planes = 2 * (camera_channels > 0) + (lidar_channels > 0)  # camera: available, seen; LiDAR: available

    def forward(self, camera_bev: Tensor | None, camera_ok: Tensor | None, seen: Tensor | None,
                lidar_bev: Tensor | None, lidar_ok: Tensor | None) -> Tensor:
        """One map of both.

        Args:
            camera_bev: `(B, D, X, Y)`; what absent samples hold here has no effect, NaN included. None in a network without cameras.
            camera_ok: `(B,)` bool: at least one camera is present.
            seen: `(B, 1, X, Y)` float in {0, 1}: cells that a present camera sees.
            lidar_bev: `(B, C, X, Y)`, as `camera_bev`. None in a network without LiDAR.
            lidar_ok: `(B,)` bool.

        Returns:
            `(B, channels, X, Y)`.

        Raises:
            ValueError: a stream that the network was built with is None (absent samples are marked in `ok`).
        """
        camera = self._present("camera", self.camera_channels, camera_bev, camera_ok, seen)
        lidar = self._present("lidar", self.lidar_channels, lidar_bev, lidar_ok)
        return self._join(camera, lidar)

    def _join(self, camera: list[Tensor], lidar: list[Tensor]) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def _present(name: str, channels: int, bev: Tensor | None, ok: Tensor | None, seen: Tensor | None = None) -> list[Tensor]:
        """`[bev, available, seen]` with exact zeros where the sample has no such sensor (`[bev, available]` for the LiDAR); `[]` without it."""
        if not channels:
            return []
        if bev is None or ok is None or (name == "camera" and seen is None):
            raise ValueError(f"{name}: expected its BEV map and availability (mark absent samples in `ok`), got None")
        here = ok[:, None, None, None]
        # Selected, not multiplied: 0 * NaN is NaN.
        parts = [torch.where(here, bev, 0.0), here.to(bev.dtype).expand(-1, 1, *bev.shape[-2:])]
        return parts if seen is None else [*parts, torch.where(here, seen.to(bev.dtype), 0.0)]


class ConcatJoin(_Join):
    """Maps and availability through one 1x1 convolution: the control, with the arithmetic and parameters of `ConcatFuser`."""

    def __init__(self, config: JoinConfig, camera_channels: int, lidar_channels: int, channels: int) -> None:
        super().__init__(camera_channels, lidar_channels)
        self.mix = nn.Sequential(
            nn.Conv2d(camera_channels + lidar_channels + self.planes, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )

    def _join(self, camera: list[Tensor], lidar: list[Tensor]) -> Tensor:
        parts = [*camera, *lidar]
        mixed: Tensor = self.mix(torch.cat([part.to(parts[0].dtype) for part in parts], dim=1))
        return mixed


class ChannelWeightJoin(_Join):
    """A weighted mean per channel: softmax over the two modalities, renormalised over those that are present in a cell.

    A modality alone keeps its full strength, so the joined map has one scale in every state. A stream of another width than the joined
    map is brought to it by a 1x1 convolution first.
    """

    def __init__(self, config: JoinConfig, camera_channels: int, lidar_channels: int, channels: int) -> None:
        super().__init__(camera_channels, lidar_channels)
        self.camera_in, self.lidar_in = _to_channels(camera_channels, channels), _to_channels(lidar_channels, channels)
        self.logits = nn.Parameter(torch.zeros(2, channels))  # rows: camera, LiDAR

    def weights(self, camera_here: Tensor, lidar_here: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, 1, X, Y)` presence in {0, 1} -> each modality's `(B, channels, X, Y)` weights; they sum to 1 where anything is present."""
        share = self.logits.float().softmax(dim=0).to(camera_here.dtype)[:, None, :, None, None]
        both = camera_here * lidar_here
        # Of two modalities, the one that is alone weighs exactly 1: no quotient that a narrow number format could lose.
        return both * share[0] + (camera_here - both), both * share[1] + (lidar_here - both)

    def _join(self, camera: list[Tensor], lidar: list[Tensor]) -> Tensor:
        if not lidar:
            return self._alone(self.camera_in(camera[0]), camera[2])
        if not camera:
            return self._alone(self.lidar_in(lidar[0]), lidar[1])
        camera_map, lidar_map = self.camera_in(camera[0]), self.lidar_in(lidar[0])
        camera_weight, lidar_weight = self.weights(camera[2], lidar[1])
        joined: Tensor = camera_weight * camera_map + lidar_weight * lidar_map
        return joined

    @staticmethod
    def _alone(bev: Tensor, here: Tensor) -> Tensor:
        return bev * here


class GateJoin(_Join):
    """SSMA: both maps, a bottleneck, a sigmoid per channel and cell that says how far each is to be trusted there, one convolution.

    The bottleneck also reads the availability planes; the gate multiplies zeros where a modality is absent.
    """

    def __init__(self, config: JoinConfig, camera_channels: int, lidar_channels: int, channels: int) -> None:
        super().__init__(camera_channels, lidar_channels)
        both, pad = camera_channels + lidar_channels, config.kernel // 2
        hidden = max(both // config.reduction, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(both + self.planes, hidden, config.kernel, padding=pad),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, both, config.kernel, padding=pad),
            nn.Sigmoid(),
        )
        self.out = nn.Sequential(nn.Conv2d(both, channels, config.kernel, padding=pad, bias=False), nn.BatchNorm2d(channels))

    def _join(self, camera: list[Tensor], lidar: list[Tensor]) -> Tensor:
        dtype = (camera or lidar)[0].dtype
        maps = torch.cat([parts[0].to(dtype) for parts in (camera, lidar) if parts], dim=1)
        planes = [plane.to(dtype) for plane in (*camera[1:], *lidar[1:])]
        joined: Tensor = self.out(maps * self.gate(torch.cat([maps, *planes], dim=1)))
        return joined


Join = ConcatJoin | ChannelWeightJoin | GateJoin


def build_join(config: JoinConfig, camera_channels: int, lidar_channels: int, channels: int) -> Join:
    """The join of a config; its `forward` takes `(camera_bev, camera_ok, seen, lidar_bev, lidar_ok)`."""
    match config.kind:
        case "concat":
            return ConcatJoin(config, camera_channels, lidar_channels, channels)
        case "cnw":
            return ChannelWeightJoin(config, camera_channels, lidar_channels, channels)
        case "ssma":
            return GateJoin(config, camera_channels, lidar_channels, channels)


def _to_channels(own: int, channels: int) -> nn.Module:
    return nn.Identity() if own in (0, channels) else nn.Conv2d(own, channels, 1, bias=False)
