"""A nuScenes root of a few kilobytes: two cameras (JPEG) and a LiDAR with sweeps, a vehicle that drives at 10 m/s and turns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

VERSION = "v1.0-tiny"
SCENES = ("scene-one", "scene-two")
STARTS_US = {"scene-one": 1_600_000_000_000_000, "scene-two": 1_600_000_600_000_000}
CAMERAS = {"CAM_FRONT": -40_000, "CAM_BACK": -10_000}
"""Camera -> microseconds from the keyframe's stamp to its own."""

KEYFRAMES, SWEEPS = 3, 4
"""Per scene; sweeps between two keyframes, which are 0.5 s apart."""

IMAGE_SWEEPS = 5
"""Images of a camera between two keyframes where they are asked for: 12 Hz."""

SIZE_WH = (64, 32)


def make_drive(root: Path, *, scenes: tuple[str, ...] = SCENES, image_sizes: bool = True, image_sweeps: bool = False) -> Path:
    """Write the data set; `image_sizes` False leaves the sizes of images out of the tables, `image_sweeps` adds those between keyframes."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in (
        "sample_annotation", "instance", "category", "attribute", "visibility", "sample", "sample_data", "ego_pose", "calibrated_sensor")}
    tables["scene"] = [{"token": name, "name": name, "log_token": name, "nbr_samples": KEYFRAMES, "description": "",
                        "first_sample_token": f"{name}-0", "last_sample_token": f"{name}-{KEYFRAMES - 1}"} for name in scenes]
    tables["sensor"] = [{"token": name, "channel": name, "modality": "camera"} for name in CAMERAS]
    tables["sensor"].append({"token": "LIDAR_TOP", "channel": "LIDAR_TOP", "modality": "lidar"})
    tables["log"] = [{"token": name, "logfile": name, "vehicle": "", "date_captured": "", "location": ""} for name in scenes]
    tables["map"] = [{"token": "map", "log_tokens": list(scenes), "category": "semantic_prior", "filename": "maps/map.png"}]
    for number, scene in enumerate(scenes):
        _scene(root, tables, scene, number, image_sizes, image_sweeps)
    (root / "maps").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / "maps/map.png"), np.zeros((4, 4), np.uint8))
    folder = root / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(records))
    return root


def _scene(root: Path, tables: dict[str, list[dict[str, Any]]], scene: str, number: int, image_sizes: bool, image_sweeps: bool) -> None:
    for name, (rotation, translation, matrix) in {
        "CAM_FRONT": ([0.5, -0.5, 0.5, -0.5], [1.7, 0, 1.5 + number], [[80, 0, 31.5], [0, 80, 15.5], [0, 0, 1]]),
        "CAM_BACK": ([0.5, -0.5, -0.5, 0.5], [0, 0, 1.5], [[50, 0, 31.0], [0, 50, 15.0], [0, 0, 1]]),
        "LIDAR_TOP": ([np.sqrt(0.5), 0, 0, -np.sqrt(0.5)], [0.9, 0, 1.8], []),
    }.items():
        tables["calibrated_sensor"].append({"token": f"{scene}-{name}", "sensor_token": name, "translation": translation, "rotation": rotation,
                                            "camera_intrinsic": matrix})
    step_us = 500_000 // (SWEEPS + 1)
    last = ""
    for index in range((KEYFRAMES - 1) * (SWEEPS + 1) + 1):
        keyframe, key = divmod(index, SWEEPS + 1)[0], index % (SWEEPS + 1) == 0
        sample = min(keyframe + (not key), KEYFRAMES - 1)
        stamp = STARTS_US[scene] + index * step_us
        if key:
            tables["sample"].append({"token": f"{scene}-{keyframe}", "timestamp": stamp, "scene_token": scene,
                                     "prev": f"{scene}-{keyframe - 1}" if keyframe else "",
                                     "next": f"{scene}-{keyframe + 1}" if keyframe < KEYFRAMES - 1 else ""})
            for camera, shift in CAMERAS.items():
                _reading(root, tables, scene, camera, stamp + shift, sample, key=True, prev="", sizes=image_sizes)
                for count in range(1, IMAGE_SWEEPS + 1) if image_sweeps and keyframe < KEYFRAMES - 1 else ():
                    between = stamp + shift + count * 500_000 // (IMAGE_SWEEPS + 1)
                    _reading(root, tables, scene, camera, between, sample + 1, key=False, prev="", sizes=image_sizes)
        last = _reading(root, tables, scene, "LIDAR_TOP", stamp, sample, key=key, prev=last)


def _reading(root: Path, tables: dict[str, list[dict[str, Any]]], scene: str, sensor: str, stamp: int, sample: int, *, key: bool, prev: str,
             sizes: bool = True) -> str:
    token = f"{sensor}-{stamp}"
    camera = sensor in CAMERAS
    path = f"{'samples' if key else 'sweeps'}/{sensor}/{scene}__{sensor}__{stamp}.{'jpg' if camera else 'pcd.bin'}"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(stamp)
    if camera:
        image = cv2.resize(rng.integers(0, 256, (4, 8, 3), np.uint8), SIZE_WH)
        cv2.imwrite(str(root / path), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    else:
        points = np.column_stack([rng.uniform(-30, 30, (20, 2)), rng.uniform(-2, 2, 20), rng.uniform(0, 255, 20), rng.integers(0, 32, 20)])
        points.astype("<f4").tofile(root / path)
    seconds = 1e-6 * (stamp - STARTS_US[scene])
    tables["ego_pose"].append({"token": token, "timestamp": stamp, "translation": [600 + 10 * seconds, 1600 + seconds**2, 0.1],
                               "rotation": [np.cos(0.1 * seconds), 0, 0, np.sin(0.1 * seconds)]})
    tables["sample_data"].append({
        "token": token, "sample_token": f"{scene}-{sample}", "ego_pose_token": token, "calibrated_sensor_token": f"{scene}-{sensor}",
        "timestamp": stamp, "fileformat": "jpg" if camera else "pcd", "is_key_frame": key, "filename": path, "prev": prev, "next": "",
        "width": SIZE_WH[0] * (camera and sizes), "height": SIZE_WH[1] * (camera and sizes)})
    return token
