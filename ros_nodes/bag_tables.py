"""nuScenes' tables for readings that come one after another."""

from __future__ import annotations

import datetime
import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pyquaternion import Quaternion

from ros_nodes.bag_keyframes import BagSample, BagScene

Record = dict[str, Any]
_EMPTY = ("category", "attribute", "visibility", "instance", "sample_annotation")


def token(*parts: object) -> str:
    """32 hexadecimal digits that follow from what they stand for."""
    return hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=16).hexdigest()


class BagTables:
    """Collects rows; `write` links and stores them."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Record]] = {name: [] for name in (
            *_EMPTY, "sensor", "log", "map", "calibrated_sensor", "ego_pose", "sample", "sample_data", "scene")}
        self._calibrations: set[str] = set()
        self._chains: dict[tuple[str, str], list[Record]] = {}

    def add_sensor(self, name: str, modality: str) -> None:
        """A channel, "camera" or "lidar"."""
        self._rows["sensor"].append({"token": token("sensor", name), "channel": name, "modality": modality})

    def add_scene(self, scene: BagScene) -> None:
        """A scene with its keyframes."""
        log, samples = token("log", scene.name), [self.sample_token(scene, sample) for sample in scene.samples]
        rows = [{"token": name, "timestamp": sample.stamp_ns // 1000, "scene_token": token("scene", scene.name), "prev": "", "next": ""}
                for name, sample in zip(samples, scene.samples, strict=True)]
        _link(rows)
        day = datetime.datetime.fromtimestamp(scene.samples[0].stamp_ns // 10**9, datetime.timezone.utc).date().isoformat()
        self._rows["sample"] += rows
        self._rows["log"].append({"token": log, "logfile": scene.name, "vehicle": "", "date_captured": day, "location": ""})
        self._rows["scene"].append({"token": token("scene", scene.name), "log_token": log, "nbr_samples": len(samples), "name": scene.name,
                                    "first_sample_token": samples[0], "last_sample_token": samples[-1], "description": "from a bag"})

    @staticmethod
    def sample_token(scene: BagScene, sample: BagSample) -> str:
        """The bag's own token of a keyframe, or a made one."""
        return sample.token or token("sample", scene.name, sample.stamp_ns)

    def add_reading(self, scene: BagScene, sample: BagSample, sensor: str, stamp_ns: int, filename: str, *, keyframe: bool,
                    base_T_sensor: np.ndarray, odom_T_base: np.ndarray, intrinsics: np.ndarray | None, size_wh: tuple[int, int]) -> None:
        """A file below the data root, with the pose and calibration that it was taken with; readings of a sensor in the order of time."""
        matrix = [] if intrinsics is None else np.asarray(intrinsics).tolist()
        pose = _pose(base_T_sensor)
        calibration = token("calibration", scene.name, sensor, pose, matrix)
        if calibration not in self._calibrations:
            self._calibrations.add(calibration)
            self._rows["calibrated_sensor"].append({"token": calibration, "sensor_token": token("sensor", sensor), **pose,
                                                    "camera_intrinsic": matrix})
        name = token("reading", scene.name, sensor, stamp_ns)
        self._rows["ego_pose"].append({"token": name, "timestamp": stamp_ns // 1000, **_pose(odom_T_base)})
        row = {"token": name, "sample_token": self.sample_token(scene, sample), "ego_pose_token": name, "calibrated_sensor_token": calibration,
               "timestamp": stamp_ns // 1000, "fileformat": filename.rpartition(".")[2] if intrinsics is not None else "pcd",
               "is_key_frame": keyframe, "height": size_wh[1], "width": size_wh[0], "filename": filename, "prev": "", "next": ""}
        self._rows["sample_data"].append(row)
        self._chains.setdefault((scene.name, sensor), []).append(row)

    def write(self, root: Path, version: str) -> None:
        """Write all tables, and a map mask without content, which the devkit asks for."""
        name = f"maps/{token('map')}.png"
        self._rows["map"] = [{"token": token("map"), "log_tokens": [row["token"] for row in self._rows["log"]], "category": "semantic_prior",
                              "filename": name}]
        (root / "maps").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.zeros((8, 8), np.uint8))
        for chain in self._chains.values():
            _link(sorted(chain, key=lambda row: row["timestamp"]))
        (root / version).mkdir(parents=True, exist_ok=True)
        for table, rows in self._rows.items():
            (root / version / f"{table}.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")


def _link(chain: list[Record]) -> None:
    for before, after in pairwise(chain):
        before["next"], after["prev"] = after["token"], before["token"]


def _pose(matrix: np.ndarray) -> Record:
    rotation = Quaternion(matrix=matrix[:3, :3], rtol=1e-4, atol=1e-6).elements
    return {"rotation": rotation.tolist(), "translation": matrix[:3, 3].tolist()}
