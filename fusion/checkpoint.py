"""Checkpoints: `NAME.safetensors` (weights) beside `NAME.yaml` (the resolved config); loaded without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fusion.config import from_mapping, load_yaml, setting_differences, to_mapping
from fusion.errors import UserError
from fusion.files import replacing, write_text
from fusion.model import ModelConfig, config_names
from fusion.network import BevDuetNet, build_network
from fusion.network_config import NetworkConfig

WEIGHTS_DIR = Path(__file__).resolve().parent / "weights"

LISTED = 40
"""Differences of layout that an error lists before it only counts."""


def save_checkpoint(path: Path, network: BevDuetNet, config: ModelConfig, extra: Mapping[str, Any] | None = None, *, half: bool = False) -> None:
    """Write `path` (`.safetensors`) and, beside it, `.yaml` with `model:` and the `extra` sections (such as `train:`).

    The config is written first: weights without their config never exist. With `half`, kernels and matrices are stored as float16, in
    half the space; biases, norms and their statistics stay float32, and loading gives float32 in any case.
    """
    if path.suffix != ".safetensors":
        raise UserError(f"{path}: expected a file name ending in .safetensors")
    document = {"model": to_mapping(config), **{key: to_mapping(value) for key, value in (extra or {}).items()}}
    write_text(path.with_suffix(".yaml"), yaml.safe_dump(document, sort_keys=False))
    with replacing(path) as temporary:
        state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
        save_file({key: value.half() if half and value.dim() > 1 else value for key, value in state.items()}, str(temporary))


def load_checkpoint(path: Path, config: ModelConfig | None = None) -> tuple[BevDuetNet, ModelConfig]:
    """Rebuild the network of a checkpoint, in eval mode; with `config`, by that one in place of the one beside the weights.

    Raises:
        UserError: a file is missing or corrupt, or the weights do not belong to the config; it lists the keys and shapes that differ.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; expected a .safetensors file with its .yaml beside it")
    config_path = path.with_suffix(".yaml")
    if not config_path.is_file():
        raise UserError(f"{config_path}: missing; a checkpoint needs its resolved config beside {path.name}")
    named = config_path.name if config is None else "the config given"
    config = config or from_mapping(ModelConfig, load_yaml(config_path).get("model") or {}, f"{config_path}: model")
    try:
        state = load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); copy or download it again") from None
    network = build_network(config.network)
    differences = layout_differences(network.state_dict(), state)
    if differences:
        raise UserError(f"{path}: weights do not fit {named}, {len(differences)} tensors differ; use the .yaml saved with them{listed(differences)}")
    network.load_state_dict(state)
    return network.eval(), config


def layout_differences(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """A line for every key that is missing in `state`, unknown to `wanted`, or of another shape; shapes are spelt out."""
    lines = []
    for key in sorted({*wanted, *state}):
        expected, got = (tuple(side[key].shape) if key in side else None for side in (wanted, state))
        if got is None:
            lines.append(f"{key}: expected {expected}, missing")
        elif expected is None:
            lines.append(f"{key}: unknown, got {got}")
        elif expected != got:
            lines.append(f"{key}: expected {expected}, got {got}")
    return lines


def network_differences(wanted: NetworkConfig, have: NetworkConfig) -> list[str]:
    """A line for every setting that differs, apart from losses, targets and decoding, which no weight depends on."""
    alike = replace(have, loss=wanted.loss, query_loss=wanted.query_loss, targets=wanted.targets, decode=wanted.decode)
    return setting_differences(to_mapping(wanted), to_mapping(alike), "network")


def model_differences(wanted: ModelConfig, have: ModelConfig) -> list[str]:
    """As `network_differences`, and of what the network is given: preprocessing and LiDAR sweeps."""
    mine, theirs = ({"input": to_mapping(config.input), "num_sweeps": config.num_sweeps} for config in (wanted, have))
    return setting_differences(mine, theirs) + network_differences(wanted.network, have.network)


def mean_state(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean of the tensors of two networks of one layout (arXiv 2203.05482); counters are the first's. UserError where the layouts differ."""
    differences = layout_differences(first, second)
    if differences:
        raise UserError(f"mean of weights: expected two of the same network, {len(differences)} tensors differ:{listed(differences)}")
    return {key: torch.lerp(value, second[key], 0.5) if value.is_floating_point() else value for key, value in first.items()}


def listed(differences: Sequence[str]) -> str:
    """Differences as lines that end an error; more than `LISTED` are only counted."""
    more = f"\n  and {len(differences) - LISTED} more" if len(differences) > LISTED else ""
    return "".join(f"\n  {line}" for line in differences[:LISTED]) + more


def shipped_models() -> list[str]:
    """Names of the models whose weights come with the package."""
    return sorted(path.stem for path in WEIGHTS_DIR.glob("*.safetensors")) if WEIGHTS_DIR.is_dir() else []


def resolve_model(name_or_path: str) -> Path:
    """The checkpoint file of a shipped name or of a path; raises UserError that lists what exists."""
    if name_or_path.endswith(".safetensors") or "/" in name_or_path:
        return Path(name_or_path)
    if name_or_path in shipped_models():
        return WEIGHTS_DIR / f"{name_or_path}.safetensors"
    known = f"shipped weights: {shipped_models() or 'none in this version'}"
    trained = f"; {name_or_path!r} is a config: train it first with `bevduet train`" if name_or_path in config_names() else ""
    raise UserError(f"model {name_or_path!r}: no such weights ({known}){trained}, or give a path to a .safetensors file")
