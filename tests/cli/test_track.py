"""`bevduet track` as a user calls it, on a data set of two keyframes."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from tiny_nuscenes import make_root

from fusion.cli.main import main
from fusion.cli.track import EXAMPLES
from fusion.config import to_mapping
from fusion.evaluate.submission import SubmissionWriter
from fusion.tracking.config import TrackerConfig

BOX = {"translation": [10, 2, 1], "size": [2, 4, 1.5], "rotation": [1, 0, 0, 0], "velocity": [0, 0], "detection_name": "car",
       "detection_score": 0.4, "attribute_name": ""}


@pytest.fixture
def argv(tmp_path: Path) -> list[str]:
    root = make_root(tmp_path / "data")
    with SubmissionWriter(tmp_path / "d.json", use_lidar=True) as writer:
        for token in ("k0", "k1"):
            writer.add(token, [{"sample_token": token, **BOX}])
    return ["track", "--dataroot", str(root), "--version", "v1.0-tiny", "--detections", str(tmp_path / "d.json"), "--out", str(tmp_path / "out")]


def test_writes_the_submission(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--scenes", "scene-tiny,scene-tiny"]) == 0
    assert "2 keyframes of 1 scene(s), 1 tracks, 2 boxes -> " in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "tracking_result.json").read_text())["results"]
    assert [box["tracking_id"] for boxes in results.values() for box in boxes] == ["1", "1"]


def test_settings_reach_the_tracker(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--method", "greedy", "--set", "min_scores.car=0.5"]) == 0
    assert "0 tracks, 0 boxes" in capsys.readouterr().out


@pytest.mark.parametrize(("more", "says"), [
    (["--set", "min_scor=0.5"], "tracker.min_scor: unknown key; did you mean 'min_score'?"),
    (["--scenes", "scene-0001"], "scene 'scene-0001'"), (["--detections", "/nowhere.json"], "/nowhere.json: no such file"),
    (["--version", "v1.0-other"], "v1.0-other"), (["--out", "/proc/x"], "--out /proc/x: cannot be made")])
def test_bad_input_is_one_line(more: list[str], says: str, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bevduet: error: ") and error.count("\n") == 1
    assert says in error


def test_help_names_every_setting_with_its_default() -> None:
    defaults = to_mapping(TrackerConfig())
    for field in fields(TrackerConfig):
        value = defaults[field.name]
        text = f"[{', '.join(value)}]" if isinstance(value, list) else str(value).lower()
        wanted = rf"\b{field.name}\.CLASS \(none" if value == {} else rf"\b{field.name}={re.escape(text)}(\s|$)"
        assert re.search(wanted, EXAMPLES), f"{field.name}={text}"
