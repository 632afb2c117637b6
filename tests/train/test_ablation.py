"""The grid of variants: each builds and differs by what it names; cells are skipped, resumed and scored; the table's arithmetic."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from synthetic import SyntheticSource, tiny_recipe

from fusion.checkpoint import load_checkpoint, resolve_model
from fusion.config import to_mapping
from fusion.errors import UserError
from fusion.evaluate.ablation_table import Row, ablation_report
from fusion.evaluate.by_state import StateAnswers, StateScore
from fusion.evaluate.nuscenes_eval import Evaluation
from fusion.network import build_network
from fusion.train.frozen import encoders_hash
from fusion.train.init import take_weights
from fusion.train.recipe import load_recipe
from fusion.train.run import train
from fusion.types import SensorBatch

REPO = Path(__file__).resolve().parents[2]
GRID = REPO / "configs" / "ablation" / "interaction.yaml"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablation", REPO / "tools" / "ablation.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["ablation"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_variants_build_start_alike_and_differ_by_what_they_name(tool: ModuleType) -> None:
    grid = tool.load_grid(GRID)
    nano, nano_config = load_checkpoint(resolve_model(grid.init))
    recipes = {row.name: load_recipe(grid.base, grid.sets[row.name]) for row in grid.rows}
    fresh = []
    for name, recipe in recipes.items():
        network = build_network(recipe.model.network)
        take_weights(network, nano, nano_config, resolve_model(grid.init), [*grid.init_parts, *grid.init_also[name]])
        mixed = [module for part, module in network.fuser.named_modules() if part.endswith("mix")]
        torch.testing.assert_close(mixed[0].state_dict(), nano.fuser.mix.state_dict())  # joins of all variants start from nano's
        if name == "query":
            continue
        fresh.append(network.eval())
    batch = SensorBatch.example(cameras=2, points=500, size_hw=(128, 352))
    with torch.no_grad():  # parts add nothing before they have learnt
        answers = [network(batch).heatmap for network in fresh]
    assert len(answers) == 7 and all(torch.allclose(answer, answers[0], atol=1e-5) for answer in answers)
    assert [row.name for row in grid.rows if row.untrained] == ["start"]
    ladder = [to_mapping(recipes[row.name].model.network) for row in grid.rows if row.control is None and not row.untrained]
    differ = [{key for key in after if after[key] != before[key]} for before, after in pairwise(ladder)]
    assert differ == [{"fuser"}, {"fuser"}, {"fuser"}, {"head", "query_loss"}]
    one_loss = [ladder[-1]["query_loss"][key] == ladder[0]["loss"][key] for key in ("class_balance", "direction")]
    assert all(one_loss)
    parts = [{name for name, part in network["fuser"].items() if isinstance(part, dict) and name != "join"} for network in ladder]
    intra, cross = {"image_self", "bev_self"}, {"image_to_bev", "bev_to_image"}
    assert parts == [set(), intra, intra | cross, intra | cross | {"polar"}, intra | cross | {"polar"}]
    alike = [{k: v for k, v in to_mapping(recipe.train).items() if k != "dropout"} for recipe in recipes.values()]
    assert all(settings == alike[0] for settings in alike)
    assert [(row.name, row.control) for row in grid.rows if row.control] == [("lidar_alone", "lidar_only"), ("camera_alone", "camera_only")]


def test_variants_of_the_dual_stream_learn_behind_the_same_encoders(tool: ModuleType) -> None:
    grid = tool.load_grid(REPO / "configs" / "ablation" / "dual_stream.yaml")
    nano, nano_config = load_checkpoint(resolve_model(grid.init))
    networks = {}
    for row in grid.rows:
        networks[row.name] = network = build_network(load_recipe(grid.base, grid.sets[row.name]).model.network)
        take_weights(network, nano, nano_config, resolve_model(grid.init), grid.init_parts)
    assert grid.frozen_versions == 2 and len({encoders_hash(network) for network in [nano, *networks.values()]}) == 1
    assert all(network.perspective is None for network in networks.values())  # it would teach the camera encoder, which stays
    parts = {name: (type(network.fuser.join).__name__, len(network.fuser.layers), network.config.lift.measured is not None)
             for name, network in networks.items()}
    dual = ("GateJoin", 1, True)
    assert parts == {"concat": ("ConcatJoin", 0, False), "gate": ("GateJoin", 0, False), "measured": ("GateJoin", 0, True), "dual": dual,
                     "lidar_alone": dual, "camera_alone": dual}


@pytest.mark.parametrize(("text", "message"), [
    ("base: micro\nvariants: {a: {titel: x}}", "variants.a.titel: unknown key; expected some of"),
    ("base: micro\nvariants: {a: {untrained: true}}", "variants.a.untrained: expected init"), ("base: micro\nseeds: 3", "seeds: unknown key"),
    ("base: micro\ninit: nano\ninit_parts: [camera]\nfrozen_versions: 1\nvariants: {a: {}}",
     "frozen_versions: expected camera and lidar among init_parts"),
    ("base: micro", "expected base and at least one of variants")])
def test_a_bad_grid_is_refused(tool: ModuleType, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "grid.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        tool.load_grid(tmp_path / "grid.yaml")


def scored(dataroot: Path, version: str, scenes: Sequence[str], runs: Sequence[StateAnswers]) -> list[StateScore]:
    """A verdict by how many sensors are lost."""
    verdicts = []
    for run in runs:
        ap = 0.5 - 0.1 * len(run.state.lost)
        summary: dict[str, Any] = {"mean_ap": ap, "nd_score": ap, "mean_dist_aps": {"car": ap}, "label_aps": {}, "label_tp_errors": {}}
        evaluation = Evaluation(summary=summary, details={}, ground_truth={"car": 2}, scenes=("a",), num_samples=4)
        verdicts.append(StateScore(answers=run, evaluation=evaluation))
    return verdicts


def test_a_broken_off_cell_goes_on_and_a_finished_one_is_left_alone(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe(epochs=2, seed=4)
    recipe = replace(recipe, model=replace(recipe.model, network=replace(
        recipe.model.network, decode=replace(recipe.model.network.decode, max_boxes=5))))
    asked: list[list[str]] = []
    monkeypatch.setattr("fusion.train.recipe.load_recipe", lambda name, sets: asked.append([name, *sets]) or recipe)
    monkeypatch.setattr("fusion.data.open.open_source", lambda *_, **__: SyntheticSource())
    monkeypatch.setattr("fusion.evaluate.by_state.score_states", scored)
    folder = tmp_path / "wide" / "4"
    train(recipe, SyntheticSource(), folder, stop_after_epochs=1, progress=False)
    (folder / tool.CLOCK).write_text(json.dumps({"wall_seconds": 1000.0, "cpu_seconds": 2000.0}))
    grid = tool.Grid(base="tiny", init=None, init_parts=(), rows=(Row(name="wide", title="wide"),), sets={"wide": ["model.num_sweeps=0"]})
    args = argparse.Namespace(set=["train.epochs=2"], dataroot=tmp_path, version="v", val_dataroot=tmp_path, val_version="v", scenes=None)
    tool.run_cell(grid, "wide", args, 4, folder)
    assert asked == [["tiny", "model.num_sweeps=0", "train.epochs=2", "train.seed=4"]]
    assert len(list(folder.glob("log/version_*"))) == 2  # the second one resumed the first
    (result,) = tool.results_of(tmp_path)
    assert {state: scores["mAP"] for state, scores in result["states"].items()} == pytest.approx(
        {"both": 0.5, "lidar_only": 0.3, "camera_only": 0.4, "one_camera_lost": 0.4, "half_cameras_lost": 0.4})
    assert result["wall_seconds"] > 1000 and result["cpu_seconds"] > 2000 and (result["variant"], result["seed"]) == ("wide", 4)
    assert result["budget"]["train"]["epochs"] == 2 and "seed" not in result["budget"]["train"]


def command(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ablation", *arguments])
    return int(tool.main())


def test_finished_cells_are_skipped_and_failures_are_told(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    started = []

    def start(arguments: list[str], variant: str, seed: int, *_: Any) -> tuple[str, bool]:
        started.append((variant, seed))
        return "as told", variant == "cross"

    monkeypatch.setattr(tool, "start_cell", start)
    (tmp_path / "intra" / "0").mkdir(parents=True)
    (tmp_path / "intra" / "0" / tool.RESULT).write_text("{}")
    common = ("--grid", str(GRID), "--out", str(tmp_path), "--seeds", "0,1", "--dataroot", "x", "--val-dataroot", "y")
    assert command(tool, monkeypatch, *common, "--variants", "concat,intra") == 0
    assert started == [("concat", 0), ("concat", 1), ("intra", 1)]  # seed by seed
    started.clear()
    assert command(tool, monkeypatch, *common, "--variants", "start,intra") == 0
    assert started == [("start", 0), ("intra", 1)]  # no seed changes what is not trained
    assert command(tool, monkeypatch, *common, "--variants", "cross") == 1
    assert command(tool, monkeypatch, *common, "--variants", "crosss") == 2
    assert "--variants crosss: not in" in capsys.readouterr().err
    assert command(tool, monkeypatch, "--grid", str(GRID), "--out", str(tmp_path)) == 2


def test_each_cell_is_told_as_it_is(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One cell is another process's at work, one finished between the list and the start, one breaks; the last is made."""

    def process(words: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        variant = words[-1].split(":")[0]
        if variant == "intra":
            (tmp_path / "intra" / "0" / tool.RESULT).write_text("{}")
        return subprocess.CompletedProcess(words, command(tool, monkeypatch, *words[words.index("--grid"):]))

    def run(grid: Any, variant: str, *_: Any) -> None:
        if variant == "polar":
            raise UserError("no such data")

    common = ("--grid", str(GRID), "--out", str(tmp_path), "--seeds", "0", "--dataroot", "x", "--val-dataroot", "y")
    monkeypatch.setattr(tool, "run_cell", run)
    monkeypatch.setattr(tool.subprocess, "run", process)
    with tool.locked(tmp_path / "concat" / "0"):
        assert command(tool, monkeypatch, *common, "--variants", "concat,intra,cross,polar") == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "concat seed 0: left to another process, which is making it", "intra seed 0: finished by another process in the meantime",
        "cross seed 0: done", f"polar seed 0: failed (2); {tmp_path / 'polar' / '0' / tool.LOG} says why"]


