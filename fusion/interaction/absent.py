"""What stands in for an absent modality's BEV map: nothing, or a prediction from the modality that is there (ActionMAE, arXiv 2211.13916)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class AbsentConfig:
    """How an absent modality is stood in for.

    Attributes:
        kind: "zero" leaves zeros, which is the control; "predict" predicts the map.
        tokens: tokens along each axis of the map, whatever its size: the transformer costs the same for any BEV grid.
        channels: channels of a token, and of the hidden layer at the map's own resolution.
        memory: learned tokens that travel along.
        layers: of the encoder, and as many of the decoder.
        heads: attention heads.
        hide: in training, how often one modality of a sample that has both is hidden on purpose (either one as often), stood in for, and
            compared with what was hidden.
        weight: of that comparison in the loss.
    """

    kind: Literal["zero", "predict"] = "zero"
    tokens: int = 16
    channels: int = 48
    memory: int = 10
    layers: int = 2
    heads: int = 4
    hide: float = 0.5
    weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("tokens", "channels", "memory", "layers", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.channels % self.heads:
            raise ValueError(f"channels: expected a multiple of heads {self.heads}, got {self.channels}")
        if not 0 <= self.hide <= 1 or self.weight < 0:
            raise ValueError(f"hide, weight: expected a probability and a number >= 0, got {self.hide}, {self.weight}")


class AbsentModality(nn.Module):
    """Stands in for the modality that a sample lacks, where the other one is there. With kind "zero" it holds no parameters and changes nothing.

    Args:
        camera_channels, lidar_channels: channels of each stream's BEV map.
    """

    def __init__(self, config: AbsentConfig, camera_channels: int, lidar_channels: int) -> None:
        super().__init__()
        self.config = config
        self.context: _Context | None = None
        if config.kind == "predict":
            if not camera_channels or not lidar_channels:
                raise ValueError(f"absent: predicting one modality from the other needs both encoders, got camera_channels {camera_channels},"
                                 f" lidar_channels {lidar_channels}")
            self.context = _Context(config, camera_channels, lidar_channels)
            self.to_camera = _Fill(lidar_channels, config.channels, camera_channels)
            self.to_lidar = _Fill(camera_channels, config.channels, lidar_channels)

    def forward(self, camera_bev: Tensor, camera_ok: Tensor, lidar_bev: Tensor, lidar_ok: Tensor, *, seen: Tensor | None = None,
                hidden: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Both maps, stood in for where absent.

        Args:
            camera_bev: `(B, D, X, Y)`; what absent samples hold here has no effect, NaN included. X and Y are multiples of `tokens`.
            camera_ok: `(B,)` bool.
            lidar_bev: `(B, C, X, Y)`, as `camera_bev`.
            lidar_ok: `(B,)` bool.
            seen: `(B, 1, X, Y)` float: a hidden camera map is compared where this is above 0, as cells that no camera sees hold no
                measurement; everywhere when None.
            hidden: `(B,)` bool each, what to hide on purpose of camera and LiDAR in training, as drawn by `draw_hidden`; nothing when None.

        Returns:
            Camera map, LiDAR map (zeros where there is neither a measurement nor a prediction), and the weighted reconstruction loss, a
            float32 scalar: None outside training or with kind "zero", 0 where nothing was hidden.
        """
        camera_bev, lidar_bev = _where(camera_ok, camera_bev), _where(lidar_ok, lidar_bev)
        if self.context is None:
            return camera_bev, lidar_bev, None
        camera_visible, lidar_visible, hide_camera, hide_lidar = camera_ok, lidar_ok, None, None
        if self.training:
            hide_camera, hide_lidar = (torch.zeros_like(camera_ok), torch.zeros_like(lidar_ok)) if hidden is None else hidden
            both = camera_ok & lidar_ok
            hide_camera, hide_lidar = hide_camera & both, hide_lidar & both & ~hide_camera  # a target is needed, and a source
            camera_visible, lidar_visible = camera_ok & ~hide_camera, lidar_ok & ~hide_lidar
        want_camera, want_lidar = lidar_visible & ~camera_visible, camera_visible & ~lidar_visible
        if not torch.compiler.is_exporting() and not bool((want_camera | want_lidar).any()):  # a deployed graph has one path for every state
            return camera_bev, lidar_bev, camera_bev.new_zeros((), dtype=torch.float32) if self.training else None
        camera_in, lidar_in = _where(camera_visible, camera_bev), _where(lidar_visible, lidar_bev)
        context = self.context(camera_in, lidar_in, want_camera)
        camera_guess, lidar_guess = self.to_camera(context, lidar_in), self.to_lidar(context, camera_in)
        loss = None
        if hide_camera is not None and hide_lidar is not None:
            cells = torch.ones_like(camera_bev[:, :1], dtype=torch.bool)
            camera_error = _squares(camera_guess, camera_bev, hide_camera[:, None, None, None] & (cells if seen is None else seen > 0))
            lidar_error = _squares(lidar_guess, lidar_bev, hide_lidar[:, None, None, None] & cells)
            loss = self.config.weight * (camera_error + lidar_error)
        return (torch.where(want_camera[:, None, None, None], camera_guess.to(camera_in.dtype), camera_in),
                torch.where(want_lidar[:, None, None, None], lidar_guess.to(lidar_in.dtype), lidar_in), loss)

    def draw_hidden(self, camera_ok: Tensor, lidar_ok: Tensor) -> tuple[Tensor, Tensor]:
        """`(B,)` bool each: whose camera and whose LiDAR to hide on purpose, never both and only where both are present."""
        draw, both = torch.rand(len(camera_ok), device=camera_ok.device), camera_ok & lidar_ok
        return both & (draw < self.config.hide / 2), both & (draw >= 1 - self.config.hide / 2)

    def presence(self, camera_ok: Tensor, seen: Tensor, lidar_ok: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`(camera_ok, seen, lidar_ok)` for whatever comes after `forward`: a prediction counts as present, and is there in every cell."""
        if self.context is None:
            return camera_ok, seen, lidar_ok
        either = camera_ok | lidar_ok
        return either, torch.where((lidar_ok & ~camera_ok)[:, None, None, None], 1.0, seen), either


class _Context(nn.Module):
    """A coarse look at the present modality and memory tokens through an encoder; then tokens of the absent one through a decoder."""

    def __init__(self, config: AbsentConfig, camera_channels: int, lidar_channels: int) -> None:
        super().__init__()
        self.size, width = config.tokens, config.channels
        self.embed_camera, self.embed_lidar = nn.Linear(2 * camera_channels, width), nn.Linear(2 * lidar_channels, width)
        self.place = nn.Parameter(0.02 * torch.randn(config.tokens**2, width))
        self.memory = nn.Parameter(0.02 * torch.randn(config.memory, width))
        self.camera_mask, self.lidar_mask = nn.Parameter(0.02 * torch.randn(width)), nn.Parameter(0.02 * torch.randn(width))
        self.encoder = nn.Sequential(*(_Layer(width, config.heads) for _ in range(config.layers)))
        self.decoder = nn.Sequential(*(_Layer(width, config.heads) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, camera_bev: Tensor, lidar_bev: Tensor, want_camera: Tensor) -> Tensor:
        """`(B, width, tokens, tokens)` features of the camera where `want_camera` `(B,)`, of the LiDAR elsewhere."""
        wanted, batch = want_camera[:, None, None], len(want_camera)
        present = torch.where(wanted, self.embed_lidar(self._pooled(lidar_bev)), self.embed_camera(self._pooled(camera_bev)))
        encoded = self.encoder(torch.cat([present + self.place.to(present.dtype), self.memory.to(present.dtype).expand(batch, -1, -1)], dim=1))
        mask = (torch.where(wanted, self.camera_mask, self.lidar_mask) + self.place).to(encoded.dtype)
        decoded = self.norm(self.decoder(torch.cat([encoded, mask], dim=1))[:, -self.size**2:])
        context: Tensor = decoded.transpose(1, 2).unflatten(2, (self.size, self.size))
        return context

    def _pooled(self, bev: Tensor) -> Tensor:
        """`(B, C, X, Y)` -> `(B, tokens**2, 2C)`: mean and maximum of each block of cells."""
        rows, columns = bev.shape[-2:]
        if rows % self.size or columns % self.size:
            raise ValueError(f"absent.tokens: expected a divisor of the BEV map's {rows}x{columns} cells, got {self.size}")
        block = (rows // self.size, columns // self.size)
        return torch.cat([F.avg_pool2d(bev, block), F.max_pool2d(bev, block)], dim=1).flatten(2).transpose(1, 2)


class _Fill(nn.Module):
    """Coarse context and the present modality's cells -> the absent modality's cells."""

    def __init__(self, present_channels: int, width: int, absent_channels: int) -> None:
        super().__init__()
        self.local, self.context = nn.Conv2d(present_channels, width, 1), nn.Conv2d(width, width, 1)
        self.out = nn.Conv2d(width, absent_channels, 1)

    def forward(self, context: Tensor, present_bev: Tensor) -> Tensor:
        coarse = F.interpolate(self.context(context), size=present_bev.shape[-2:], mode="bilinear", align_corners=False)
        filled: Tensor = self.out(F.relu(self.local(present_bev) + coarse))
        return filled


class _Layer(nn.Module):
    """One transformer layer, normalised before each part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T, width)` -> the same shape."""
        query, key, value = self.qkv(self.norm_attention(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x + self.mix(attended)
        fed: Tensor = x + self.feed(self.norm_feed(x))
        return fed


def _where(ok: Tensor, bev: Tensor) -> Tensor:
    """The map with exact zeros in absent samples; selected, not multiplied, as 0 * NaN is NaN."""
    return torch.where(ok[:, None, None, None], bev, 0.0)


def _squares(guess: Tensor, measured: Tensor, compared: Tensor) -> Tensor:
    """Mean squared error over compared cells, float32, 0 where there are none; the measurement is not drawn towards the guess."""
    error = torch.where(compared, guess.float() - measured.detach().float(), 0.0)
    return error.square().sum() / (compared.sum() * guess.shape[1]).clamp(min=1)
