"""The rows that one scene adds to nuScenes' tables."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pyquaternion import Quaternion

from fusion.simulate.record import point_labels
from fusion.simulate.record.drive import Request
from fusion.simulate.record.labels import Look, labelled, visibility_token
from fusion.simulate.record.tokens import token
from fusion.simulate.record.vocabulary import Record, attribute_token, category_token, sensor_token
from fusion.simulate.rig import Rig
from fusion.simulate.scenery import Scenery


def scene_tables(request: Request) -> tuple[str, ...]:
    """Tables that grow with every scene, each after those it refers to."""
    return ("map", "log", "calibrated_sensor", "ego_pose", "sample", "sample_data", *([point_labels.TABLE] if request.lidarseg else []),
            "instance", "sample_annotation", "scene")


class SceneTables:
    """Collects the rows of one scene; keyframes and readings are added in time order.

    Args:
        request: what was asked for.
        index: of the scene.
        scenery: the scene.
        rig: its mounts.
    """

    def __init__(self, request: Request, index: int, scenery: Scenery, rig: Rig) -> None:
        self.name = request.name(index)
        self._request, self._index, self._scenery = request, index, scenery
        self._scope = (request.seed, index)
        self._samples: list[Record] = []
        self._poses: list[Record] = []
        self._readings: dict[str, list[Record]] = {}
        self._point_labels: list[Record] = []
        self._calibrations = [self._calibration(c.name, c.ego_T_cam, c.intrinsics.tolist()) for c in rig.cameras]
        if rig.lidar is not None:
            self._calibrations.append(self._calibration(rig.lidar.name, rig.lidar.ego_T_lidar, []))

    def add_sample(self, t_s: float) -> str:
        """A keyframe; returns its token."""
        name = token(*self._scope, "sample", len(self._samples))
        self._samples.append({"token": name, "timestamp": self._request.stamp_us(self._index, t_s), "prev": "", "next": "",
                              "scene_token": token(*self._scope, "scene")})
        return name

    def add_reading(self, channel: str, t_s: float, sample: int, *, keyframe: bool, size_wh: tuple[int, int] = (0, 0)) -> str:
        """A file of one sensor; returns its path below the data root.

        Args:
            channel: of the sensor.
            t_s: its stamp.
            sample: number of the keyframe that it belongs to: the next one for a sweep, which may not have been added yet.
            keyframe: whether it is of the keyframe itself.
            size_wh: of an image; zeros for a sweep.
        """
        stamp = self._request.stamp_us(self._index, t_s)
        name = token(*self._scope, channel, stamp)
        image = size_wh != (0, 0)
        folder = PurePosixPath("samples" if keyframe else "sweeps") / channel
        path = str(folder / f"{self.name}__{channel}__{stamp}.{'jpg' if image else 'pcd.bin'}")
        self._readings.setdefault(channel, []).append({
            "token": name, "sample_token": token(*self._scope, "sample", sample), "ego_pose_token": name,
            "calibrated_sensor_token": token(*self._scope, "calibration", channel), "timestamp": stamp,
            "fileformat": "jpg" if image else "pcd", "is_key_frame": keyframe, "height": size_wh[1], "width": size_wh[0],
            "filename": path, "prev": "", "next": ""})
        self._poses.append({"token": name, "timestamp": stamp, **_pose(self._scenery.ego.matrix(t_s))})
        return path

    def add_point_labels(self, channel: str) -> Record:
        """Labels of the points of a LiDAR's last reading; returns their row."""
        self._point_labels.append(point_labels.label_row(self._readings[channel][-1]["token"]))
        return self._point_labels[-1]

    def rows(self, looks: Sequence[Look]) -> dict[str, list[Record]]:
        """All rows by table; `looks` has one entry per keyframe."""
        log, scene = token(*self._scope, "log"), token(*self._scope, "scene")
        day = datetime.datetime.fromtimestamp(self._samples[0]["timestamp"] // 1_000_000, datetime.timezone.utc).date().isoformat()
        weather, description = self._scenery.weather.name, self._scenery.description
        if weather not in description.lower():  # nuScenes' users look for "night" and "rain" there
            description = ", ".join(filter(None, [weather.capitalize(), description]))
        instances, annotations = self._annotations(looks)
        for chain in (self._samples, *self._readings.values()):
            _link(chain)
        rows: dict[str, list[Record]] = {
            "map": [{"token": token(*self._scope, "map"), "log_tokens": [log], "category": "semantic_prior",
                     "filename": map_file(self._request, self._index)}],
            "log": [{"token": log, "logfile": self.name, "vehicle": self.name, "date_captured": day, "location": "simulation"}],
            "calibrated_sensor": self._calibrations,
            "ego_pose": self._poses,
            "sample": self._samples,
            "sample_data": [row for chain in self._readings.values() for row in chain],
            point_labels.TABLE: self._point_labels,
            "instance": instances,
            "sample_annotation": annotations,
            "scene": [{"token": scene, "log_token": log, "nbr_samples": len(self._samples), "first_sample_token": self._samples[0]["token"],
                       "last_sample_token": self._samples[-1]["token"], "name": self.name, "description": description}],
        }
        return {table: rows[table] for table in scene_tables(self._request)}

    def _calibration(self, channel: str, ego_T_sensor: np.ndarray, intrinsics: list[list[float]]) -> Record:
        return {"token": token(*self._scope, "calibration", channel), "sensor_token": sensor_token(channel), **_pose(ego_T_sensor),
                "camera_intrinsic": intrinsics}

    def _annotations(self, looks: Sequence[Look]) -> tuple[list[Record], list[Record]]:
        """Instances, and their annotations in the order of the keyframes."""
        chosen = labelled(np.array([look.seen for look in looks]), np.array([look.near for look in looks]))
        instances: list[Record] = []
        by_keyframe: list[list[Record]] = [[] for _ in looks]
        for actor in np.flatnonzero(chosen.any(axis=0)).tolist():
            instance = token(*self._scope, "instance", actor)
            chain = []
            for keyframe in np.flatnonzero(chosen[:, actor]).tolist():
                row = self._annotation(looks[keyframe], keyframe, actor, instance)
                chain.append(row)
                by_keyframe[keyframe].append(row)
            _link(chain)
            instances.append({"token": instance, "category_token": category_token(self._scenery.actors[actor].category),
                              "nbr_annotations": len(chain), "first_annotation_token": chain[0]["token"],
                              "last_annotation_token": chain[-1]["token"]})
        return instances, [row for rows in by_keyframe for row in rows]

    def _annotation(self, look: Look, keyframe: int, actor: int, instance: str) -> Record:
        x, y, z, length, width, height, yaw = look.boxes[actor].tolist()
        attribute = look.attributes[actor]
        return {"token": token(*self._scope, "annotation", keyframe, actor), "sample_token": self._samples[keyframe]["token"],
                "instance_token": instance, "visibility_token": visibility_token(float(look.visibility[actor])),
                "attribute_tokens": [attribute_token(attribute)] if attribute else [],
                "translation": _rounded([x, y, z], 4), "size": _rounded([width, length, height], 4),
                "rotation": _rounded([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)], 9), "prev": "", "next": "",
                "num_lidar_pts": int(look.num_lidar_pts[actor]), "num_radar_pts": 0}


def map_file(request: Request, index: int) -> str:
    """Path of a scene's map mask below the data root."""
    return f"maps/{token(request.seed, index, 'map')}.png"


def _link(chain: Sequence[Record]) -> None:
    for before, after in pairwise(chain):
        before["next"], after["prev"] = after["token"], before["token"]


def _pose(matrix: np.ndarray) -> Record:
    return {"rotation": _rounded(Quaternion(matrix=matrix[:3, :3], rtol=1e-4, atol=1e-6).elements, 10), "translation": _rounded(matrix[:3, 3], 6)}


def _rounded(values: Any, digits: int) -> list[float]:
    return [round(float(value), digits) + 0.0 for value in values]  # no -0.0
