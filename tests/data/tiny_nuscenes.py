"""A nuScenes root of a few kilobytes: two keyframes, three sweeps between them, a vehicle driving at 10 m/s past two fixed points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

START_US = 1_000_000_000
SPEED = 10.0
WALL = np.array([[20.0, 3.0, 1.0], [25.0, -2.0, 2.0]])
"""Two points fixed in the global frame."""


def make_root(root: Path, version: str = "v1.0-tiny") -> Path:
    """Write the data set; LiDAR frame = ego frame raised by 2 m and turned by +90 degrees."""
    stamps = [START_US + 100_000 * i for i in (0, 1, 2, 3, 5)]
    rotation = [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]  # ego_T_lidar: x of the LiDAR points left
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in ("sample_annotation", "instance", "category", "attribute")}
    tables["scene"] = [{"token": "s", "name": "scene-tiny"}]
    tables["sample"] = [{"token": f"k{i}", "timestamp": stamps[4 * i], "scene_token": "s"} for i in (1, 0)]
    tables["sensor"] = [{"token": "sl", "channel": "LIDAR_TOP", "modality": "lidar"},
                        {"token": "sc", "channel": "CAM_FRONT", "modality": "camera"}]
    tables["calibrated_sensor"] = [
        {"token": "cl", "sensor_token": "sl", "translation": [0, 0, 2], "rotation": rotation, "camera_intrinsic": []},
        {"token": "cc", "sensor_token": "sc", "translation": [1, 0, 1], "rotation": [0.5, -0.5, 0.5, -0.5],
         "camera_intrinsic": [[10, 0, 8], [0, 10, 4], [0, 0, 1]]}]
    tables["ego_pose"], tables["sample_data"] = [], []
    for i, stamp in enumerate(stamps):
        key = i in (0, 4)
        x = SPEED * (stamp - START_US) * 1e-6
        tables["ego_pose"].append({"token": f"p{i}", "translation": [x, 0, 0], "rotation": [1, 0, 0, 0]})
        name = f"{'samples' if key else 'sweeps'}/LIDAR_TOP/{i}.pcd.bin"
        ego = WALL - [x, 0, 2]
        lidar = np.stack([ego[:, 1], -ego[:, 0], ego[:, 2]], axis=1)
        cloud = np.zeros((3, 5), "<f4")
        cloud[:2, :3], cloud[:2, 3], cloud[:, 4] = lidar, 51, 7  # the third point lies on the vehicle itself
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cloud.tofile(root / name)
        tables["sample_data"].append({
            "token": f"d{i}", "sample_token": "k0" if i == 0 else "k1", "ego_pose_token": f"p{i}",
            "calibrated_sensor_token": "cl", "timestamp": stamp, "is_key_frame": key,
            "filename": name, "prev": f"d{i - 1}" if i else "", "height": 0, "width": 0})
        if key:
            name = f"samples/CAM_FRONT/{i}.png"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / name), np.full((8, 16, 3), 9 + i, np.uint8))
            tables["sample_data"].append({
                "token": f"c{i}", "sample_token": f"k{i // 4}", "ego_pose_token": f"p{i}", "calibrated_sensor_token": "cc",
                "timestamp": stamp, "is_key_frame": True, "filename": name, "prev": "", "height": 8, "width": 16})
    write_tables(root / version, tables)
    return root


def write_tables(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    """Write tables as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(records))
