"""OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fusion.errors import UserError
from fusion.export.manifest import Manifest
from fusion.export.packages import engine_module
from fusion.runtime.backends.engine import Engine


class OpenVinoBackend(Engine):
    """Runs an OpenVINO or ONNX file on the CPU. Inputs and outputs are the memory of the torch tensors: nothing is copied.

    Args:
        path: the .xml with its .bin beside it, or an ONNX file.
        manifest: of its folder.
        threads: 0: as many as the machine's cores.
        bf16: compute in bfloat16 what is not quantised, where the CPU can.

    Raises:
        UserError: OpenVINO is not installed or cannot read the file, or the CPU has no bfloat16.
    """

    def __init__(self, path: Path, manifest: Manifest, *, threads: int = 0, bf16: bool = False) -> None:
        openvino = engine_module("openvino")
        core = openvino.Core()
        if bf16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise UserError("--bf16: this CPU computes no bfloat16; leave it away")
        hints: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32"}
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
        try:
            compiled = core.compile_model(str(path), "CPU", hints)
        except RuntimeError as error:
            raise UserError(f"{path}: openvino cannot open it: {str(error).splitlines()[-1].strip()}") from None
        super().__init__(manifest, torch.device("cpu"))
        self.path, self.threads, self.bf16 = path, compiled.get_property("INFERENCE_NUM_THREADS"), bf16
        self.version = openvino.__version__.partition("-")[0]
        self._tensor = openvino.Tensor
        self._request = compiled.create_infer_request()
        for name, tensor in self.outputs.items():
            self._request.set_tensor(name, self._tensor(tensor.numpy(), shared_memory=True))

    def run(self, tensors: Mapping[str, Tensor]) -> None:
        """As `Engine`."""
        for name, tensor in tensors.items():
            self._request.set_tensor(name, self._tensor(tensor.numpy(), shared_memory=True))
        self._request.infer()

    def describe(self) -> str:
        """As `Backend`."""
        return (f"openvino {self.version} {'bf16' if self.bf16 else 'f32'}, cpu, {self.threads} threads: {self.path.name}"
                f" ({self.manifest.precision})")
