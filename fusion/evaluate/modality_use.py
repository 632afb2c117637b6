"""How much a network uses each modality: what the score loses without it, and what it contributes where objects are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusion.data.source import SceneSource
from fusion.errors import UserError
from fusion.evaluate.by_state import SensorState, StateScore, answer_states, score_states
from fusion.evaluate.markdown import aligned
from fusion.files import write_text
from fusion.inputs import prepare_inputs
from fusion.losses.contribution import contributions
from fusion.runtime.perceiver import Perceiver
from fusion.types import Detections, SensorBatch, SensorSet


def use_states(sensors: Sequence[str]) -> tuple[SensorState, ...]:
    """All sensors, then without the cameras, without half of them (every second one in rig order, the first kept), without the LiDAR.

    Args:
        sensors: the rig, cameras in rig order and the LiDAR last.
    """
    *cameras, lidar = sensors
    states = [SensorState(name="both", title="both sensors", lost=()),
              SensorState(name="without_cameras", title="without cameras", lost=tuple(cameras)),
              SensorState(name="without_lidar", title="without LiDAR", lost=(lidar,))]
    if len(cameras) > 1:
        states.append(SensorState(name="without_half_cameras", title="without half the cameras", lost=tuple(cameras[1::2])))
    return tuple(states)


@dataclass(kw_only=True)
class ContributionMeter:
    """Collects the contributions (`fusion.losses.contribution`) of both modalities at every annotated object.

    Attributes:
        labels: class index of each object, of the network's classes.
        camera_nats, lidar_nats: -log p of the object by the modality's contribution alone; lower explains more.
    """

    source: SceneSource
    perceiver: Perceiver
    labels: list[int] = field(default_factory=list)
    camera_nats: list[float] = field(default_factory=list)
    lidar_nats: list[float] = field(default_factory=list)

    @torch.inference_mode()
    def watch(self, scene: str, readings: SensorSet, answers: Mapping[str, Detections]) -> None:
        """Take one keyframe in; one without annotations, or without both modalities, says nothing."""
        truth = self.source.ground_truth(readings.token)
        if truth is None or readings.lidar is None or all(reading is None for reading in readings.cameras.values()):
            return
        network = self.perceiver.config.network
        truth = truth.select(truth.num_points != 0).in_classes(network.classes)  # the boxes that the official score counts
        batch = self.perceiver.batch(readings)
        views = (batch, batch.drop(lidar=torch.ones_like(batch.lidar_ok)), batch.drop(cameras=torch.ones_like(batch.camera_ok)))
        both, camera_only, lidar_only = (self._heatmap(view) for view in views)
        parts = contributions(both, camera_only, lidar_only, [truth], network.bev_grid)
        self.labels += parts.labels.tolist()
        self.camera_nats += parts.camera_nats.tolist()
        self.lidar_nats += parts.lidar_nats.tolist()

    def _heatmap(self, batch: SensorBatch) -> Tensor:
        heatmap: Tensor = self.perceiver.backend(prepare_inputs(self.perceiver.config.network, batch)).heatmap
        if not heatmap.numel():
            raise UserError("--modality-use: a query decoder's heatmap is only in its checkpoint, not in exported models or with backend compile;"
                            " give the checkpoint and --backend torch")
        return heatmap.clone()  # the next call may write over it

    def mean(self, name: str | None = None) -> tuple[float, float] | None:
        """Mean -log p of a class, or of all objects for None, by the camera's and by the LiDAR's contribution; None without an object."""
        labels = np.array(self.labels, np.int64)
        classes = self.perceiver.config.network.classes
        chosen = np.ones(len(labels), bool) if name is None else labels == (classes.index(name) if name in classes else -1)
        if not chosen.any():
            return None
        return float(np.mean(np.array(self.camera_nats)[chosen])), float(np.mean(np.array(self.lidar_nats)[chosen]))


@dataclass(frozen=True, kw_only=True)
class ModalityUse:
    """Attributes: `scores` of `use_states`, both sensors first, and the `meter`'s contributions of the same keyframes."""

    scores: tuple[StateScore, ...]
    meter: ContributionMeter


