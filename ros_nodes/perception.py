"""The network that the fusion node runs, from its parameters."""

from __future__ import annotations

import torch

from fusion.config import apply_sets, from_mapping, to_mapping
from fusion.errors import UserError
from fusion.model import ModelConfig, load_model_config
from fusion.runtime.backends.open import open_backend
from fusion.runtime.backends.protocol import Backend
from fusion.runtime.perceiver import Perceiver
from fusion.runtime.timing import StageTimer
from fusion.types import SensorSet
from ros_nodes.fusion_config import FusionNodeConfig

OVERRIDABLE = ("model.input.", "model.network.decode.", "model.num_sweeps")


class LastStages(StageTimer):
    """Keeps the last time of each stage alone: a node runs for weeks."""

    def __init__(self) -> None:
        super().__init__()
        self.last_s: dict[str, float] = {}

    def add(self, name: str, seconds: float) -> None:
        """Replace the stage's time."""
        self.last_s[name] = seconds


def load_perceiver(config: FusionNodeConfig) -> tuple[Perceiver, LastStages]:
    """What runs the network, warmed up, and the timer of its stages.

    Raises:
        UserError: no such model or backend, weights that do not fit the config, an override that is unknown or impossible, no such device,
            an exported model with fewer camera slots than there are cameras.
    """
    _check_device(config.device)
    backend = _open(config)
    timer = LastStages()
    perceiver = Perceiver(backend, config=_overridden(backend.config, config.overrides), timer=timer)
    perceiver.warm_up(SensorSet.example(cameras=len(config.cameras), points=20_000))
    return perceiver, timer


def _check_device(name: str) -> None:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"device: expected cpu, cuda or cuda:N, got {name!r}") from None
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type != "cpu" and (device.type != "cuda" or (device.index or 0) >= gpus):
        raise UserError(f"device: {name!r} is not on this machine; expected cpu{f' or cuda:0 to cuda:{gpus - 1}' if gpus else ''}")


def _open(config: FusionNodeConfig) -> Backend:
    try:
        model = load_model_config(config.config) if config.config else None
    except UserError as error:
        raise UserError(f"config: {error}") from None
    try:
        return open_backend(config.model, config.backend, device=config.device, threads=config.threads, bf16=config.bf16, config=model)
    except UserError as error:
        raise UserError(f"model: {error}") from None


def _overridden(model: ModelConfig, overrides: tuple[str, ...]) -> ModelConfig:
    for line in overrides:
        if not line.startswith(OVERRIDABLE):
            raise UserError(f"overrides: {line!r}: expected a key that starts with {', '.join(OVERRIDABLE)}; the rest is fixed by the weights")
    try:
        return from_mapping(ModelConfig, apply_sets({"model": to_mapping(model)}, overrides)["model"], "model")
    except UserError as error:
        raise UserError(f"overrides: {error}") from None
