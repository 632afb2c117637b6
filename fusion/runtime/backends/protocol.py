"""The protocol between the host's part of the work and whatever runs the network."""

from __future__ import annotations

from typing import Protocol

import torch

from fusion.inputs import NetInputs, Output
from fusion.model import ModelConfig


class Backend(Protocol):
    """Runs a network on prepared inputs.

    Attributes:
        config: the model's, for the host's part: preprocessing before, decoding after.
        device: where it runs.
        cameras: camera slots N that its inputs must have; None: any number.
    """

    config: ModelConfig
    device: torch.device
    cameras: int | None

    def __call__(self, inputs: NetInputs) -> Output:
        """The head's answer to `inputs` (B = 1, on the CPU). Its tensors may be memory that the next call writes over."""

    def describe(self) -> str:
        """One line for people: engine and version, precision, device, threads."""
