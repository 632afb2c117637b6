"""`bevduet simulate` from the outside: a real scene, small enough for a test, read back; and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fusion.cli.main import main
from fusion.data.open import open_source

SMALL = ["--scenes", "1", "--duration", "1", "--image-scale", "0.05", "--workers", "1"]


def test_a_real_scene_is_made_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "sim"
    assert main(["simulate", "--out", str(root), "--seed", "4", "--weather", "day", *SMALL]) == 0
    assert "1 scenes, 2 keyframes" in capsys.readouterr().out
    source = open_source(root, "v1.0-sim")
    assert source.scenes() == ["sim-4-0000"]
    sensor_set = source.load(source.tokens("sim-4-0000")[1])
    assert not sensor_set.warnings
    assert all(reading is not None and reading.image.shape == (45, 80, 3) and reading.image.std() > 5 for reading in sensor_set.cameras.values())
    assert sensor_set.lidar is not None
    assert len(sensor_set.lidar.points) > 10_000
    truth = source.ground_truth(source.tokens("sim-4-0000")[1])
    assert truth is not None
    assert len(truth.labels) > 0
    assert main(["simulate", "--out", str(root), "--seed", "4", "--weather", "day", *SMALL]) == 2
    assert main(["simulate", "--out", str(root), "--seed", "4", "--weather", "day", "--resume", *SMALL]) == 0
    assert json.loads((root / "v1.0-sim" / "splits.json").read_text()) == {"sim_train": ["sim-4-0000"], "sim_val": []}


@pytest.mark.parametrize(("more", "says"), [
    (["--rig", "nowhere.yaml"], "nowhere.yaml: no such file"),
    (["--duration", "0"], "--duration 0.0: expected 0.5 to 600"),
    (["--workers", "0"], "--workers 0"),
    (["--every", "0"], "--every 0"),
])
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path, more: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--out", str(tmp_path / "sim"), "--scenes", "1", "--seed", "1", *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bevduet: error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "sim").exists()


def test_an_impossible_rig_is_refused_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rig.yaml").write_text("cameras: [{name: CAM_A, position_m: [1, 0, 1.5], hfov_deg: 200}]")
    assert main(["simulate", "--out", str(tmp_path / "sim"), "--scenes", "1", "--seed", "1", "--rig", str(tmp_path / "rig.yaml")]) == 2
    assert "CAM_A: hfov_deg: expected more than 0 and less than 180 degrees, got 200" in capsys.readouterr().err
    assert not (tmp_path / "sim").exists()
