"""ONNX Runtime, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fusion.errors import UserError
from fusion.export.manifest import Manifest
from fusion.export.packages import engine_module
from fusion.runtime.backends.engine import Engine


class OnnxRuntimeBackend(Engine):
    """Runs an ONNX file. Inputs and outputs are bound to the memory of the torch tensors: nothing is copied.

    Args:
        path: the ONNX file.
        manifest: of its folder.
        device: cpu or a CUDA device, for which ONNX Runtime's package for GPUs is needed.
        threads: on the CPU; 0: as many as the machine's cores.

    Raises:
        UserError: ONNX Runtime is not installed, cannot use the device, or cannot read the file.
    """

    def __init__(self, path: Path, manifest: Manifest, *, device: torch.device | str = "cpu", threads: int = 0) -> None:
        self.device = torch.device(device)
        runtime = engine_module("onnxruntime")
        provider = "CUDAExecutionProvider" if self.device.type == "cuda" else "CPUExecutionProvider"
        if provider not in runtime.get_available_providers():
            raise UserError(f"--device {device}: this onnxruntime offers {', '.join(runtime.get_available_providers())};"
                            " install onnxruntime-gpu, or use --device cpu")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Threads that spin after a call take the cores from the host's part of the next one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        place = (provider, {"device_id": self.device.index or 0} if self.device.type == "cuda" else {})
        try:
            self.session = runtime.InferenceSession(str(path), options, providers=[place])
        except Exception as error:  # its exceptions have no common base but this
            raise UserError(f"{path}: onnxruntime cannot open it: {str(error).splitlines()[0]}") from None
        super().__init__(manifest, self.device)
        self.path, self.threads, self.version = path, threads, runtime.__version__
        self._binding = self.session.io_binding()
        for name, tensor in self.outputs.items():
            self._binding.bind_output(name, **self._place(tensor))

    def run(self, tensors: Mapping[str, Tensor]) -> None:
        """As `Engine`."""
        for name, tensor in tensors.items():
            self._binding.bind_input(name, **self._place(tensor))
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.session.run_with_iobinding(self._binding)

    def _place(self, tensor: Tensor) -> dict[str, object]:
        dtype = np.dtype(str(tensor.dtype).removeprefix("torch."))
        return {"device_type": self.device.type, "device_id": self.device.index or 0, "element_type": dtype, "shape": tuple(tensor.shape),
                "buffer_ptr": tensor.data_ptr()}

    def describe(self) -> str:
        """As `Backend`."""
        return f"onnxruntime {self.version}, {self.device}, {self.threads or 'default'} threads: {self.path.name} ({self.manifest.precision})"
