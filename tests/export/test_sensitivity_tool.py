"""The tool that shows which layers INT8 hurts, on a tiny network and two recorded keyframes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxscript", reason="onnxscript is not installed (extra edge)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra edge)")

from fusion.checkpoint import save_checkpoint
from fusion.data.open import open_source
from fusion.interaction.concat import ConcatConfig
from fusion.model import ModelConfig
from fusion.sensors.preprocess import InputConfig

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests" / "interaction"))
from tiny_dual import tiny_config, tiny_net  # noqa: E402


def test_every_layer_is_ranked_and_the_worst_are_put_back(
    scene0523: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fuser = ConcatConfig(channels=8)
    checkpoint = tmp_path / "tiny.safetensors"
    save_checkpoint(checkpoint, tiny_net(fuser=fuser), ModelConfig(input=InputConfig(image_size_hw=(32, 64)), network=tiny_config(fuser=fuser)))
    spec = importlib.util.spec_from_file_location("int8_sensitivity", REPO / "tools" / "int8_sensitivity.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "simulated_scenes", lambda *_: open_source(scene0523, "v1.0-mini"))  # simulating takes a minute
    monkeypatch.setattr(sys, "argv", ["int8_sensitivity.py", "--model", str(checkpoint), "--cameras", "2", "--frames", "2", "--judge", "1",
                                      "--restore", "2", "--out", str(tmp_path)])
    assert tool.main() == 0
    text = (tmp_path / "sensitivity.md").read_text()
    assert text in capsys.readouterr().out
    head, *tables = text.split("\n\n")
    layers, steps = ([[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]] for table in tables)
    assert head.endswith(f"{len(layers)} convolutions; ranges (mse) from 2 keyframes, errors on 1 others")
    errors = [float(row[3]) for row in layers]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0
    assert sum(float(row[2].rstrip("%")) for row in layers) == pytest.approx(100, abs=0.05 * len(layers))
    box = next(row for row in layers if row[0] == "head.box")
    assert float(box[3]) == 0.0 < float(box[4]) and box[5] == "no"  # it gives boxes, not confidences
    assert [row[0] for row in steps[:3]] == ["none", f"+ {layers[0][0]}", f"+ {layers[1][0]}"]
    assert steps[3][0].startswith("by default: ") and "head.heatmap" in steps[3][0]
