from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fusion.errors import UserError
from fusion.evaluate.nuscenes_eval import Evaluation, score_detections, write_metrics
from fusion.evaluate.report import headline, table, write_report
from fusion.evaluate.submission import META_KEYS, SubmissionWriter

VERSION = "v1.0-mini"


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> Path:
    return shared_data / "golden_scene0523"


@pytest.fixture(scope="module")
def evaluation(scene0523: Path, golden: Path) -> Evaluation:
    return score_detections(scene0523, VERSION, ["scene-0523"], golden / "det.json")


def differences(got: Any, wanted: Any, where: str = "") -> Iterator[str]:
    """Where two JSON values differ; floats may differ by the last bits that another processor's vector units round otherwise."""
    if isinstance(wanted, dict) and isinstance(got, dict) and list(got) == list(wanted):
        for key in wanted:
            yield from differences(got[key], wanted[key], f"{where}/{key}")
    elif isinstance(wanted, list) and isinstance(got, list) and len(got) == len(wanted):
        for index, (one, other) in enumerate(zip(got, wanted, strict=True)):
            yield from differences(one, other, f"{where}/{index}")
    elif isinstance(wanted, float) and isinstance(got, float):
        if not (math.isclose(got, wanted, rel_tol=1e-12, abs_tol=1e-15) or (math.isnan(got) and math.isnan(wanted))):
            yield f"{where}: {got!r}, expected {wanted!r}"
    elif got != wanted:
        yield f"{where}: {got!r}, expected {wanted!r}"


def test_golden_metrics(evaluation: Evaluation, golden: Path, tmp_path: Path) -> None:
    write_metrics(evaluation, tmp_path)
    for name in ("metrics_summary.json", "metrics_details.json"):
        got, wanted = json.loads((tmp_path / name).read_text()), json.loads((golden / f"det_{name}").read_text())
        if "eval_time" in wanted:
            assert got.pop("eval_time") >= 0
            wanted.pop("eval_time")
        assert list(differences(got, wanted)) == []
    assert (evaluation.summary["mean_ap"], evaluation.summary["nd_score"]) == (0.5631315698895427, 0.6480849924108296)


def test_a_difference_is_found() -> None:
    assert list(differences({"a": [1.0, float("nan")]}, {"a": [1.0 + 1e-15, float("nan")]})) == []
    assert list(differences({"a": [1.0]}, {"a": [1.0 + 1e-9]})) == ["/a/0: 1.0, expected 1.000000001"]
    assert len(list(differences({"a": 1.0}, {"b": 1.0}))) == 1


def test_report(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ap.png", "precision_recall.png", "report.md"]
    text = (tmp_path / "report.md").read_text()
    assert "mAP 0.563  NDS 0.648" in text
    assert "40 keyframes of scene-0523. The results say they rest on: lidar." in text
    assert len(text.partition("## What is missed, and what is invented")[2].partition("\n\n")[2].partition("\n\n")[0].splitlines()) == 2 + 10


def test_table_columns_line_up(evaluation: Evaluation) -> None:
    lines = table(evaluation.summary, evaluation.ground_truth).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 2 + 10 + 1
    assert lines[-1].split("|")[1].strip() == "mean"
    assert headline(evaluation.summary) == "mAP 0.563  NDS 0.648"


def test_no_boxes_at_all_score_zero(scene0523: Path, golden: Path, tmp_path: Path) -> None:
    with SubmissionWriter(tmp_path / "r.json") as writer:
        for token in json.loads((golden / "det.json").read_text())["results"]:
            writer.add(token, [])
    evaluation = score_detections(scene0523, VERSION, None, tmp_path / "r.json")
    assert evaluation.summary["mean_ap"] == 0
    write_report(evaluation, tmp_path / "out")  # plots without a single curve point


def submission(path: Path, tokens: list[str]) -> Path:
    results: dict[str, Any] = {token: [] for token in tokens}
    path.write_text(json.dumps({"meta": dict.fromkeys(META_KEYS, False), "results": results}))
    return path


def test_missing_and_unknown_samples_are_counted(scene0523: Path, golden: Path, tmp_path: Path) -> None:
    tokens = list(json.loads((golden / "det.json").read_text())["results"])
    with pytest.raises(UserError, match=f"1 of 40 samples are missing, for example {tokens[3]}.*write the file again"):
        score_detections(scene0523, VERSION, None, submission(tmp_path / "r.json", tokens[:3] + tokens[4:]))
    with pytest.raises(UserError, match="1 samples are unknown to these tables, for example nobody"):
        score_detections(scene0523, VERSION, None, submission(tmp_path / "r.json", [*tokens, "nobody"]))


@pytest.mark.parametrize(("version", "scenes", "message"), [
    ("v1.0-trainval", None, r"no nuScenes tables there; --version can be \['v1.0-mini'\]"),
    (VERSION, ["scene-0532"], r"scene 'scene-0532': not in .*; expected one of scene-0523"),
    (VERSION, ["val"], "split 'val': 149 of its 150 scenes are not in these tables"),
    (VERSION, [], "expected at least one scene name"),
])
def test_bad_scenes_and_versions(scene0523: Path, golden: Path, version: str, scenes: list[str] | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        score_detections(scene0523, version, scenes, golden / "det.json")


def test_broken_tables_are_one_line(golden: Path, tmp_path: Path) -> None:
    (tmp_path / VERSION).mkdir()
    (tmp_path / VERSION / "scene.json").write_text("[")
    with pytest.raises(UserError, match="tables cannot be loaded") as caught:
        score_detections(tmp_path, VERSION, None, golden / "det.json")
    assert "\n" not in str(caught.value)
