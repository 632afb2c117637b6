"""What every engine's backend shares: named tensors in and out, checked against the manifest of the exported model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from fusion.errors import UserError
from fusion.export.manifest import Manifest, Port
from fusion.export.ports import named_inputs, output_from_named
from fusion.inputs import NetInputs, Output

DTYPES = {"float32": torch.float32, "float16": torch.float16, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool,
          "uint8": torch.uint8, "int8": torch.int8}
"""NumPy's names, as in a manifest, to torch's types."""


class Engine(ABC):
    """A `Backend` that runs an exported file; neither the network's modules nor its checkpoint are touched.

    Args:
        manifest: of the exported model.
        device: where the engine runs; `run` gets and gives tensors there.
    """

    def __init__(self, manifest: Manifest, device: torch.device) -> None:
        self.manifest, self.config, self.device = manifest, manifest.model, device
        self.cameras: int | None = None if manifest.model.network.camera is None else manifest.cameras
        self.outputs = {port.name: torch.empty(_fixed(port), dtype=DTYPES[port.dtype], device=device) for port in manifest.outputs}
        """Memory for the answer, by name; every call writes it anew."""

    def __call__(self, inputs: NetInputs) -> Output:
        """As `Backend`; UserError where a tensor does not have the shape that the engine was built for."""
        found = named_inputs(inputs)
        self.run({port.name: fit(port, found[port.name]).to(self.device) for port in self.manifest.inputs})
        return output_from_named(self.config, self.outputs)

    @abstractmethod
    def run(self, tensors: Mapping[str, Tensor]) -> None:
        """Contiguous inputs by name, as the manifest has them -> `outputs`, filled and ready to be read."""

    @abstractmethod
    def describe(self) -> str:
        """As `Backend`."""


def fit(port: Port, tensor: Tensor) -> Tensor:
    """The tensor as an engine reads it: contiguous, of the port's type; itself where it is so already. UserError for another shape."""
    shape = tuple(tensor.shape)
    if len(shape) != len(port.shape) or any(isinstance(want, int) and got != want for got, want in zip(shape, port.shape, strict=True)):
        raise UserError(f"{port.name}: the exported model expects {port.shape}, got {shape}; export again for this rig and these settings")
    return tensor.to(DTYPES[port.dtype]).contiguous()


def _fixed(port: Port) -> tuple[int, ...]:
    shape = tuple(size for size in port.shape if isinstance(size, int))
    if len(shape) != len(port.shape):
        raise UserError(f"{port.name}: expected an output of fixed shape, got {port.shape}; export again")
    return shape
