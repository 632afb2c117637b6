"""INT8 of a graph of four convolutions: where pairs stand, what weights become, what stays in float, and that engines take it so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (extra edge)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra edge)")
import onnx
from onnx import TensorProto, helper, numpy_helper

from fusion.errors import UserError
from fusion.export.calibration import Histogram, Ranges
from fusion.export.quantise import SMALLEST_SCALE, activations_of, insert_qdq, layers_of, quantise
from fusion.export.sensitivity import Judge, answer_error, answers, box_error, multiplications
from fusion.export.tensorrt_rules import broken_rules
from fusion.hardware import computes_int8

LAYERS = ("stem", "block.first", "block.second", "head.heatmap")
SIZE = (1, 3, 16, 16)


def network(seed: int = 0, norm: bool = False) -> onnx.ModelProto:
    """A stem with pooling, a residual block, and a head of two classes."""
    rng = np.random.default_rng(seed)
    shapes = {"stem": (8, 3, 3, 3), "block.first": (8, 8, 3, 3), "block.second": (8, 8, 3, 3), "head.heatmap": (2, 8, 1, 1)}
    weights = {f"network.{name}.weight": (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32) for name, shape in shapes.items()}
    constants: dict[str, np.ndarray] = weights | {"bias": rng.normal(size=8).astype(np.float32), "ones": np.ones(8, np.float32)}

    def conv(name: str, reads: str, gives: str, **attributes: Any) -> Any:
        return helper.make_node("Conv", [reads, f"network.{name}.weight", *(["bias"] if "block" in name else [])], [gives], gives, **attributes)

    pads = {"pads": [1] * 4}
    nodes = [conv("stem", "images", "c0", **pads), helper.make_node("Relu", ["c0"], ["r0"], "r0"),
             helper.make_node("MaxPool", ["r0"], ["pool"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
             conv("block.first", "pool", "c1", **pads), helper.make_node("Relu", ["c1"], ["r1"], "r1"), conv("block.second", "r1", "c2", **pads),
             helper.make_node("Add", ["c2", "pool"], ["sum"], "sum"), helper.make_node("Relu", ["sum"], ["r2"], "r2"),
             conv("head.heatmap", "r2", "heatmap")]
    if norm:
        nodes[1] = helper.make_node("BatchNormalization", ["c0", *["ones"] * 4], ["r0"], "norm")
    ports = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in (("images", SIZE), ("heatmap", (1, 2, 8, 8)))]
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_model(helper.make_graph(nodes, "g", *ports, initial), opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def frames(count: int, seed: int = 1) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{"images": rng.normal(size=SIZE).astype(np.float32)} for _ in range(count)]


def ranges_of(thresholds: dict[str, float]) -> Ranges:
    return Ranges(histograms={name: Histogram(top=most, largest=most) for name, most in thresholds.items()}, frames=1)


EVEN = ranges_of({"images": 4.0, "r0": 6.0, "r1": 9.0, "r2": 12.0})


def saved(path: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, path)
    return path


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def reads(model: onnx.ModelProto) -> dict[str, list[str]]:
    return {node.name: list(node.input) for node in model.graph.node}


def quantised(keep: Sequence[str] = ()) -> onnx.ModelProto:
    model = network()
    insert_qdq(model, EVEN, "max", [name for name in LAYERS if name not in keep])
    onnx.checker.check_model(model, full_check=True)
    return model


def test_layers_are_called_by_their_module_and_pooling_is_looked_through() -> None:
    assert tuple(layers_of(network())) == LAYERS
    assert activations_of(network(), LAYERS) == ["images", "r0", "r1", "r2"]


def test_convolutions_and_the_shortcut_read_int8_and_nothing_else_does() -> None:
    found = reads(quantised())
    assert found["c0"][:2] == ["images_dequantised", "network.stem.weight_dequantised"]
    assert found["pool"] == ["r0_dequantised"]
    assert found["c1"][0] == "pool_dequantised"
    assert found["sum"] == ["c2", "pool_dequantised"]
    assert (found["r0"], found["r1"], found["r2"]) == (["c0"], ["c1"], ["sum"])


def test_activation_scales_are_symmetric_and_shared_over_pooling() -> None:
    constants = constants_of(quantised())
    assert constants["images_scale"] == np.float32(4 / 127)
    assert constants["r0_scale"] == constants["pool_scale"] == np.float32(6 / 127)
    assert constants["int8_zero"] == 0
    assert constants["int8_zero"].dtype == np.int8


def test_weights_become_int8_by_output_channel() -> None:
    model = network()
    weight = np.zeros((2, 8, 1, 1), np.float32)
    weight[1, :4, 0, 0] = [1.27, -0.64, 0.016, 0.0]
    old = next(tensor for tensor in model.graph.initializer if "head" in tensor.name)
    old.CopyFrom(numpy_helper.from_array(weight, old.name))
    insert_qdq(model, EVEN, "max", LAYERS)
    constants = constants_of(model)
    assert constants["network.head.heatmap.weight_int8"][:, :4, 0, 0].tolist() == [[0, 0, 0, 0], [127, -64, 2, 0]]
    assert constants["network.head.heatmap.weight_scale"].tolist() == [np.float32(SMALLEST_SCALE), np.float32(0.01)]
    assert "network.head.heatmap.weight" not in constants


def test_a_kept_layer_reads_and_weighs_in_float() -> None:
    found, constants = reads(quantised(["block.second"])), constants_of(quantised(["block.second"]))
    assert found["c2"] == ["r1", "network.block.second.weight", "bias"]
    assert constants["network.block.second.weight"].dtype == np.float32
    assert "r1_q" not in found


def test_the_graph_answers_nearly_as_before(tmp_path: Path) -> None:
    source = saved(tmp_path / "g.onnx", network())
    report = quantise(source, tmp_path / "q.onnx", iter(frames(4)), keep=(), method="max")
    assert (report.layers, report.kept, report.frames) == (LAYERS, (), 4)
    unseen = frames(3, seed=9)
    want, got = ([answer["heatmap"] for answer in answers(onnx.load(path), unseen)] for path in (source, tmp_path / "q.onnx"))
    error = np.sqrt(np.mean((np.array(want) - got) ** 2)) / np.std(want)
    assert 0.002 < error < 0.05  # eight bits: it does quantise, and no more than that
    assert broken_rules(onnx.load(tmp_path / "q.onnx")) == []


def test_what_is_kept_by_name_by_module_and_unasked(tmp_path: Path) -> None:
    source, out = saved(tmp_path / "g.onnx", network()), tmp_path / "q.onnx"
    assert quantise(source, out, frames(1), keep=("block", "stem")).kept == ("stem", "block.first", "block.second")
    report = quantise(source, out, frames(1))
    assert report.kept == ("head.heatmap",)
    assert report.build() == {"quantised_layers": 3, "kept_layers": ["head.heatmap"], "calibration_method": "mse", "calibration_frames": 1}
    with pytest.raises(UserError, match="'bloc' names no layer of this graph; expected some of stem, block.first"):
        quantise(source, out, frames(1), keep=("bloc",))


def test_metadata_stays(tmp_path: Path) -> None:
    model = network()
    onnx.helper.set_model_props(model, {"bevduet": "manifest"})
    quantise(saved(tmp_path / "g.onnx", model), tmp_path / "q.onnx", frames(1))
    assert {entry.key: entry.value for entry in onnx.load(tmp_path / "q.onnx").metadata_props} == {"bevduet": "manifest"}


def test_a_norm_beside_its_convolution_is_refused() -> None:
    with pytest.raises(UserError, match="stem: batch normalisation is not folded"):
        insert_qdq(network(norm=True), EVEN, "max", LAYERS)


def test_openvino_computes_it_in_int8_and_as_written(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="openvino is not installed (extra edge)")
    path = tmp_path / "q.onnx"
    quantise(saved(tmp_path / "g.onnx", network()), path, frames(4), keep=())
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    executed = {op.get_friendly_name(): op.get_rt_info() for op in compiled.get_runtime_model().get_ordered_ops()}
    precisions = [info["runtimePrecision"].value for info in executed.values() if info["layerType"].value == "Convolution"]
    assert len(precisions) == 4
    assert set(precisions) <= {"i8", "u8"}
    if not computes_int8():
        pytest.skip("INT8 layers were compiled; their sums saturate on this processor, which has no VNNI")
    unseen = frames(2, seed=9)
    for frame, want in zip(unseen, answers(onnx.load(path), unseen), strict=True):
        assert np.abs(compiled(frame)["heatmap"] - want["heatmap"]).max() < 0.02 * np.std(want["heatmap"])


def test_a_sweep_finds_the_layer_that_suffers_and_keeping_it_helps(tmp_path: Path) -> None:
    coarse = ranges_of({"images": 4.0, "r0": 6.0, "r1": 400.0, "r2": 12.0})  # block.second would read its input in steps of 3
    judge = Judge(saved(tmp_path / "g.onnx", network()), coarse, frames(2), "max")
    ranked = judge.sweep()
    assert ranked[0].layer == "block.second"
    assert ranked[0].error > 5 * ranked[1].error
    (first,) = judge.keep_worst(ranked, tolerance=2 * judge.error_without(["block.second"]))
    assert first == ("block.second", judge.error_without(["block.second"]))
    assert judge.keep_worst(ranked, tolerance=1.0) == ()
    assert judge.error(()) == 0.0


def test_work_is_counted_by_layer() -> None:
    """Each value of a result takes the kernel's size in multiplications; the stem has 16 x 16 values a channel, the others 8 x 8."""
    assert multiplications(network()) == {"stem": 8 * 256 * 27, "block.first": 8 * 64 * 72, "block.second": 8 * 64 * 72, "head.heatmap": 2 * 64 * 8}


def test_errors_are_relative_to_confidences() -> None:
    want, got = {"heatmap": np.array([0.0, 100.0])}, {"heatmap": np.array([0.0, -100.0])}  # confidences 0.5, 1 and 0.5, 0
    assert answer_error(want, got) == pytest.approx(np.sqrt(1 / 1.25))
    queries = {"logits": np.array([[[100.0, -100.0], [0.0, -100.0]]])}
    assert answer_error(queries, {"logits": queries["logits"][:, ::-1]}) == 0.0


def test_boxes_count_where_an_object_may_be() -> None:
    heat = np.full((1, 2, 1, 3), -9.0)
    heat[0, 1, 0, 2] = 2.0
    want = {"heatmap": heat, "height": np.zeros((1, 1, 1, 3)), "log_size": np.zeros((1, 3, 1, 3))}
    off = want | {"height": np.array([[[[9.0, 9.0, 0.2]]]])}
    assert box_error(want, off) == pytest.approx(np.sqrt(0.2**2 / 4))  # one of four numbers of the one cell
    assert box_error(want | {"heatmap": np.full((1, 2, 1, 3), -9.0)}, off) == 0.0
    assert box_error({"logits": heat}, {"logits": heat}) == 0.0
