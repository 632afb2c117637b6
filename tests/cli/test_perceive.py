"""The offline job on a made-up data set: complete results, bad keyframes survived, nothing half-written."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path

import pytest
import torch

from fusion.cli.main import build_parser, main
from fusion.cli.perceive import _load_perceiver
from fusion.cli.perceive_job import JobSummary, PerceiveJob, run_job
from fusion.encoders.camera import CameraConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.errors import UserError
from fusion.geometry.grid import BevGrid
from fusion.model import ModelConfig
from fusion.network import build_network
from fusion.network_config import NetworkConfig
from fusion.runtime.backends.torch_eager import TorchBackend
from fusion.runtime.perceiver import Perceiver
from fusion.sensors.preprocess import InputConfig
from fusion.types import GroundTruth, SensorSet


class MadeUp:
    """Two scenes of three keyframes; the tokens in `bad` cannot be read."""

    def __init__(self, bad: tuple[str, ...] = ()) -> None:
        self.bad = bad

    def scenes(self) -> list[str]:
        return ["a", "b"]

    def tokens(self, scene: str) -> list[str]:
        return [f"{scene}{i}" for i in range(3)]

    def sensors(self) -> tuple[str, ...]:
        return ("CAM_0", "CAM_1", "LIDAR_TOP")

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        if token in self.bad:
            raise UserError(f"{token}: broken")
        absent = ([] if cameras else ["CAM_0", "CAM_1"]) + ([] if lidar else ["LIDAR_TOP"])
        return SensorSet.example(size_hw=(64, 96)).without(*absent)

    def ground_truth(self, token: str) -> GroundTruth | None:
        return GroundTruth.example() if token.startswith("a") else None


@pytest.fixture
def perceiver() -> Perceiver:
    config = ModelConfig(
        input=InputConfig(image_size_hw=(64, 96)),
        network=NetworkConfig(grid=BevGrid(x_range_m=(-12.8, 12.8), y_range_m=(-12.8, 12.8)),
                              camera=CameraConfig(backbone=ResNetConfig(width=0.25))))
    torch.manual_seed(0)
    return Perceiver(TorchBackend(build_network(config.network), config))


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_every_file_is_written(perceiver: Perceiver, tmp_path: Path) -> None:
    summary = run_job(MadeUp(), perceiver, PerceiveJob(scenes=("a", "b"), out=tmp_path, draw_every=2))
    assert names(tmp_path) == {"results_nusc.json", "timing.json", "a.mp4", "b.mp4", "pictures/a/000_a0.jpg", "pictures/a/002_a2.jpg",
                               "pictures/b/000_b0.jpg", "pictures/b/002_b2.jpg"}
    results = json.loads((tmp_path / "results_nusc.json").read_text())
    assert list(results["results"]) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert (results["meta"]["use_camera"], results["meta"]["use_lidar"]) == (True, True)
    assert summary.boxes == sum(len(boxes) for boxes in results["results"].values()) > 0
    assert json.loads((tmp_path / "timing.json").read_text())["stages"]["network"]["count"] == 6


def test_a_bad_keyframe_costs_only_itself(perceiver: Perceiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_job(MadeUp(bad=("a0",)), perceiver, PerceiveJob(scenes=("a",), out=tmp_path, draw_every=0))
    results = json.loads((tmp_path / "results_nusc.json").read_text())["results"]
    assert results["a0"] == []
    assert results["a1"]
    assert (summary.failed, summary.warnings) == (1, 1)
    assert "bevduet: warning: a0: left out: a0: broken" in capsys.readouterr().err


def test_nothing_readable_is_an_error_and_leaves_nothing(perceiver: Perceiver, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of the 3 keyframes"):
        run_job(MadeUp(bad=("a0", "a1", "a2")), perceiver, PerceiveJob(scenes=("a",), out=tmp_path))
    assert names(tmp_path) == set()


@pytest.mark.parametrize("external", [False, True])
def test_meta_tells_of_other_data_that_was_learnt_from(perceiver: Perceiver, tmp_path: Path, external: bool) -> None:
    told = Perceiver(perceiver.backend, external=external)
    run_job(MadeUp(), told, PerceiveJob(scenes=("b",), out=tmp_path, draw_every=0))
    assert json.loads((tmp_path / "results_nusc.json").read_text())["meta"]["use_external"] is external


@pytest.mark.parametrize(("words", "external"), [([], True), (["--untrained"], False), (["--untrained", "--external"], True)])
def test_shipped_weights_learnt_from_other_data(words: list[str], external: bool) -> None:
    args = build_parser().parse_args(["perceive", "--dataroot", "d", "--out", "o", *words])
    assert _load_perceiver(args).external is external


@pytest.mark.parametrize(("choice", "meta"), [({"cameras": False}, (False, True)), ({"drop": ("LIDAR_TOP",)}, (True, False)),
                                              ({"cameras": False, "lidar": False}, (False, False))])
def test_meta_is_true_to_the_sensors(perceiver: Perceiver, tmp_path: Path, choice: dict[str, object], meta: tuple[bool, bool]) -> None:
    run_job(MadeUp(), perceiver, PerceiveJob(scenes=("b",), out=tmp_path, draw_every=0, **choice))  # type: ignore[arg-type]
    written = json.loads((tmp_path / "results_nusc.json").read_text())
    assert (written["meta"]["use_camera"], written["meta"]["use_lidar"]) == meta
    assert len(written["results"]) == 3


def test_keyframes_are_let_go_of(perceiver: Perceiver, tmp_path: Path) -> None:
    """Memory cannot grow with the number of samples where only the keyframe before is still alive when the next is read."""
    loaded: list[weakref.ref[SensorSet]] = []
    most: list[int] = []

    class Watched(MadeUp):
        def tokens(self, scene: str) -> list[str]:
            return [f"{scene}{i}" for i in range(12)]

        def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
            gc.collect()
            most.append(sum(reference() is not None for reference in loaded))
            sensor_set = super().load(token, num_sweeps=num_sweeps, cameras=cameras, lidar=lidar)
            loaded.append(weakref.ref(sensor_set))
            return sensor_set

    run_job(Watched(), perceiver, PerceiveJob(scenes=("a", "b"), out=tmp_path, draw_every=6))
    assert len(most) == 24 and max(most) <= 1


@pytest.mark.parametrize(("words", "warned"), [([], True), (["--no-pictures"], False)])
def test_pictures_of_kitti_come_with_what_its_labels_leave_out(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                              capsys: pytest.CaptureFixture[str], words: list[str], warned: bool) -> None:
    monkeypatch.setattr("fusion.cli.perceive_job.run_job", lambda *_, **__: JobSummary())
    assert main(["perceive", "--dataroot", str(shared_data / "kitti_object_3frames"), "--version", "kitti", "--model", "micro", "--untrained",
                 "--out", str(tmp_path), *words]) == 0
    assert ("--version kitti: only what image_2 sees is labelled" in capsys.readouterr().err) == warned