def modality_use(source: SceneSource, perceiver: Perceiver, dataroot: Path, version: str, out: Path) -> ModalityUse:
    """Answer and score every scene of `source` with each modality missing; writes the submissions and metrics under `out`.

    Raises:
        UserError: a network with one modality alone, unreadable data, or scenes without annotations.
    """
    config = perceiver.config.network
    if config.camera is None or config.lidar is None:
        only = "camera" if config.lidar is None else "LiDAR"
        raise UserError(f"--modality-use: the model reads the {only} alone; expected one that reads camera and LiDAR")
    meter = ContributionMeter(source=source, perceiver=perceiver)
    runs = answer_states(source, perceiver, source.scenes(), use_states(source.sensors()), out, watch=meter.watch)
    return ModalityUse(scores=tuple(score_states(dataroot, version, source.scenes(), runs)), meter=meter)


def use_table(use: ModalityUse) -> str:
    """A markdown table: per class the AP with both sensors, what it loses in each other state, and the contributions."""
    first, *others = use.scores
    counts = first.evaluation.ground_truth
    rows = [["", "boxes", first.answers.state.title, *(score.answers.state.title for score in others), "camera -log p", "LiDAR -log p"],
            ["**mAP** (official)", str(sum(counts.values())), _number(first.mean_ap), *(_change(s.mean_ap, first.mean_ap) for s in others),
             *_nats(use.meter.mean())],
            ["**NDS** (official)", "", _number(first.nd_score), *(_change(s.nd_score, first.nd_score) for s in others), "", ""]]
    for name, count in counts.items():
        changes = [_change(score.class_ap[name], first.class_ap[name]) for score in others]
        rows.append([name, str(count) if count else "none", _number(first.class_ap[name]), *changes, *_nats(use.meter.mean(name))])
    return aligned(rows)


def use_sentence(use: ModalityUse) -> str:
    """How much this network uses the camera, in one line."""
    first, cameras, lidar = use.scores[:3]
    line = (f"Without cameras mAP goes from {first.mean_ap:.3f} to {cameras.mean_ap:.3f}, without LiDAR to {lidar.mean_ap:.3f}.")
    nats = use.meter.mean()
    if nats is not None:
        better, gap = ("camera" if nats[0] < nats[1] else "LiDAR"), abs(nats[0] - nats[1])
        line += f" At objects, the {better} contributes more: its part explains them better by {gap:.2f} nats."
    return line


def write_use(use: ModalityUse, out: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write `modality_use.md` and `modality_use.json`."""
    first, names = use.scores[0].evaluation, list(use.scores[0].evaluation.ground_truth)
    contributed = {name: use.meter.mean(name) for name in names}
    document = {
        **(facts or {}), "scenes": list(first.scenes), "num_keyframes": first.num_samples, "ground_truth": first.ground_truth,
        "states": {score.answers.state.name: {"lost": list(score.answers.state.lost), "mAP": score.mean_ap, "NDS": score.nd_score,
                                              "AP": score.class_ap} for score in use.scores},
        "nats": {"all": _pair(use.meter.mean()), **{name: _pair(value) for name, value in contributed.items()}},
    }
    lines = ["# Use of camera and LiDAR", "", f"{first.num_samples} keyframes. {use_sentence(use)}", "",
             *(f"{key}: {value}." for key, value in (facts or {}).items()), "", use_table(use), "",
             "Columns `without ...` hold the change of the score when those sensors are absent: near 0 means that the network does not need them.",
             "AP: official nuScenes devkit, mean of 0.5, 1, 2 and 4 m. -log p (nats, lower explains more): of annotated objects by each modality's"
             " contribution, which is half of what it adds to the other one and half of what it says alone (adaptive gradient modulation)."]
    write_text(out / "modality_use.json", json.dumps(document, indent=2) + "\n")
    write_text(out / "modality_use.md", "\n".join(lines) + "\n")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _change(value: float | None, reference: float | None) -> str:
    return "-" if value is None or reference is None else f"{value - reference:+.3f}"


def _nats(means: tuple[float, float] | None) -> list[str]:
    return ["-", "-"] if means is None else [f"{value:.2f}" for value in means]


def _pair(means: tuple[float, float] | None) -> dict[str, float] | None:
    return None if means is None else {"camera": means[0], "lidar": means[1]}
