"""The gate on graphs of a few nodes: what rules, parser and builder refuse, and that operation and layer are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.errors import UserError

onnx = pytest.importorskip("onnx", reason="needs the extra \"edge\"")
trt = pytest.importorskip("tensorrt_rtx", reason="needs the extra \"tensorrt\"")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from fusion.export.tensorrt_api import NO_GPU, recording_logger  # noqa: E402
from fusion.export.tensorrt_engine import compile_graph, profile_of, trtexec_arguments  # noqa: E402
from fusion.export.tensorrt_gate import build_engine, judge  # noqa: E402
from fusion.export.tensorrt_rules import broken_rules  # noqa: E402

ONE = ("SM86",)
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
IMAGE = (FLOAT, (1, 8, 16, 16))
ROWS = (FLOAT, (100, 8))


def graph(nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], constants: dict[str, Any] | None = None, opset: int = 20) -> Any:
    ports = [[helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in side.items()] for side in (inputs, outputs)]
    initial = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    domains = [helper.make_opsetid("", opset), *(helper.make_opsetid(node.domain, 1) for node in nodes if node.domain)]
    return helper.make_model(helper.make_graph(nodes, "g", *ports, initial), opset_imports=domains, ir_version=10)


def node(operation: str, inputs: str, outputs: str, name: str = "culprit", **attributes: Any) -> Any:
    return helper.make_node(operation, inputs.split(), outputs.split(), name=name, **attributes)


def one(operation: str, inputs: dict[str, Any], outputs: dict[str, Any], constants: dict[str, Any] | None = None, **attributes: Any) -> Any:
    """A graph of that node alone, its inputs first and its constants after them."""
    return graph([node(operation, " ".join([*inputs, *(constants or {})]), " ".join(outputs), **attributes)], inputs, outputs, constants)


def quantised(zero: Any, *, unsigned_default: bool = False) -> Any:
    ends = "x s" if unsigned_default else "x s z"
    return graph([node("QuantizeLinear", ends, "q"), node("DequantizeLinear", ends.replace("x", "q"), "d", "second"),
                  node("Conv", "d w", "y", "conv", pads=[1] * 4)],
                 {"x": IMAGE}, {"y": (FLOAT, (1, 4, 16, 16))}, {"s": np.float32(0.1), "z": zero, "w": np.ones((4, 8, 3, 3), np.float32)})


SCATTER = {"x": ROWS, "i": (INT64, (50, 1)), "u": (FLOAT, (50, 8))}
FORBIDDEN = {
    "ScatterND": (one("ScatterND", SCATTER, {"y": ROWS}, reduction="add"), "reduction 'add'"),
    "ScatterElements": (one("ScatterElements", SCATTER | {"i": (INT64, (50, 8))}, {"y": ROWS}, axis=0, reduction="max"), "reduction 'max'"),
    "NonZero": (one("NonZero", {"x": (BOOL, (100,))}, {"y": (INT64, (1, None))}), "boolean masks"),
    "Compress": (one("Compress", {"x": ROWS, "m": (BOOL, (100,))}, {"y": (FLOAT, (None, 8))}, axis=0), "depends on its data"),
    "Unique": (one("Unique", {"x": (FLOAT, (9,))}, {"y": (FLOAT, (None,))}), "depends on its data"),
    "TopK": (one("TopK", {"x": (FLOAT, (1, 8000))}, {"v": (FLOAT, (1, 3841)), "i": (INT64, (1, 3841))}, {"k": np.array([3841])}), "3840"),
    "QuantizeLinear": (quantised(np.uint8(128)), "UINT8"),
    "DynamicQuantizeLinear": (graph([node("DynamicQuantizeLinear", "x", "q s z"), node("DequantizeLinear", "q s z", "y", "after")],
                                    {"x": IMAGE}, {"y": IMAGE}), "QDQ"),
    "DequantizeLinear": (one("DequantizeLinear", {}, {"y": (FLOAT, (4,))}, {"b": np.arange(4, dtype=np.int32), "s": np.float32(0.1)}), "INT32"),
    "Resize": (graph([node("Resize", "x '' s", "y", mode="linear", antialias=1)], {"x": IMAGE}, {"y": (FLOAT, (1, 8, 8, 8))},
                     {"s": np.array([1, 1, 0.5, 0.5], np.float32)}), "antialias"),
    "MaxPool": (one("MaxPool", {"x": IMAGE}, {"y": (FLOAT, (1, 8, 8, 8)), "i": (INT64, (1, 8, 8, 8))}, kernel_shape=[2, 2], strides=[2, 2]),
                "indices"),
    "RoiAlign": (one("RoiAlign", {"x": IMAGE, "r": (FLOAT, (3, 4)), "b": (INT64, (3,))}, {"y": (FLOAT, (3, 8, 4, 4))}), "crashes"),
    "GridSample": (one("GridSample", {"x": (FLOAT, (1, 8, 4, 16, 16)), "g": (FLOAT, (1, 2, 4, 4, 3))}, {"y": (FLOAT, (1, 8, 2, 4, 4))}), "5-D"),
    "Inverse": (one("Inverse", {"x": (FLOAT, (3, 3))}, {"y": (FLOAT, (3, 3))}, domain="com.microsoft"), "com.microsoft"),
}
for _node in FORBIDDEN["Resize"][0].graph.node:
    _node.input[1] = ""  # no region of interest


@pytest.mark.parametrize("operation", FORBIDDEN)
def test_rules_name_operation_and_layer(operation: str) -> None:
    """Negative controls; `RoiAlign` would crash the parser, so that a rule must come first."""
    model, why = FORBIDDEN[operation]
    refusal = judge(model, capabilities=ONE).refusals[0]
    assert (refusal.stage, refusal.operation, refusal.layer) == ("rules", operation, "culprit")
    assert why in refusal.reason and "culprit" in str(refusal)


@pytest.mark.parametrize("operation", [name for name in FORBIDDEN if name not in {"RoiAlign", "GridSample"}])
def test_no_rule_is_stricter_than_tensorrt(operation: str) -> None:
    """Except for GridSample, where TensorRT 10 differs from TensorRT-RTX, and RoiAlign, which cannot be tried."""
    assert compile_graph(FORBIDDEN[operation][0], capabilities=ONE).data is None


def test_signed_symmetric_quantisation_passes() -> None:
    assert judge(quantised(np.int8(0)), "int8", ONE).refusals == ()
    assert "zero point 3" in broken_rules(quantised(np.int8(3)))[0].reason
    assert "UINT8" in broken_rules(quantised(np.int8(0), unsigned_default=True))[0].reason


def test_a_subgraph_is_searched_too() -> None:
    inner = [helper.make_graph([node("NonZero", "x", "i", name), node("Shape", "i", out, "shape")], name, [],
                               [helper.make_tensor_value_info(out, INT64, (2,))]) for name, out in (("inside", "a"), ("other", "b"))]
    model = graph([node("If", "c", "y", then_branch=inner[0], else_branch=inner[1])],
                  {"x": (FLOAT, (8,)), "c": (BOOL, ())}, {"y": (INT64, (2,))})
    assert sorted(refusal.layer for refusal in broken_rules(model)) == ["inside", "other"]


def test_a_newer_opset_is_refused() -> None:
    model = graph([node("Relu", "x", "y")], {"x": IMAGE}, {"y": IMAGE}, opset=23)
    assert "opset 23" in broken_rules(model)[0].reason


def test_what_parses_but_does_not_build_is_refused_and_found() -> None:
    """TensorRT-RTX's parser calls non-maximum suppression supported; its builder has no kernel, and its message knows no layer of that name."""
    model = graph([node("Relu", "s", "t", "before"), node("NonMaxSuppression", "b t m", "y"), node("Relu", "s", "z", "after")],
                  {"b": (FLOAT, (1, 50, 4)), "s": (FLOAT, (1, 3, 50))}, {"y": (INT64, (None, 3)), "z": (FLOAT, (1, 3, 50))}, {"m": np.array([5])})
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert trt.OnnxParser(network, logger).parse(model.SerializeToString())
    refusal, = judge(model, capabilities=ONE).refusals
    assert (refusal.stage, refusal.operation, refusal.layer) == ("build", "NonMaxSuppression", "culprit")
    assert "no runners" in refusal.reason


