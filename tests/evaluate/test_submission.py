from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fusion.errors import UserError
from fusion.evaluate.submission import META_KEYS, SubmissionWriter, read_submission, to_submission
from fusion.types import Detections


def quarter_turn() -> np.ndarray:
    """Ego at global (100, 200, 0), looking along global +y."""
    pose = np.eye(4)
    pose[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    pose[:3, 3] = [100, 200, 0]
    return pose


def moving_car(**changes: object) -> Detections:
    boxes = np.array([[10, 2, 1, 4, 2, 1.5, np.pi / 2, 3, 0]], np.float32)
    return replace(Detections.example(), boxes=boxes, attributes=("vehicle.moving",), **changes)  # type: ignore[arg-type]


def test_one_box_by_hand() -> None:
    (box,) = to_submission(moving_car(), quarter_turn(), "t0")
    assert box["sample_token"] == "t0"
    assert box["translation"] == [98.0, 210.0, 1.0]  # 10 ahead = +10 y, 2 left = -2 x
    assert box["size"] == [2.0, 4.0, 1.5]  # width, length, height
    assert np.abs(box["rotation"]) == pytest.approx([0, 0, 0, 1], abs=1e-6)  # 90 + 90 degrees about z
    assert box["velocity"] == [0.0, 3.0]
    assert box["detection_name"] == "car"
    assert box["detection_score"] == float(np.float32(0.9)) or box["detection_score"] == pytest.approx(0.9, abs=1e-7)
    assert box["attribute_name"] == "vehicle.moving"


def test_rotation_agrees_with_the_quaternion_product() -> None:
    from pyquaternion import Quaternion

    tilt = Quaternion(axis=[1, 2, 3], angle=0.4)
    pose = np.eye(4)
    pose[:3, :3] = tilt.rotation_matrix
    (box,) = to_submission(moving_car(), pose, "t")
    expected = tilt * Quaternion(axis=[0, 0, 1], angle=np.pi / 2)
    assert Quaternion.absolute_distance(Quaternion(box["rotation"]), expected) < 1e-6


def test_global_boxes_are_not_moved() -> None:
    (box,) = to_submission(moving_car(frame="global"), quarter_turn(), "t")
    assert box["translation"] == [10.0, 2.0, 1.0]


def test_at_most_500_best_first() -> None:
    count = 600
    many = Detections(boxes=np.tile(Detections.example().boxes, (count, 1)), scores=np.linspace(0, 1, count, dtype=np.float32),
                      labels=np.zeros(count, np.int64), attributes=("",) * count, stamp_ns=0, sensors_used=())
    boxes = to_submission(many, np.eye(4), "t")
    assert len(boxes) == 500
    assert boxes[0]["detection_score"] == 1.0
    assert boxes[-1]["detection_score"] < boxes[0]["detection_score"]


def test_an_attribute_of_another_class_is_dropped() -> None:
    cone = replace(Detections.example(), labels=np.array([8]))
    assert to_submission(cone, np.eye(4), "t")[0]["attribute_name"] == ""
    pedestrian = replace(Detections.example(), labels=np.array([5]))
    assert to_submission(pedestrian, np.eye(4), "t")[0]["attribute_name"] == ""


def test_unknown_class_names_the_value() -> None:
    with pytest.raises(UserError, match="'tram': not a nuScenes detection class"):
        to_submission(replace(Detections.example(), classes=("tram",)), np.eye(4), "t")


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results_nusc.json"
    boxes = to_submission(moving_car(), quarter_turn(), "a")
    with SubmissionWriter(path, use_camera=True, meta={"use_lidar": True}) as writer:
        writer.add("a", boxes)
        writer.add("b", [])
        assert not path.exists()
    data = read_submission(path)
    assert data["results"] == {"a": boxes, "b": []}
    assert data["meta"] == dict(zip(META_KEYS, [True, True, False, False, False], strict=True))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_empty_submission_is_valid(tmp_path: Path) -> None:
    with SubmissionWriter(tmp_path / "r.json"):
        pass
    assert read_submission(tmp_path / "r.json")["results"] == {}


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with SubmissionWriter(tmp_path / "r.json") as writer:
            writer.add("a", [])
            raise RuntimeError("camera on fire")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


TERMINATED = """
import os, signal, sys
from pathlib import Path
from fusion.process import settle
settle()
from fusion.evaluate.submission import SubmissionWriter
with SubmissionWriter(Path(sys.argv[1])) as writer:
    writer.add("a", [])
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_program_that_is_terminated_leaves_nothing(tmp_path: Path) -> None:
    code = subprocess.run([sys.executable, "-c", TERMINATED, str(tmp_path / "r.json")], capture_output=True, check=False).returncode
    assert code == -signal.SIGINT  # as after Ctrl-C
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"), SubmissionWriter(tmp_path / "r.json"):
        monkeypatch.setattr(json, "dumps", full)
    assert list(tmp_path.iterdir()) == []


def test_a_token_twice_is_refused(tmp_path: Path) -> None:
    with SubmissionWriter(tmp_path / "r.json") as writer:
        writer.add("a", [])
        with pytest.raises(ValueError, match="'a': expected each sample once"):
            writer.add("a", [])


GOOD_META = dict.fromkeys(META_KEYS, False)
BOX = to_submission(moving_car(), np.eye(4), "a")[0]


def with_box(**changes: object) -> str:
    return json.dumps({"meta": GOOD_META, "results": {"a": [{**BOX, **changes}]}})


@pytest.mark.parametrize(("text", "message"), [
    ('{"meta": {}, "resul', "not valid JSON .*truncated"),
    ("[]", "`meta` is missing"),
    (json.dumps({"meta": GOOD_META}), "`results` is missing"),
    (json.dumps({"meta": {**GOOD_META, "use_lidar": "yes"}, "results": {}}), "meta.use_lidar: expected true or false, got 'yes'"),
    (json.dumps({"meta": GOOD_META, "results": {"a": {}}}), "sample a: expected a list"),
    (json.dumps({"meta": GOOD_META, "results": {"a": [BOX] * 501}}), "501 boxes, the official limit is 500"),
    (json.dumps({"meta": GOOD_META, "results": {"b": [BOX]}}), "sample_token: expected 'b', got 'a'"),
    (with_box(detection_name="tram"), "detection_name: .*got 'tram'"),
    (with_box(detection_score=None), "detection_score: .*got None"),
    (with_box(size=[1, 2]), r"size: expected 3 finite numbers, got \[1, 2\]"),
    (with_box(size=[1, 0, 2]), r"size: expected positive width, length and height, got \[1, 0, 2\]"),
    (with_box(rotation=[0, 0.0, 0, 0]), r"rotation: expected a quaternion w, x, y, z that is not zero"),
    (with_box(translation=[1, 2, float("nan")]), "translation: expected 3 finite"),
    (with_box(velocity=[float("inf"), 0]), "velocity: expected 2 finite numbers, got"),
    (with_box(attribute_name="flying"), "attribute_name: .*got 'flying'"),
])
def test_bad_files_are_named_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_submission(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_submission(tmp_path / "r.json")
