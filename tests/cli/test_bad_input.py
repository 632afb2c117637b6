"""Bad input through the command itself: one line that names file, value and remedy, the right exit code, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from tiny_nuscenes import make_root

from fusion.cli.main import main

MODEL: dict[str, Any] = {"model": {
    "input": {"image_size_hw": [32, 64]},
    "network": {"grid": {"x_range_m": [-12.8, 12.8], "y_range_m": [-12.8, 12.8], "cell_m": 0.8},
                "camera": {"backbone": {"kind": "resnet", "width": 0.25}, "channels": 8}, "lidar": {"kind": "pillars", "channels": 8},
                "trunk": {"channels": [8, 8], "blocks": [1, 1], "out_channels": 8}}}}
IMAGE, CLOUD = "samples/CAM_FRONT/0.png", "samples/LIDAR_TOP/0.pcd.bin"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(MODEL))
    return make_root(tmp_path / "tiny")


def perceive(root: Path, *extra: str, model: tuple[str, ...] = ()) -> tuple[int, Path]:
    out = root.parent / "out"
    chosen = model or ("--model", str(root.parent / "model.yaml"), "--untrained")
    return main(["perceive", "--dataroot", str(root), "--version", "v1.0-tiny", *chosen, "--no-pictures", "--out", str(out), *extra]), out


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error, without the notice about random weights."""
    lines = [line for line in capsys.readouterr().err.splitlines() if "--untrained" not in line]
    assert len(lines) == 1 and lines[0].startswith("bevduet: error: "), lines
    return lines[0]


def nan_cloud(good: bytes) -> bytes:
    points = np.frombuffer(good, "<f4").copy()
    points[1] = np.nan
    return points.tobytes()


@pytest.mark.parametrize(("file", "damage", "says"), [
    (IMAGE, lambda good: good[:-30], "truncated image"), (IMAGE, lambda good: b"", "empty file"), (IMAGE, None, "file not found"),
    (CLOUD, lambda good: b"", "empty file"), (CLOUD, nan_cloud, "1 of 3 points hold NaN"),
    (CLOUD, lambda good: good[:-3], "57 bytes is not a multiple of 20"),
])
def test_one_bad_sensor_costs_a_warning(root: Path, capsys: pytest.CaptureFixture[str], file: str, damage: Any, says: str) -> None:
    path = root / file
    good = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(damage(good))
    code, out = perceive(root)
    assert code == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bevduet: warning: k0: ")]
    assert len(warnings) == 1 and str(path) in warnings[0] and says in warnings[0]
    results = json.loads((out / "results_nusc.json").read_text())
    assert list(results["results"]) == ["k0", "k1"] and results["results"]["k0"]
    assert results["meta"]["use_camera"] and results["meta"]["use_lidar"]


@pytest.mark.parametrize(("change", "says"), [
    ({"camera_intrinsic": [[1, 0], [0, 1]]}, "calibrated_sensor.json: record cc (CAM_FRONT): expected a 3x3 camera_intrinsic"),
    ({"rotation": [1, 0, 0]}, "calibrated_sensor.json: record cc: expected a rotation of 4 numbers"),
    ({"token": "other"}, "calibrated_sensor.json: record cc not found, which sample_data c0 names"),
])
def test_bad_calibration_stops_the_job(root: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], says: str) -> None:
    path = root / "v1.0-tiny" / "calibrated_sensor.json"
    path.write_text(json.dumps([{**r, **(change if r["token"] == "cc" else {})} for r in json.loads(path.read_text())]))
    code, out = perceive(root)
    assert code == 2 and not out.exists()
    line = error_line(capsys)
    assert says in line and "again" in line


@pytest.mark.parametrize(("extra", "says"), [
    (("--scenes", "scene-x"), "scene 'scene-x': not in"),
    (("--drop", "CAM_FRNT"), "--drop CAM_FRNT: not a sensor of this rig; expected some of CAM_FRONT"),
    (("--num-sweeps", "11"), "num_sweeps: got 11; expected 0 to 10"),
    (("--version", "v1.0-mini"), "no such folder of nuScenes tables; found v1.0-tiny"),
    (("--device", "tpu"), "--device tpu: not available on this machine"),
])
def test_bad_arguments_stop_the_job(root: Path, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...], says: str) -> None:
    code, out = perceive(root, *extra)
    assert code == 2 and not out.exists()
    assert says in error_line(capsys)


