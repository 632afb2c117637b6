"""Parsing nuScenes' JSON tables into the arrays of `NuScenesIndex`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path

import numpy as np

from fusion.data.classes import DETECTION_NAME, label_of
from fusion.data.json_stream import Record, iterate_records
from fusion.errors import UserError
from fusion.types import ATTRIBUTES

OPTIONAL_IN_TEST = ("sample_annotation", "instance", "category", "attribute")
TABLES = ("scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor", *OPTIONAL_IN_TEST)
LIDAR = "LIDAR_TOP"
RIG_ORDER = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")
MAX_VELOCITY_GAP_S = 1.5


def read_table(folder: Path, name: str) -> Iterator[Record]:
    """A table's records, one after another; UserError naming the file where it is missing or corrupt."""
    return iterate_records(folder / f"{name}.json", f"extract the metadata archive of {folder.name} into {folder.parent} again")


def build_arrays(folder: Path, version: str) -> dict[str, np.ndarray]:
    """All arrays of `NuScenesIndex` from the tables in `folder`.

    Raises:
        UserError: a missing or corrupt table, a dangling token, or a calibration of the wrong shape.
    """
    table = "scene"
    try:
        scenes = list(read_table(folder, "scene"))
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
    numbers = [*record.get("rotation", []), *record.get("translation", [])]
    if len(record.get("rotation", [])) != 4 or len(numbers) != 7 or not all(map(isfinite, numbers)) or not any(numbers[:4]):
        raise UserError(f"{folder / table}.json: record {record['token']}: expected a rotation of 4 numbers and a translation of "
                        f"3, got {record.get('rotation')} and {record.get('translation')}; extract the table again")
    return numbers


def read_calibrations(folder: Path) -> tuple[dict[str, tuple[int, str]], list[str], dict[str, np.ndarray]]:
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
    calibration, channels, arrays = read_calibrations(folder)
    column = {name: i for i, name in enumerate(channels)}
    slots = np.full((len(row_of), len(channels)), -1, np.int32)
    position: dict[str, int] = {}  # LiDAR readings alone: no other chain is followed
    before: dict[int, str] = {}
    wanted: dict[str, list[int]] = {}  # ego pose -> its readings
    files: list[bytes] = []
    calibrations, stamps, sizes = array("i"), array("q"), array("i")
    for record in read_table(folder, "sample_data"):
        token = record["calibrated_sensor_token"]
        if token not in calibration:
            raise UserError(f"{folder}/calibrated_sensor.json: record {token} not found, which sample_data {record['token']} "
                            "names; extract the tables again")
        index, channel = calibration[token]
        row = row_of.get(record["sample_token"], -1)
        if index < 0 or row < 0 or not (record["is_key_frame"] or channel == LIDAR):
            continue
        i = len(files)
        if channel == LIDAR:
            position[record["token"]], before[i] = i, record["prev"]
        if record["is_key_frame"]:
            slots[row, column[channel]] = i
        wanted.setdefault(record["ego_pose_token"], []).append(i)
        files.append(record["filename"].encode())
        calibrations.append(index)
        stamps.append(record["timestamp"])
        sizes.extend((record.get("height") or 0, record.get("width") or 0))
    previous = np.full(len(files), -1, np.int32)
    for i, token in before.items():
        previous[i] = position.get(token, -1)
    del position, before
    return arrays | {
        "channel": _names(channels),
        "sample_reading": slots,
        "reading_file": np.array(files, dtype=bytes),
        "reading_calibration": np.array(calibrations, np.int32),
        "reading_stamp_us": np.array(stamps, np.int64),
        "reading_pose": read_ego_poses(folder, wanted, len(files)),
        "reading_prev": previous,
        "reading_hw": np.array(sizes, np.int32).reshape(-1, 2),
    }


