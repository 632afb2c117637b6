"""What TensorRT cannot run, read off an ONNX graph in milliseconds, each with the reason and the name of the node.

The builder is the judge (`fusion/export/tensorrt_gate.py`). These rules stand before it because its parser names no node for some of these
refusals and crashes on one of them (RoiAlign), because the parser of TensorRT 8 silently ignored the reduction of a scatter, and because a
Jetson's TensorRT 10.3 is stricter than the TensorRT-RTX that can be asked here. Each was seen to fail with tensorrt_rtx 1.7.1, except where
the reason names TensorRT 10's table of operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import onnx
from onnx import TensorProto, helper, numpy_helper

MAX_OPSET = 20
"""The newest that TensorRT 10.3 (JetPack 6) reads."""

MAX_K = 3840

_NO_LAYER = "TensorRT has no layer for it"
_DATA_SIZE = "the size of its output depends on its data; compute it on the host, or keep a fixed size and a mask"
_INTEGER = "TensorRT takes quantisation as pairs of QuantizeLinear and DequantizeLinear around floating-point operations (QDQ)"

FORBIDDEN = {
    "NonZero": f"{_DATA_SIZE} (boolean masks become this)", "Compress": _DATA_SIZE, "Unique": _DATA_SIZE,
    "RoiAlign": "TensorRT-RTX's parser crashes on it", "DeformConv": "a plugin that TensorRT-RTX has not got; sample with GridSample",
    "Det": _NO_LAYER, "MaxUnpool": _NO_LAYER, "Col2Im": _NO_LAYER, "BitShift": _NO_LAYER, "BitwiseAnd": _NO_LAYER, "BitwiseOr": _NO_LAYER,
    "BitwiseXor": _NO_LAYER, "BitwiseNot": _NO_LAYER, "SequenceConstruct": _NO_LAYER, "SequenceAt": _NO_LAYER, "SplitToSequence": _NO_LAYER,
    "ConcatFromSequence": _NO_LAYER, "QLinearConv": _INTEGER, "QLinearMatMul": _INTEGER, "ConvInteger": _INTEGER, "MatMulInteger": _INTEGER,
    "DynamicQuantizeLinear": _INTEGER,
}
"""Operators that are refused whatever their attributes."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a graph is refused.

    Attributes:
        stage: who refused: the rules above, TensorRT's parser or its builder.
        operation: ONNX operator.
        layer: the node's name, or its first output where it has none.
        reason: in one line.
    """

    stage: Literal["rules", "parse", "build"]
    operation: str
    layer: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operation} \"{self.layer}\" ({self.stage}): {self.reason}"


def layer_of(node: onnx.NodeProto) -> str:
    """What to call a node."""
    return node.name or (node.output[0] if node.output else "")


def broken_rules(model: onnx.ModelProto) -> list[Refusal]:
    """Every node that a rule refuses, in the graph's order, subgraphs included."""
    found: list[Refusal] = []
    for domain in model.opset_import:
        if domain.domain in ("", "ai.onnx") and domain.version > MAX_OPSET:
            reason = f"opset {domain.version}; JetPack 6's TensorRT 10.3 reads up to {MAX_OPSET}"
            found.append(Refusal(stage="rules", operation="graph", layer=model.graph.name, reason=reason))
    facts = _Facts(model)
    for node in _nodes(model.graph):
        broken = _reason(node, facts)
        if broken is not None:
            found.append(Refusal(stage="rules", operation=node.op_type, layer=layer_of(node), reason=broken))
    return found


