"""Proof of the chain: trained on four keyframes only, one network must find their objects again in three sensor states.

Reads nuScenes tables and sensor files, trains with `configs/overfit.yaml`, and scores with the official devkit's own functions,
restricted to the four keyframes. Exits with 1 where a score is below its bar. Under 30 minutes on two CPU cores.

    python tools/overfit_proof.py --dataroot data/nuscenes --version v1.0-mini --scene scene-0523 --out runs/overfit
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nuscenes import NuScenes
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.common.loaders import add_center_dist, filter_eval_boxes, load_gt_of_sample_tokens
from nuscenes.eval.detection.algo import accumulate, calc_ap
from nuscenes.eval.detection.data_classes import DetectionBox

from fusion.checkpoint import load_checkpoint
from fusion.data.open import open_source
from fusion.data.source import SceneSource
from fusion.evaluate.submission import to_submission
from fusion.files import write_text
from fusion.network import BevDuetNet
from fusion.sensors.preprocess import InputConfig, to_batch
from fusion.train.recipe import load_recipe
from fusion.train.run import train
from fusion.types import ATTRIBUTES, Detections, GroundTruth, SensorSet

BARS = {"camera+lidar": {"car": 0.9, "mAP": 0.7}, "lidar": {"car": 0.9, "mAP": 0.7}, "camera": {"car": 0.5}}
"""Sensor state -> lowest average precision (mean of the four distance thresholds) of cars and of all classes that the LiDAR hits."""


class FewInstants:
    """A source of chosen instants of another source, kept in memory with the sweeps that a model asks for."""

    def __init__(self, source: SceneSource, tokens: Sequence[str], num_sweeps: int) -> None:
        self._tokens = list(tokens)
        self._sensors = source.sensors()
        self._sets = {token: source.load(token, num_sweeps=num_sweeps) for token in tokens}
        self._truths = {token: source.ground_truth(token) for token in tokens}

    def scenes(self) -> list[str]:
        return ["chosen"]

    def tokens(self, scene: str) -> list[str]:
        return self._tokens

    def sensors(self) -> tuple[str, ...]:
        return self._sensors

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        return self._sets[token]

    def ground_truth(self, token: str) -> GroundTruth | None:
        return self._truths[token]


def in_state(readings: SensorSet, state: str) -> SensorSet:
    """The instant with only the sensors of a state."""
    if state == "lidar":
        return readings.without(*readings.cameras)
    return readings.without(readings.lidar_name) if state == "camera" else readings


def detect(network: BevDuetNet, config: InputConfig, readings: SensorSet) -> Detections:
    """One instant through the network."""
    raw = network.detect(to_batch([readings], config))[0]
    return Detections(
        boxes=raw.boxes, scores=raw.scores, labels=raw.labels, stamp_ns=readings.stamp_ns, sensors_used=readings.sensors_present,
        attributes=tuple(ATTRIBUTES[a] if a >= 0 else "" for a in raw.attributes), token=readings.token)


class OfficialScore:
    """The devkit's average precision on chosen samples."""

    def __init__(self, dataroot: Path, version: str, tokens: Sequence[str]) -> None:
        self._nusc = NuScenes(version=version, dataroot=str(dataroot), verbose=False)
        self._config = config_factory("detection_cvpr_2019")
        self._truth = self._filtered(load_gt_of_sample_tokens(self._nusc, list(tokens), DetectionBox))
        boxes = self._truth.all
        self.counts = {name: sum(b.detection_name == name for b in boxes) for name in self._config.class_names}
        # The devkit scores what the LiDAR or a radar hits; there is no radar in this network, so a class that radars alone hit is
        # shown and kept out of the mean. Single boxes of that kind stay in.
        records = [self._nusc.get("sample_annotation", a) for t in tokens for a in self._nusc.get("sample", t)["anns"]]
        hit = {(a["sample_token"], tuple(a["translation"])) for a in records if a["num_lidar_pts"] > 0}
        self.averaged = {b.detection_name for b in boxes if (b.sample_token, tuple(b.translation)) in hit}

    def __call__(self, results: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
        """Submission entries by token -> average precision by class present (mean over the four thresholds), and "mAP" of `averaged`."""
        found = self._filtered(EvalBoxes.deserialize(results, DetectionBox))
        precision = {}
        for name in (name for name, count in self.counts.items() if count):
            curves = [accumulate(self._truth, found, name, self._config.dist_fcn_callable, t) for t in self._config.dist_ths]
            precision[name] = float(np.mean([calc_ap(c, self._config.min_recall, self._config.min_precision) for c in curves]))
        return {**precision, "mAP": float(np.mean([precision[name] for name in self.averaged]))}

    def _filtered(self, boxes: Any) -> Any:
        if not boxes.all:
            return boxes
        return filter_eval_boxes(self._nusc, add_center_dist(self._nusc, boxes), self._config.class_range)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", required=True, type=Path)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--scene", default="scene-0523")
    parser.add_argument("--config", default="overfit")
    parser.add_argument("--keyframes", type=int, default=4, help="evenly spaced over the scene")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out (its minutes then count from here)")
    parser.add_argument("--score-only", action="store_true", help="score the weights that are in --out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], dest="sets")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    source = open_source(args.dataroot, args.version, [args.scene], labelled_only=True)
    all_tokens = source.tokens(args.scene)
    tokens = [all_tokens[i] for i in np.linspace(0, len(all_tokens) - 1, args.keyframes + 2).round().astype(int)[1:-1]]
    recipe = load_recipe(args.config, args.sets)
    few = FewInstants(source, tokens, recipe.model.num_sweeps)
    start, start_cpu = time.monotonic(), time.process_time()
    weights = args.out / "model.safetensors"
    if not args.score_only:
        weights = train(recipe, few, args.out, resume=args.resume, progress=False)
    minutes = {"wall": (time.monotonic() - start) / 60, "cpu": (time.process_time() - start_cpu) / 60}
    network, config = load_checkpoint(weights)
    official = OfficialScore(args.dataroot, args.version, tokens)
    scores: dict[str, dict[str, float]] = {}
    for state in BARS:
        results: dict[str, list[dict[str, Any]]] = {}
        for token in tokens:
            readings = few.load(token)
            assert readings.global_T_ego is not None
            results[token] = to_submission(detect(network, config.input, in_state(readings, state)), readings.global_T_ego, token)
        scores[state] = official(results)
    return report(scores, official, minutes, tokens, args.out)


def report(scores: dict[str, dict[str, float]], official: OfficialScore, minutes: dict[str, float], tokens: list[str], out: Path) -> int:
    """Print the table, write `overfit_metrics.json`, and give the exit code."""
    counts = official.counts
    names = [name for name, count in counts.items() if count]
    print(f"{'average precision':24}" + "".join(f"{state:>14}" for state in scores) + f"{'boxes':>8}")
    for name in [*names, "mAP"]:
        boxes = counts.get(name, sum(counts[n] for n in official.averaged))
        note = "" if name in official.averaged or name == "mAP" else "  (no LiDAR point on any: not in mAP)"
        print(f"{name:24}" + "".join(f"{scores[state][name]:14.3f}" for state in scores) + f"{boxes:8d}{note}")
    failed = [f"{state}: {name} {scores[state][name]:.3f} < {bar}" for state, bars in BARS.items() for name, bar in bars.items()
              if scores[state][name] < bar]
    document = {"scores": scores, "boxes": counts, "bars": BARS, "failed": failed, "averaged": sorted(official.averaged),
                "training_minutes": {key: round(value, 2) for key, value in minutes.items()}, "tokens": tokens}
    write_text(out / "overfit_metrics.json", json.dumps(document, indent=2) + "\n")
    verdict = "all bars are met" if not failed else "FAILED: " + "; ".join(failed)
    print(f"training took {minutes['wall']:.1f} minutes ({minutes['cpu']:.1f} of CPU time); {verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
