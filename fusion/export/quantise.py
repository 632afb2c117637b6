"""INT8 by quantising a finished graph: symmetric Q/DQ around the convolutions that carry the work.

Every quantised convolution reads an int8 activation (one scale a tensor) and int8 weights (one scale an output channel), zero point 0: what
TensorRT asks for, and what OpenVINO fuses. Biases, sums, interpolation, sampling, pillars and whatever is kept stay in the graph's own
type, float32 or float16. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"
(CVPR 2018), section 2; placement as in Wu et al., "Integer Quantization for Deep Learning Inference" (2020), section 4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fusion.errors import UserError
from fusion.export.calibration import Method, Ranges, collect_ranges
from fusion.files import replacing

LEVELS = 127
"""Largest magnitude of an int8: symmetric, so that -128 is never used."""

SMALLEST_SCALE = 2.0**-14
"""Smallest normal float16: a scale below it would lose digits where the graph is float16."""

SENSITIVE = ("fuser.mix", "head.heatmap", "head.box")
"""Layers, or modules of theirs, that stay in float unless asked otherwise: of `nano`, those whose error a sweep (`tools/int8_sensitivity.py`,
`fusion/export/engines.md`) found large beside the time they take, and the last one of boxes. All are 1x1; INT8 would save 1 ms in 46 there."""

PREFIX = "network."
"""In front of every weight's name in a deployed graph."""


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """What became of a graph.

    Attributes:
        layers: quantised convolutions by name, in the graph's order.
        kept: convolutions that stay in float.
        scales: activation scale by tensor name.
        method: how the ranges were chosen.
        frames: inputs that were seen.
    """

    layers: tuple[str, ...]
    kept: tuple[str, ...]
    scales: Mapping[str, float] = field(repr=False)
    method: Method
    frames: int

    def build(self) -> dict[str, Any]:
        """For `Manifest.build`."""
        return {"quantised_layers": len(self.layers), "kept_layers": list(self.kept), "calibration_method": self.method,
                "calibration_frames": self.frames}


def quantise(source: Path, out: Path, inputs: Iterable[Mapping[str, np.ndarray]], *, keep: Collection[str] | None = None,
             method: Method = "mse") -> Quantised:
    """Calibrate a graph and write it with Q/DQ pairs; its metadata stays.

    Args:
        source: an ONNX graph in float32, opset 20, batch normalisation folded.
        out: the quantised graph.
        inputs: named tensors of calibration frames; see `fusion.export.calibration_frames`.
        keep: layers that stay in float: names as `layers_of` gives them, or the name of a module for all inside it, such as `head`; None: those of
            `SENSITIVE` that this graph has.
        method: see `calibration.Ranges`.

    Raises:
        UserError: a name in `keep` that is in no layer, batch normalisation left after a convolution, no calibration frame.
    """
    model = onnx.load(source)
    if keep is None:
        keep = sensitive_layers(model)
    kept = kept_layers(model, keep)
    quantised = [name for name in layers_of(model) if name not in kept]
    ranges = collect_ranges(source, activations_of(model, quantised), inputs)
    report = insert_qdq(model, ranges, method, quantised)
    with replacing(out) as temporary:
        onnx.save(model, temporary)
    return report


def layers_of(model: onnx.ModelProto) -> dict[str, NodeProto]:
    """Convolutions with constant weights by name (`camera.neck.smooth.0`), in the graph's order."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return {layer_name(node): node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in constants}


def layer_name(node: NodeProto) -> str:
    """A convolution is called by its weight, which keeps the module's path through all optimisation."""
    return str(node.input[1]).removeprefix(PREFIX).removesuffix(".weight")


def kept_layers(model: onnx.ModelProto, keep: Collection[str]) -> tuple[str, ...]:
    """The layers that `keep` names, in the graph's order; UserError for a name that is in none."""
    names = tuple(layers_of(model))
    for wanted in keep:
        if not any(_inside(name, wanted) for name in names):
            raise UserError(f"keep: {wanted!r} names no layer of this graph; expected some of {', '.join(names)}, or a module of theirs")
    return tuple(name for name in names if any(_inside(name, wanted) for wanted in keep))


def sensitive_layers(model: onnx.ModelProto) -> tuple[str, ...]:
    """The layers of `SENSITIVE` that this graph has."""
    return tuple(name for name in layers_of(model) if any(_inside(name, wanted) for wanted in SENSITIVE))


def activations_of(model: onnx.ModelProto, quantised: Collection[str]) -> list[str]:
    """Tensors that get a scale: what the quantised layers read, traced back through pooling, which only picks values."""
    producer = {name: node for node in model.graph.node for name in node.output}
    layers = layers_of(model)
    return list(dict.fromkeys(_origin(layers[name].input[0], producer) for name in quantised))


