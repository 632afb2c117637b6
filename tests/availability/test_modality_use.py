"""How much a network uses each modality: states, contributions of a run, and what the command prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from synthetic import SyntheticSource, tiny_recipe

import fusion.data.open
import fusion.evaluate.modality_use as module
from fusion.checkpoint import save_checkpoint
from fusion.cli.main import main
from fusion.errors import UserError
from fusion.evaluate.by_state import StateAnswers, StateScore
from fusion.evaluate.modality_use import ContributionMeter, ModalityUse, modality_use, use_sentence, use_states, use_table, write_use
from fusion.evaluate.nuscenes_eval import Evaluation
from fusion.inputs import prepare_inputs
from fusion.losses.contribution import contributions
from fusion.network import build_network
from fusion.runtime.backends.torch_eager import TorchBackend
from fusion.runtime.perceiver import Perceiver
from fusion.sensors.preprocess import to_batch
from fusion.types import DETECTION_CLASSES, GroundTruth, SensorSet

RIG = ("CAM_A", "CAM_B", "CAM_C", "LIDAR_TOP")


class Source(SyntheticSource):
    """Instants that know their names; the second one has no LiDAR, the third no points on its box."""

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        readings = replace(SensorSet.example(points=300, seed=int(token)), token=token)
        return readings.without("LIDAR_TOP") if token == "1" else readings

    def ground_truth(self, token: str) -> GroundTruth:
        truth = super().ground_truth(token)
        return replace(truth, num_lidar_pts=np.array([0])) if token == "2" else truth


def perceiver() -> Perceiver:
    torch.manual_seed(0)
    model = tiny_recipe().model
    return Perceiver(TorchBackend(build_network(model.network), model))


def score(state: int, car: float, boxes: dict[str, int] | None = None) -> StateScore:
    """A made-up verdict on one of the states of `RIG`: cars only."""
    counts = boxes or {"car": 4, "bus": 0}
    summary: dict[str, Any] = {"mean_ap": car / 2, "nd_score": car / 4, "mean_dist_aps": {"car": car, "bus": 0.0}}
    evaluation = Evaluation(summary=summary, details={}, ground_truth=counts, scenes=("a",), num_samples=3)
    return StateScore(answers=StateAnswers(state=use_states(RIG)[state], results=Path("r.json")), evaluation=evaluation)


def metered() -> ContributionMeter:
    meter = ContributionMeter(source=Source(), perceiver=perceiver())
    meter.labels, meter.camera_nats, meter.lidar_nats = [0, 0, 5], [3.0, 2.0, 4.0], [0.5, 0.7, 1.8]
    return meter


def test_states_do_without_each_modality_and_without_half_the_cameras() -> None:
    assert [(s.name, s.lost) for s in use_states(RIG)] == [
        ("both", ()), ("without_cameras", RIG[:3]), ("without_lidar", ("LIDAR_TOP",)), ("without_half_cameras", ("CAM_B",))]
    assert [s.name for s in use_states(("CAM", "LIDAR"))] == ["both", "without_cameras", "without_lidar"]


def test_meter_takes_the_objects_that_count_where_both_modalities_are() -> None:
    source, eyes = Source(), perceiver()
    meter = ContributionMeter(source=source, perceiver=eyes)
    for token in source.tokens("synthetic"):
        meter.watch("synthetic", source.load(token), {})
    assert meter.labels == [0, 0]  # of the first and the last instant
    assert meter.mean("bus") is None and meter.mean("tram") is None
    found = []
    with torch.inference_mode():
        for token in ("0", "3"):
            batch = to_batch([source.load(token)], eyes.config.input)
            heat = [eyes.backend(prepare_inputs(eyes.config.network, view)).heatmap for view in (
                batch, batch.drop(lidar=torch.tensor([True])), batch.drop(cameras=torch.ones(1, 2, dtype=torch.bool)))]
            found.append(contributions(heat[0], heat[1], heat[2], [source.ground_truth(token)], eyes.config.network.bev_grid))
    assert meter.mean() == meter.mean("car")
    assert meter.mean() == pytest.approx((np.mean([float(p.camera_nats) for p in found]), np.mean([float(p.lidar_nats) for p in found])), rel=1e-5)


def test_the_table_says_what_is_lost_by_class(tmp_path: Path) -> None:
    use = ModalityUse(scores=(score(0, 0.6), score(1, 0.5), score(2, 0.1), score(3, 0.55)), meter=metered())
    lines = use_table(use).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = {row[0]: row[1:] for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)}
    assert cells[""] == ["boxes", "both sensors", "without cameras", "without LiDAR", "without half the cameras", "camera -log p", "LiDAR -log p"]
    assert cells["**mAP** (official)"] == ["4", "0.300", "-0.050", "-0.250", "-0.025", "3.00", "1.00"]
    assert cells["car"] == ["4", "0.600", "-0.100", "-0.500", "-0.050", "2.50", "0.60"]
    assert cells["bus"] == ["none", "-", "-", "-", "-", "-", "-"]
    assert use_sentence(use) == ("Without cameras mAP goes from 0.300 to 0.250, without LiDAR to 0.050."
                                 " At objects, the LiDAR contributes more: its part explains them better by 2.00 nats.")
    write_use(use, tmp_path, {"model": "m"})
    document = json.loads((tmp_path / "modality_use.json").read_text())
    assert document["states"]["without_cameras"] == {"lost": list(RIG[:3]), "mAP": 0.25, "NDS": 0.125, "AP": {"car": 0.5, "bus": None}}
    assert document["nats"] == {"all": {"camera": 3.0, "lidar": 1.0}, "car": {"camera": 2.5, "lidar": 0.6}, "bus": None}
    assert use_table(use) in (tmp_path / "modality_use.md").read_text()


def test_a_model_of_one_modality_is_refused(tmp_path: Path) -> None:
    model = tiny_recipe().model
    model = replace(model, network=replace(model.network, camera=None))
    with pytest.raises(UserError, match="--modality-use: the model reads the LiDAR alone; expected one that reads camera and LiDAR"):
        modality_use(Source(), Perceiver(TorchBackend(build_network(model.network), model)), tmp_path, "none", tmp_path)


def test_the_command_answers_in_every_state_and_prints_the_use(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def scored(dataroot: Path, version: str, scenes: Sequence[str], runs: Sequence[StateAnswers]) -> list[StateScore]:
        made_up = [score(0, ap, dict.fromkeys(("car", "bus"), 3)) for ap in (0.6, 0.5, 0.1, 0.55)]
        return [replace(verdict, answers=run) for verdict, run in zip(made_up, runs, strict=False)]

    monkeypatch.setattr(fusion.data.open, "open_source", lambda *_: Source())
    monkeypatch.setattr(module, "score_states", scored)
    eyes = perceiver()
    save_checkpoint(tmp_path / "m.safetensors", build_network(eyes.config.network), eyes.config)
    out = tmp_path / "out"
    command = ["evaluate", "--dataroot", str(tmp_path), "--modality-use", "--model", str(tmp_path / "m.safetensors"), "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "| car " in printed and "Without cameras mAP goes from 0.300 to 0.250, without LiDAR to 0.050." in printed
    for state in ("both", "without_cameras", "without_lidar", "without_half_cameras"):
        assert list(json.loads((out / state / "results_nusc.json").read_text())["results"]) == ["0", "1", "2", "3"]
    assert json.loads((out / "modality_use.json").read_text())["nats"]["car"]["camera"] > 0
    assert set(DETECTION_CLASSES) >= {"car", "bus"}
    with pytest.raises(SystemExit):
        main([*command, "--results", "r.json"])
    assert "not allowed with argument" in capsys.readouterr().err
