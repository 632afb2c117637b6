"""The graphs of a network that the gate is shown: every precision, exactly as `bevduet export --format tensorrt` makes them.

INT8 is calibrated on one made-up instant: ranges decide what an engine answers, not whether it can be built.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from fusion.export.half import to_half
from fusion.export.manifest import Precision
from fusion.export.onnx_export import example_inputs, export_onnx
from fusion.export.ports import named_inputs
from fusion.export.quantise import quantise
from fusion.export.tensorrt_engine import load_onnx
from fusion.model import ModelConfig
from fusion.network import BevDuetNet


def gate_graphs(
    network: BevDuetNet, config: ModelConfig, folder: Path, precisions: tuple[Precision, ...], *, cameras: int = 6
) -> Iterator[tuple[Precision, onnx.ModelProto]]:
    """Graphs by precision, in that order.

    Args:
        network: of `config.network`; the operators are the same whatever its weights.
        folder: where the ONNX files in between go.
        cameras: camera slots.

    Raises:
        UserError: a network that cannot be exported.
    """
    source, quantised = folder / "fp32.onnx", folder / "int8.onnx"
    cameras = export_onnx(network, config, source, cameras=cameras).cameras
    for precision in precisions:
        match precision:
            case "fp32":
                yield precision, load_onnx(source)
            case "fp16":
                yield precision, to_half(load_onnx(source))
            case "int8":
                frame = {name: tensor.numpy() for name, tensor in named_inputs(example_inputs(config, cameras)).items()}
                quantise(source, quantised, [frame])
                yield precision, to_half(load_onnx(quantised))
