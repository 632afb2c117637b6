"""An exported folder where a command asks for a model: `demo` and `perceive` answer with the engine, as with the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from exported import Exported

from fusion.cli.main import main
from fusion.demo.drive import Drive, simulated_drive


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return simulated_drive(tmp_path_factory.mktemp("drive"), seed=3, duration_s=2.0, image_scale=0.05)


def words(command: str, drive: Drive, *more: str) -> list[str]:
    return [command, "--dataroot", str(drive.dataroot), "--version", drive.version, "--threads", "1", *more]


def test_perceive(exported: Exported, drive: Drive, tmp_path: Path) -> None:
    found = {}
    for model in (exported.checkpoint, exported.folder):
        out = tmp_path / model.name
        assert main(words("perceive", drive, "--model", str(model), "--no-pictures", "--out", str(out))) == 0
        found[model] = [box for boxes in json.loads((out / "results_nusc.json").read_text())["results"].values() for box in boxes]
    wanted, got = found.values()
    assert len(wanted) == len(got) > 0 and [box["detection_name"] for box in wanted] == [box["detection_name"] for box in got]
    for key, within in (("translation", 1e-3), ("size", 1e-3), ("detection_score", 1e-4)):
        np.testing.assert_allclose([box[key] for box in got], [box[key] for box in wanted], atol=within)


def test_demo(exported: Exported, drive: Drive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words("demo", drive, "--model", str(exported.folder), "--backend", "openvino", "--no-open", "--out", str(tmp_path))) == 0
    page = (tmp_path / "index.html").read_text()
    assert f"--model {exported.folder} --backend openvino" in page
    assert "| camera only" in capsys.readouterr().out