def read_ego_poses(folder: Path, wanted: dict[str, list[int]], count: int) -> np.ndarray:
    """`(count, 7)` poses; `wanted` maps a pose to the rows it belongs to and is used up."""
    poses = np.zeros((count, 7))
    for record in read_table(folder, "ego_pose"):
        rows = wanted.pop(record["token"], None)
        if rows is not None:
            poses[rows] = _seven(folder, "ego_pose", record)
    if wanted:
        token = next(iter(wanted))
        raise UserError(f"{folder}/ego_pose.json: record {token} not found, which sample_data names ({len(wanted)} such records); "
                        "extract the tables again")
    return poses


def _annotations(folder: Path, version: str, row_of: Mapping[str, int], stamp_us: np.ndarray) -> dict[str, np.ndarray]:
    """Annotations of the ten detection classes, ordered by keyframe, then by the table."""
    absent = "test" in version and not all((folder / f"{name}.json").exists() for name in OPTIONAL_IN_TEST)

    def table(name: str) -> Iterator[Record]:
        return iter(()) if absent else read_table(folder, name)

    category = {c["token"]: label_of(DETECTION_NAME.get(c["name"])) for c in table("category")}
    instances = {i["token"]: (category[i["category_token"]], i["token"].encode()) for i in table("instance")}
    attribute = {a["token"]: ATTRIBUTES.index(a["name"]) if a["name"] in ATTRIBUTES else -1 for a in table("attribute")}
    position: dict[str, int] = {}
    prev: list[str] = []
    next_: list[str] = []
    names: list[bytes] = []
    boxes, integers = array("d"), array("q")
    any_at_all = False
    for record in table("sample_annotation"):
        any_at_all = True
        row = row_of.get(record["sample_token"], -1)
        label, instance = instances[record["instance_token"]]
        if row < 0 or label < 0:
            continue
        position[record["token"]] = len(names)
        prev.append(record["prev"])
        next_.append(record["next"])
        names.append(instance)
        (x, y, z), (width, length, height), (qw, qx, qy, qz) = record["translation"], record["size"], record["rotation"]
        boxes.extend((x, y, z, width, length, height, qw, qx, qy, qz))
        attributes = record["attribute_tokens"]
        integers.extend((row, label, attribute[attributes[0]] if attributes else -1, record["num_lidar_pts"],
                         record["num_radar_pts"], int(record.get("visibility_token") or 0)))
    ten, six = np.array(boxes, np.float64).reshape(-1, 10), np.array(integers, np.int64).reshape(-1, 6)
    own = np.arange(len(ten))
    first = np.array([position.get(token, i) for i, token in enumerate(prev)], np.int64)
    last = np.array([position.get(token, i) for i, token in enumerate(next_)], np.int64)
    velocity = _velocities(ten[:, :3], stamp_us[six[:, 0]], first, own, last)
    order = np.argsort(six[:, 0], kind="stable")
    six = six[order]
    return {
        "has_annotations": np.array(any_at_all),
        "annotation_start": np.searchsorted(six[:, 0], np.arange(len(row_of) + 1)).astype(np.int64),
        "annotation_box": np.concatenate([ten, velocity], axis=1)[order],
        "annotation_label": six[:, 1].copy(),
        "annotation_attribute": six[:, 2].copy(),
        "annotation_points": six[:, 3:5].copy(),
        "annotation_visibility": six[:, 5].copy(),
        "annotation_instance": np.array(names, dtype=bytes)[order],
    }


def _velocities(centres: np.ndarray, stamp_us: np.ndarray, first: np.ndarray, own: np.ndarray, last: np.ndarray) -> np.ndarray:
    """`(M, 3)` global velocity (m/s) by nuScenes' rule: central difference of the neighbours, one-sided at a track's ends, else NaN.

    `first` and `last` are the rows before and after each row `own` in its track, or the row itself where there is none.
    """
    seconds = 1e-6 * stamp_us[last].astype(np.float64) - 1e-6 * stamp_us[first].astype(np.float64)
    limit = np.where((first != own) & (last != own), 2 * MAX_VELOCITY_GAP_S, MAX_VELOCITY_GAP_S)
    known = (first != last) & (seconds > 0) & (seconds <= limit)
    moved = (centres[last] - centres[first]) / np.where(known, seconds, 1.0)[:, None]
    velocities: np.ndarray = np.where(known[:, None], moved, np.nan)
    return velocities
