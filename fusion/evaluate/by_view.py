"""Scores of what a lost camera sees apart from what it does not: does its loss cost more than it gave?

An object belongs to "in view" if its centre projects into the camera's image, in front of it, by the calibration and the ego pose of that
camera's own keyframe image; else it is "out of view". Annotated and detected boxes are split by this one rule, hidden or not, and each half is
scored by the official devkit, matching and AP alike. Halves are matched apart: where an object and the box found for it lie on different sides of
the image's border, which takes an object near it, the object counts as missed in one half and the box as a false one in the other, though in the
score of the whole scene they match. That is rare, and alike in all states. Neighbouring cameras see a margin of the image too, so that without
this camera "in view" is not quite without cameras.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fusion.errors import UserError
from fusion.evaluate.by_state import SensorState, StateAnswers, StateScore
from fusion.evaluate.nuscenes_eval import open_tables, score_detections, write_metrics
from fusion.geometry.projection import project
from fusion.geometry.transforms import invert, pose, transform_points

STATES = ("both", "lidar_only", "one_camera_lost")
"""Names of the states that are compared."""

IN_VIEW, OUT_OF_VIEW = "in_view", "out_of_view"


class CameraView:
    """Which boxes have their centre in one camera's image, keyframe by keyframe; a keyframe without that camera has none.

    Args:
        tables: the devkit's, as `open_tables` gives them.
        camera: its channel.
    """

    def __init__(self, tables: Any, camera: str) -> None:
        self._tables, self._camera = tables, camera

    def sees(self, token: str, centres: np.ndarray) -> np.ndarray:
        """Whether points `(N, 3)` of the global frame lie in the image of sample `token`; `(N,)` bool.

        Raises:
            UserError: the tables do not tell the image's size.
        """
        tables = self._tables
        record = tables.get("sample", token)["data"].get(self._camera)
        if record is None:
            return np.zeros(len(centres), bool)
        image = tables.get("sample_data", record)
        width, height = image.get("width"), image.get("height")
        if not width or not height:
            raise UserError(f"{tables.dataroot}: sample_data {record} ({self._camera}): expected the image's width and height,"
                            f" got {width} and {height}")
        ego = tables.get("ego_pose", image["ego_pose_token"])
        mounted = tables.get("calibrated_sensor", image["calibrated_sensor_token"])
        global_T_cam = pose(ego["rotation"], ego["translation"]) @ pose(mounted["rotation"], mounted["translation"])
        uv, _ = project(transform_points(invert(global_T_cam), centres), np.array(mounted["camera_intrinsic"], np.float64))
        inside = (uv >= -0.5) & (uv < np.array([width, height]) - 0.5)  # pixel centres are integers; NaN, behind the camera, is not inside
        seen: np.ndarray = inside.all(axis=-1)
        return seen

    def seen(self, token: str, boxes: Sequence[Any]) -> list[Any]:
        """Of the devkit's boxes of a sample those in view."""
        return [box for box, inside in self._each(token, boxes) if inside]

    def unseen(self, token: str, boxes: Sequence[Any]) -> list[Any]:
        """Of the devkit's boxes of a sample those out of view."""
        return [box for box, inside in self._each(token, boxes) if not inside]

    def _each(self, token: str, boxes: Sequence[Any]) -> Iterator[tuple[Any, bool]]:
        centres = np.array([box.translation for box in boxes], np.float64).reshape(-1, 3)
        return zip(boxes, self.sees(token, centres).tolist(), strict=True)


@dataclass(frozen=True, kw_only=True)
class ViewScores:
    """Scores of both halves.

    Attributes:
        camera: the lost one.
        regions: `in_view` and `out_of_view` -> a score for each of `STATES`, in that order.
    """

    camera: str
    regions: dict[str, tuple[StateScore, ...]]


def lost_camera(states: Sequence[SensorState]) -> str:
    """The camera that one of the states does without; UserError where none of them loses just one."""
    for state in states:
        if state.name == STATES[-1]:
            return state.lost[0]
    raise UserError("scores by view: expected a rig with a camera to lose, got none")


def score_by_view(dataroot: Path, version: str, scenes: Sequence[str], runs: Sequence[StateAnswers], *, tables: Any = None) -> ViewScores:
    """Score the submissions of `STATES` in view of the lost camera and out of it; the devkit's two files go to a folder per region beside each.

    Raises:
        UserError: no camera is lost, or as `score_detections`.
    """
    camera = lost_camera([run.state for run in runs])
    by_name = {run.state.name: run for run in runs}
    tables = open_tables(dataroot, version) if tables is None else tables
    view = CameraView(tables, camera)
    choices = {IN_VIEW: view.seen, OUT_OF_VIEW: view.unseen}
    regions: dict[str, list[StateScore]] = {region: [] for region in choices}
    for region, name in tqdm([(region, name) for region in choices for name in STATES], unit="score", desc="scoring by view", disable=None):
        run = by_name[name]
        evaluation = score_detections(dataroot, version, scenes, run.results, tables=tables, choose=choices[region])
        write_metrics(evaluation, run.results.parent / region)
        regions[region].append(StateScore(answers=run, evaluation=evaluation))
    return ViewScores(camera=camera, regions={region: tuple(scores) for region, scores in regions.items()})
