"""Scores of the official nuScenes devkit for any set of scenes; the metric code is the devkit's own, untouched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuscenes import NuScenes
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.common.loaders import add_center_dist, filter_eval_boxes, get_samples_of_scenes, load_gt_of_sample_tokens
from nuscenes.eval.detection.data_classes import DetectionBox
from nuscenes.eval.detection.evaluate import DetectionEval

from fusion.data.splits import choose_by_name
from fusion.errors import UserError
from fusion.evaluate.submission import read_submission
from fusion.files import write_text

DETECTION_CONFIG = "detection_cvpr_2019"

Choose = Callable[[str, Sequence[Any]], Sequence[Any]]
"""Takes the token and the boxes (the devkit's, in the global frame) of a sample, and returns those that count."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the devkit says about one submission.

    Attributes:
        summary: the content of `metrics_summary.json`.
        details: the content of `metrics_details.json`: precision, recall and errors by "class:distance".
        ground_truth: number of annotated boxes per class that count (in range, with at least one LiDAR or radar point).
        scenes: names of the scenes.
        num_samples: keyframes evaluated.
        found, annotated: the devkit's `EvalBoxes` that count; None in scores that were read from files.
    """

    summary: dict[str, Any]
    details: dict[str, Any]
    ground_truth: dict[str, int]
    scenes: tuple[str, ...]
    num_samples: int
    found: Any = None
    annotated: Any = None


class _ScenesEval(DetectionEval):  # type: ignore[misc]
    """`DetectionEval` for given sample tokens: the devkit's own constructor takes only the names of whole splits."""

    def __init__(self, nusc: Any, tokens: Sequence[str], results: dict[str, Any], choose: Choose | None = None) -> None:
        self.cfg = config_factory(DETECTION_CONFIG)
        self.verbose = False
        self.pred_boxes = self._loaded(nusc, EvalBoxes.deserialize({t: results[t] for t in tokens}, DetectionBox))
        self.gt_boxes = self._loaded(nusc, load_gt_of_sample_tokens(nusc, list(tokens), DetectionBox))
        self.sample_tokens = self.gt_boxes.sample_tokens
        if choose is not None:
            for boxes in (self.pred_boxes, self.gt_boxes):
                for token in boxes.sample_tokens:
                    boxes.boxes[token] = list(choose(token, boxes[token]))

    def _loaded(self, nusc: Any, boxes: Any) -> Any:
        if not boxes.all:  # the devkit's filter cannot tell the type of no boxes at all and raises
            return boxes
        return filter_eval_boxes(nusc, add_center_dist(nusc, boxes), self.cfg.class_range)


def evaluate_detections(dataroot: Path, version: str, scenes: Sequence[str] | None, results_path: Path,
                        out_dir: Path) -> dict[str, Any]:
    """Score a submission and write the devkit's `metrics_summary.json` and `metrics_details.json` unchanged.

    Args:
        dataroot: nuScenes root.
        version: its table folder, for example "v1.0-mini".
        scenes: names of scenes or splits; None for all scenes of the tables.
        results_path: the submission.
        out_dir: where the two files go.

    Returns:
        The summary.

    Raises:
        UserError: unreadable tables or results, unknown scenes, samples missing from the results or unknown there.
    """
    evaluation = score_detections(dataroot, version, scenes, results_path)
    write_metrics(evaluation, out_dir)
    return evaluation.summary


def score_detections(dataroot: Path, version: str, scenes: Sequence[str] | None, results_path: Path, *, tables: Any = None,
                     choose: Choose | None = None) -> Evaluation:
    """Score a submission; arguments and errors as in `evaluate_detections`, nothing is written.

    `tables` is what `open_tables` gave for the same data set, to load it once for several submissions. `choose` leaves only some boxes in the
    score, annotated and detected ones alike, of those that the devkit's own filters leave.
    """
    submission = read_submission(results_path)
    nusc = open_tables(dataroot, version) if tables is None else tables
    names = _scene_names(nusc, scenes)
    tokens = get_samples_of_scenes(names, nusc)
    _check_samples(nusc, names, tokens, submission["results"], results_path)
    if not any(nusc.get("sample", token)["anns"] for token in tokens):
        raise UserError(f"{dataroot}/{version}: no annotations in {len(names)} scene(s); choose scenes with ground truth")
    blind = [token for token in tokens if "LIDAR_TOP" not in nusc.get("sample", token)["data"]]
    if blind:
        raise UserError(f"{dataroot}/{version}: {len(blind)} of {len(tokens)} samples have no LIDAR_TOP record, from whose ego pose the devkit"
                        f" measures distances, for example {blind[0]}; score scenes that were recorded with a LiDAR")
    official = _ScenesEval(nusc, tokens, submission["results"], choose)
    metrics, details = official.evaluate()
    summary = metrics.serialize()
    summary["meta"] = dict(submission["meta"])
    counts = Counter(box.detection_name for box in official.gt_boxes.all)
    return Evaluation(summary=summary, details=details.serialize(), scenes=tuple(names), num_samples=len(tokens),
                      ground_truth={name: counts[name] for name in official.cfg.class_names}, found=official.pred_boxes,
                      annotated=official.gt_boxes)


def write_metrics(evaluation: Evaluation, out_dir: Path) -> None:
    """Write both JSON files in the devkit's formatting, each atomically."""
    write_text(out_dir / "metrics_details.json", json.dumps(evaluation.details, indent=2))
    write_text(out_dir / "metrics_summary.json", json.dumps(evaluation.summary, indent=2))


def open_tables(dataroot: Path, version: str) -> Any:
    """The devkit's `NuScenes` of a data set; UserError where its tables cannot be loaded."""
    if not (dataroot / version / "scene.json").is_file():
        found = sorted(p.parent.name for p in dataroot.glob("*/scene.json")) if dataroot.is_dir() else []
        raise UserError(f"{dataroot / version}: no nuScenes tables there; "
                        + (f"--version can be {found}" if found else "give --dataroot the folder above v1.0-..."))
    try:
        return NuScenes(version=version, dataroot=str(dataroot), verbose=False)
    except (AssertionError, KeyError, ValueError, OSError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{dataroot / version}: tables cannot be loaded ({reason}); restore the files from the nuScenes"
                        " archives") from None


def _scene_names(nusc: Any, scenes: Sequence[str] | None) -> list[str]:
    names = choose_by_name([scene["name"] for scene in nusc.scene], scenes, Path(nusc.dataroot) / nusc.version)
    if not names:
        raise UserError("scenes: expected at least one scene name, got none")
    return names


def _check_samples(nusc: Any, scenes: Sequence[str], tokens: Sequence[str], results: dict[str, Any], path: Path) -> None:
    wanted = set(tokens)
    missing = [token for token in tokens if token not in results]
    extra = [token for token in results if token not in wanted]
    if not missing and not extra:
        return
    all_tokens = {sample["token"] for sample in nusc.sample}
    unknown = [token for token in extra if token not in all_tokens]
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {len(tokens)} samples are missing, for example {missing[0]}")
    if unknown:
        parts.append(f"{len(unknown)} samples are unknown to these tables, for example {unknown[0]}")
    if len(extra) > len(unknown):
        parts.append(f"{len(extra) - len(unknown)} samples belong to other scenes")
    covered = sorted({nusc.get("scene", nusc.get("sample", t)["scene_token"])["name"] for t in results if t in all_tokens})
    remedy = "write the file again with `bevduet perceive` and the same --dataroot, --version and --scenes"
    if covered and set(covered) != set(scenes):
        remedy = f"give --scenes {','.join(covered[:3])}{',...' if len(covered) > 3 else ''}"
    raise UserError(f"{path}: {'; '.join(parts)}; {remedy}")