def insert_qdq(model: onnx.ModelProto, ranges: Ranges, method: Method, quantised: Collection[str]) -> Quantised:
    """Quantise the named layers of `model` in place.

    Args:
        ranges: of at least `activations_of(model, quantised)`.

    Raises:
        UserError: batch normalisation left after a convolution.
    """
    layers = layers_of(model)
    _check_folded(model, layers)
    graph = model.graph
    producer = {name: node for node in graph.node for name in node.output}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    chosen = {layers[name].output[0] for name in quantised}
    scales: dict[str, float] = {}
    nodes: dict[str, list[NodeProto]] = {}  # by the tensor after whose producer they stand
    new: list[TensorProto] = [numpy_helper.from_array(np.zeros((), np.int8), "int8_zero")]
    reads: dict[str, str] = {}
    for name in quantised:
        layer = layers[name]
        dtype = numpy_helper.to_array(weights[layer.input[1]]).dtype
        origin = _origin(layer.input[0], producer)
        for tensor in dict.fromkeys((origin, layer.input[0])):
            if tensor not in reads:
                scales[origin] = scale = max(ranges.threshold(origin, method) / LEVELS, SMALLEST_SCALE)
                new.append(numpy_helper.from_array(np.asarray(scale, dtype), f"{tensor}_scale"))
                nodes[tensor] = _pair(tensor)
                reads[tensor] = nodes[tensor][-1].output[0]
    for node in graph.node:
        if (node.op_type == "Conv" and node.output[0] in chosen) or node.op_type == "MaxPool" or _is_shortcut_sum(node, producer):
            for index, name in enumerate(node.input[:1] if node.op_type == "Conv" else node.input):
                node.input[index] = reads.get(name, name)
    done: set[str] = set()
    for name in quantised:
        layer = layers[name]
        weight = layer.input[1]
        if weight not in done:  # a weight may be shared
            done.add(weight)
            new += _int8_weight(weights[weight])
            nodes.setdefault("", []).append(helper.make_node(
                "DequantizeLinear", [f"{weight}_int8", f"{weight}_scale", f"{weight}_zero"], [f"{weight}_dequantised"], f"{weight}_dq", axis=0))
        layer.input[1] = f"{weight}_dequantised"
    _rebuild(graph, nodes, new)
    kept = tuple(name for name in layers if name not in set(quantised))
    return Quantised(layers=tuple(quantised), kept=kept, scales=scales, method=method, frames=ranges.frames)


def _inside(layer: str, wanted: str) -> bool:
    return layer == wanted or layer.startswith(f"{wanted}.")


def _origin(tensor: str, producer: Mapping[str, NodeProto]) -> str:
    while tensor in producer and producer[tensor].op_type == "MaxPool":
        tensor = producer[tensor].input[0]
    return tensor


def _is_shortcut_sum(node: NodeProto, producer: Mapping[str, NodeProto]) -> bool:
    """A convolution's result plus what went around it: both engines compute it within the convolution, the shortcut in int8."""
    return node.op_type == "Add" and any(name in producer and producer[name].op_type == "Conv" for name in node.input)


def _pair(tensor: str) -> list[NodeProto]:
    return [helper.make_node("QuantizeLinear", [tensor, f"{tensor}_scale", "int8_zero"], [f"{tensor}_int8"], f"{tensor}_q"),
            helper.make_node("DequantizeLinear", [f"{tensor}_int8", f"{tensor}_scale", "int8_zero"], [f"{tensor}_dequantised"], f"{tensor}_dq")]


def _int8_weight(weight: TensorProto) -> list[TensorProto]:
    """int8 weights, their scale an output channel, and zero points."""
    values = numpy_helper.to_array(weight)
    largest = np.abs(values.reshape(len(values), -1).astype(np.float32)).max(axis=1)
    scale = np.maximum(largest / LEVELS, SMALLEST_SCALE).astype(values.dtype)
    shape = (-1,) + (1,) * (values.ndim - 1)
    whole = np.clip(np.rint(values.astype(np.float32) / scale.astype(np.float32).reshape(shape)), -LEVELS, LEVELS).astype(np.int8)
    return [numpy_helper.from_array(whole, f"{weight.name}_int8"), numpy_helper.from_array(scale, f"{weight.name}_scale"),
            numpy_helper.from_array(np.zeros(len(values), np.int8), f"{weight.name}_zero")]


def _check_folded(model: onnx.ModelProto, layers: Mapping[str, NodeProto]) -> None:
    results = {node.output[0]: name for name, node in layers.items()}
    for node in model.graph.node:
        if node.op_type == "BatchNormalization" and node.input[0] in results:
            raise UserError(f"{results[node.input[0]]}: batch normalisation is not folded into this convolution; export the graph optimised")


def _rebuild(graph: onnx.GraphProto, nodes: Mapping[str, list[NodeProto]], new: list[TensorProto]) -> None:
    """Put every pair behind its tensor's producer; drop the weights that nothing reads any more."""
    inputs = [node for value in graph.input for node in nodes.get(value.name, [])]
    ordered = [*nodes.get("", []), *inputs]
    for node in graph.node:
        ordered.append(node)
        ordered += [pair for name in node.output for pair in nodes.get(name, [])]
    del graph.node[:]
    graph.node.extend(ordered)
    graph.initializer.extend(new)
    read = {name for node in graph.node for name in node.input}
    used = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(used)
