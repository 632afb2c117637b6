"""Official nuScenes tracking scores for any set of scenes; the metric code is the devkit's own, untouched."""

from __future__ import annotations

import importlib.util
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion.errors import UserError
from fusion.evaluate.nuscenes_eval import open_tables
from fusion.files import write_text

TRACKING_CONFIG = "tracking_nips_2019"
NEEDED = ("motmetrics", "pandas")
COLUMNS = {"amota": "AMOTA", "amotp": "AMOTP m", "recall": "recall", "mota": "MOTA", "motp": "MOTP m", "gt": "boxes", "tp": "TP", "fp": "FP",
           "fn": "FN", "ids": "IDS", "frag": "FRAG", "mt": "MT", "ml": "ML"}
COUNTS = ("gt", "tp", "fp", "fn", "ids", "frag", "mt", "ml")
ANY_SPLIT = "mini_val"
"""`create_tracks` asks for a split and only fills the moments of that split's scenes that no sample covers: here every one is covered."""


@dataclass(frozen=True, kw_only=True)
class TrackingEvaluation:
    """What the devkit says about one tracking submission.

    Attributes:
        summary: the content of `metrics_summary.json`.
        details: the content of `metrics_details.json`: every metric by class and recall threshold.
        scenes: names of the scenes.
        num_samples: keyframes evaluated.
    """

    summary: dict[str, Any]
    details: dict[str, Any]
    scenes: tuple[str, ...]
    num_samples: int


def tracking_scores_unavailable() -> str | None:
    """Why the official tracking metrics cannot be computed here; None where they can."""
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    return f"the official tracking metrics need {' and '.join(absent)}, not installed; install with: pip install 'bevduet[tracking]'"


def score_tracking(dataroot: Path, version: str, scenes: Sequence[str], results_path: Path, *, tables: Any = None) -> TrackingEvaluation:
    """Score a tracking submission.

    Args:
        dataroot: nuScenes root.
        version: its table folder.
        scenes: scene names.
        results_path: the submission; it covers exactly these scenes.
        tables: what `open_tables` gave for the same data set, to load it once for several submissions.

    Raises:
        UserError: missing packages, unreadable tables or results, an unknown scene, or samples that do not match the scenes.
    """
    reason = tracking_scores_unavailable()
    if reason is not None:
        raise UserError(reason)
    results, meta = _read(results_path)
    nusc = open_tables(dataroot, version) if tables is None else tables
    tokens = _tokens(nusc, scenes, dataroot / version)
    if set(tokens) != set(results):
        odd = sorted(set(tokens) ^ set(results))
        raise UserError(f"{results_path}: its samples are not those of {', '.join(scenes)}, {len(odd)} differ, for example {odd[0]};"
                        " give the scenes that it was written for")
    if not any(nusc.get("sample", token)["anns"] for token in tokens):
        raise UserError(f"{dataroot / version}: no annotations in {len(scenes)} scene(s); choose scenes with ground truth")
    try:
        metrics, details = _official(nusc, tokens, results).evaluate()
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{results_path}: refused by the devkit ({type(error).__name__}: {' '.join(str(error).split())});"
                        " write it again with `bevduet track`") from None
    return TrackingEvaluation(summary=metrics.serialize() | {"meta": meta}, details=details.serialize(), scenes=tuple(scenes),
                              num_samples=len(tokens))


def write_tracking_metrics(evaluation: TrackingEvaluation, out_dir: Path) -> None:
    """Write `metrics_summary.json` and `metrics_details.json` in the devkit's formatting, each atomically."""
    write_text(out_dir / "metrics_details.json", json.dumps(evaluation.details, indent=2))
    write_text(out_dir / "metrics_summary.json", json.dumps(evaluation.summary, indent=2))


def tracking_table(summary: Mapping[str, Any]) -> str:
    """A markdown table: the main metrics per class, then over the classes that are there: means of rates, sums of counts."""
    labels = summary["label_metrics"]
    total = {**summary, "gt": sum(count for count in labels["gt"].values() if not math.isnan(count))}  # the devkit averages this count
    rows = [["class", *COLUMNS.values()]]
    for name in labels["amota"]:
        absent = math.isnan(labels["amota"][name])
        rows.append([name, *("-" if absent else _number(key, labels[key][name]) for key in COLUMNS)])
    rows.append(["all", *(_number(key, total[key]) for key in COLUMNS)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [[cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))] for row in rows]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def tracking_headline(summary: Mapping[str, Any]) -> str:
    """`AMOTA 0.563  AMOTP 0.648 m  IDS 3`."""
    return f"AMOTA {summary['amota']:.3f}  AMOTP {summary['amotp']:.3f} m  IDS {_number('ids', summary['ids'])}"


def _number(key: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if key in COUNTS else f"{value:.3f}"


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return dict(data["results"]), dict(data["meta"])
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); write one with `bevduet track`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a tracking submission ({type(error).__name__}: {error}); write one with `bevduet track`") from None


def _tokens(nusc: Any, scenes: Sequence[str], where: Path) -> list[str]:
    """Sample tokens of the scenes in time order: tracks are interpolated in the order given."""
    known = {scene["name"]: scene for scene in nusc.scene}
    tokens = []
    for name in scenes:
        if name not in known:
            raise UserError(f"scene {name!r}: not in {where}; expected some of {', '.join(list(known)[:5])}")
        token = known[name]["first_sample_token"]
        while token:
            tokens.append(token)
            token = nusc.get("sample", token)["next"]
    return tokens


def _official(nusc: Any, tokens: Sequence[str], results: Mapping[str, Any]) -> Any:
    """The devkit's `TrackingEval` for given samples: its own constructor takes only the names of whole splits."""
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.common.data_classes import EvalBoxes
    from nuscenes.eval.common.loaders import add_center_dist, filter_eval_boxes, load_gt_of_sample_tokens
    from nuscenes.eval.tracking.data_classes import TrackingBox
    from nuscenes.eval.tracking.evaluate import TrackingEval
    from nuscenes.eval.tracking.loaders import create_tracks

    evaluation = TrackingEval.__new__(TrackingEval)
    evaluation.cfg, evaluation.verbose, evaluation.render_classes = config_factory(TRACKING_CONFIG), False, None
    evaluation.output_dir = tempfile.gettempdir()  # only rendering would write there
    ours = EvalBoxes.deserialize({token: results[token] for token in tokens}, TrackingBox)
    truth = load_gt_of_sample_tokens(nusc, list(tokens), TrackingBox)
    tracks = []
    for boxes, is_truth in ((truth, True), (ours, False)):
        if boxes.all:  # the devkit's filter cannot tell the type of no boxes at all and raises
            boxes = filter_eval_boxes(nusc, add_center_dist(nusc, boxes), evaluation.cfg.class_range)
        tracks.append(create_tracks(boxes, nusc, ANY_SPLIT, gt=is_truth))
    evaluation.sample_tokens = truth.sample_tokens
    evaluation.tracks_gt, evaluation.tracks_pred = tracks
    return evaluation
