"""Parameters in groups that are trained alike: by decay, by whether they were learnt before, and by the modality whose own they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

ENCODERS = {"camera": "camera", "lift": "camera", "lidar": "lidar"}
"""Part of the network -> the modality whose own it is."""


def parameter_groups(network: nn.Module, lr: float, weight_decay: float, *, inherited: Collection[str] = (), lr_inherited: float = 1.0,
                     by_modality: bool = False) -> list[dict[str, Any]]:
    """Groups for an optimiser; kernels and matrices of layers decay, and nothing else: no bias, norm, learned scale or token, whatever its shape.

    Args:
        lr: peak learning rate.
        inherited: names of parameters that were learnt before; their rate is `lr_inherited` times `lr`.
        by_modality: groups of their own, with the modality as `modality`, for the encoders.
    """
    groups: dict[tuple[str, float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            modality = ENCODERS.get(name.partition(".")[0], "") if by_modality else ""
            factor = lr_inherited if name in inherited else 1.0
            decays = parameter.dim() > 1 and name.rpartition(".")[2] == "weight"
            groups.setdefault((modality, factor, decays), []).append(parameter)
    return [{"params": groups[key], "lr": lr * key[1], "weight_decay": weight_decay if key[2] else 0.0, "modality": key[0]}
            for key in sorted(groups, key=lambda key: (key[0], -key[1], not key[2]))]


def scale_steps(optimizer: Optimizer, scale: Mapping[str, float]) -> None:
    """Multiply the rates of each modality's groups by its factor, until the schedule sets them anew.

    A factor on the gradients instead would change nothing: Adam divides a gradient by its own running size.
    """
    for group in optimizer.param_groups:
        group["lr"] *= scale.get(group.get("modality", ""), 1.0)
