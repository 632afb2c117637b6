"""Rewrites change the graph and not its answers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (extra edge)")
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from fusion.export.rewrite import fold_constants, fold_matmul_norms, simplify, split_concats

RNG = np.random.default_rng(0)


def graph(nodes: list[Any], inputs: dict[str, tuple[int, ...]], output: tuple[int, ...], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    result = [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)]
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_model(helper.make_graph(nodes, "g", ports, result, initial), opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def same(model: onnx.ModelProto, rewrite: Any, feed: dict[str, np.ndarray]) -> onnx.ModelProto:
    """`model` after the rewrite, its answer compared."""
    (want,) = ReferenceEvaluator(model).run(None, feed)
    rewrite(model)
    onnx.checker.check_model(model, full_check=True)
    (got,) = ReferenceEvaluator(model).run(None, feed)
    assert np.abs(got - want).max() < 1e-5
    assert np.abs(want).max() > 0.1
    return model


def joined(kernel: int = 1, **attributes: Any) -> onnx.ModelProto:
    """Two maps, one number for the whole map and a plane, concatenated and convolved."""
    nodes = [helper.make_node("Expand", ["here", "size"], ["plane"], "expand"),
             helper.make_node("Concat", ["a", "plane", "b", "seen"], ["all"], "cat", axis=1),
             helper.make_node("Conv", ["all", "network.mix.weight", "bias"], ["y"], "conv", **attributes)]
    inputs = {"a": (1, 3, 4, 4), "here": (1, 1, 1, 1), "b": (1, 2, 4, 4), "seen": (1, 1, 4, 4)}
    constants = {"network.mix.weight": drawn(5, 7, kernel, kernel), "bias": drawn(5), "size": np.array([1, 1, 4, 4])}
    return graph(nodes, inputs, (1, 5, 4, 4), constants)


FEED = {"a": drawn(1, 3, 4, 4), "here": drawn(1, 1, 1, 1), "b": drawn(1, 2, 4, 4), "seen": drawn(1, 1, 4, 4)}


def test_a_convolution_of_a_concatenation_becomes_a_sum() -> None:
    model = same(joined(), split_concats, FEED)
    assert operators(model) == {"Conv": 2, "Mul": 2, "Add": 3}
    assert sorted(tensor.name for tensor in model.graph.initializer) == [
        "bias", "network.mix.part0.weight", "network.mix.part2.weight", "network.mix.plane1", "network.mix.plane3"]


def test_a_concatenation_that_is_read_elsewhere_or_by_a_wider_kernel_stays() -> None:
    wide = same(joined(3, pads=[1] * 4), split_concats, FEED)
    assert operators(wide)["Concat"] == 1
    model = joined()
    model.graph.node.append(helper.make_node("Relu", ["all"], ["other"], "relu"))
    split_concats(model)
    assert operators(model)["Concat"] == 1


def test_normalisation_of_a_matrix_product_goes_into_it() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["product"], "product"), helper.make_node("Reshape", ["product", "flat"], ["rows"], "rows"),
             helper.make_node("BatchNormalization", ["rows", "gain", "shift", "mean", "variance"], ["y"], "norm", epsilon=1e-3)]
    constants = {"w": drawn(4, 6), "flat": np.array([-1, 6]), "gain": drawn(6), "shift": drawn(6), "mean": drawn(6), "variance": drawn(6) ** 2}
    model = same(graph(nodes, {"x": (2, 3, 4)}, (6, 6), constants), fold_matmul_norms, {"x": drawn(2, 3, 4)})
    assert operators(model) == {"MatMul": 1, "Reshape": 1, "Add": 1}


def test_a_rearranged_constant_is_computed_once_and_keeps_its_name() -> None:
    nodes = [helper.make_node("Reshape", ["network.reduce.weight", "split"], ["heights"], "split"),
             helper.make_node("Transpose", ["heights"], ["turned"], "turn", perm=[2, 0, 1]),
             helper.make_node("Reshape", ["turned", "kernel"], ["first"], "join"), helper.make_node("Conv", ["x", "first"], ["y"], "conv")]
    constants = {"network.reduce.weight": drawn(3, 8, 1, 1), "split": np.array([3, 4, 2]), "kernel": np.array([6, 4, 1, 1])}
    model = same(graph(nodes, {"x": (1, 4, 2, 2)}, (1, 6, 2, 2), constants), fold_constants, {"x": drawn(1, 4, 2, 2)})
    assert operators(model) == {"Conv": 1}
    assert [(tensor.name, tuple(tensor.dims)) for tensor in model.graph.initializer] == [("network.reduce.weight", (6, 4, 1, 1))]


def test_a_constant_that_is_also_read_as_it_is_keeps_both_forms() -> None:
    nodes = [helper.make_node("Transpose", ["w"], ["turned"], "turn", perm=[1, 0]), helper.make_node("MatMul", ["x", "w"], ["half"], "half"),
             helper.make_node("MatMul", ["half", "turned"], ["y"], "product")]
    model = same(graph(nodes, {"x": (2, 3)}, (2, 3), {"w": drawn(3, 4)}), simplify, {"x": drawn(2, 3)})
    assert {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer} == {"w": (3, 4), "turned": (4, 3)}
