"""A float32 graph as float16: matrix products, convolutions and what lies between them in half the bits.

Inputs and outputs stay float32. So does whatever metres, pixels or indices pass through: half precision has 11 bits, which is 3 cm at 50 m.
Every tensor has one type, in which its producer gives it; a reader of the other type reads one cast of it. So nothing that is computed in
float32 and read in float32 is ever rounded in between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

FLOAT32_OPS = frozenset({"GridSample", "Softmax", "LayerNormalization", "TopK", "Sin", "Cos", "Exp", "Log", "Sqrt", "Pow", "ReduceSum", "ReduceMean"})
"""Operations that lose too much in half precision, or that TensorRT wants in one type."""

PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm", "TopK"})
"""Where walks through what becomes a position or a box end: factors may be halves, what is made of the result may not."""

SENSED = "cloud_features"
"""Points in metres: their first matrix product is computed in float32."""

IMAGES = "images"
"""The one input of the graph that is no geometry."""

OWN_TYPE_INPUTS = {"Resize": (0,)}
"""Inputs that follow the type of the result, where not all floating-point ones do."""

HALF_MAX, HALF_MIN = 65504.0, 2.0**-24


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph in float16, in an order of nodes that is valid; names of inputs, outputs and weights, and metadata stay."""
    half = onnx.shape_inference.infer_shapes(model)
    _name_nodes(half)
    kept = float32_nodes(half)
    graph = half.graph
    floats = _floats(half)
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    outputs = {value.name for value in graph.output}
    native = {name: TensorProto.FLOAT for name in floats}
    for node in graph.node:
        if node.name not in kept:
            native |= {name: TensorProto.FLOAT16 for name in node.output if name in floats}

    casts: dict[str, NodeProto] = {}  # by the name that the cast gives
    read: set[tuple[str, int]] = set()  # weights by the type in which they are read
    renamed = {name: f"{name}_half" for name in outputs if native.get(name) == TensorProto.FLOAT16}

    def reading(name: str, dtype: int) -> str:
        if name in weights:
            read.add((name, dtype))
            return name if dtype == TensorProto.FLOAT else f"{name}_half"
        if native[name] == dtype:
            return renamed.get(name, name)
        other = name if name in renamed else f"{name}_{'half' if dtype == TensorProto.FLOAT16 else 'float'}"
        if other not in outputs:
            casts.setdefault(other, helper.make_node("Cast", [renamed.get(name, name)], [other], f"{other}_cast", to=dtype))
        return other

    for name, inner in renamed.items():
        casts[name] = helper.make_node("Cast", [inner], [name], f"{name}_cast", to=TensorProto.FLOAT)
    for node in graph.node:
        dtype = _type_of(node, kept, floats, native, weights)
        own = OWN_TYPE_INPUTS.get(node.op_type)
        for index, name in enumerate(node.input):
            if name in floats and (own is None or index in own):
                node.input[index] = reading(name, dtype)
            elif name in weights:
                read.add((name, TensorProto.FLOAT))
        for index, name in enumerate(node.output):
            node.output[index] = renamed.get(name, name)
        if dtype == TensorProto.FLOAT16:
            _attributes_to_half(node)
    _rebuild(graph, list(casts.values()))
    _write_weights(graph, weights, read)
    del graph.value_info[:]
    return onnx.shape_inference.infer_shapes(half, strict_mode=True)


