"""Every kind of network as a graph that answers as torch does, and the folder that an export leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fusion.bev.image_depth import DepthBins
from fusion.bev.lift_splat import SplatConfig
from fusion.bev.measured_depth import MeasuredDepthConfig
from fusion.bev.pull import PullConfig
from fusion.checkpoint import save_checkpoint
from fusion.cli.main import main
from fusion.encoders.voxels import VoxelConfig
from fusion.errors import UserError
from fusion.export.calibration_frames import CYCLE, lost_sensors
from fusion.export.graph import DeployedNet, check_exportable
from fusion.export.manifest import MANIFEST, Manifest, read_manifest
from fusion.export.ports import named_inputs
from fusion.heads.query.head import QueryHeadConfig
from fusion.interaction.absent import AbsentConfig
from fusion.interaction.concat import ConcatConfig
from fusion.interaction.join import JoinConfig
from fusion.model import ModelConfig
from fusion.network import BevDuetNet
from fusion.sensors.preprocess import InputConfig
from fusion.types import SensorBatch

pytest.importorskip("onnx", reason="onnx is not installed (extra edge)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra edge)")
import onnx
import onnxruntime as ort

from fusion.export.half import float32_nodes, to_half
from fusion.export.onnx_export import METADATA_KEY, export_onnx
from fusion.export.run import export_model

sys.path.insert(0, str(Path(__file__).parents[1] / "interaction"))
from tiny_dual import dual_config, tiny_batch, tiny_config, tiny_net

QUERY = QueryHeadConfig(channels=16, queries=12, layers=2, heads=2, hidden=16, region=3)
# An export takes seconds for every part, so that none is in more of them than it has to be; all parts meet in `large` of `test_shipped_configs.py`.
KINDS: dict[str, dict[str, Any]] = {
    "concat": {"fuser": ConcatConfig(channels=8)},
    "dual, concat join": {"fuser": dual_config(join=JoinConfig(kind="concat"), layers=1)},
    "dual, cnw join, predicted absence": {"fuser": dual_config(join=JoinConfig(kind="cnw"), absent=AbsentConfig(kind="predict"))},
    "ssma join, measured depth": {"fuser": dual_config(join=JoinConfig(kind="ssma"), layers=0),
                                  "lift": PullConfig(channels=8, depth=DepthBins(count=6), measured=MeasuredDepthConfig())},
    "query head": {"head": QUERY, "fuser": ConcatConfig(channels=8)},
    "query head, cameras alone": {"head": QUERY, "lidar": None, "fuser": ConcatConfig(channels=8)},
    "splat lift": {"lift": SplatConfig(channels=8, depth_range_m=(1, 11)), "fuser": ConcatConfig(channels=8)},
    "LiDAR alone": {"camera": None, "fuser": ConcatConfig(channels=8)},
    "dual, cameras alone": {"lidar": None, "fuser": dual_config(layers=1)},
    "cameras alone": {"lidar": None, "fuser": ConcatConfig(channels=8)},
}


def model_config(**changes: Any) -> ModelConfig:
    return ModelConfig(input=InputConfig(image_size_hw=(32, 64)), network=tiny_config(**changes))


def states() -> list[SensorBatch]:
    """All sensors, no LiDAR, two cameras lost, LiDAR alone, cameras of which two do not fill their images."""
    batch = tiny_batch(cameras=3)
    gone = torch.tensor([[True, False, True]])
    valid_px = batch.valid_px.clone()
    valid_px[0, 0, 3], valid_px[0, 1, 3] = 20.5, 23.5
    return [batch, batch.drop(lidar=torch.tensor([True])), batch.drop(cameras=gone), batch.drop(cameras=torch.ones(1, 3, dtype=torch.bool)),
            replace(batch, valid_px=valid_px)]


def run(model: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {value.name: feed[value.name] for value in session.get_inputs()}))


def open_graph(path: Path) -> Callable[[dict[str, np.ndarray]], list[np.ndarray]]:
    """The graph by OpenVINO."""
    openvino = pytest.importorskip("openvino", reason="openvino is not installed (extra edge)")
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    names = [port.any_name for port in compiled.inputs]
    return lambda feed: [np.array(value) for value in compiled([feed[name] for name in names]).values()]


def answers(net: BevDuetNet, batch: SensorBatch) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    inputs = net.prepare(batch)
    named = named_inputs(inputs)
    with torch.no_grad():
        outputs = DeployedNet(net, inputs)(*named.values())
    return {name: value.numpy() for name, value in named.items()}, [value.numpy() for value in outputs]


@dataclass(frozen=True)
class Graph:
    net: BevDuetNet
    manifest: Manifest
    path: Path

    def load(self) -> Any:
        return onnx.load(self.path)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Graph]:
    """Each kind exported once, with three cameras: an export takes seconds."""
    folder = tmp_path_factory.mktemp("graphs")

    @cache
    def of(kind: str) -> Graph:
        net, path = tiny_net(**KINDS[kind]), folder / f"{kind}.onnx"
        return Graph(net, export_onnx(net, model_config(**KINDS[kind]), path, cameras=3), path)

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_answers_as_torch(kind: str, graph: Callable[[str], Graph]) -> None:
    net, manifest, model = graph(kind).net, graph(kind).manifest, graph(kind).load()
    assert next(p.value for p in model.metadata_props if p.key == METADATA_KEY) == manifest.embedded()
    assert [port.name for port in manifest.inputs] == [value.name for value in model.graph.input]
    assert not any(node.metadata_props for node in model.graph.node)  # they name folders of this machine
    for batch in states():
        feed, wanted = answers(net, batch)
        for port, got, value in zip(manifest.outputs, run(model, feed), wanted, strict=True):
            assert got.shape == value.shape == tuple(port.shape) and str(got.dtype) == port.dtype
            np.testing.assert_allclose(got, value, atol=1e-4, rtol=1e-4, err_msg=port.name)


@pytest.mark.parametrize("kind", ["concat", "dual, concat join", "query head", "splat lift"])
def test_what_absent_slots_hold_reaches_nothing(kind: str, graph: Callable[[str], Graph], tmp_path: Path) -> None:
    net, path = graph(kind).net, graph(kind).path
    engine = open_graph(path)
    for gone in ([True, False, True], [True, True, True]):
        feed, wanted = answers(net, tiny_batch(cameras=3).drop(cameras=torch.tensor([gone])))
        absent = feed["images"].copy()
        absent[:, gone] = np.nan
        for found in (run(graph(kind).load(), {**feed, "images": absent}), engine({**feed, "images": absent})):
            for got, value in zip(found, wanted, strict=True):
                np.testing.assert_allclose(got, value, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["concat", "splat lift", "query head"])
def test_half_precision_is_near_and_keeps_metres(kind: str, graph: Callable[[str], Graph]) -> None:
    net, whole = graph(kind).net, graph(kind).load()
    half = to_half(whole)
    halves = [tensor for tensor in half.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) > 20
    assert {value.type.tensor_type.elem_type for value in half.graph.input} == {value.type.tensor_type.elem_type for value in whole.graph.input}
    first = {node.name for node in whole.graph.node if node.op_type in ("MatMul", "Gemm") and "cloud_features" in node.input}
    assert first <= float32_nodes(whole)
    feed, wanted = answers(net, tiny_batch(cameras=3))
    got = run(half, feed)
    if kind != "query head":
        for value, near in zip(wanted, got, strict=True):
            assert 0 < np.abs(value - near).max() < 0.05 * max(np.abs(value).max(), 1)
    else:
        scores = [-np.sort(-value.reshape(-1)) for value in (wanted[2], got[2])]
        np.testing.assert_allclose(*scores, atol=2e-2)


@pytest.mark.parametrize("kind", ["dual, cnw join, predicted absence", "query head"])
def test_what_is_float32_is_never_rounded_on_its_way(kind: str, graph: Callable[[str], Graph]) -> None:
    whole = graph(kind).load()
    half = to_half(whole)
    onnx.checker.check_model(half, full_check=True)  # every operator gets the types that ONNX allows it
    assert graph(kind).load() == whole
    producer = {name: node for node in half.graph.node for name in node.output}
    types = {value.name: value.type.tensor_type.elem_type for value in (*half.graph.value_info, *half.graph.input, *half.graph.output)}
    casts = [node for node in half.graph.node if node.op_type == "Cast" and types[node.output[0]] == onnx.TensorProto.FLOAT]
    assert casts
    assert [node.name for node in casts if node.input[0] in producer and producer[node.input[0]].op_type == "Cast"
            and types[producer[node.input[0]].input[0]] == onnx.TensorProto.FLOAT] == []
    positions = [node.input[1] for node in half.graph.node if node.op_type == "GridSample"]
    assert {types[name] for name in positions} == {onnx.TensorProto.FLOAT}
    products = {types[node.output[0]] for node in half.graph.node if node.op_type == "Conv"}
    assert products == {onnx.TensorProto.FLOAT16}
    assert sum(node.op_type == "Cast" for node in half.graph.node) < len(half.graph.node) / 4


def test_numbers_that_are_none_as_halves_stay_whole() -> None:
    def constant(name: str, value: float) -> Any:
        return onnx.numpy_helper.from_array(np.float32(value), name)

    node = onnx.helper.make_node
    nodes = [node("Conv", ["images", "kernel"], ["maps"]), node("Mul", ["maps", "large"], ["high"], "by_large"),
             node("Mul", ["maps", "usual"], ["low"], "by_usual"), node("Add", ["high", "tiny"], ["lifted"], "by_tiny"),
             node("Conv", ["lifted", "kernel"], ["a"]), node("Conv", ["low", "kernel"], ["b"])]
    weights = [constant("large", 1e6), constant("usual", 2.0), constant("tiny", 1e-12),
               onnx.numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "kernel")]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 2, 2]) for name in ("images", "a", "b")]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", values[:1], values[1:], weights),
                                   opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    assert float32_nodes(model) == {"by_large", "by_tiny"}
    images = np.full((1, 1, 2, 2), 0.03, np.float32)
    for got, wanted in zip(run(to_half(model), {"images": images}), (3e4, 0.06), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny_net(**KINDS["concat"]), model_config(**KINDS["concat"]))
    return path


def test_a_folder_is_replaced_whole_or_not_at_all(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_model(checkpoint, out, format="onnx", cameras=2)
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "model.onnx"]
    assert read_manifest(out)[0].cameras == 2
    with pytest.raises(UserError, match="cameras 0: expected 1"):
        export_model(checkpoint, out, format="onnx", cameras=0)
    assert read_manifest(out)[0].cameras == 2
    export_model(checkpoint, out, format="openvino", precision="fp16", cameras=3)
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "model.bin", "model.xml"]
    manifest, engine = read_manifest(out)
    assert (manifest.format, manifest.precision, manifest.cameras, engine.name) == ("openvino", "fp16", 3, "model.xml")
    assert [path for path in tmp_path.iterdir() if path != out] == []


def test_a_folder_of_other_things_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty, and no earlier export"):
        export_model(checkpoint, tmp_path, format="onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_int8_needs_frames_and_only_int8(checkpoint: Path, tmp_path: Path) -> None:
    for precision, calibration in (("int8", None), ("fp32", lambda config, cameras: [])):
        with pytest.raises(UserError, match="calibration frames are for int8"):
            export_model(checkpoint, tmp_path / "out", format="onnx", precision=precision, calibration=calibration)  # type: ignore[arg-type]


def test_int8_notes_what_it_saw(checkpoint: Path, tmp_path: Path) -> None:
    net = tiny_net(**KINDS["concat"])
    frames = [answers(net, batch)[0] for batch in states()]
    export_model(checkpoint, tmp_path / "out", format="onnx", precision="int8", cameras=3, calibration=lambda config, cameras: frames, keep=("head",))
    manifest, engine = read_manifest(tmp_path / "out")
    assert manifest.build["calibration_frames"] == len(states()) and manifest.build["quantised_layers"] > 10
    assert manifest.build["kept_layers"] and all(name.startswith("head") for name in manifest.build["kept_layers"])
    feed, wanted = answers(net, states()[0])
    assert max(np.abs(a - b).max() for a, b in zip(run(onnx.load(engine), feed), wanted, strict=True)) > 1e-4  # it is another graph


@pytest.mark.parametrize(("arguments", "says"), [
    (["--frames", "3"], "--frames: calibration is for --precision int8 alone"),
    (["--capabilities", "SM86"], "--capabilities: for --format tensorrt alone"),
    (["--precision", "int8", "--frames", "0"], "--frames 0: expected at least 1"),
    (["--model", "nani"], "no such weights"),
])
def test_command_line_refuses(arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_command_line(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--model", str(checkpoint), "--cameras", "2", "--out", str(tmp_path / "out")]) == 0
    assert "tiny, onnx fp32, 2 cameras" in capsys.readouterr().out
    assert read_manifest(tmp_path / "out")[0].name == "tiny"


def test_command_line_says_what_int8_saw_and_kept(checkpoint: Path, scene0523: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--precision", "int8", "--calibration", str(scene0523), "--version", "v1.0-mini", "--frames", "2", "--keep", "head.heatmap"]
    assert main(["export", "--model", str(checkpoint), "--cameras", "2", "--out", str(tmp_path / "out"), *options]) == 0
    build = read_manifest(tmp_path / "out")[0].build
    assert (build["kept_layers"], build["calibration_frames"], build["calibrated_on"]) == (["head.heatmap"], 2, "nuscenes_scene0523, v1.0-mini")
    assert (f"INT8: {build['quantised_layers']} convolutions; in float: head.heatmap; ranges (mse) from 2 keyframes of nuscenes_scene0523, v1.0-mini"
            in capsys.readouterr().out)


def test_calibration_loses_each_sensor_in_turn() -> None:
    lost = [lost_sensors(number, ["a", "b"], "lidar") for number in range(2 * CYCLE)]
    assert lost.count(()) == 10 and {("lidar",), ("a", "b"), ("a",), ("b",)} == set(lost) - {()}


def test_what_engines_lack_is_refused_by_name(tmp_path: Path) -> None:
    config = model_config(**KINDS["concat"])
    with pytest.raises(UserError, match="lidar.kind voxels"):
        check_exportable(replace(config, network=replace(config.network, lidar=VoxelConfig())))
    path = tmp_path / "splat.safetensors"
    save_checkpoint(path, tiny_net(**KINDS["splat lift"]), model_config(**KINDS["splat lift"]))
    with pytest.raises(UserError, match="lift.kind splat: .* expected kind pull, or another --format"):
        export_model(path, tmp_path / "out", format="tensorrt")
    assert not (tmp_path / "out").exists()
