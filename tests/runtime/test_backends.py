"""A model is opened by its file; engines answer any rig that fits; what cannot run says so."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import Exported
from test_perceiver import READINGS, small

from fusion.checkpoint import resolve_model
from fusion.errors import UserError
from fusion.export.ports import outputs_of
from fusion.hardware import computes_bf16
from fusion.inputs import prepare_inputs
from fusion.runtime.backends.names import BackendName
from fusion.runtime.backends.open import is_shipped, open_backend, open_spec
from fusion.runtime.backends.torch_compiled import CompiledBackend
from fusion.runtime.backends.torch_eager import TorchBackend
from fusion.runtime.perceiver import Perceiver
from fusion.sensors.preprocess import to_batch
from fusion.types import Detections, SensorSet
from ros_nodes.parameters import read_config
from ros_nodes.perception import load_perceiver

ENGINES: tuple[BackendName, ...] = ("onnxruntime", "openvino")


def assert_same(a: Detections, b: Detections) -> None:
    assert a.sensors_used == b.sensors_used and len(a) == len(b)
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-3)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, exported: Exported) -> Perceiver:
    return Perceiver(open_backend(str(exported.folder), request.param, threads=1))


@pytest.fixture(scope="module")
def torch_perceiver(exported: Exported) -> Perceiver:
    return Perceiver(open_backend(str(exported.checkpoint)))


def test_a_rig_with_fewer_cameras_leaves_slots_empty(engine: Perceiver, torch_perceiver: Perceiver, real_frame: SensorSet) -> None:
    for names in (list(real_frame.cameras)[:4], list(real_frame.cameras)[5:], []):
        rig = replace(real_frame, cameras={name: real_frame.cameras[name] for name in names})
        assert_same(engine.perceive(rig), torch_perceiver.perceive(rig))


def test_images_of_any_shape_stand_in_padding(engine: Perceiver, torch_perceiver: Perceiver, real_frame: SensorSet) -> None:
    """Wide images among others, with and without the LiDAR: the engine, too, is told what of its input is image and what padding."""
    rows = {"CAM_FRONT": 420, "CAM_BACK": 300}
    cut = dict(real_frame.cameras)
    for name, height in rows.items():
        camera = cut[name]
        assert camera is not None
        cut[name] = replace(camera, image=camera.image[:height])  # from the origin, so that the intrinsics stay true
    frame = replace(real_frame, cameras=cut)
    _, top, _, bottom = to_batch([frame], engine.config.input).valid_px[0].T
    assert [round(height) for height in (bottom - top).tolist()] == [round(rows.get(name, 582) * 0.11) for name in cut]
    for readings in (frame, frame.without("LIDAR_TOP")):
        assert_same(engine.perceive(readings), torch_perceiver.perceive(readings))


def test_a_rig_with_more_cameras_is_refused(engine: Perceiver) -> None:
    with pytest.raises(UserError, match=r"the rig has 8 cameras \(CAM_0, .*\), but the exported model has 6 camera slots; .* --cameras 8"):
        engine.perceive(SensorSet.example(cameras=8))


def test_nothing_at_all(engine: Perceiver, torch_perceiver: Perceiver, real_frame: SensorSet) -> None:
    for lost in (("LIDAR_TOP",), tuple(real_frame.cameras), (*real_frame.cameras, "LIDAR_TOP")):
        assert_same(engine.perceive(real_frame.without(*lost)), torch_perceiver.perceive(real_frame.without(*lost)))


def test_an_answer_outlives_the_next_call(engine: Perceiver, real_frame: SensorSet) -> None:
    answer = engine.perceive(real_frame)
    boxes, scores = answer.boxes.copy(), answer.scores.copy()
    engine.perceive(real_frame.without("LIDAR_TOP"))
    np.testing.assert_array_equal(answer.boxes, boxes)
    np.testing.assert_array_equal(answer.scores, scores)


def test_images_of_another_size_are_refused(engine: Perceiver) -> None:
    other = replace(engine.config, input=replace(engine.config.input, image_size_hw=(128, 352)))
    with pytest.raises(UserError, match=r"images: the exported model expects \(1, 6, 3, 64, 176\), got \(1, 6, 3, 128, 352\)"):
        Perceiver(engine.backend, config=other).perceive(READINGS)


def test_an_engine_builds_no_network(exported: Exported) -> None:
    code = ("import sys; from fusion.runtime.backends.open import open_backend; import fusion.runtime.perceiver; open_backend(sys.argv[1]);"
            " print([name for name in ('fusion.network', 'fusion.checkpoint', 'safetensors', 'onnx') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code, str(exported.folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_file_chooses_the_backend(exported: Exported) -> None:
    assert type(open_backend("nano")) is TorchBackend
    assert type(open_backend(str(exported.checkpoint), "compile")) is CompiledBackend
    for model in (exported.folder, exported.folder / "model.onnx"):
        assert open_backend(str(model)).describe().startswith("onnxruntime")
    line = open_backend(str(exported.folder), "openvino", threads=1).describe()
    assert line.startswith("openvino") and line.endswith("f32, cpu, 1 threads: model.onnx (fp32)")


def test_one_word_names_model_backend_and_bf16(exported: Exported) -> None:
    assert open_spec(f"{exported.folder}", threads=1).describe().startswith("onnxruntime")
    assert " f32, cpu, 1 threads" in open_spec(f"{exported.folder}@openvino", threads=1).describe()
    if computes_bf16("cpu"):
        assert open_spec("nano+bf16").describe().startswith("torch") and "bf16" in open_spec("nano+bf16").describe()
    with pytest.raises(UserError, match="nano@openvin: backend 'openvin': expected one of torch, compile, onnxruntime"):
        open_spec("nano@openvin")
    with pytest.raises(UserError, match="no such weights"):
        open_spec("nan")


@pytest.mark.parametrize("spec", ["nano+bf16", "nano@compile+bf16"])
def test_no_bf16_where_it_would_be_emulated(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, "avx512_bf16": False, "architecture": "x86_64"})
    with pytest.raises(UserError, match="--bf16: this cpu computes no bfloat16; leave it away"):
        open_spec(spec)


@pytest.mark.parametrize(("asked", "says"), [
    ({"backend": "compile"}, r"backend compile: does not run .*, an exported model of format onnx; expected onnxruntime or openvino"),
    ({"backend": "tensorrt"}, r"backend tensorrt: does not run .*, an exported model of format onnx"),
    ({"bf16": True}, r"--bf16: backend onnxruntime has no such choice; expected torch, compile or openvino"),
    ({"backend": "openvino", "device": "cuda"}, r"--device cuda: backend openvino runs on the CPU"),
    ({"device": "cuda"}, r"--device cuda: this onnxruntime offers .*CPUExecutionProvider; install onnxruntime-gpu"),
    ({"threads": -1}, r"threads: expected 0 \(the backend chooses\) or more, got -1"),
])
def test_what_an_exported_model_cannot(exported: Exported, asked: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        open_backend(str(exported.folder), **asked)  # type: ignore[arg-type]


def test_a_checkpoint_is_no_engine(exported: Exported) -> None:
    with pytest.raises(UserError, match=r"backend openvino: does not run nano, a checkpoint; expected torch or compile; export it first"):
        open_backend("nano", "openvino")
    with pytest.raises(UserError, match="is an exported model, which has its config inside"):
        open_backend(str(exported.folder), config=open_backend("nano").config)


@pytest.fixture
def copied(exported: Exported, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported.folder, tmp_path / "copy"))


def test_a_truncated_engine(copied: Path) -> None:
    whole = (copied / "model.onnx").read_bytes()
    (copied / "model.onnx").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(UserError, match=r"model\.onnx: not the file that was exported .* cut short, damaged or replaced"):
        open_backend(str(copied))
    (copied / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"model\.onnx: missing"):
        open_backend(str(copied))


def test_another_version(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps(manifest | {"graph_version": 0, "version": "0.0.1"}))
    with pytest.raises(UserError, match=r"graph version 0 of bevduet '0\.0\.1', expected \d+; export the model again"):
        open_backend(str(copied))


@pytest.mark.parametrize("backend", ENGINES)
def test_a_damaged_file_that_the_manifest_agrees_with(copied: Path, backend: BackendName) -> None:
    from fusion.export.manifest import read_manifest, write_manifest

    manifest, path = read_manifest(copied)
    path.write_bytes(path.read_bytes()[:5000])
    write_manifest(copied, manifest, (path.name,))
    with pytest.raises(UserError, match=rf"model\.onnx: {backend} cannot open it: "):
        open_backend(str(copied), backend)


def test_the_node_runs_an_engine(exported: Exported, real_frame: SensorSet, torch_perceiver: Perceiver) -> None:
    names = ["CAM_FRONT", "CAM_BACK"]
    parameters = {"model": str(exported.folder), "backend": "openvino", "cameras": names, "threads": 1,
                  "overrides": ["model.network.decode.min_score=0.5"]}
    perceiver, timer = load_perceiver(read_config(parameters))
    assert perceiver.backend.describe().startswith("openvino") and not timer.last_s
    rig = replace(real_frame, cameras={name: real_frame.cameras[name] for name in names})
    answer, reference = perceiver.perceive(rig), torch_perceiver.perceive(rig)
    assert answer.scores.min() >= 0.5 and (reference.scores >= 0.5).sum() == len(answer) and "network" in timer.last_s
    np.testing.assert_allclose(answer.boxes, reference.boxes[:len(answer)], atol=1e-3)
    with pytest.raises(UserError, match="the rig has 7 cameras"):
        load_perceiver(read_config(parameters | {"cameras": [f"CAM_{letter}" for letter in "ABCDEFG"]}))
    with pytest.raises(UserError, match="model: config: .* is an exported model"):
        load_perceiver(read_config(parameters | {"config": "nano"}))


@pytest.mark.parametrize("backend", ENGINES)
def test_a_backend_that_is_not_installed(exported: Exported, backend: BackendName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(UserError, match=rf"{backend} is not installed; install the extra 'edge': pip install"):
        open_backend(str(exported.folder), backend)


def test_compiled_as_eager_without_compiling_again_when_the_lidar_is_lost() -> None:
    """The one test that compiles; a network that reads the LiDAR alone is the quickest to."""
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    eager = small(camera=False)
    compiled = CompiledBackend(eager.backend.network, eager.config)  # type: ignore[attr-defined]
    assert READINGS.lidar is not None
    rigs = [READINGS] + [replace(READINGS, lidar=replace(READINGS.lidar, points=READINGS.lidar.points[:count])) for count in (0, 1, 40)]
    rigs.append(READINGS.without("LIDAR_TOP"))
    with torch.inference_mode():
        for index, readings in enumerate(rigs):
            inputs = prepare_inputs(eager.config.network, eager.batch(readings))
            with torch.compiler.set_stance("fail_on_recompile" if index else "default"):
                answer = compiled(inputs)
            for a, b in zip(outputs_of(answer), outputs_of(eager.backend(inputs)), strict=True):
                torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_shipped_weights_are_known_by_name_as_a_copy_and_exported(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(resolve_model("nano"), tmp_path / "mine.safetensors")
    assert is_shipped("nano") and is_shipped(str(tmp_path / "mine.safetensors"))
    assert not is_shipped(str(exported.checkpoint)) and not is_shipped(str(exported.folder)) and not is_shipped("runs/nano/model.safetensors")
    monkeypatch.setattr("fusion.checkpoint.WEIGHTS_DIR", exported.checkpoint.parent)
    assert is_shipped("half") and is_shipped(str(exported.folder))
    with pytest.raises(UserError, match="no such weights"):
        is_shipped("nanoo")
