"""One reading of the files, an answer per sensor state, scores that say which classes were absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.encoders.camera import CameraConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.errors import UserError
from fusion.evaluate.by_state import StateAnswers, StateScore, answer_states, half_cameras_lost, score_states, sensor_states
from fusion.evaluate.nuscenes_eval import Evaluation
from fusion.evaluate.state_table import states_table, write_states
from fusion.geometry.grid import BevGrid
from fusion.model import ModelConfig
from fusion.network import build_network
from fusion.network_config import NetworkConfig
from fusion.runtime.backends.torch_eager import TorchBackend
from fusion.runtime.perceiver import Perceiver
from fusion.sensors.preprocess import InputConfig
from fusion.types import Detections, GroundTruth, SensorSet

RIG = ("CAM_0", "CAM_1", "LIDAR_TOP")


class Counting:
    """Three keyframes that count how often each is read; `bad` ones cannot be."""

    def __init__(self, bad: tuple[str, ...] = ()) -> None:
        self.bad, self.reads = bad, 0

    def scenes(self) -> list[str]:
        return ["a"]

    def tokens(self, scene: str) -> list[str]:
        return ["a0", "a1", "a2"]

    def sensors(self) -> tuple[str, ...]:
        return RIG

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        if token in self.bad:
            raise UserError("broken")
        self.reads += 1
        return SensorSet.example(size_hw=(64, 96))

    def ground_truth(self, token: str) -> GroundTruth | None:
        return None


@pytest.fixture(scope="module")
def perceiver() -> Perceiver:
    config = ModelConfig(
        input=InputConfig(image_size_hw=(64, 96)),
        network=NetworkConfig(grid=BevGrid(x_range_m=(-12.8, 12.8), y_range_m=(-12.8, 12.8)),
                              camera=CameraConfig(backbone=ResNetConfig(width=0.25))))
    return Perceiver(TorchBackend(build_network(config.network), config))


def test_the_states_of_a_rig() -> None:
    nuscenes = sensor_states(("CAM_FRONT_LEFT", "CAM_FRONT", "LIDAR_TOP"))
    assert [(s.name, s.lost) for s in nuscenes] == [
        ("both", ()), ("lidar_only", ("CAM_FRONT_LEFT", "CAM_FRONT")), ("camera_only", ("LIDAR_TOP",)), ("one_camera_lost", ("CAM_FRONT",))]
    assert sensor_states(RIG)[-1].lost == ("CAM_0",)
    assert [s.name for s in sensor_states(("LIDAR_TOP",))] == ["both", "lidar_only", "camera_only"]
    assert half_cameras_lost(("A", "B", "C", "D", "LIDAR_TOP")).lost == ("A", "C")
    with pytest.raises(UserError, match="half the cameras cannot be lost"):
        half_cameras_lost(("A", "LIDAR_TOP"))


def test_each_keyframe_is_read_once_and_answered_in_every_state(perceiver: Perceiver, tmp_path: Path) -> None:
    source, seen = Counting(), []

    def watch(scene: str, readings: SensorSet, answers: Mapping[str, Detections]) -> None:
        seen.append((scene, readings.sensors_present, {name: answer.sensors_used for name, answer in answers.items()}))

    runs = answer_states(source, perceiver, ["a"], sensor_states(RIG), tmp_path, watch=watch)
    assert source.reads == 3
    assert seen == [("a", RIG, {"both": RIG, "lidar_only": ("LIDAR_TOP",), "camera_only": ("CAM_0", "CAM_1"),
                                "one_camera_lost": ("CAM_1", "LIDAR_TOP")})] * 3
    for run in runs:
        written = json.loads(run.results.read_text())
        assert list(written["results"]) == ["a0", "a1", "a2"]
        assert (written["meta"]["use_camera"], written["meta"]["use_lidar"]) == (run.state.name != "lidar_only", run.state.name != "camera_only")
        assert run.timer.summary()["total"]["count"] == 3
    assert not perceiver.timer.summary()  # the perceiver's own clock is given back untouched


def test_a_bad_keyframe_is_an_empty_answer(perceiver: Perceiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = answer_states(Counting(bad=("a1",)), perceiver, ["a"], sensor_states(RIG)[:1], tmp_path)
    results = json.loads(run.results.read_text())["results"]
    assert results["a1"] == [] and results["a0"]
    assert "a1: left out: broken" in capsys.readouterr().err
    with pytest.raises(UserError, match="none of the 3 keyframes could be read"):
        answer_states(Counting(bad=("a0", "a1", "a2")), perceiver, ["a"], sensor_states(RIG), tmp_path / "none")
    assert not list((tmp_path / "none").rglob("*.json"))


@pytest.mark.parametrize("external", [False, True])
def test_submissions_tell_of_other_data_that_was_learnt_from(perceiver: Perceiver, tmp_path: Path, external: bool) -> None:
    runs = answer_states(Counting(), Perceiver(perceiver.backend, external=external), ["a"], sensor_states(RIG), tmp_path)
    assert [json.loads(run.results.read_text())["meta"]["use_external"] for run in runs] == [external] * 4


def made_up(car_ap: float, boxes: Mapping[str, int]) -> StateScore:
    """A score of two classes, the second without ground truth where `boxes` says so."""
    aps = {"car": car_ap, "bus": 0.0}
    summary: dict[str, Any] = {"mean_ap": float(np.mean(list(aps.values()))), "nd_score": 0.1, "mean_dist_aps": aps,
                               "label_aps": {name: {"2.0": ap} for name, ap in aps.items()}, "label_tp_errors": {}}
    evaluation = Evaluation(summary=summary, details={}, ground_truth=dict(boxes), scenes=("a",), num_samples=3)
    (state, *_) = sensor_states(RIG)
    return StateScore(answers=StateAnswers(state=state, results=Path("r.json")), evaluation=evaluation)


def test_absent_classes_are_not_scored_as_failures(tmp_path: Path) -> None:
    score = made_up(0.6, {"car": 4, "bus": 0})
    assert (score.mean_ap, score.mean_ap_present) == (0.3, 0.6)
    assert score.class_ap == {"car": 0.6, "bus": None}
    lines = states_table([score]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert any(line.split("|")[1:4] == [f" {'mAP of the 1 classes present':28} ", "       ", "        0.600 "] for line in lines)
    write_states([score], tmp_path, {"model": "m"})
    assert "Without a box that counts in these scenes: bus." in (tmp_path / "states.md").read_text()
    state = json.loads((tmp_path / "states.json").read_text())["states"]["both"]
    assert (state["AP"], state["mAP_classes_present"]) == ({"car": 0.6, "bus": None}, 0.6)
    assert "classes present" not in states_table([made_up(0.6, {"car": 4, "bus": 1})])


def test_ground_truth_as_answer_scores_full_marks(scene0523: Path, shared_data: Path, tmp_path: Path) -> None:
    """The scorer sees each state's own file: a submission with a known score beside an empty one."""
    golden = json.loads((shared_data / "golden_scene0523/det.json").read_text())
    both, lidar, *_ = (StateAnswers(state=s, results=tmp_path / s.name / "results_nusc.json") for s in sensor_states(RIG))
    for run, results in ((both, golden["results"]), (lidar, {token: [] for token in golden["results"]})):
        run.results.parent.mkdir()
        run.results.write_text(json.dumps({"meta": golden["meta"], "results": results}))
    scores = score_states(scene0523, "v1.0-mini", ["scene-0523"], [both, lidar])
    assert [score.mean_ap for score in scores] == [0.5631315698895427, 0.0]
    assert (tmp_path / "both" / "metrics_summary.json").is_file()
