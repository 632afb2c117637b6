"""`bevduet demo` from the outside: bad input is one line, before anything is made. A whole run is in tests/demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusion import checkpoint
from fusion.checkpoint import save_checkpoint, shipped_models
from fusion.cli.main import main
from fusion.encoders.camera import CameraConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.model import ModelConfig
from fusion.network import build_network
from fusion.network_config import NetworkConfig


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    config = ModelConfig(network=NetworkConfig(camera=CameraConfig(backbone=ResNetConfig(width=0.25))))
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_checkpoint(path, build_network(config.network), config)
    return str(path)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--help"])
    assert stop.value.code == 0
    assert "usage: bevduet demo" in capsys.readouterr().out


def test_shipped_weights_are_found_by_name(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "WEIGHTS_DIR", Path(model).parent)
    assert shipped_models() == ["m"]
    assert checkpoint.resolve_model("m") == Path(model)


@pytest.mark.parametrize(("more", "says"), [
    (["--dataroot", "/nowhere"], "/nowhere: no such folder"),
    (["--scene", "scene-0103"], "--scene scene-0103: names a scene of --dataroot, which is missing"),
    (["--dataroot", "/nowhere", "--seed", "404"], "--seed 404: of a simulated drive, and --dataroot takes a recorded one; leave one of them away"),
    (["--dataroot", "/nowhere", "--weather", "fog"], "--weather fog: of a simulated drive"),
    (["--dataroot", "/nowhere", "--duration", "9"], "--duration 9.0: of a simulated drive"),
    (["--score-threshold", "2"], "--score-threshold 2.0: expected 0 to 1"),
    (["--duration", "0"], "--duration 0.0: expected 0.5 to 600"),
    (["--seed", "-1"], "--seed -1: expected 0 to"),
    (["--device", "tpu"], "--device tpu: not available"),
])
def test_bad_input_is_one_line(model: str, more: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--model", model, "--out", str(tmp_path / "out"), *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bevduet: error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out" / "index.html").exists()


def test_unknown_weights_are_named_before_a_drive_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--model", "nanno", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "model 'nanno': no such weights (shipped weights: " in error
    assert all(name in error for name in shipped_models())
    assert not (tmp_path / "out").exists()