def float32_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes that stay in float32.

    These are `FLOAT32_OPS`, and sums of what falls into one place; what lies between the last product and a sampling position, an index or an
    output; what is made of geometry and points alone, and the points' first product; and what reads a number that is none in half precision.
    """
    graph = model.graph
    floats = _floats(model)
    producer = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    kept = {node.name for node in graph.node if node.op_type in FLOAT32_OPS or _adds_up(node)}

    positions = [node.input[1] for node in graph.node if node.op_type == "GridSample"]
    indices = [node.input[0] for node in graph.node if node.op_type == "Cast" and node.output[0] not in floats]
    back = _walk([*positions, *indices, *(value.name for value in graph.output)], lambda name: [producer[name]] if name in producer else [],
                 lambda node: [name for name in node.input if name in floats])
    kept |= {node.name for node in back if node.op_type not in PRODUCTS}
    kept |= {node.name for node in _walk([SENSED], lambda name: readers.get(name, []), lambda node: node.output)}

    constants = {tensor.name: tensor for tensor in graph.initializer}
    pure = {value.name for value in graph.input if value.name in floats and value.name != IMAGES}
    for node in graph.node:
        given = [name for name in node.input if name in floats and name not in constants]
        if given and pure.issuperset(given) and node.op_type not in PRODUCTS:
            kept.add(node.name)
            pure.update(name for name in node.output if name in floats)
    kept |= {node.name for node in graph.node if any(name in constants and _is_lost(constants[name]) for name in node.input)}
    return kept


def _floats(model: onnx.ModelProto) -> set[str]:
    """Tensors of float32."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    known = {value.name: value.type.tensor_type.elem_type for value in values}
    unknown = [name for node in graph.node for name in node.output if name and name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]}: expected a tensor whose type follows from the graph")
    weights = {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    return {name for name, dtype in known.items() if dtype == TensorProto.FLOAT} | weights


def _adds_up(node: NodeProto) -> bool:
    """A scatter that adds up what falls into one place, as the splatting lift does: as many terms as there may be, and no halves in ONNX Runtime."""
    return node.op_type.startswith("Scatter") and any(a.name == "reduction" and a.s not in (b"", b"none") for a in node.attribute)


def _type_of(node: NodeProto, kept: Collection[str], floats: Collection[str], native: dict[str, int], weights: Collection[str]) -> int:
    """In which type a node reads its floating-point inputs. One that gives none, such as a comparison, takes them as they are, if all are halves."""
    if any(name in floats for name in node.output):
        return int(TensorProto.FLOAT if node.name in kept else TensorProto.FLOAT16)
    given = [native[name] for name in node.input if name in floats and name not in weights]
    return int(TensorProto.FLOAT16 if given and all(dtype == TensorProto.FLOAT16 for dtype in given) else TensorProto.FLOAT)


def _is_lost(tensor: TensorProto) -> bool:
    """A single number that is infinite or zero as a half, and is not so."""
    if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims, dtype=int) != 1:
        return False
    value = abs(float(numpy_helper.to_array(tensor).item()))
    return bool(np.isfinite(value)) and (value > HALF_MAX or 0 < value < HALF_MIN)


def _attributes_to_half(node: NodeProto) -> None:
    if node.op_type == "ConstantOfShape" and not node.attribute:  # its default is a float32 zero
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1, np.float32))))
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_halved(attribute.t, attribute.t.name))


def _halved(tensor: TensorProto, name: str) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    finite = np.where(np.isfinite(values), np.clip(values, -HALF_MAX, HALF_MAX), values)
    return numpy_helper.from_array(finite.astype(np.float16), name)


def _write_weights(graph: onnx.GraphProto, weights: dict[str, TensorProto], read: set[tuple[str, int]]) -> None:
    """Weights in the types in which they are read; one that is read in half precision alone keeps its name, by which layers are known."""
    short = {f"{name}_half": name for name in weights if (name, TensorProto.FLOAT16) in read and (name, TensorProto.FLOAT) not in read}
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = short.get(name, name)
    others = [tensor for tensor in graph.initializer if tensor.name not in weights]
    floats = [tensor for name, tensor in weights.items() if (name, TensorProto.FLOAT) in read]
    halves = [_halved(weights[name], short.get(f"{name}_half", f"{name}_half")) for name, dtype in sorted(read) if dtype == TensorProto.FLOAT16]
    del graph.initializer[:]
    graph.initializer.extend([*others, *floats, *halves])


def _rebuild(graph: onnx.GraphProto, casts: list[NodeProto]) -> None:
    """Every cast behind what it casts."""
    behind: dict[str, list[NodeProto]] = {}
    for cast in casts:
        behind.setdefault(cast.input[0], []).append(cast)
    ordered = [cast for value in graph.input for cast in behind.get(value.name, [])]
    for node in graph.node:
        ordered += [node, *(cast for name in node.output for cast in behind.get(name, []))]
    nodes = [NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(nodes)


def _name_nodes(model: onnx.ModelProto) -> None:
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"


def _walk(start: Iterable[str], to_nodes: Callable[[str], list[NodeProto]], to_names: Callable[[NodeProto], Iterable[str]]) -> list[NodeProto]:
    """Nodes reached, each once; products are reached, not passed."""
    found: dict[str, NodeProto] = {}
    todo = list(start)
    while todo:
        for node in to_nodes(todo.pop()):
            if node.name not in found:
                found[node.name] = node
                if node.op_type not in PRODUCTS:
                    todo += to_names(node)
    return list(found.values())
