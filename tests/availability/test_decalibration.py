"""Turned cameras: by how much, about what, and what the scores say then."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import SyntheticSource, tiny_recipe

import fusion.evaluate.decalibration as module
from fusion.evaluate.by_state import StateAnswers, StateScore
from fusion.evaluate.decalibration import DecalibratedSource, decalibrate, decalibration_table, write_decalibration, yaw_cameras
from fusion.evaluate.nuscenes_eval import Evaluation
from fusion.network import build_network
from fusion.runtime.backends.torch_eager import TorchBackend
from fusion.runtime.perceiver import Perceiver
from fusion.types import SensorSet

TOOL = Path(__file__).resolve().parents[2] / "tools" / "decalibration.py"


def test_cameras_turn_about_their_own_centres() -> None:
    readings = SensorSet.example(cameras=3).without("CAM_1")
    turned = yaw_cameras(readings, np.radians(10))
    assert turned.cameras["CAM_1"] is None and turned.lidar is readings.lidar
    for name in ("CAM_0", "CAM_2"):
        old, new = readings.cameras[name], turned.cameras[name]
        assert old is not None and new is not None
        np.testing.assert_array_equal(new.ego_T_cam[:3, 3], old.ego_T_cam[:3, 3])
        before, after = old.ego_T_cam[:3, 2], new.ego_T_cam[:3, 2]  # where the camera looks
        assert np.degrees(np.arctan2(before[0] * after[1] - before[1] * after[0], before @ after)) == pytest.approx(10)
        np.testing.assert_allclose(new.ego_T_cam[:3, 1], old.ego_T_cam[:3, 1], atol=1e-12)  # down stays down
        assert new.image is old.image and np.array_equal(new.intrinsics, old.intrinsics)
    assert readings.cameras["CAM_0"].ego_T_cam[0, 2] == SensorSet.example(cameras=3).cameras["CAM_0"].ego_T_cam[0, 2]  # type: ignore[union-attr]


def test_no_angle_changes_nothing() -> None:
    readings = SensorSet.example()
    same = yaw_cameras(readings, 0.0)
    assert all(same.cameras[name] is readings.cameras[name] for name in readings.cameras)


def test_source_passes_everything_else_through() -> None:
    plain = SyntheticSource()
    turned = DecalibratedSource(plain, 0.1)
    assert (turned.scenes(), turned.tokens("synthetic"), turned.sensors()) == (plain.scenes(), plain.tokens("synthetic"), plain.sensors())
    assert np.array_equal(turned.ground_truth("0").boxes, plain.ground_truth("0").boxes)  # type: ignore[union-attr]
    assert not np.array_equal(turned.load("0").cameras["CAM_0"].ego_T_cam, plain.load("0").cameras["CAM_0"].ego_T_cam)  # type: ignore[union-attr]


def scored(dataroot: Path, version: str, scenes: Sequence[str], runs: Sequence[StateAnswers]) -> list[StateScore]:
    """A verdict that falls with the angle in the folder's name, unless on LiDAR alone."""
    verdicts = []
    for run in runs:
        angle = float(run.results.parts[-3].removeprefix("yaw_"))
        ap = {"both": 0.6 - 0.02 * angle, "camera_only": 0.3 - 0.03 * angle, "lidar_only": 0.5}[run.state.name]
        summary: dict[str, Any] = {"mean_ap": ap, "nd_score": ap / 2, "mean_dist_aps": {"car": ap}}
        evaluation = Evaluation(summary=summary, details={}, ground_truth={"car": 2}, scenes=("a",), num_samples=4)
        verdicts.append(StateScore(answers=run, evaluation=evaluation))
    return verdicts


def test_every_angle_is_answered_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "score_states", scored)
    model = tiny_recipe().model
    model = replace(model, network=replace(model.network, decode=replace(model.network.decode, min_score=0.0, max_boxes=50)))
    eyes = Perceiver(TorchBackend(build_network(model.network), model))
    result = decalibrate(SyntheticSource(), eyes, (0, 2, 10), tmp_path, "none", tmp_path)
    assert [s.mean_ap for s in result.both] == pytest.approx([0.6, 0.56, 0.4])
    assert [s.mean_ap for s in result.camera_only] == pytest.approx([0.3, 0.24, 0.0])
    assert result.lidar_only.mean_ap == 0.5
    written = {name: json.loads((tmp_path / name / "results_nusc.json").read_text())["results"]
               for name in ("yaw_0/both", "yaw_10/both", "yaw_0/camera_only", "yaw_10/camera_only", "yaw_0/lidar_only")}
    assert written["yaw_0/both"] != written["yaw_10/both"] and written["yaw_0/camera_only"] != written["yaw_10/camera_only"]
    lines = decalibration_table(result).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[4] == ["10 deg", "0.400", "-0.200", "0.200", "0.000", "-0.300"] and cells[5][:2] == ["LiDAR only", "0.500"]
    write_decalibration(result, tmp_path, {"model": "m"})
    document = json.loads((tmp_path / "decalibration.json").read_text())
    assert document["yaws_deg"] == [0, 2, 10] and document["lidar_only"]["mAP"] == [0.5]
    assert document["both"]["mAP"] == pytest.approx([0.6, 0.56, 0.4])
    assert decalibration_table(result) in (tmp_path / "decalibration.md").read_text()
    assert (tmp_path / "decalibration.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("angles", ["", "2,x", "2,2", "nan"])
def test_bad_angles_are_one_line(angles: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [str(TOOL), "--dataroot", str(tmp_path), "--out", str(tmp_path), f"--yaw-deg={angles}"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name="__main__")
    assert ended.value.code == 2
    assert f"--yaw-deg {angles!r}: expected different numbers separated by commas, such as 0,2,5,10" in capsys.readouterr().err
