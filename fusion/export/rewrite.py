"""Rewrites of a finished ONNX graph that change no result, only how engines compute it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

REARRANGING = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze"})
"""Operators that move a constant's values and leave them as they are."""


def simplify(model: onnx.ModelProto) -> None:
    """Every rewrite of this module, in place."""
    fold_constants(model)
    fold_matmul_norms(model)
    split_concats(model)


def fold_constants(model: onnx.ModelProto) -> None:
    """Nodes that only rearrange a constant are computed once; the result keeps the constant's name, by which layers are known."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}  # by the name that nodes use
    readers = _readers(graph)
    kept: list[NodeProto] = []
    for node in graph.node:
        if node.op_type not in REARRANGING or any(name not in constants for name in node.input):
            kept.append(node)
            continue
        (values,) = ReferenceEvaluator(_alone(model, node, constants)).run(None, {})
        name = constants[node.input[0]].name if readers[node.input[0]] == 1 else node.output[0]
        constants[node.output[0]] = numpy_helper.from_array(np.ascontiguousarray(values), name)
    used: dict[str, TensorProto] = {}
    for node in kept:
        for index, name in enumerate(node.input):
            if name in constants:
                node.input[index] = constants[name].name
                used[constants[name].name] = constants[name]
    shapes = [value for value in graph.value_info if value.name not in used]  # a name's old shape may be another
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(kept)
    graph.initializer.extend(used.values())
    graph.value_info.extend(shapes)


def split_concats(model: onnx.ModelProto) -> None:
    """A 1x1 convolution of concatenated maps becomes a sum of one convolution for each: W [a; b] = W_a a + W_b b; of planes, a product.

    Nothing is copied to lie side by side, each map has a scale of its own in INT8, and OpenVINO, which quantises a concatenation of maps
    and broadcast planes wrongly (2026.4), meets none of them there.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producer = {name: node for node in graph.node for name in node.output}
    readers = _readers(graph)
    channels = _channels(model)
    for conv in [node for node in graph.node if node.op_type == "Conv" and node.input[1] in constants]:
        concat = producer.get(conv.input[0])
        if concat is None or concat.op_type != "Concat" or _attribute(concat, "axis") != 1 or _attribute(conv, "group", 1) != 1:
            continue
        if any(size != 1 for size in numpy_helper.to_array(constants[conv.input[1]]).shape[2:]) or any(_list(conv, "pads")):
            continue
        if any(size != 1 for size in _list(conv, "strides")) or readers[conv.input[0]] != 1 or any(name not in channels for name in concat.input):
            continue
        weight = numpy_helper.to_array(constants[conv.input[1]])
        ends = np.cumsum([0, *(channels[name] for name in concat.input)])
        if ends[-1] != weight.shape[1]:
            continue
        parts = [(name, weight[:, start:end]) for name, (start, end) in zip(concat.input, pairwise(ends), strict=True)]
        if sum(part.shape[1] > 1 for _, part in parts) > 1:
            _replace(graph, conv, concat, parts)


