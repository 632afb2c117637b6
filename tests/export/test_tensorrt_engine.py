"""The shipped weights pass the gate in every precision, and what `export --format tensorrt` leaves says how it was built."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from fusion.checkpoint import load_checkpoint, resolve_model
from fusion.cli.main import main
from fusion.errors import UserError

onnx = pytest.importorskip("onnx", reason="needs the extra \"edge\"")
pytest.importorskip("onnxruntime", reason="needs the extra \"edge\"")
trt = pytest.importorskip("tensorrt_rtx", reason="needs the extra \"tensorrt\"")

from fusion.export.gate_graphs import gate_graphs  # noqa: E402
from fusion.export.manifest import Manifest, read_manifest  # noqa: E402
from fusion.export.run import build_exported  # noqa: E402
from fusion.export.tensorrt_engine import CAPABILITIES, profile_of  # noqa: E402
from fusion.export.tensorrt_gate import judge  # noqa: E402
from fusion.model import load_model_config  # noqa: E402
from fusion.network import build_network  # noqa: E402

REPO = Path(__file__).resolve().parents[2]
PRECISIONS = ("fp32", "fp16", "int8")


@pytest.fixture(scope="module")
def nano_graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    network, config = load_checkpoint(resolve_model("nano"))
    return dict(gate_graphs(network, config, tmp_path_factory.mktemp("gate"), PRECISIONS))


@pytest.fixture(scope="module")
def exported_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx") / "nano"
    assert main(["export", "--model", "nano", "--format", "onnx", "--precision", "fp16", "--cameras", "2", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nano_builds_for_every_capability(nano_graphs: dict[str, Any], precision: str) -> None:
    graph = nano_graphs[precision]
    kinds = {node.op_type for node in graph.graph.node}
    types = {value.data_type for value in graph.graph.initializer}
    assert ("QuantizeLinear" in kinds) == (precision == "int8") and (10 in types) == (precision != "fp32")  # it is what it is called
    onnx.checker.check_model(graph)  # nodes in order, which TensorRT would forgive
    verdict = judge(graph, precision, CAPABILITIES)
    assert verdict.refusals == () and verdict.data is not None
    assert verdict.build["capabilities"] == list(CAPABILITIES)


def test_the_profile_ends_where_the_grid_does(nano_graphs: dict[str, Any]) -> None:
    """256 x 256 cells, but 60,000 points at most."""
    profile = profile_of(nano_graphs["fp32"])
    assert {name: [shape[0] for shape in shapes] for name, shapes in profile.items()} == {
        name: [1, 4000, 60000] for name in ("cloud_features", "cloud_mask", "cloud_index")}


def test_an_onnx_folder_becomes_an_engine(exported_onnx: Path, tmp_path: Path) -> None:
    """As on a Jetson, where the graph comes from elsewhere."""
    args = ["export", "--model", str(exported_onnx), "--format", "tensorrt", "--capabilities", "SM86", "--out", str(tmp_path / "engine")]
    assert main(args) == 0
    source, (engine, path) = read_manifest(exported_onnx)[0], read_manifest(tmp_path / "engine")
    assert (engine.format, engine.precision, engine.cameras, path.name) == ("tensorrt", "fp16", 2, "model.engine")
    assert (engine.checkpoint_sha256, engine.inputs, engine.outputs, engine.model) == (
        source.checkpoint_sha256, source.inputs, source.outputs, source.model)
    assert (engine.build["builder"], engine.build["version"], engine.build["capabilities"]) == ("tensorrt_rtx", trt.__version__, ["SM86"])
    assert engine.build["profile"]["cloud_index"] == [[1], [4000], [60000]]
    assert isinstance(engine, Manifest) and path.stat().st_size > 1_000_000


def test_only_an_onnx_folder_can_be_built_from(exported_onnx: Path, tmp_path: Path) -> None:
    build_exported(exported_onnx, tmp_path / "engine", capabilities=("SM86",))
    with pytest.raises(UserError, match="expected a folder of format onnx, got tensorrt"):
        build_exported(tmp_path / "engine", tmp_path / "again")
    assert main(["export", "--model", str(exported_onnx), "--format", "openvino", "--out", str(tmp_path / "x")]) != 0
    assert main(["export", "--model", str(exported_onnx), "--format", "tensorrt", "--precision", "int8", "--out", str(tmp_path / "x")]) != 0
    assert not (tmp_path / "x").exists()


def test_the_tool_prints_tables_commands_and_refusals(
    exported_onnx: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main_of_tool = runpy.run_path(str(REPO / "tools/tensorrt_gate.py"))["main"]

    def tool(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tensorrt_gate.py", *arguments])
        code, printed = main_of_tool(), capsys.readouterr()
        return code, printed.out + printed.err

    code, text = tool("--model", str(exported_onnx), "--capabilities", "SM86")
    assert code == 0 and [line.split()[:2] for line in text.splitlines()[1:]] == [["fp16", "SM86"]], text
    code, text = tool("--model", str(exported_onnx), "--commands")
    assert code == 0 and "--stronglyTyped" in text and "--maxShapes=cloud_features:60000x16x10,cloud_mask:60000x16,cloud_index:60000" in text, text
    small = ["--set", "model.input.image_size_hw=[64, 176]", "--set", "model.network.lift={kind: splat}"]
    code, text = tool("--config", "nano", *small, "--precision", "fp32", "--capabilities", "SM86")
    assert code == 1 and "ScatterND" in text and "scatter with reduction 'add'" in text, text
    code, text = tool("--model", "nano", "--precision", "fp8")
    assert code == 2 and "--precision fp8: expected some of fp32, fp16, int8" in text, text


def test_a_network_that_reads_no_images_is_quantised_and_built(tmp_path: Path) -> None:
    """Its frames have images, its graph has no such input."""
    config = load_model_config("lidar", [])
    graphs = dict(gate_graphs(build_network(config.network), config, tmp_path, ("int8",)))
    assert "images" not in {value.name for value in graphs["int8"].graph.input}
    assert judge(graphs["int8"], "int8", ("SM86",)).refusals == ()
