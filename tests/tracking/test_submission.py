"""From a detection submission to the official tracking submission, on a made-up data set."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.errors import UserError
from fusion.evaluate.submission import SubmissionWriter
from fusion.evaluate.tracking_submission import detections_of, track_submission, tracking_entries
from fusion.tracking import TRACKING_CLASSES, TrackerConfig
from fusion.types import GroundTruth, SensorSet, Tracks

BOX = {"translation": [1783.1234, 1198.5, 1.25], "size": [1.9, 4.5, 1.6], "rotation": [0.0, 0.0, 0.0, 2.0], "velocity": [1.5, -0.5],
       "detection_name": "car", "detection_score": 0.75, "attribute_name": ""}


class TwoScenes:
    """Scenes a and b of three keyframes, half a second apart; both begin at the same time."""

    def scenes(self) -> list[str]:
        return ["a", "b"]

    def tokens(self, scene: str) -> list[str]:
        return [f"{scene}{i}" for i in range(3)]

    def sensors(self) -> tuple[str, ...]:
        return ("LIDAR_TOP",)

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        assert not cameras and not lidar
        return SensorSet(cameras={}, lidar=None, stamp_ns=int(token[1:]) * 500_000_000, token=token)

    def ground_truth(self, token: str) -> GroundTruth | None:
        return None


def write(path: Path, boxes: dict[str, list[dict[str, Any]]], **meta: bool) -> Path:
    with SubmissionWriter(path, use_lidar=True, meta=meta) as writer:
        for token, entries in boxes.items():
            writer.add(token, [{"sample_token": token, **entry} for entry in entries])
    return path


def test_a_box_goes_through(tmp_path: Path) -> None:
    path = write(tmp_path / "d.json", {f"{s}{i}": [BOX] for s in "ab" for i in range(3)}, use_camera=True, use_map=True)
    summary = track_submission(TwoScenes(), path, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "tracking_result.json").read_text())
    assert written["meta"] == {"use_camera": True, "use_lidar": True, "use_radar": False, "use_map": True, "use_external": False}
    assert list(written["results"]) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert [entries[0]["tracking_id"] for entries in written["results"].values()] == ["1", "1", "1", "2", "2", "2"]
    entry = written["results"]["a1"][0]
    assert entry == {"sample_token": "a1", "translation": [1783.1234, 1198.5, 1.25], "size": [1.9, 4.5, 1.6], "rotation": [0.0, 0.0, 0.0, 1.0],
                     "velocity": [0.0, 0.0], "tracking_id": "1", "tracking_name": "car", "tracking_score": 0.75}
    assert (summary.scenes, summary.samples, summary.boxes, summary.tracks) == (("a", "b"), 6, 6, 2)


def test_same_file_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "d.json", {f"a{i}": [BOX, BOX | {"translation": [1770, 1198, 1]}] for i in range(3)})
    files = [track_submission(TwoScenes(), path, tmp_path / name).path.read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_only_the_scenes_that_are_covered(tmp_path: Path) -> None:
    path = write(tmp_path / "d.json", {f"b{i}": [] for i in range(3)})
    assert track_submission(TwoScenes(), path, tmp_path).scenes == ("b",)
    with pytest.raises(UserError, match="sample a0 of a is missing"):
        track_submission(TwoScenes(), path, tmp_path / "x", scenes=["a"])
    assert not list((tmp_path / "x").iterdir())


@pytest.mark.parametrize(("boxes", "says"), [
    ({"a0": [], "a1": []}, "sample a2 of a is missing"), ({"c0": []}, "1 samples are unknown to this data set, for example c0"),
    ({}, "expected keyframes, got none"),
    ({"a0": [BOX | {"size": [0, 1, 1]}], "a1": [], "a2": []}, "sample a0, box 0: size: expected positive"),
    ({"a0": [BOX | {"rotation": [0, 0, 0, 0]}], "a1": [], "a2": []}, "sample a0, box 0: rotation: expected a quaternion")])
def test_bad_files_are_explained(boxes: dict[str, list[dict[str, Any]]], says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        track_submission(TwoScenes(), write(tmp_path / "d.json", boxes), tmp_path / "out")


def test_an_unknown_velocity_is_zero() -> None:
    found = detections_of([BOX | {"velocity": [math.nan, math.nan]}], "t", 7)
    np.testing.assert_allclose(found.boxes, [[1783.1234, 1198.5, 1.25, 4.5, 1.9, 1.6, np.pi, 0, 0]], rtol=1e-15)
    assert (found.frame, found.stamp_ns, found.token) == ("global", 7, "t")
    assert len(detections_of([], "t", 7)) == 0


def test_entries_hold_to_the_official_limits() -> None:
    count = 600
    tracks = replace(Tracks.example(), boxes=np.repeat(Tracks.example().boxes, count, 0), ids=np.arange(1, count + 1),
                     scores=np.linspace(1, 0, count).astype(np.float32), labels=np.arange(count) % 10, age_s=np.zeros(count),
                     unseen_s=np.zeros(count), hits=np.ones(count, np.int64))
    entries = tracking_entries(tracks, "t")
    assert {entry["tracking_name"] for entry in entries} == set(TRACKING_CLASSES)
    assert len(entries) == 600 * 7 // 10
    assert len(tracking_entries(replace(tracks, labels=np.zeros(count, np.int64)), "t")) == 500
    assert entries[0]["tracking_score"] == 1.0


def test_classes_that_nuscenes_does_not_track_stay_out(tmp_path: Path) -> None:
    path = write(tmp_path / "d.json", {f"a{i}": [BOX | {"detection_name": "barrier"}] for i in range(3)})
    assert track_submission(TwoScenes(), path, tmp_path, config=TrackerConfig(classes=())).boxes == 0


def test_frames_without_times_are_not_tracked(tmp_path: Path) -> None:
    class SingleShots(TwoScenes):
        def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
            return SensorSet(cameras={}, lidar=None, stamp_ns=0, token=token)

    path = write(tmp_path / "d.json", {f"a{i}": [BOX] for i in range(3)})
    with pytest.raises(UserError, match="sample a1 of a: stamp_ns: expected later than 0, got 0"):
        track_submission(SingleShots(), path, tmp_path / "out", scenes=["a"])
