"""The official evaluator on our files: it loads them, and ground truth that was only tracked scores (nearly) perfectly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.data.nuscenes import NuScenesSource
from fusion.errors import UserError
from fusion.evaluate import tracking as official
from fusion.evaluate.nuscenes_eval import open_tables
from fusion.evaluate.submission import SubmissionWriter, to_submission
from fusion.evaluate.tracking_submission import track_submission
from fusion.tracking import TRACKING_CLASSES, TrackerConfig
from fusion.types import DETECTION_CLASSES, Detections

VERSION, SCENE = "v1.0-mini", "scene-0523"


@pytest.fixture(scope="module")
def _can_score() -> None:
    reason = official.tracking_scores_unavailable()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def tables(scene0523: Path, _can_score: None) -> Any:
    return open_tables(scene0523, VERSION)


@pytest.fixture(scope="module")
def truth_as_detections(scene0523: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotations of the scene as a detector's answer, without identities.

    An object is given from the first to the last keyframe where it counts (in range, a point on it): the evaluator fills the gaps between.
    """
    source = NuScenesSource(scene0523, VERSION)
    tokens = source.tokens(SCENE)
    truths = {token: truth for token in tokens if (truth := source.ground_truth(token)) is not None}
    ranges_m = np.array([40.0 if name in ("bicycle", "motorcycle", "pedestrian") else 50.0 for name in DETECTION_CLASSES])
    counted = [(step, name) for step, truth in enumerate(truths.values()) for name, counts in zip(
        truth.tokens, (truth.num_points > 0) & (np.hypot(*truth.boxes[:, :2].T) < ranges_m[truth.labels]), strict=True) if counts]
    last = dict((name, step) for step, name in counted)
    first = dict((name, step) for step, name in reversed(counted))
    path = tmp_path_factory.mktemp("truth") / "results_nusc.json"
    with SubmissionWriter(path, use_lidar=True) as writer:
        for step, (token, truth) in enumerate(truths.items()):
            truth = truth.select(np.array([first.get(name, len(tokens)) <= step <= last.get(name, -1) for name in truth.tokens], bool))
            readings = source.load(token, cameras=False, lidar=False)
            assert readings.global_T_ego is not None
            scores = 0.9 - 0.001 * truth.labels  # equal within a class: only the boxes and the ids can lose points
            detections = Detections(boxes=np.nan_to_num(truth.boxes), scores=scores.astype(np.float32), labels=truth.labels,
                                    attributes=truth.attributes, stamp_ns=readings.stamp_ns, sensors_used=())
            writer.add(token, to_submission(detections, readings.global_T_ego, token))
    return path


def test_golden_metrics(scene0523: Path, shared_data: Path, tables: Any) -> None:
    """The devkit's own numbers; it takes distances by a matrix product, whose last bits depend on the processor."""
    golden = shared_data / "golden_scene0523"
    evaluation = official.score_tracking(scene0523, VERSION, [SCENE], golden / "track.json", tables=tables)
    wanted = json.loads((golden / "track_metrics_summary.json").read_text())
    for summary in (evaluation.summary, wanted):
        summary.pop("eval_time")
    assert list(evaluation.summary) == list(wanted)
    for key, value in wanted.items():
        if key == "label_metrics":
            for metric, classes in value.items():
                assert evaluation.summary[key][metric] == pytest.approx(classes, abs=1e-6, nan_ok=True), metric
        else:
            assert evaluation.summary[key] == (value if isinstance(value, dict) else pytest.approx(value, abs=1e-6, nan_ok=True)), key
    table = official.tracking_table(evaluation.summary).splitlines()
    assert len({len(line) for line in table}) == 1
    assert [line.split("|")[1].strip() for line in table[2:]] == [*TRACKING_CLASSES, "all"]
    assert official.tracking_headline(evaluation.summary) == "AMOTA 0.824  AMOTP 0.577 m  IDS 8"


@pytest.mark.parametrize("config", [TrackerConfig(method="greedy", use_detected_velocity=True), TrackerConfig(method="kalman")],
                         ids=["greedy", "kalman"])
def test_tracked_ground_truth_is_nearly_perfect(config: TrackerConfig, scene0523: Path, truth_as_detections: Path, tables: Any,
                                                tmp_path: Path) -> None:
    summary = track_submission(NuScenesSource(scene0523, VERSION), truth_as_detections, tmp_path, config=config)
    scores = official.score_tracking(scene0523, VERSION, summary.scenes, summary.path, tables=tables).summary
    assert scores["amota"] > 0.99, official.tracking_table(scores)
    assert scores["amotp"] < 0.1
    assert scores["recall"] > 0.99
    assert scores["ids"] <= 6  # greedy, where velocities are unknown


def test_mismatches_are_explained(scene0523: Path, shared_data: Path, tables: Any, tmp_path: Path) -> None:
    golden = shared_data / "golden_scene0523" / "track.json"
    content = json.loads(golden.read_text())
    first = next(iter(content["results"]))
    cases: list[tuple[Any, list[str], str]] = [
        ("{", [SCENE], "not a tracking submission"), ({"results": {}}, [SCENE], "'meta'"), (content, ["scene-0001"], "scene 'scene-0001': not in"),
        (content | {"results": {first: []}}, [SCENE], "39 differ"),
        (content | {"results": content["results"] | {first: [{"sample_token": first}]}}, [SCENE], "refused by the devkit")]
    for number, (text, scenes, says) in enumerate(cases):
        path = tmp_path / f"{number}.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        with pytest.raises(UserError, match=says):
            official.score_tracking(scene0523, VERSION, scenes, path, tables=tables)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "NEEDED", ("motmetrics_that_is_not_there",))
    reason = official.tracking_scores_unavailable()
    assert reason is not None and "motmetrics_that_is_not_there" in reason and "bevduet[tracking]" in reason
    with pytest.raises(UserError, match="bevduet"):
        official.score_tracking(Path("/nowhere"), VERSION, [SCENE], Path("/nowhere.json"))