@pytest.fixture
def no_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in TensorRT's own words must do: a large graph takes many builds to halve."""
    monkeypatch.setattr("fusion.export.tensorrt_gate._first_failing", lambda *_: pytest.fail("halved"))


@pytest.mark.usefixtures("no_halving")
def test_a_k_that_no_rule_sees_is_found_in_the_builders_message() -> None:
    model = graph([node("Add", "a a", "k", "twice"), node("TopK", "x k", "v i")], {"x": (FLOAT, (1, 8000))},
                  {"v": (FLOAT, (1, 4000)), "i": (INT64, (1, 4000))}, {"a": np.array([2000])})
    refusal, = judge(model, capabilities=ONE).refusals
    assert (refusal.stage, refusal.operation, refusal.layer) == ("build", "TopK", "culprit")


@pytest.mark.usefixtures("no_halving")
def test_mixed_types_are_refused_by_the_parser_with_the_node() -> None:
    """What a half-converted FP16 graph looks like."""
    model = graph([node("Cast", "x", "h", "half", to=TensorProto.FLOAT16), node("Mul", "h x", "y")], {"x": IMAGE}, {"y": IMAGE})
    refusal, = judge(model, "fp16", ONE).refusals
    assert (refusal.stage, refusal.operation, refusal.layer) == ("parse", "Mul", "culprit")
    assert "must have same input types" in refusal.reason and "CUDA driver" not in refusal.reason and "\n" not in refusal.reason


