"""The deployed graph: a network as a function of named tensors."""

from __future__ import annotations

from torch import Tensor, nn

from fusion.errors import UserError
from fusion.export.manifest import Format
from fusion.export.ports import from_named, named_inputs, outputs_of
from fusion.inputs import NetInputs
from fusion.model import ModelConfig
from fusion.network import BevDuetNet


class DeployedNet(nn.Module):
    """A network as a function of the named tensors alone, for `torch.export`.

    Args:
        network: used as it is, in eval mode.
        template: inputs of the right shapes; only their structure is kept.
    """

    def __init__(self, network: BevDuetNet, template: NetInputs) -> None:
        super().__init__()
        self.network, self.template = network.eval(), template
        self.input_names = tuple(named_inputs(template))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors in the order of `input_names` -> tensors in the order of `output_names`."""
        inputs = from_named(self.template, dict(zip(self.input_names, tensors, strict=True)))
        return outputs_of(self.network(inputs))


def check_exportable(config: ModelConfig, format: Format | None = None) -> None:
    """UserError that names the part of the config that no engine, or not the one of this format, can run."""
    network = config.network
    if network.lidar is not None and network.lidar.kind == "voxels":
        raise UserError("lidar.kind voxels: sparse convolutions exist in no ONNX operator set; expected kind pillars for a model that is exported")
    if format == "tensorrt" and network.camera is not None and network.lift.kind == "splat":
        raise UserError("lift.kind splat: adds up what falls into one cell, which TensorRT has not got; expected kind pull, or another --format")
