"""The gate: an exported graph is one that TensorRT parses *and* builds, for every compute capability, without a GPU.

A parser that finds every operator supported is no proof: TopK of 3841 and non-maximum suppression pass it and have no kernel. Each refusal
names operation and layer. Where TensorRT's messages name none, the layer is found by halving: the shortest prefix of the graph that fails
ends with it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from fusion.errors import UserError
from fusion.export.manifest import Precision
from fusion.export.tensorrt_api import NO_GPU, Builder, load_tensorrt
from fusion.export.tensorrt_engine import CAPABILITIES, Attempt, compile_graph, load_onnx, profile_of
from fusion.export.tensorrt_rules import Refusal, broken_rules, layer_of

MOST_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Of the gate on one graph.

    Attributes:
        refusals: none if it passed.
        data: the engine; None if refused.
        build: how it was built, for the manifest.
        seconds: that it took.
    """

    refusals: tuple[Refusal, ...]
    data: bytes | None
    build: dict[str, Any]
    seconds: float


def judge(model: onnx.ModelProto, precision: Precision = "fp32", capabilities: tuple[str, ...] = CAPABILITIES, *, trt: Any = None) -> Verdict:
    """Rules first, then parser and builder; arguments as of `compile_graph`."""
    start = time.perf_counter()
    refusals = tuple(broken_rules(model))
    if refusals:
        return Verdict(refusals=refusals, data=None, build={}, seconds=time.perf_counter() - start)
    trt = trt or load_tensorrt("tensorrt_rtx")
    attempt = compile_graph(model, precision, capabilities, trt=trt)
    if attempt.data is None:
        refusals = (_refusal(model, attempt, precision, capabilities, trt),)
    return Verdict(refusals=refusals, data=attempt.data, build=attempt.build, seconds=time.perf_counter() - start)


def build_engine(
    onnx_path: Path, precision: Precision, capabilities: tuple[str, ...] = CAPABILITIES, *, builder: Builder | None = None
) -> tuple[bytes, dict[str, Any]]:
    """Engine and its `build` record for the manifest.

    Args:
        onnx_path: graph, already of that precision.
        precision: of the graph.
        capabilities: to build for; plain TensorRT builds for the GPU that is there.
        builder: None: `tensorrt` where it is installed, else `tensorrt_rtx`.

    Raises:
        UserError: no TensorRT, not an ONNX graph, a capability the builder does not know, or a refusal, with operation and layer.
    """
    verdict = judge(load_onnx(onnx_path), precision, capabilities, trt=load_tensorrt(builder))
    if verdict.data is None:
        shown = "; ".join(map(str, verdict.refusals[:MOST_SHOWN]))
        more = f"; and {len(verdict.refusals) - MOST_SHOWN} more" if len(verdict.refusals) > MOST_SHOWN else ""
        raise UserError(f"{onnx_path.name}: TensorRT refuses {shown}{more}")
    return verdict.data, verdict.build


def _refusal(model: onnx.ModelProto, attempt: Attempt, precision: Precision, capabilities: tuple[str, ...], trt: Any) -> Refusal:
    nodes = model.graph.node
    named = _named(model, attempt.messages)
    if 0 <= attempt.node < len(nodes):
        node = nodes[attempt.node]
    elif named is not None:
        node = named
    else:
        node = nodes[_first_failing(model, precision, capabilities, trt)]
    reason = _one_line(attempt.messages[0]) if attempt.messages else "no message"
    return Refusal(stage=attempt.stage, operation=node.op_type, layer=layer_of(node), reason=reason)


def _one_line(message: str) -> str:
    """Without what is only said because there is no GPU."""
    return " ".join(" ".join(line.split()) for line in message.splitlines() if NO_GPU not in line)


def _named(model: onnx.ModelProto, messages: tuple[str, ...]) -> onnx.NodeProto | None:
    """The one node whose name stands in the messages as a word of its own."""
    text = "\n".join(messages)
    found = [node for node in model.graph.node if node.name and node.name in text
             and re.search(rf"(?<![\w/.]){re.escape(node.name)}(?![\w/.])", text)]
    return found[0] if len(found) == 1 else None


def _first_failing(model: onnx.ModelProto, precision: Precision, capabilities: tuple[str, ...], trt: Any) -> int:
    """Number of the node with which the graph, grown node by node, first fails; a dozen builds for a thousand nodes."""
    types = {info.name: info for info in (*onnx.shape_inference.infer_shapes(model).graph.value_info, *model.graph.output)}
    profile = profile_of(model)
    passes, fails = 0, len(model.graph.node)
    while fails - passes > 1:
        middle = (passes + fails) // 2
        attempt = compile_graph(_prefix(model, middle, types), precision, capabilities, trt=trt, profile=profile)
        passes, fails = (middle, fails) if attempt.data is not None else (passes, middle)
    return fails - 1


def _prefix(model: onnx.ModelProto, count: int, types: dict[str, onnx.ValueInfoProto]) -> onnx.ModelProto:
    """The first `count` nodes, with whatever they compute and do not read themselves as outputs."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[count:]
    del part.graph.output[:]
    read = {name for node in part.graph.node for name in node.input}
    wanted = {output.name for output in model.graph.output}
    ends = [name for node in part.graph.node for name in node.output if name and (name not in read or name in wanted)]
    part.graph.output.extend(types.get(name, onnx.ValueInfoProto(name=name)) for name in ends)
    return part
