"""What a run was begun with, as its resume file tells: going on with anything else would be neither run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fusion.checkpoint import listed
from fusion.config import from_mapping, setting_differences, to_mapping
from fusion.errors import UserError
from fusion.train.config import TrainConfig
from fusion.train.recipe import Recipe

_FREE = TrainConfig()
"""For the settings on which no result depends."""


def begun_with(recipe: Recipe, samples: str, devices: int) -> dict[str, Any]:
    """Plain values for the resume file: the recipe, what tells the samples apart from others, and how many devices share a step."""
    return {"recipe": to_mapping(recipe), "samples": samples, "devices": devices}


def check_same_run(begun: Mapping[str, Any], recipe: Recipe, samples: str, devices: int) -> None:
    """UserError that lists every difference between what a run was begun with (`begun_with`) and what it is to go on with.

    Loader processes, cache and the log's steps are free to differ.
    """
    before = from_mapping(Recipe, begun["recipe"])  # a setting that did not exist then has its default
    differences = setting_differences(_settled(before), _settled(recipe))
    if begun["samples"] != samples:
        differences.append("training data: expected the same scenes of the same data set, got others")
    if begun["devices"] != devices:
        differences.append(f"--devices: expected {begun['devices']}, got {devices}")
    if differences:
        raise UserError("--resume: the run was begun with other settings; give the same config, --set, data and --devices, or begin another run"
                        f" with --init and another --out{listed(differences)}")


def _settled(recipe: Recipe) -> Any:
    train = replace(recipe.train, workers=_FREE.workers, cache=_FREE.cache, log_every=_FREE.log_every)
    return to_mapping(replace(recipe, train=train))
