"""The deployed graph compiled by torch on this machine, at the first call."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import torch
from torch import Tensor

from fusion.errors import UserError
from fusion.export.graph import DeployedNet, check_exportable
from fusion.export.ports import named_inputs, output_from_named, output_names
from fusion.inputs import NetInputs, Output
from fusion.model import ModelConfig
from fusion.network import BevDuetNet
from fusion.runtime.backends.torch_eager import TorchBackend


class CompiledBackend(TorchBackend):
    """`torch.compile` of the deployed graph, the one that engines run, so that no branch of it depends on data.

    The first call with a rig compiles for its number of cameras, some tens of seconds; torch keeps what it made on disk for the next run.

    Raises:
        UserError: no C++ compiler on a CPU, or a network that has no deployed graph.
    """

    def __init__(self, network: BevDuetNet, config: ModelConfig, *, device: torch.device | str = "cpu", bf16: bool = False) -> None:
        super().__init__(network, config, device=device, bf16=bf16)
        check_exportable(config)
        if self.device.type == "cpu" and not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
            raise UserError("backend compile: needs a C++ compiler (g++ or clang++) on a CPU; install one, or use --backend torch")
        self._compiled: dict[int, Callable[..., tuple[Tensor, ...]]] = {}

    def forward(self, inputs: NetInputs) -> Output:
        """As `TorchBackend`."""
        named = _two_pillars(named_inputs(inputs))
        cameras = inputs.images.shape[1]
        if cameras not in self._compiled:
            self._compiled[cameras] = self._compile(inputs, named)
        for name in _of_pillars(named):
            torch._dynamo.mark_dynamic(named[name], 0)
        answer = self._compiled[cameras](*named.values())
        return output_from_named(self.config, dict(zip(output_names(self.config), answer, strict=True)))

    def _compile(self, inputs: NetInputs, named: dict[str, Tensor]) -> Callable[..., tuple[Tensor, ...]]:
        graph = DeployedNet(self.network, inputs)
        count = torch.export.Dim("pillars", min=2, max=1 << 20)
        shapes = tuple({0: count} if name in _of_pillars(named) else None for name in named)
        with torch.inference_mode(False), torch.no_grad():  # exporting refuses tensors of inference mode
            example = {name: tensor.clone() for name, tensor in named.items()}
            for name in _of_pillars(named):  # a dimension of 2 is traced as fixed where others are 2 as well
                example[name] = torch.cat([example[name], example[name].new_zeros(5, *example[name].shape[1:])])
            program = torch.export.export(graph, tuple(example.values()), dynamic_shapes=(shapes,))
        return torch.compile(program.module(check_guards=False), fullgraph=True)


def _of_pillars(named: dict[str, Tensor]) -> list[str]:
    return [name for name in named if name.startswith("cloud_")]


def _two_pillars(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with empty pillars up to two, in free cells: torch would compile again for a size of 1, just when the LiDAR falls silent."""
    index = named.get("cloud_index")
    if index is None or len(index) >= 2:
        return named
    free = 1 if len(index) and int(index[0]) == 0 else 0
    more = {name: named[name].new_zeros(1, *named[name].shape[1:]) for name in _of_pillars(named)} | {"cloud_index": index.new_full((1,), free)}
    return named | {name: torch.cat([named[name], tensor]) for name, tensor in more.items()}
