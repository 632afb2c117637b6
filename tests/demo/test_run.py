"""The whole demo on a real simulated drive of two seconds with tiny pictures and a tiny untrained network."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fusion.checkpoint import save_checkpoint
from fusion.cli.main import main
from fusion.demo.drive import Drive, can_open_pages, recorded_drive, simulated_drive
from fusion.demo.run import Clock, run_demo
from fusion.demo.story import Story
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

CONFIG = ModelConfig(
    input=InputConfig(image_size_hw=(64, 96)),
    network=NetworkConfig(grid=BevGrid(x_range_m=(-12.8, 12.8), y_range_m=(-12.8, 12.8)),
                          camera=CameraConfig(backbone=ResNetConfig(width=0.25))))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def drive(folder: Path) -> Drive:
    return simulated_drive(folder, seed=3, duration_s=2.0, image_scale=0.05)


@pytest.fixture(scope="module")
def story(drive: Drive, folder: Path) -> Story:
    torch.manual_seed(0)
    return run_demo(drive, Perceiver(TorchBackend(build_network(CONFIG.network), CONFIG)), folder, model="tiny", command="bevduet demo <&>", seed=3,
                    clock=Clock(took_s={"simulating": 1.0}), min_score=0.0)


class Checker(HTMLParser):
    """Every tag closed, ids unique, and no address that a browser would have to fetch."""

    VOID = ("meta", "img", "input", "link", "br", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in self.VOID else [tag]
        for name, value in attrs:
            self.ids += [value or ""] if name == "id" else []
            self.sources += [value or ""] if name in ("src", "href", "srcset", "data", "poster", "action") else []

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(story: Story, folder: Path) -> None:
    text = (folder / "index.html").read_text()
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert not checker.open
    assert len(set(checker.ids)) == len(checker.ids)
    assert all(source.startswith("data:image/webp;base64,") for source in checker.sources)
    assert not re.search(r"https?://|@import|url\(|\$[a-z_]+\b", text)
    assert "bevduet demo &lt;&amp;&gt;" in text and "bevduet demo <&>" not in text
    assert story.headline().replace("'", "&#x27;") in text


def test_frames_hide_what_was_lost(story: Story, folder: Path) -> None:
    data = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', (folder / "index.html").read_text(), re.S)[0])
    assert [frame["used"] for frame in data["frames"]] == ["6 of 6 cameras and LIDAR_TOP", "5 of 6 cameras and LIDAR_TOP", "5 of 6 cameras",
                                                          "6 of 6 cameras and LIDAR_TOP"]
    front = list(story.frames[0].cameras).index("CAM_FRONT")
    assert [frame["cameras"][front] is None for frame in data["frames"]] == [False, True, True, False]
    assert [phase["lost"] for phase in data["phases"]] == [[], ["CAM_FRONT"], ["CAM_FRONT", "LIDAR_TOP"], []]
    above = cv2.imdecode(np.frombuffer(base64.b64decode(data["frames"][0]["bev"]), np.uint8), cv2.IMREAD_COLOR)
    assert above.shape == (640, 640, 3) and above.std() > 5
    assert [frame["time"] for frame in data["frames"]] == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=0.01)


def test_scores_and_counts_go_together(story: Story, folder: Path) -> None:
    names = ["both", "lidar_only", "camera_only", "one_camera_lost", "camera_and_lidar_lost"]
    assert [score.answers.state.name for score in story.scores] == names == list(story.found)
    objects = sum(story.scores[0].evaluation.ground_truth.values())
    assert len({found.objects for found in story.found.values()}) == 1
    assert story.found["both"].objects >= objects > 0  # the devkit also leaves out bicycles that stand in racks
    assert list(json.loads((folder / "states.json").read_text())["states"]) == names
    assert all((folder / "states" / name / "results_nusc.json").is_file() for name in names)
    assert list(story.took_s) == ["simulating", "perceiving and drawing", "scoring"]


@pytest.mark.parametrize("shipped", [False, True])
def test_the_command_takes_a_recorded_drive(drive: Drive, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                                            shipped: bool) -> None:
    if shipped:
        monkeypatch.setattr("fusion.checkpoint.WEIGHTS_DIR", tmp_path)
    save_checkpoint(tmp_path / "tiny.safetensors", build_network(CONFIG.network), CONFIG)
    out = tmp_path / "out"
    assert main(["demo", "--model", str(tmp_path / "tiny.safetensors"), "--dataroot", str(drive.dataroot), "--version", drive.version,
                 "--out", str(out), "--no-open"]) == 0
    said = capsys.readouterr().out
    assert said.rstrip().endswith(f"-> {out / 'index.html'}")
    assert "**mAP** (official)" in said
    assert f"--dataroot {drive.dataroot}" in (out / "index.html").read_text()
    results = [json.loads(path.read_text()) for path in (out / "states").glob("*/results_nusc.json")]
    assert [found["meta"]["use_external"] for found in results] == [shipped] * 5


def test_the_drive_is_made_once(drive: Drive, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in drive.dataroot.rglob("*.jpg")}
    again = simulated_drive(folder, seed=3, duration_s=2.0, image_scale=0.05)
    assert again.scene == drive.scene == "sim-3-0000"
    assert {path: path.stat().st_mtime_ns for path in drive.dataroot.rglob("*.jpg")} == before
    assert "--seed 3" in again.command
    settings = drive.dataroot / "simulate.json"
    kept = settings.read_text()
    settings.write_text(json.dumps({**json.loads(kept), "format": -1}))
    with pytest.raises(UserError, match="made by another version of this package; remove it"):
        simulated_drive(folder, seed=3, duration_s=2.0, image_scale=0.05)
    settings.write_text(kept)


def test_a_model_of_one_kind_of_sensor_is_refused(drive: Drive, tmp_path: Path) -> None:
    config = ModelConfig(network=NetworkConfig(camera=None))
    with pytest.raises(UserError, match="reads LiDAR only"):
        run_demo(drive, Perceiver(TorchBackend(build_network(config.network), config)), tmp_path, model="m", command="c", seed=None,
                 clock=Clock(took_s={}))


def test_recorded_drives_that_do_not_fit(drive: Drive, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a data set in nuScenes' format"):
        recorded_drive(tmp_path, "kitti")
    with pytest.raises(UserError, match="scene 'nowhere': not in"):
        recorded_drive(drive.dataroot, drive.version, "nowhere")
    with pytest.raises(UserError, match="no such folder"):
        recorded_drive(tmp_path / "absent", "v1.0-mini")


@pytest.mark.parametrize(("platform", "environment", "terminal", "expected"), [
    ("linux", ["DISPLAY"], True, True), ("linux", ["WAYLAND_DISPLAY"], True, True), ("linux", [], True, False),
    ("linux", ["DISPLAY"], False, False), ("darwin", [], True, True),
])
def test_a_page_is_opened_for_a_person_with_a_screen(platform: str, environment: list[str], terminal: bool, expected: bool) -> None:
    assert can_open_pages(platform, environment, terminal) is expected
