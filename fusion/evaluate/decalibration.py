"""Does a network look at its cameras? Their extrinsics are turned, and a network whose score does not fall does not look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fusion.data.source import SceneSource
from fusion.evaluate.by_state import SensorState, StateScore, answer_states, score_states
from fusion.evaluate.markdown import aligned
from fusion.files import replacing, write_text
from fusion.runtime.perceiver import Perceiver
from fusion.types import GroundTruth, SensorSet


def yaw_cameras(readings: SensorSet, yaw_rad: float) -> SensorSet:
    """The same readings, every camera said to be turned by `yaw_rad` about the ego's z axis through the camera's own centre.

    The images stay: what is wrong is what the network is told, as after a knock to the mounting or a bad calibration.
    """
    turn = np.array([[np.cos(yaw_rad), -np.sin(yaw_rad), 0.0], [np.sin(yaw_rad), np.cos(yaw_rad), 0.0], [0.0, 0.0, 1.0]])
    cameras = {}
    for name, reading in readings.cameras.items():
        if reading is not None and yaw_rad:
            pose = reading.ego_T_cam.copy()
            pose[:3, :3] = turn @ pose[:3, :3]
            reading = replace(reading, ego_T_cam=pose)
        cameras[name] = reading
    return replace(readings, cameras=cameras)


class DecalibratedSource:
    """A source whose cameras are all turned; everything else is the source's own."""

    def __init__(self, source: SceneSource, yaw_rad: float) -> None:
        self._source, self._yaw_rad = source, yaw_rad

    def scenes(self) -> list[str]:
        """As `SceneSource`."""
        return self._source.scenes()

    def tokens(self, scene: str) -> list[str]:
        """As `SceneSource`."""
        return self._source.tokens(scene)

    def sensors(self) -> tuple[str, ...]:
        """As `SceneSource`."""
        return self._source.sensors()

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        """As `SceneSource`, with turned cameras."""
        return yaw_cameras(self._source.load(token, num_sweeps=num_sweeps, cameras=cameras, lidar=lidar), self._yaw_rad)

    def ground_truth(self, token: str) -> GroundTruth | None:
        """As `SceneSource`."""
        return self._source.ground_truth(token)


@dataclass(frozen=True, kw_only=True)
class Decalibration:
    """Scores by angle.

    Attributes:
        yaws_deg: angles.
        both, camera_only: a score per angle.
        lidar_only: the score that no angle touches.
    """

    yaws_deg: tuple[float, ...]
    both: tuple[StateScore, ...]
    camera_only: tuple[StateScore, ...]
    lidar_only: StateScore


def decalibrate(source: SceneSource, perceiver: Perceiver, yaws_deg: Sequence[float], dataroot: Path, version: str, out: Path) -> Decalibration:
    """Answer and score every scene of `source` at each angle; writes the submissions and metrics under `out/yaw_ANGLE/STATE`.

    Raises:
        UserError: unreadable data, or scenes without annotations.
    """
    *cameras, lidar = source.sensors()
    states = (SensorState(name="both", title="both sensors", lost=()), SensorState(name="camera_only", title="camera only", lost=(lidar,)))
    alone = SensorState(name="lidar_only", title="LiDAR only", lost=tuple(cameras))
    runs = []
    for index, yaw in enumerate(yaws_deg):
        asked = states if index else (*states, alone)
        turned = DecalibratedSource(source, float(np.radians(yaw)))
        runs += answer_states(turned, perceiver, source.scenes(), asked, out / f"yaw_{yaw:g}")
    scores = score_states(dataroot, version, source.scenes(), runs)  # all at once: the devkit's tables are loaded once
    by_name = {name: tuple(s for s in scores if s.answers.state.name == name) for name in ("both", "camera_only", "lidar_only")}
    return Decalibration(yaws_deg=tuple(yaws_deg), both=by_name["both"], camera_only=by_name["camera_only"], lidar_only=by_name["lidar_only"][0])


def decalibration_table(result: Decalibration) -> str:
    """A markdown table: angles in rows, mAP and NDS of both sensors and cameras alone in columns."""
    rows = [["cameras turned", "both mAP", "change", "both NDS", "camera-only mAP", "change"]]
    for yaw, both, camera in zip(result.yaws_deg, result.both, result.camera_only, strict=True):
        rows.append([f"{yaw:g} deg", f"{both.mean_ap:.3f}", f"{both.mean_ap - result.both[0].mean_ap:+.3f}", f"{both.nd_score:.3f}",
                     f"{camera.mean_ap:.3f}", f"{camera.mean_ap - result.camera_only[0].mean_ap:+.3f}"])
    rows.append(["LiDAR only", f"{result.lidar_only.mean_ap:.3f}", "", f"{result.lidar_only.nd_score:.3f}", "", ""])
    return aligned(rows)


def write_decalibration(result: Decalibration, out: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write `decalibration.md`, `decalibration.json` and `decalibration.png`."""
    first = result.both[0].evaluation
    series = {"both": result.both, "camera_only": result.camera_only, "lidar_only": (result.lidar_only,)}
    document = {**(facts or {}), "scenes": list(first.scenes), "num_keyframes": first.num_samples, "yaws_deg": list(result.yaws_deg),
                **{name: {"mAP": [s.mean_ap for s in scores], "NDS": [s.nd_score for s in scores], "AP": [s.class_ap for s in scores]}
                   for name, scores in series.items()}}
    lines = ["# Decalibrated cameras", "", f"{first.num_samples} keyframes; every camera's extrinsics turned about the vertical axis.",
             *(f"{key}: {value}." for key, value in (facts or {}).items()), "", decalibration_table(result), "",
             "A network that uses its cameras loses score as they are turned; one whose score stays, close to its score on LiDAR only, does not"
             " look at them. Official nuScenes devkit.", "", "![Score by angle](decalibration.png)"]
    write_text(out / "decalibration.json", json.dumps(document, indent=2) + "\n")
    write_text(out / "decalibration.md", "\n".join(lines) + "\n")
    _plot(result, out / "decalibration.png")


def _plot(result: Decalibration, path: Path) -> None:
    figure = Figure(figsize=(7, 4.5), layout="constrained")  # no pyplot: its global state and display backend are not needed
    axis = figure.subplots()
    axis.plot(result.yaws_deg, [s.mean_ap for s in result.both], "o-", color="#2a6fb8", label="both sensors")
    axis.plot(result.yaws_deg, [s.mean_ap for s in result.camera_only], "s-", color="#d9822b", label="camera only")
    axis.axhline(result.lidar_only.mean_ap, color="#555555", ls="--", label="LiDAR only")
    axis.set(xlabel="all cameras turned by, degrees", ylabel="mAP", ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