def test_corrupt_checkpoint_stops_the_job(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = root.parent / "net.safetensors"
    weights.write_bytes(b"not a checkpoint at all")
    weights.with_suffix(".yaml").write_text(yaml.safe_dump(MODEL))
    code, out = perceive(root, model=("--model", str(weights)))
    assert code == 2 and not out.exists()
    line = error_line(capsys)
    assert f"{weights}: not a readable safetensors file" in line and "again" in line


@pytest.mark.parametrize(("sets", "says"), [
    ("model.network.lidr.channels=3", "unknown key; did you mean 'lidar'"),
    ("train.lr=fast", "train.lr: expected float, got 'fast'"), ("train.epochs=0", "epochs: expected at least 1, got 0"),
])
def test_bad_config_stops_training(root: Path, capsys: pytest.CaptureFixture[str], sets: str, says: str) -> None:
    out = root.parent / "run"
    code = main(["train", "--config", "nano", "--dataroot", str(root), "--version", "v1.0-tiny", "--out", str(out), "--set", sets])
    assert code == 2 and not out.exists()
    assert says in error_line(capsys)


def test_training_without_annotations_is_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root.parent / "run"
    code = main(["train", "--config", str(root.parent / "model.yaml"), "--dataroot", str(root), "--version", "v1.0-tiny", "--out", str(out)])
    assert code == 2 and not out.exists()
    assert "none of 2 samples has annotations" in error_line(capsys)


@pytest.mark.parametrize("what", [["--results", "results_nusc.json"], ["--modality-use"]])
@pytest.mark.parametrize(("version", "says"), [("kitti", "(only what image_2 sees is labelled: "), ("dgp", "format only; expected")])
def test_only_tables_of_nuscenes_are_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str], what: list[str], version: str, says: str) -> None:
    assert main(["evaluate", "--dataroot", str(tmp_path), "--version", version, *what, "--out", str(tmp_path / "out")]) == 2
    line = error_line(capsys)
    assert f"--version {version}: the nuScenes devkit scores" in line and says in line and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("change", "says"), [
    (lambda text, tokens: text[:-100], "not valid JSON"),
    (lambda text, tokens: text.replace(tokens[0], "nobody"), "1 of 40 samples are missing"),
    (lambda text, tokens: text.replace('"car"', '"tram"', 1), "detection_name: expected one of"),
])
def test_bad_results_stop_the_evaluation(scene0523: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                         change: Any, says: str) -> None:
    text = (shared_data / "golden_scene0523/det.json").read_text()
    path, out = tmp_path / "results.json", tmp_path / "out"
    path.write_text(change(text, list(json.loads(text)["results"])))
    code = main(["evaluate", "--dataroot", str(scene0523), "--version", "v1.0-mini", "--results", str(path), "--out", str(out)])
    assert code == 2 and not any(tmp_path.glob("out/*"))
    line = error_line(capsys)
    assert line.startswith(f"bevduet: error: {path}: ") and says in line


@pytest.mark.parametrize("extra", [("--threads", "2"), ("--bf16",), ("--backend", "compile")])
def test_random_weights_run_in_torch_as_it_is(root: Path, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...]) -> None:
    code, out = perceive(root, *extra)
    assert code == 2 and not out.exists()
    assert "leave --backend, --bf16 and --threads away" in capsys.readouterr().err


def test_slots_of_an_exported_model_are_not_chosen_again(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifest.json").touch()
    monkeypatch.setattr("fusion.export.manifest.read_manifest", lambda folder: (SimpleNamespace(precision="fp32", cameras=6), folder))
    monkeypatch.setattr("fusion.export.run.build_exported", lambda *_, **__: pytest.fail("it is built with six"))
    assert main(["export", "--model", str(tmp_path), "--format", "tensorrt", "--cameras", "4", "--out", str(tmp_path / "out")]) == 2
    assert f"--cameras 4: {tmp_path} has 6 camera slots" in error_line(capsys)