@pytest.mark.usefixtures("no_halving")
def test_what_the_parser_refuses_without_a_word_is_found_by_its_number() -> None:
    model = graph([node("Relu", "x", "r", "before"), node("Bernoulli", "r", "y")], {"x": IMAGE}, {"y": IMAGE})
    refusal, = judge(model, capabilities=ONE).refusals
    assert (refusal.stage, refusal.operation, refusal.layer) == ("parse", "Bernoulli", "culprit")


def test_the_log_keeps_errors_but_not_that_there_is_no_gpu() -> None:
    logger = recording_logger(trt)
    for severity, message in ((logger.WARNING, "a"), (logger.ERROR, "b"), (logger.ERROR, f"cudaError 35: {NO_GPU}"), (logger.INTERNAL_ERROR, "c")):
        logger.log(severity, message)
    assert logger.messages == ["b", "c"]


def test_engine_of_variable_rows(tmp_path: Path) -> None:
    rows = (FLOAT, ("pillars", 8))
    model = graph([node("MatMul", "x w", "y")], {"x": rows}, {"y": (FLOAT, ("pillars", 4))}, {"w": np.ones((8, 4), np.float32)})
    assert profile_of(model) == {"x": ((1, 8), (4000, 8), (65536, 8))}
    assert trtexec_arguments(model, "fp32", onnx_name="m.onnx")[-4:] == [
        "--noTF32", "--minShapes=x:1x8", "--optShapes=x:4000x8", "--maxShapes=x:65536x8"]
    onnx.save(model, tmp_path / "m.onnx")
    data, build = build_engine(tmp_path / "m.onnx", "fp32", ("SM80", "SM120"), builder="tensorrt_rtx")
    assert len(data) > 1000
    assert (build["builder"], build["version"], build["capabilities"], build["tf32"]) == ("tensorrt_rtx", trt.__version__, ["SM80", "SM120"], False)
    assert build_engine(tmp_path / "m.onnx", "fp16", ONE, builder="tensorrt_rtx")[1]["tf32"] is True
    assert build["profile"] == {"x": [[1, 8], [4000, 8], [65536, 8]]}


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    onnx.save(FORBIDDEN["NonZero"][0], path)
    with pytest.raises(UserError, match=r"bad.onnx: TensorRT refuses NonZero \"culprit\" \(rules\)"):
        build_engine(path, "fp32", ONE)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match=r"bad.onnx: not a readable ONNX graph"):
        build_engine(path, "fp32", ONE)
    with pytest.raises(UserError, match="SM87.*a Jetson's engine is built on the Jetson"):
        judge(quantised(np.int8(0)), capabilities=("SM87",))
