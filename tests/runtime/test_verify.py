"""`bevduet verify`: its exit code tells; it compares with the checkpoint that an export was made from, and with no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from exported import Exported

from fusion.checkpoint import load_checkpoint, save_checkpoint
from fusion.cli.main import main
from fusion.export.manifest import read_manifest, write_manifest


def verify(folder: Path, scene0523: Path, *more: str) -> int:
    return main(["verify", "--model", str(folder), "--dataroot", str(scene0523), "--frames", "1", "--threads", "1", *more])


def test_within_tolerance(exported: Exported, scene0523: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(exported.folder, scene0523, "--against", str(exported.checkpoint), "--backend", "openvino",
                  "--subsets", "CAM_FRONT+LIDAR_TOP,CAM_BACK") == 0
    said = capsys.readouterr().out
    assert "1 frames, 2 subsets of CAM_FRONT, " in said and "2 answers; detections: checkpoint " in said and said.endswith("within tolerance\n")
    assert all(f"| {name} " in said for name in ("heatmap", "attributes", "detections: score"))


def test_outside_tolerance(exported: Exported, scene0523: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import onnx

    folder = Path(shutil.copytree(exported.folder, tmp_path / "bent"))
    manifest, path = read_manifest(folder)
    model = onnx.load(path)
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name.endswith("head.heatmap.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.02), bias.name))
    onnx.save(model, path)
    write_manifest(folder, manifest, (path.name,))
    assert verify(folder, scene0523, "--against", str(exported.checkpoint), "--subsets", "LIDAR_TOP") == 1
    said = capsys.readouterr().out
    assert "outside tolerance: heatmap: differs by 2.00e-02" in said and "with LIDAR_TOP" in said


def test_a_stale_export(exported: Exported, scene0523: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, config = load_checkpoint(exported.checkpoint)
    network.head.heatmap.bias.data += 1  # type: ignore[union-attr]
    save_checkpoint(tmp_path / "trained_on.safetensors", network, config)
    assert verify(exported.folder, scene0523, "--against", str(tmp_path / "trained_on.safetensors")) == 2
    assert "stale: made from a checkpoint 'half' with sha256" in capsys.readouterr().err


@pytest.mark.parametrize(("more", "says"), [
    ([], "made from 'half', no shipped weights; name the checkpoint by --against"),
    (["--against", "runs/none.safetensors"], "runs/none.safetensors: no such checkpoint; expected the .safetensors file"),
    (["--frames", "0"], "--frames 0: expected at least 1"),
    (["--model", "nano"], "--model nano: expected an exported model, a folder that `bevduet export` wrote"),
    (["--against", "{checkpoint}", "--subsets", "CAM_FRONT+LIDAR"], "'LIDAR' is not a sensor of this rig; expected some, all, or some of CAM_FRONT,"),
])
def test_what_cannot_be_compared(exported: Exported, scene0523: Path, more: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(exported.folder, scene0523, *(word.format(checkpoint=exported.checkpoint) for word in more)) == 2
    assert says in capsys.readouterr().err
