"""What the files themselves give, with the calibration that a fault pretends: are the node's boxes those?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fusion.data.source import SceneSource
from fusion.runtime.perceiver import Perceiver
from fusion.types import SensorSet
from ros_nodes.matrix.cells import Cell
from ros_nodes.matrix.same_boxes import Rows, compare
from ros_nodes.matrix.verdict import Seen, Verdict

RowsOf = Callable[[int, Sequence[str], Mapping[str, Any]], Rows]
"""Keyframe, sensors used, fault record -> boxes; an empty record stands for the true calibration."""


def pretended(readings: SensorSet, used: Sequence[str], record: Mapping[str, Any]) -> SensorSet:
    """The used readings of a keyframe, with the calibration that a fault claims.

    Args:
        readings: of the keyframe.
        used: names of the sensors to keep.
        record: of a fault script, `decalibrate` or `intrinsics`; anything else changes nothing.
    """
    name, yaw = record.get("sensor"), math.radians(record.get("yaw_deg", 0.0))
    turn = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    zoom = np.diag([record.get("factor", 1.0), record.get("factor", 1.0), 1.0])

    def turned(pose: np.ndarray) -> np.ndarray:
        return np.block([[turn @ pose[:3, :3], pose[:3, 3:]], [pose[3:]]])

    cameras = {camera: reading if camera in used else None for camera, reading in readings.cameras.items()}
    reading = cameras.get(str(name))
    if reading is not None:
        centre = reading.intrinsics.copy()
        centre[:2, :2] = (zoom @ reading.intrinsics)[:2, :2]  # the centre of the image stays where it is
        cameras[str(name)] = replace(reading, ego_T_cam=turned(reading.ego_T_cam), intrinsics=centre)
    lidar = readings.lidar if readings.lidar_name in used else None
    if lidar is not None and name == readings.lidar_name:
        lidar = replace(lidar, ego_T_lidar=turned(lidar.ego_T_lidar))
    return replace(readings, cameras=cameras, lidar=lidar)


class Offline:
    """Answers from files, as `bevduet perceive` gives them.

    Args:
        source: the drive.
        scene: its scene.
        perceiver: the node's network.
    """

    def __init__(self, source: SceneSource, scene: str, perceiver: Perceiver) -> None:
        self._source, self._perceiver = source, perceiver
        self._tokens = source.tokens(scene)

    def rows(self, keyframe: int, used: Sequence[str], record: Mapping[str, Any]) -> Rows:
        """See `RowsOf`."""
        return Rows.of(self._perceiver.perceive(pretended(self._source.load(self._tokens[keyframe]), used, record)))


def judge_boxes(cell: Cell, stamps_ns: Sequence[int], answers: Sequence[Seen], rows_of: RowsOf) -> Verdict:
    """Whether the answers of a cell have the boxes of files with the changed calibration, and after it those with the true one.

    Args:
        cell: with a fault of a calibration.
        stamps_ns: of the drive's keyframes.
        answers: of all passes, with their boxes.
        rows_of: gives the boxes of files.
    """
    record = {**cell.kind.fault, "sensor": cell.sensor}
    got: dict[int, Rows] = {}
    wanted: dict[int, Rows] = {}
    seen = {answer.stamp_ns: answer for answer in answers if answer.number == cell.number and answer.rows is not None}
    shows = False
    for keyframe in [*range(cell.begin, cell.end), cell.until - 1]:
        answer = seen.get(stamps_ns[keyframe])
        if answer is None or answer.rows is None or cell.sensor not in answer.used:
            continue
        stamp_ns, changed = stamps_ns[keyframe], keyframe < cell.end
        got[stamp_ns] = answer.rows
        wanted[stamp_ns] = rows_of(keyframe, answer.used, record if changed else {})
        if changed and not shows:
            shows = not compare({0: rows_of(keyframe, answer.used, {})}, {0: wanted[stamp_ns]}).same
    if len(got) < 2 or stamps_ns[cell.until - 1] not in got:
        return Verdict(ok=False, text=f"{len(got)} answers with boxes to compare")
    found = compare(got, wanted)
    if not found.same:
        return Verdict(ok=False, text=f"other boxes than the files give: {found.line()}{found.faults[:1] or ''}")
    if not shows:
        return Verdict(ok=False, text="the change moves no box")
    return Verdict(ok=True, text=f"ok, {found.rows} boxes as from files")
