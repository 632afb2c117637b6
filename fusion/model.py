"""A model is its input preparation and its network; named configs live in `configs/`."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion.config import apply_sets, from_mapping, load_yaml
from fusion.errors import UserError
from fusion.network_config import NetworkConfig
from fusion.sensors.preprocess import InputConfig


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that is needed to answer: how readings become tensors, and the network that reads them.

    Attributes:
        input: preprocessing.
        network: the network.
        num_sweeps: LiDAR sweeps accumulated before the reference stamp (0 = the keyframe alone).
    """

    input: InputConfig = field(default_factory=InputConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    num_sweeps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.num_sweeps <= 10:
            raise ValueError(f"num_sweeps: expected 0 to 10, got {self.num_sweeps}")
        camera, size_hw = self.network.camera, self.input.image_size_hw
        if camera is not None and any(size % camera.stride for size in size_hw):  # a feature pixel would not be `stride` pixels of the image
            raise ValueError(f"input.image_size_hw: expected multiples of network.camera.stride {camera.stride}, got {size_hw}")


def config_dirs() -> list[Path]:
    """Where named configs are looked for: the source tree, then the share folders of a virtual environment, a ROS workspace, a prefix."""
    here = Path(__file__).resolve()
    prefixes = [Path(sys.prefix), *here.parents[4:5]]  # PREFIX/lib/python3.X/site-packages/fusion/model.py
    return [here.parents[1] / "configs", *(prefix / "share" / "bevduet" / "configs" for prefix in prefixes)]


def config_names() -> list[str]:
    """Names of the shipped configs."""
    return sorted({path.stem for folder in config_dirs() if folder.is_dir() for path in folder.glob("*.yaml")})


def find_config(name_or_path: str) -> Path:
    """The YAML file of a shipped name or a path; raises UserError with "did you mean"."""
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    for folder in config_dirs():
        if (folder / f"{name_or_path}.yaml").is_file():
            return folder / f"{name_or_path}.yaml"
    close = difflib.get_close_matches(name_or_path, config_names(), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {config_names()} or a path ending in .yaml"
    raise UserError(f"config {name_or_path!r}: unknown name; {hint}")


def load_config_mapping(name_or_path: str, sets: Iterable[str] = ()) -> dict[str, Any]:
    """The raw `{model: ..., train: ...}` mapping of a config with overrides; unknown top keys are refused."""
    path = find_config(name_or_path)
    mapping = apply_sets(load_yaml(path), sets)
    for key in mapping:
        if key not in ("model", "train"):
            close = difflib.get_close_matches(str(key), ["model", "train"], n=1)
            raise UserError(f"{path}: {key}: unknown key; {f'did you mean {close[0]!r}?' if close else 'expected model or train'}")
    return mapping


def load_model_config(name_or_path: str, sets: Iterable[str] = ()) -> ModelConfig:
    """The model part of a config."""
    return from_mapping(ModelConfig, load_config_mapping(name_or_path, sets).get("model") or {}, "model")