def fold_matmul_norms(model: onnx.ModelProto) -> None:
    """Batch normalisation of a matrix product, perhaps reshaped in between, goes into the matrix and a bias."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producer = {name: node for node in graph.node for name in node.output}
    readers = _readers(graph)
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        above, product = [norm], producer.get(norm.input[0])
        while product is not None and product.op_type == "Reshape":
            above.append(product)
            product = producer.get(product.input[0])
        if product is None or product.op_type != "MatMul" or product.input[1] not in constants:
            continue
        if any(readers[node.input[0]] != 1 for node in above) or readers[product.input[1]] != 1:
            continue
        matrix = constants[product.input[1]]
        gain, bias, mean, variance = (numpy_helper.to_array(constants[name]) for name in norm.input[1:5])
        values = numpy_helper.to_array(matrix)
        if values.shape[-1] != gain.shape[0]:
            continue
        gain = gain / np.sqrt(variance + np.float32(_attribute(norm, "epsilon", 1e-5)))
        matrix.CopyFrom(numpy_helper.from_array((values * gain).astype(values.dtype), matrix.name))
        shift = numpy_helper.from_array((bias - mean * gain).astype(values.dtype), f"{product.input[1]}_shift")
        graph.initializer.append(shift)
        norm.CopyFrom(helper.make_node("Add", [norm.input[0], shift.name], [norm.output[0]], norm.name))
    _drop_unused(graph)


def _replace(graph: onnx.GraphProto, conv: NodeProto, concat: NodeProto, parts: list[tuple[str, np.ndarray]]) -> None:
    producer = {name: node for node in graph.node for name in node.output}
    base, total, biased = conv.input[1].removesuffix(".weight"), "", False
    nodes: list[NodeProto] = []
    for index, (name, weight) in enumerate(parts):
        result = f"{conv.output[0]}_part{index}"
        if weight.shape[1] == 1:  # a plane, perhaps one number for the whole map, times a column
            plane = producer[name].input[0] if name in producer and producer[name].op_type == "Expand" else name
            kernel = numpy_helper.from_array(np.ascontiguousarray(weight.reshape(1, -1, 1, 1)), f"{base}.plane{index}")
            part = helper.make_node("Mul", [plane, kernel.name], [result], f"{conv.name}_part{index}")
        else:
            kernel = numpy_helper.from_array(np.ascontiguousarray(weight), f"{base}.part{index}.weight")
            part = helper.make_node("Conv", [name, kernel.name, *(() if biased else conv.input[2:])], [result], f"{conv.name}_part{index}")
            part.attribute.extend(conv.attribute)
            biased = True
        graph.initializer.append(kernel)
        nodes.append(part)
        if index:
            last = conv.output[0] if index == len(parts) - 1 else f"{conv.output[0]}_sum{index}"
            nodes.append(helper.make_node("Add", [total, result], [last], f"{conv.name}_sum{index}"))
        total = nodes[-1].output[0]
    kept: list[NodeProto] = []
    for node in graph.node:
        if node.output[0] == conv.output[0]:
            kept += nodes
        elif node.output[0] != concat.output[0]:
            kept.append(node)
    read = {name for node in kept for name in node.input} | {value.name for value in graph.output}
    del graph.node[:]
    graph.node.extend(node for node in kept if any(name in read for name in node.output))
    _drop_unused(graph)


def _alone(model: onnx.ModelProto, node: NodeProto, constants: Mapping[str, TensorProto]) -> onnx.ModelProto:
    given = []
    for name in dict.fromkeys(filter(None, node.input)):
        tensor = TensorProto()
        tensor.CopyFrom(constants[name])
        tensor.name = name
        given.append(tensor)
    graph = helper.make_graph([node], "alone", [], [onnx.ValueInfoProto(name=node.output[0])], given)
    return helper.make_model(graph, opset_imports=model.opset_import)


def _channels(model: onnx.ModelProto) -> Mapping[str, int]:
    """Sizes of axis 1, where they are known."""
    shapes = onnx.shape_inference.infer_shapes(model).graph
    found = {}
    for value in [*shapes.value_info, *shapes.input, *shapes.output]:
        dims = value.type.tensor_type.shape.dim
        if len(dims) > 1 and dims[1].dim_value > 0:
            found[value.name] = int(dims[1].dim_value)
    return found


def _readers(graph: onnx.GraphProto) -> dict[str, int]:
    count: dict[str, int] = dict.fromkeys((value.name for value in graph.output), 1)
    for node in graph.node:
        for name in node.input:
            count[name] = count.get(name, 0) + 1
    return count


def _attribute(node: NodeProto, name: str, default: float | None = None) -> float | int | None:
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return default if found is None else helper.get_attribute_value(found)  # type: ignore[no-any-return]


def _list(node: NodeProto, name: str) -> list[int]:
    return list(helper.get_attribute_value(found)) if (found := next((a for a in node.attribute if a.name == name), None)) else []


def _drop_unused(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    used: list[TensorProto] = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(used)
