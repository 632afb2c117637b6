"""TensorRT and TensorRT-RTX, on a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fusion.errors import UserError
from fusion.export.manifest import Manifest, Port
from fusion.export.tensorrt_api import load_tensorrt, recording_logger
from fusion.runtime.backends.engine import Engine

TYPES = {"float32": "FLOAT", "float16": "HALF", "int64": "INT64", "int32": "INT32", "bool": "BOOL", "uint8": "UINT8", "int8": "INT8"}
"""NumPy's names, as in a manifest, to TensorRT's."""


class TensorRTBackend(Engine):
    """Runs a serialised engine. Its inputs and outputs are the memory of torch's CUDA tensors: nothing is copied on the device.

    Args:
        path: the engine.
        manifest: of its folder; its `build` says which of the two modules made it, and so can read it.
        device: a CUDA device.

    Raises:
        UserError: no CUDA device, TensorRT not installed, an engine of another version or for another GPU, or one whose tensors are not the
            manifest's.
    """

    def __init__(self, path: Path, manifest: Manifest, *, device: torch.device | str = "cuda") -> None:
        place = torch.device(device)
        if place.type != "cuda":
            raise UserError(f"--device {device}: {path.name} is a TensorRT engine, which runs on a GPU; expected cuda or cuda:N")
        if not torch.cuda.is_available():
            raise UserError(f"--device {device}: torch sees no CUDA device here, and {path.name} is a TensorRT engine; expected a machine with one")
        trt = load_tensorrt(manifest.build.get("builder"))
        super().__init__(manifest, place)
        self.path, self.version = path, f"{trt.__name__} {trt.__version__}"
        self._logger = recording_logger(trt)
        with torch.cuda.device(place):
            self._runtime = trt.Runtime(self._logger)  # an engine must not outlive it
            self._engine = deserialise(self._runtime, self._logger, path, manifest)
            check_ports(trt, self._engine, manifest, path)
            self._context = self._engine.create_execution_context()
            self._stream = torch.cuda.Stream(place)  # type: ignore[no-untyped-call]
        if self._context is None:
            raise UserError(f"{path.name}: no execution context: {'; '.join(self._logger.messages) or 'out of memory, perhaps'}")
        for name, tensor in self.outputs.items():
            self._context.set_tensor_address(name, tensor.data_ptr())

    def run(self, tensors: Mapping[str, Tensor]) -> None:
        """As `Engine`."""
        with torch.cuda.device(self.device):
            self._stream.wait_stream(torch.cuda.current_stream(self.device))  # the inputs may still be on their way
            for name, tensor in tensors.items():
                if not self._context.set_input_shape(name, tuple(tensor.shape)):
                    profile = self.manifest.build.get("profile", {}).get(name)
                    raise UserError(f"{name}: shape {tuple(tensor.shape)} is outside the engine's profile {profile}; export it again")
                self._context.set_tensor_address(name, tensor.data_ptr())
            done = self._context.execute_async_v3(self._stream.cuda_stream)
            self._stream.synchronize()
        if not done:
            raise RuntimeError(f"{self.path.name}: TensorRT could not run: {'; '.join(self._logger.messages) or 'no message'}")

    def describe(self) -> str:
        """As `Backend`."""
        return f"{self.version}, {self.device} ({torch.cuda.get_device_name(self.device)}): {self.path.name} ({self.manifest.precision})"


def deserialise(runtime: Any, logger: Any, path: Path, manifest: Manifest) -> Any:
    """The engine in a file; UserError, with TensorRT's reason, where it cannot be used here."""
    engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        made = f"{manifest.build.get('builder')} {manifest.build.get('version')} for {', '.join(manifest.build.get('capabilities', ())) or 'one GPU'}"
        raise UserError(f"{path.name}: made by {made}, and not usable here ({'; '.join(logger.messages) or 'no reason given'});"
                        " export it again on this machine")
    return engine


def check_ports(trt: Any, engine: Any, manifest: Manifest, path: Path) -> None:
    """UserError unless the engine's tensors are those of the manifest, with their types and shapes."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    for mode, ports in ((trt.TensorIOMode.INPUT, manifest.inputs), (trt.TensorIOMode.OUTPUT, manifest.outputs)):
        got = {name: _described(engine, name) for name in names if engine.get_tensor_mode(name) == mode}
        wanted = {port.name: _wanted(port) for port in ports}
        if got != wanted:
            wrong = sorted(name for name in got.keys() | wanted.keys() if got.get(name) != wanted.get(name))
            raise UserError(f"{path.name}: {wrong[0]}: the manifest says {wanted.get(wrong[0])}, the engine {got.get(wrong[0])}; export it again")


def _described(engine: Any, name: str) -> tuple[str, tuple[int, ...]]:
    return engine.get_tensor_dtype(name).name, tuple(engine.get_tensor_shape(name))


def _wanted(port: Port) -> tuple[str, tuple[int, ...]]:
    return TYPES[port.dtype], tuple(size if isinstance(size, int) else -1 for size in port.shape)