class _Facts:
    """Constants, element types and ranks of a graph, by tensor."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graphs = [model.graph, *_subgraphs(model.graph)]
        self._constants = {item.name: item for graph in graphs for item in graph.initializer}
        for node in _nodes(model.graph):
            value = next((a.t for a in node.attribute if a.name == "value"), None)
            if node.op_type == "Constant" and value is not None:
                self._constants[node.output[0]] = value
        known = [info for graph in graphs for info in (*graph.input, *graph.value_info)]
        self._ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in known if info.type.tensor_type.HasField("shape")}

    def constant(self, name: str) -> Any:
        """As an array; None where the graph computes it."""
        return numpy_helper.to_array(self._constants[name]) if name in self._constants else None

    def element_type(self, name: str) -> int:
        """Of a constant; 0 where it is not one."""
        return int(self._constants[name].data_type) if name in self._constants else int(TensorProto.UNDEFINED)

    def rank(self, name: str) -> int | None:
        return self._ranks.get(name)


def _reason(node: onnx.NodeProto, facts: _Facts) -> str | None:
    if node.domain not in ("", "ai.onnx"):
        return f"an operator of its own domain {node.domain!r}, for which TensorRT would need a plugin; expected standard ONNX operators"
    if node.op_type in FORBIDDEN:
        return FORBIDDEN[node.op_type]
    rule = _RULES.get(node.op_type)
    return None if rule is None else rule(node, facts)


def _scatter(node: onnx.NodeProto, facts: _Facts) -> str | None:
    reduction = _attribute(node, "reduction", b"none").decode()
    if reduction == "none":
        return None
    return f"scatter with reduction {reduction!r}, which TensorRT has not got; gather (pull) instead, or reduce first and place by unique indices"


def _top_k(node: onnx.NodeProto, facts: _Facts) -> str | None:
    k = facts.constant(node.input[1])
    return None if k is None or int(k.max()) <= MAX_K else f"k = {int(k.max())}: TensorRT's largest is {MAX_K}"


def _quantisation(node: onnx.NodeProto, facts: _Facts) -> str | None:
    zero = node.input[2] if len(node.input) > 2 and node.input[2] else None
    source = facts.element_type(node.input[0]) if node.op_type == "DequantizeLinear" else TensorProto.UNDEFINED
    # Without a zero point, QuantizeLinear means unsigned.
    unsigned = node.op_type == "QuantizeLinear" and zero is None and not _attribute(node, "output_dtype", 0)
    kind = TensorProto.UINT8 if unsigned else facts.element_type(zero) if zero else source
    if kind == TensorProto.UINT8:
        return "quantised to UINT8, which TensorRT 10's table of operators takes for inputs and outputs alone; expected symmetric INT8"
    if kind not in (TensorProto.UNDEFINED, TensorProto.INT8):
        return f"quantised to {TensorProto.DataType.Name(kind)} (a bias, perhaps); expected INT8, and biases in floating point"
    value = facts.constant(zero) if zero else None
    if value is not None and value.any():
        return f"zero point {int(value.ravel()[value.ravel().nonzero()[0][0]])}: TensorRT quantises symmetrically; expected 0"
    return None


def _resize(node: onnx.NodeProto, facts: _Facts) -> str | None:
    return "antialias is not supported" if _attribute(node, "antialias", 0) else None


def _max_pool(node: onnx.NodeProto, facts: _Facts) -> str | None:
    return "its second output, the indices, is not supported" if len(node.output) > 1 and node.output[1] else None


def _grid_sample(node: onnx.NodeProto, facts: _Facts) -> str | None:
    rank = facts.rank(node.input[0])
    return None if rank in (None, 4) else f"a {rank}-D input; TensorRT 10's table of operators says 4-D alone"


_Rule: TypeAlias = Callable[[onnx.NodeProto, _Facts], "str | None"]

_RULES: dict[str, _Rule] = {
    "ScatterElements": _scatter, "ScatterND": _scatter, "TopK": _top_k, "QuantizeLinear": _quantisation, "DequantizeLinear": _quantisation,
    "Resize": _resize, "MaxPool": _max_pool, "GridSample": _grid_sample,
}


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _subgraphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield inner
                    yield from _subgraphs(inner)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    yield from graph.node
    for inner in _subgraphs(graph):
        yield from inner.node
