"""A network as an ONNX file: opset 20, named inputs and outputs, batch 1, everything of fixed size but the number of pillars."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fusion.errors import UserError
from fusion.export.graph import DeployedNet, check_exportable
from fusion.export.manifest import Manifest, Port
from fusion.export.packages import own_version, require
from fusion.export.ports import named_inputs, output_names
from fusion.files import replacing
from fusion.inputs import NetInputs, prepare_inputs
from fusion.model import ModelConfig
from fusion.network import BevDuetNet
from fusion.types import SensorBatch

OPSET = 20
"""GridSample by its present name, and no operator that JetPack 6's TensorRT 10.3 does not read; from 23 on attention would be an operator of its own,
which fails a float32 engine."""

METADATA_KEY = "bevduet"
"""Of the property of an ONNX model, and of OpenVINO's rt_info, that holds `Manifest.embedded()`."""

MAX_CAMERAS = 64

ROWS = {"cloud": "pillars", "where_source": "contributions", "where_cell": "contributions"}
"""Inputs, or groups of them, whose number of rows changes from call to call, and how that number is called."""


def export_onnx(network: BevDuetNet, config: ModelConfig, path: Path, *, cameras: int = 6, name: str = "", checkpoint_sha256: str = "") -> Manifest:
    """Write a float32 graph to `path`, its manifest in the file's metadata.

    Args:
        network: of `config.network`, put into eval mode.
        cameras: N, camera slots; a rig with fewer leaves slots empty. Of no meaning for a network without cameras.
        name, checkpoint_sha256: where the weights come from; see `Manifest`.

    Returns:
        The manifest, without checksums of files.

    Raises:
        UserError: a part that no engine can run, a wrong number of cameras, or a package that is missing.
    """
    require("onnx", "onnxscript")
    from fusion.export.rewrite import simplify

    check_exportable(config)
    if config.network.camera is None:
        cameras = 0
    elif not 1 <= cameras <= MAX_CAMERAS:
        raise UserError(f"cameras {cameras}: expected 1 to {MAX_CAMERAS}")
    inputs = example_inputs(config, cameras)
    graph = DeployedNet(network, inputs)
    model = _onnx_program(graph, named_inputs(inputs), output_names(config)).model_proto
    simplify(model)
    _drop_unread(model)
    _drop_traces(model)
    manifest = Manifest(
        format="onnx", precision="fp32", name=name, checkpoint_sha256=checkpoint_sha256, version=own_version(), opset=OPSET, cameras=cameras,
        inputs=ports(model.graph.input), outputs=ports(model.graph.output), model=config, build={"torch": torch.__version__},
    )
    write_onnx(model, path, manifest)
    return manifest


def write_onnx(model: Any, path: Path, manifest: Manifest) -> None:
    """Write an `onnx.ModelProto` with the manifest in its metadata."""
    import onnx

    onnx.helper.set_model_props(model, {METADATA_KEY: manifest.embedded()})
    model.producer_name, model.producer_version = "bevduet", manifest.version
    onnx.checker.check_model(model)
    with replacing(path) as temporary:
        onnx.save(model, temporary)


def example_inputs(config: ModelConfig, cameras: int) -> NetInputs:
    """Inputs of one made-up instant, B = 1, in the shapes that the graph will have."""
    batch = SensorBatch.example(cameras=cameras, points=2000, size_hw=config.input.image_size_hw)
    return prepare_inputs(config.network, batch)


def ports(values: Any) -> tuple[Port, ...]:
    """Ports of ONNX value infos."""
    from onnx.helper import tensor_dtype_to_np_dtype

    return tuple(Port(name=value.name, dtype=str(tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
                      shape=tuple(size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim)) for value in values)


def _rows(name: str) -> str | None:
    return next((rows for start, rows in ROWS.items() if name == start or name.startswith(f"{start}_")), None)


def _onnx_program(graph: DeployedNet, named: Mapping[str, Tensor], outputs: tuple[str, ...]) -> Any:
    dims = {rows: torch.export.Dim(rows, min=1) for rows in set(ROWS.values())}
    dynamic = tuple({0: dims[rows]} if (rows := _rows(name)) else None for name in named)
    with torch.no_grad(), _quietly():
        program = torch.onnx.export(graph, tuple(named.values()), dynamo=True, opset_version=OPSET, input_names=list(named),
                                    output_names=list(outputs), dynamic_shapes=(dynamic,), optimize=True, verbose=False)
    assert program is not None
    return program


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps to itself what torch's exporter says about its own affairs; errors still come."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _drop_traces(model: Any) -> None:
    """Leave out where in the source every node comes from: it is the half of a graph, and names folders of this machine."""
    graph = model.graph
    for item in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.ClearField("metadata_props")


def _drop_unread(model: Any) -> None:
    """Leave out inputs that no operator reads, such as the images of a network without cameras."""
    read = {name for node in model.graph.node for name in node.input} | {value.name for value in model.graph.output}
    kept = [value for value in model.graph.input if value.name in read]
    del model.graph.input[:]
    model.graph.input.extend(kept)
