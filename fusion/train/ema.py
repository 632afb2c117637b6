"""Exponential moving average of the weights; its state travels in the trainer's checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn


class EmaCallback(L.Callback):
    """Averages the weights of `module.network` after each step; buffers (running statistics) are averaged too.

    The decay rises with the number of updates, `min(decay, (1 + n) / (10 + n))`, so that short runs do not export their start.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average: dict[str, Tensor] = {}

    def update(self, network: nn.Module) -> None:
        """Take the network's present weights into the average."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            seen, now = [], []
            for name, value in network.state_dict().items():
                held = self.average.get(name)
                if held is None or not value.dtype.is_floating_point:
                    self.average[name] = value.detach().clone()
                    continue
                if held.device != value.device:  # a resumed average starts on the CPU
                    held = self.average[name] = held.to(value.device)
                seen.append(held)
                now.append(value.detach())
            if seen:
                torch._foreach_lerp_(seen, now, 1 - decay)  # on a GPU a few kernels instead of one for each tensor

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """Inside, the network has the averaged weights; afterwards its own again. Nothing happens before the first update."""
        if not self.average:
            yield
            return
        own = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.average)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Trainer hook."""
        network = pl_module.network
        assert isinstance(network, nn.Module)
        self.update(network)

    def state_dict(self) -> dict[str, Any]:
        """For the trainer's checkpoint."""
        return {"updates": self.updates, "average": dict(self.average)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the trainer's checkpoint."""
        self.updates = state_dict["updates"]
        self.average = {name: value.clone() for name, value in state_dict["average"].items()}
