"""What goes into a deployed graph and what comes out: named tensors, the form in which every engine knows a network.

Inputs are the tensors of `NetInputs` by their path (`where.coords` is `where_coords`), outputs the fields that the head's decoding
reads. What the network only needs while training is left out on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from fusion.encoders.pillars import PillarInput
from fusion.heads.centre import BRANCHES, HeadOutput
from fusion.heads.query.head import QueryHeadConfig
from fusion.heads.query.output import QueryOutput
from fusion.inputs import NetInputs, Output
from fusion.model import ModelConfig

TRAINING_ONLY = frozenset({"where_depth_bin"})
"""Inputs that teach, but are not read for an answer."""

SHARED = frozenset({"camera_ok", "lidar_ok", "valid_px"})
"""Fields that are the same tensor wherever they stand."""

CENTRE_OUTPUTS = ("heatmap", *BRANCHES)
QUERY_OUTPUTS = ("labels", "valid", "heat", "logits", "boxes", "direction", "attributes")

_T = TypeVar("_T")


def named_inputs(inputs: NetInputs) -> dict[str, Tensor]:
    """Every tensor that the deployed graph reads, by its name, in the graph's order; no pillar at all becomes one empty pillar."""
    found: dict[str, Tensor] = {}
    _collect(_at_least_one_pillar(inputs), "", found)
    return found


def from_named(template: NetInputs, tensors: Mapping[str, Tensor]) -> NetInputs:
    """`template` with its tensors taken from `tensors`; what the graph does not read stays."""
    return _filled(template, "", tensors)


def output_names(config: ModelConfig) -> tuple[str, ...]:
    """Names of the graph's outputs, in order."""
    return QUERY_OUTPUTS if isinstance(config.network.head, QueryHeadConfig) else CENTRE_OUTPUTS


def output_from_named(config: ModelConfig, tensors: Mapping[str, Tensor]) -> Output:
    """The head's answer from the graph's outputs; queries carry their last layer alone."""
    if isinstance(config.network.head, QueryHeadConfig):
        unread = torch.zeros(0)
        return QueryOutput(**{name: tensors[name] for name in QUERY_OUTPUTS}, heatmap=unread, cells=unread, refreshed=unread)
    return HeadOutput(**{name: tensors[name] for name in CENTRE_OUTPUTS})


def outputs_of(output: Output) -> tuple[Tensor, ...]:
    """The tensors of an answer in the order of `output_names`."""
    if isinstance(output, QueryOutput):
        last = {name: getattr(output, name)[:, -1:] for name in ("logits", "boxes", "direction", "attributes")}
        return tuple(last[name] if name in last else getattr(output, name) for name in QUERY_OUTPUTS)
    return tuple(getattr(output, name) for name in CENTRE_OUTPUTS)


@dataclass(frozen=True)
class _Step:
    """A field on the way to a tensor."""

    name: str
    value: Any


def _steps(value: Any, prefix: str) -> list[_Step]:
    names = ((f.name, f.name if f.name in SHARED else f"{prefix}_{f.name}" if prefix else f.name) for f in fields(value))
    return [_Step(path, getattr(value, name)) for name, path in names]


def _collect(value: Any, prefix: str, found: dict[str, Tensor]) -> None:
    for step in _steps(value, prefix):
        if isinstance(step.value, Tensor):
            if step.name not in TRAINING_ONLY:
                found.setdefault(step.name, step.value)
        elif is_dataclass(step.value):
            _collect(step.value, step.name, found)


def _filled(value: _T, prefix: str, tensors: Mapping[str, Tensor]) -> _T:
    changes: dict[str, Any] = {}
    for f, step in zip(fields(value), _steps(value, prefix), strict=True):  # type: ignore[arg-type]
        if isinstance(step.value, Tensor):
            changes[f.name] = None if step.name in TRAINING_ONLY else tensors[step.name]
        elif is_dataclass(step.value):
            changes[f.name] = _filled(step.value, step.name, tensors)
    return replace(value, **changes)  # type: ignore[type-var]


def _at_least_one_pillar(inputs: NetInputs) -> NetInputs:
    cloud = inputs.cloud
    if not isinstance(cloud, PillarInput) or len(cloud.index) > 0:
        return inputs
    features, mask = cloud.features.new_zeros(1, *cloud.features.shape[1:]), cloud.mask.new_zeros(1, cloud.mask.shape[1])
    return replace(inputs, cloud=PillarInput(features=features, mask=mask, index=cloud.index.new_zeros(1)))
