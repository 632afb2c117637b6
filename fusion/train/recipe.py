"""A recipe: what to train and how; one YAML file holds both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fusion.config import from_mapping
from fusion.model import ModelConfig, load_config_mapping
from fusion.train.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines a training run, but for its data.

    Attributes:
        model: the model to train.
        train: how.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def load_recipe(name_or_path: str, sets: Iterable[str] = ()) -> Recipe:
    """The recipe of a shipped config or a YAML file with `--set` overrides; raises UserError on anything unknown."""
    mapping = load_config_mapping(name_or_path, sets)
    return from_mapping(Recipe, {key: value or {} for key, value in mapping.items()})
