"""Parsing nuScenes' JSON tables into the arrays of `NuScenesIndex`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fusion.data.classes import DETECTION_NAME, label_of
from fusion.errors import UserError
from fusion.types import ATTRIBUTES

OPTIONAL_IN_TEST = ("sample_annotation", "instance", "category", "attribute")
TABLES = ("scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor", *OPTIONAL_IN_TEST)
LIDAR = "LIDAR_TOP"
RIG_ORDER = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")
MAX_VELOCITY_GAP_S = 1.5

Record = dict[str, Any]


def read_table(folder: Path, name: str) -> list[Record]:
    """A table's records; UserError naming the file where it is missing or corrupt."""
    path = folder / f"{name}.json"
    try:
        table = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: table not found; extract the metadata archive of {folder.name} into {folder.parent}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); extract the metadata archive of {folder.name} again") from None
    if not isinstance(table, list) or not all(isinstance(record, dict) for record in table):
        raise UserError(f"{path}: expected a list of records; extract the metadata archive of {folder.name} again")
    return table


def build_arrays(folder: Path, version: str) -> dict[str, np.ndarray]:
    """All arrays of `NuScenesIndex` from the tables in `folder`.

    Raises:
        UserError: a missing or corrupt table, a dangling token, or a calibration of the wrong shape.
    """
    table = "scene"
    try:
        scenes = read_table(folder, "scene")
        table = "sample"
        scene_of = {scene["token"]: i for i, scene in enumerate(scenes)}
        samples = [s for s in read_table(folder, "sample") if s["scene_token"] in scene_of]
        samples.sort(key=lambda s: (scene_of[s["scene_token"]], s["timestamp"]))
        row_of = {s["token"]: i for i, s in enumerate(samples)}
        arrays = {
            "scene_name": _names([s["name"] for s in scenes]),
            "sample_token": _names([s["token"] for s in samples]),
            "sample_scene": np.array([scene_of[s["scene_token"]] for s in samples], np.int32),
            "sample_stamp_us": np.array([s["timestamp"] for s in samples], np.int64),
        }
        table = "sample_data"
        arrays |= _readings(folder, row_of)
        table = "sample_annotation"
        arrays |= _annotations(folder, version, row_of, arrays["sample_stamp_us"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{folder / table}.json: a record of it, or of a table it refers to, lacks or garbles {error}; "
                        f"extract the metadata archive of {version} again") from None
    return arrays


def _names(values: list[str]) -> np.ndarray:
    return np.array([value.encode() for value in values], dtype=bytes)  # a quarter of the memory of NumPy's text


def _seven(folder: Path, table: str, record: Record) -> list[float]:
    """Quaternion and translation of a record as seven numbers."""
    numbers = np.array([*record.get("rotation", []), *record.get("translation", [])], np.float64)
    if len(record.get("rotation", [])) != 4 or numbers.shape != (7,) or not np.isfinite(numbers).all() or not numbers[:4].any():
        raise UserError(f"{folder / table}.json: record {record['token']}: expected a rotation of 4 numbers and a translation of "
                        f"3, got {record.get('rotation')} and {record.get('translation')}; extract the table again")
    return [float(value) for value in numbers]


def _calibrations(folder: Path) -> tuple[dict[str, tuple[int, str]], list[str], dict[str, np.ndarray]]:
    """Calibration token -> (index, channel) for cameras and the LiDAR; the channels; the arrays."""
    sensors = {s["token"]: s for s in read_table(folder, "sensor")}
    found: dict[str, tuple[int, str]] = {}
    poses: list[list[float]] = []
    matrices: list[np.ndarray] = []
    for record in read_table(folder, "calibrated_sensor"):
        sensor = sensors.get(record["sensor_token"])
        if sensor is None:
            raise UserError(f"{folder}/sensor.json: record {record['sensor_token']} not found, which calibrated_sensor "
                            f"{record['token']} names; extract the tables again")
        camera = sensor["modality"] == "camera"
        if not camera and sensor["channel"] != LIDAR:
            found[record["token"]] = (-1, "")
            continue
        matrix = np.zeros((3, 3))
        if camera:
            given = record.get("camera_intrinsic")
            shape = [len(row) if isinstance(row, list) else 0 for row in given] if isinstance(given, list) else []
            matrix = np.array(given, np.float64) if shape == [3, 3, 3] else matrix
            if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
                raise UserError(f"{folder}/calibrated_sensor.json: record {record['token']} ({sensor['channel']}): expected a "
                                f"3x3 camera_intrinsic with positive focal lengths, got {given}; extract the table again")
        found[record["token"]] = (len(poses), sensor["channel"])
        poses.append(_seven(folder, "calibrated_sensor", record))
        matrices.append(matrix)
    names = {channel for index, channel in found.values() if index >= 0 and channel != LIDAR}
    channels = [n for n in RIG_ORDER if n in names] + sorted(names - set(RIG_ORDER)) + [LIDAR]
    arrays = {"calibration_pose": np.array(poses, np.float64).reshape(-1, 7),
              "calibration_intrinsics": np.array(matrices, np.float64).reshape(-1, 3, 3)}
    return found, channels, arrays


def _readings(folder: Path, row_of: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Keyframe readings of all channels, and every LiDAR sweep with its chain of predecessors."""
    calibration, channels, arrays = _calibrations(folder)
    column = {name: i for i, name in enumerate(channels)}
    kept: list[Record] = []
    for record in read_table(folder, "sample_data"):
        token = record["calibrated_sensor_token"]
        if token not in calibration:
            raise UserError(f"{folder}/calibrated_sensor.json: record {token} not found, which sample_data {record['token']} "
                            "names; extract the tables again")
        index, channel = calibration[token]
        if index >= 0 and record["sample_token"] in row_of and (record["is_key_frame"] or channel == LIDAR):
            kept.append(record)
    wanted = {record["ego_pose_token"] for record in kept}
    pose_of = {p["token"]: _seven(folder, "ego_pose", p) for p in read_table(folder, "ego_pose") if p["token"] in wanted}
    for record in kept:
        if record["ego_pose_token"] not in pose_of:
            raise UserError(f"{folder}/ego_pose.json: record {record['ego_pose_token']} not found, which sample_data "
                            f"{record['token']} names; extract the tables again")
    position = {record["token"]: i for i, record in enumerate(kept)}
    slots = np.full((len(row_of), len(channels)), -1, np.int32)
    for i, record in enumerate(kept):
        if record["is_key_frame"]:
            slots[row_of[record["sample_token"]], column[calibration[record["calibrated_sensor_token"]][1]]] = i
    return arrays | {
        "channel": _names(channels),
        "sample_reading": slots,
        "reading_file": _names([r["filename"] for r in kept]),
        "reading_calibration": np.array([calibration[r["calibrated_sensor_token"]][0] for r in kept], np.int32),
        "reading_stamp_us": np.array([r["timestamp"] for r in kept], np.int64),
        "reading_pose": np.array([pose_of[r["ego_pose_token"]] for r in kept], np.float64).reshape(-1, 7),
        "reading_prev": np.array([position.get(r["prev"], -1) for r in kept], np.int32),
        "reading_hw": np.array([[r.get("height") or 0, r.get("width") or 0] for r in kept], np.int32).reshape(-1, 2),
    }


def _annotations(folder: Path, version: str, row_of: Mapping[str, int], stamp_us: np.ndarray) -> dict[str, np.ndarray]:
    """Annotations of the ten detection classes, ordered by keyframe."""
    absent = "test" in version and not all((folder / f"{name}.json").exists() for name in OPTIONAL_IN_TEST)
    tables: dict[str, list[Record]] = {name: [] if absent else read_table(folder, name) for name in OPTIONAL_IN_TEST}
    everything = {a["token"]: a for a in tables["sample_annotation"]}
    category = {c["token"]: label_of(DETECTION_NAME.get(c["name"])) for c in tables["category"]}
    label = {i["token"]: category[i["category_token"]] for i in tables["instance"]}
    attribute = {a["token"]: ATTRIBUTES.index(a["name"]) if a["name"] in ATTRIBUTES else -1 for a in tables["attribute"]}
    kept = [a for a in everything.values() if a["sample_token"] in row_of and label[a["instance_token"]] >= 0]
    kept.sort(key=lambda a: row_of[a["sample_token"]])  # stable: the table's order within a keyframe
    boxes = np.zeros((len(kept), 13))
    for i, record in enumerate(kept):
        boxes[i, :3], boxes[i, 3:6], boxes[i, 6:10] = record["translation"], record["size"], record["rotation"]
        boxes[i, 10:] = _velocity(record, everything, row_of, stamp_us)
    rows = np.array([row_of[a["sample_token"]] for a in kept], np.int64)
    return {
        "has_annotations": np.array(bool(everything)),
        "annotation_start": np.searchsorted(rows, np.arange(len(row_of) + 1)).astype(np.int64),
        "annotation_box": boxes,
        "annotation_label": np.array([label[a["instance_token"]] for a in kept], np.int64),
        "annotation_attribute": np.array(
            [attribute[a["attribute_tokens"][0]] if a["attribute_tokens"] else -1 for a in kept], np.int64),
        "annotation_points": np.array([[a["num_lidar_pts"], a["num_radar_pts"]] for a in kept], np.int64).reshape(-1, 2),
        "annotation_visibility": np.array([int(a.get("visibility_token") or 0) for a in kept], np.int64),
        "annotation_instance": _names([a["instance_token"] for a in kept]),
    }


def _velocity(record: Record, everything: Mapping[str, Record], row_of: Mapping[str, int], stamp_us: np.ndarray) -> np.ndarray:
    """Global velocity (m/s) by nuScenes' rule: central difference of the neighbours, one-sided at a track's ends, else NaN."""
    first = everything.get(record["prev"], record)
    last = everything.get(record["next"], record)
    if first is last:
        return np.full(3, np.nan)
    seconds = 1e-6 * float(stamp_us[row_of[last["sample_token"]]]) - 1e-6 * float(stamp_us[row_of[first["sample_token"]]])
    limit = MAX_VELOCITY_GAP_S * (2 if first is not record and last is not record else 1)
    if seconds > limit or seconds <= 0:
        return np.full(3, np.nan)
    moved: np.ndarray = (np.array(last["translation"], np.float64) - np.array(first["translation"], np.float64)) / seconds
    return moved
