"""The network in torch, as it was trained."""

from __future__ import annotations

import torch

from fusion.inputs import NetInputs, Output
from fusion.model import ModelConfig
from fusion.network import BevDuetNet


class TorchBackend:
    """Eager torch, the reference that every engine is compared with.

    Args:
        network: put into eval mode, and onto the device.
        config: its model.
        device: cpu or a CUDA device.
        bf16: compute in bfloat16 where torch finds it safe (autocast).
    """

    def __init__(self, network: BevDuetNet, config: ModelConfig, *, device: torch.device | str = "cpu", bf16: bool = False) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval()
        self.config, self.bf16 = config, bf16
        self.cameras: int | None = None

    @torch.inference_mode()
    def __call__(self, inputs: NetInputs) -> Output:
        """As `Backend`."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            output = self.forward(inputs.to(self.device))
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return output

    def forward(self, inputs: NetInputs) -> Output:
        """Inputs on the device -> the answer, on the device."""
        output: Output = self.network(inputs)
        return output

    def describe(self) -> str:
        """As `Backend`."""
        return f"torch {torch.__version__} {'bf16' if self.bf16 else 'fp32'}, {self.device}, {torch.get_num_threads()} threads"
