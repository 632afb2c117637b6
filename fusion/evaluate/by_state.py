"""Scores by sensor state: each keyframe is read once and answered with every sensor, LiDAR only, cameras only, one camera lost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fusion.data.source import SceneSource
from fusion.errors import UserError
from fusion.evaluate.nuscenes_eval import Evaluation, open_tables, score_detections, write_metrics
from fusion.evaluate.submission import SubmissionWriter, to_submission
from fusion.runtime.perceiver import Perceiver
from fusion.runtime.timing import StageTimer
from fusion.types import Detections, SensorSet

LOST_CAMERA = "CAM_FRONT"
"""The camera that the state `one_camera_lost` does without; a rig without it loses its first camera."""

RESULTS_NAME = "results_nusc.json"


@dataclass(frozen=True, kw_only=True)
class SensorState:
    """Which sensors are missing.

    Attributes:
        name: short, for keys and folders.
        title: for people.
        lost: names of the missing sensors.
    """

    name: str
    title: str
    lost: tuple[str, ...]


@dataclass(kw_only=True)
class StateAnswers:
    """What one state's run left behind.

    Attributes:
        state: the sensors.
        results: the submission.
        timer: stages of `Perceiver.perceive`, and `total`.
        sensors_used: names of all sensors that at least one answer rests on.
        boxes: how many were answered in all.
    """

    state: SensorState
    results: Path
    timer: StageTimer = field(default_factory=StageTimer)
    sensors_used: set[str] = field(default_factory=set)
    boxes: int = 0


@dataclass(frozen=True, kw_only=True)
class StateScore:
    """The devkit's verdict on one state."""

    answers: StateAnswers
    evaluation: Evaluation

    @property
    def mean_ap(self) -> float:
        """Official mAP: classes without a box in the ground truth count as 0."""
        return float(self.evaluation.summary["mean_ap"])

    @property
    def nd_score(self) -> float:
        """Official NDS: classes without a box in the ground truth count as AP 0 and errors of 1."""
        return float(self.evaluation.summary["nd_score"])

    @property
    def class_ap(self) -> dict[str, float | None]:
        """Class -> AP, the mean of the four distance thresholds; None without a box in the ground truth."""
        aps, counts = self.evaluation.summary["mean_dist_aps"], self.evaluation.ground_truth
        return {name: float(aps[name]) if counts[name] else None for name in aps}

    @property
    def mean_ap_present(self) -> float:
        """Mean AP of the classes that have a box in the ground truth; 0 where none has."""
        present = [ap for ap in self.class_ap.values() if ap is not None]
        return float(np.mean(present)) if present else 0.0


Watch = Callable[[str, SensorSet, Mapping[str, Detections]], None]
"""Called after each keyframe with the scene, the full readings and state -> answer."""


def sensor_states(sensors: Sequence[str]) -> tuple[SensorState, ...]:
    """The four states in which a model is judged.

    Args:
        sensors: the rig, cameras in rig order and the LiDAR last, as `SceneSource.sensors` gives it.
    """
    *cameras, lidar = sensors
    lost = LOST_CAMERA if LOST_CAMERA in cameras else next(iter(cameras), None)
    states = [SensorState(name="both", title="both sensors", lost=()),
              SensorState(name="lidar_only", title="LiDAR only", lost=tuple(cameras)),
              SensorState(name="camera_only", title="camera only", lost=(lidar,))]
    if lost is not None:
        states.append(SensorState(name="one_camera_lost", title=f"{lost} lost", lost=(lost,)))
    return tuple(states)


def half_cameras_lost(sensors: Sequence[str]) -> SensorState:
    """Every second camera missing, the first one included: a harder state than the four, for comparisons.

    Args:
        sensors: as in `sensor_states`.

    Raises:
        UserError: fewer than two cameras.
    """
    cameras = sensors[:-1]
    if len(cameras) < 2:
        raise UserError(f"sensors {', '.join(sensors)}: half the cameras cannot be lost; expected two cameras or more")
    return SensorState(name="half_cameras_lost", title="half the cameras lost", lost=tuple(cameras[::2]))


def answer_states(source: SceneSource, perceiver: Perceiver, scenes: Sequence[str], states: Sequence[SensorState], out: Path, *,
                  watch: Watch | None = None) -> list[StateAnswers]:
    """Answer every keyframe in every state and write `out/STATE/results_nusc.json`; files are read and decoded once.

    A keyframe that cannot be read gives a warning and an empty answer in every state.

    Raises:
        UserError: an unknown scene, no keyframes, or none could be read.
    """
    tokens = [(scene, token) for scene in scenes for token in source.tokens(scene)]
    if not tokens:
        raise UserError(f"scenes {', '.join(scenes) or '(none)'}: no keyframes; choose other scenes")
    runs = [StateAnswers(state=state, results=out / state.name / RESULTS_NAME) for state in states]
    failed, warm = 0, False
    with ExitStack() as stack:
        writers = [stack.enter_context(SubmissionWriter(run.results, use_external=perceiver.external)) for run in runs]
        for scene, token in tqdm(tokens, unit="keyframe", desc="perceiving", disable=None):
            try:
                readings = source.load(token, num_sweeps=perceiver.config.num_sweeps)
            except (UserError, ValueError, OSError) as error:  # one bad keyframe must not cost the others
                failed += 1
                _warn(f"{token}: left out: {error}")
                for writer in writers:
                    writer.add(token, [])
                continue
            for line in readings.warnings:
                _warn(f"{token}: {line}")
            if not warm and readings.sensors_present:
                perceiver.warm_up(readings)
                warm = True
            answers: dict[str, Detections] = {}
            for run, writer in zip(runs, writers, strict=True):
                answers[run.state.name] = answer = _answer(perceiver, readings.without(*run.state.lost), run)
                writer.use_lidar |= readings.lidar_name in answer.sensors_used
                writer.use_camera |= any(name in readings.cameras for name in answer.sensors_used)
                pose = np.eye(4) if readings.global_T_ego is None else readings.global_T_ego
                writer.add(token, to_submission(answer, pose, token))
            if watch is not None:
                watch(scene, readings, answers)
        if failed == len(tokens):
            raise UserError(f"none of the {failed} keyframes could be read; the warnings above say why")
    return runs


def score_states(dataroot: Path, version: str, scenes: Sequence[str], runs: Sequence[StateAnswers], *, tables: Any = None) -> list[StateScore]:
    """Score each state's submission by the official devkit (`tables` are loaded once, if not given); writes its two files beside each."""
    tables = open_tables(dataroot, version) if tables is None else tables
    scores = []
    for run in tqdm(runs, unit="state", desc="scoring", disable=None):
        evaluation = score_detections(dataroot, version, scenes, run.results, tables=tables)
        write_metrics(evaluation, run.results.parent)
        scores.append(StateScore(answers=run, evaluation=evaluation))
    return scores


def _answer(perceiver: Perceiver, readings: SensorSet, run: StateAnswers) -> Detections:
    timer, perceiver.timer = perceiver.timer, run.timer
    try:
        with run.timer.stage("total"):
            answer = perceiver.perceive(readings)
    finally:
        perceiver.timer = timer
    run.sensors_used.update(answer.sensors_used)
    run.boxes += len(answer)
    return answer


def _warn(line: str) -> None:
    tqdm.write(f"bevduet: warning: {' '.join(line.split())}", file=sys.stderr)