def test_one_process_works_in_a_folder(tool: ModuleType, tmp_path: Path) -> None:
    with tool.locked(tmp_path) as first, tool.locked(tmp_path) as second:
        assert first and not second
    with tool.locked(tmp_path) as third:
        assert third


def cell(variant: str, seed: int, both: float, lidar: float, epochs: int = 2) -> dict[str, Any]:
    states = {name: {"mAP": ap, "NDS": ap / 2, "AP": {"car": 2 * ap, "pedestrian": None}} for name, ap in
              (("both", both), ("lidar_only", lidar), ("camera_only", 0.01), ("one_camera_lost", both), ("half_cameras_lost", both))}
    budget = {"train": {"epochs": epochs, "batch_size": 4, "lr": 2e-3}, "train_scenes": 7, "val_keyframes": 9, "init": "nano",
              "init_parts": ["camera", "lift"]}
    return {"variant": variant, "seed": seed, "budget": budget, "cpu_seconds": 90.0, "states": states}


def test_the_table_by_hand() -> None:
    rows = (Row(name="s", title="start", untrained=True), Row(name="a", title="plain"),
            Row(name="b", title="+ more"), Row(name="l", title="LiDAR alone", control="lidar_only"))
    results = [cell("s", 0, 0.18, 0.1), cell("a", 0, 0.20, 0.10), cell("a", 1, 0.24, 0.10), cell("b", 0, 0.23, 0.12), cell("l", 0, 0.0, 0.11)]
    assert "Every network: 2 epochs over 7 scenes in batches of 4, peak learning rate 0.002; camera, lift of `nano`, the rest fresh. Scored on 9" in (
        ablation_report(rows, results))
    frozen = [{**result, "budget": {**result["budget"], "frozen_versions": 2}} for result in results]
    assert "the rest fresh; both encoders stay as they are, of 2 drawings of every sample. Scored on 9" in ablation_report(rows, frozen)
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in ablation_report(rows, results).splitlines()]
    assert ["plain", "2", "0.220 ± 0.028", "0.100 ± 0.000", "0.010 ± 0.000", "0.220 ± 0.028", "0.220 ± 0.028", "1.5"] in lines
    assert ["+ more", "1", "0.230", "0.120", "0.010", "0.230", "0.230", "1.5"] in lines
    assert ["start", "1", "0.180", "0.100", "0.010", "0.180", "0.180", "1.5"] in lines
    assert not any("less start" in line[0] or line[0].startswith("start, less") for line in lines)
    assert ["+ more, less plain", "1", "+3.0", "+2.0", "+0.0", "+3.0", "+3.0"] in lines  # of the one seed that both have
    assert ["+ more, less LiDAR alone", "1", "", "+1.0", "", "", ""] in lines
    assert ["plain", "2", "0.440 ± 0.057", "0.200 ± 0.000", "0.020 ± 0.000", "0.440 ± 0.057", "0.440 ± 0.057"] in lines  # cars
    with pytest.raises(UserError, match="cells of 2 different budgets"):
        ablation_report(rows, [*results, cell("b", 1, 0.2, 0.1, epochs=3)])
    with pytest.raises(UserError, match="no cell is finished"):
        ablation_report(rows, [])
