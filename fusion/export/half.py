"""A float32 graph as float16: matrix products and convolutions, and what lies between them, in half the bits.

Inputs and outputs stay float32, and so does whatever metres or positions pass through: half precision has 11 bits, which is 3 cm at 50 m.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import onnx
from onnx import NodeProto

from fusion.export.packages import require

FLOAT32_OPS = ("GridSample", "Softmax", "LayerNormalization", "TopK", "Sin", "Cos", "Exp", "Log", "Sqrt", "Pow", "ReduceSum", "ReduceMean")
"""Operations that lose too much in half precision, or that TensorRT wants in one type."""

PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm", "TopK"})
"""Where a walk back through what becomes a position or a box ends: factors may be halves, what is made of the result may not."""

SENSED = "cloud_features"
"""Points in metres: their first matrix product is computed in float32."""


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph in float16; names and metadata stay.

    Raises:
        UserError: the extra is not installed.
    """
    require("onnxruntime")
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _name_nodes(copy)
    half: onnx.ModelProto = convert_float_to_float16(
        copy, keep_io_types=True, op_block_list=sorted({*DEFAULT_OP_BLOCK_LIST, *FLOAT32_OPS}), node_block_list=sorted(float32_nodes(copy)),
    )
    _sort(half.graph)
    return half


def float32_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes between the last product and a sampling position or an output, and of those from the points to their first product."""
    graph = model.graph
    producer = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    positions = [node.input[1] for node in graph.node if node.op_type == "GridSample"]
    back = _walk([*positions, *(value.name for value in graph.output)], lambda name: [producer[name]] if name in producer else [],
                 lambda node: node.input)
    forth = _walk([SENSED], lambda name: readers.get(name, []), lambda node: node.output)
    return {node.name for node in back if node.op_type not in PRODUCTS} | {node.name for node in forth}


def _sort(graph: onnx.GraphProto) -> None:
    """Every node after those it reads; the converter leaves its casts at the end, which ONNX does not allow."""
    producer = {name: node for node in graph.node for name in node.output}
    placed: set[str] = set()
    ordered: list[NodeProto] = []

    def place(node: NodeProto) -> None:
        if node.output[0] not in placed:
            placed.add(node.output[0])
            for name in node.input:
                if name in producer:
                    place(producer[name])
            ordered.append(node)

    for node in graph.node:
        place(node)
    graph.ClearField("node")
    graph.node.extend(ordered)


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
