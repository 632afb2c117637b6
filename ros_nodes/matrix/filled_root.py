"""A drive at its sensors' own rates, made of one that has keyframes alone: between them stand copies that differ in a few bits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fusion.data.nuscenes_index import cache_path
from fusion.data.nuscenes_tables import read_table
from fusion.errors import UserError
from ros_nodes.player_damage import varied_jpeg, varied_points
from ros_nodes.player_root import SWEEPS

RATES_HZ = {"camera": 12, "lidar": 20}
"""As in nuScenes."""

_POINT_BYTES = 20  # x y z intensity ring, float32

Record = dict[str, Any]


@contextmanager
def filled_between(dataroot: Path, version: str, scene: str) -> Iterator[Path]:
    """A data root in a temporary folder with one more reading wherever a sensor of the scene would have sent one.

    Sensors that have readings between keyframes keep them. All files that are there already are linked, not copied.

    Args:
        dataroot: in nuScenes' format, with images in JPEG; `version` its folder of tables.
        scene: name of the scene; others have no readings there.

    Raises:
        UserError: an unknown scene, unreadable tables, or an image that is no JPEG.
    """
    with TemporaryDirectory(prefix="bevduet-") as folder:
        root = Path(folder)
        try:
            _fill(dataroot.resolve(), version, scene, root)
            yield root
        finally:
            cache_path(root, version).unlink(missing_ok=True)


def _fill(dataroot: Path, version: str, scene: str, root: Path) -> None:
    tables = dataroot / version
    scenes = {record["name"]: record["token"] for record in read_table(tables, "scene")}
    if scene not in scenes:
        raise UserError(f"scene {scene!r}: not in {tables}; expected one of {', '.join(scenes)}")
    samples = {record["token"] for record in read_table(tables, "sample") if record["scene_token"] == scenes[scene]}
    sensors = {record["token"]: record for record in read_table(tables, "sensor")}
    sensor_of = {record["token"]: sensors[record["sensor_token"]] for record in read_table(tables, "calibrated_sensor")}
    readings = [record for record in read_table(tables, "sample_data") if record["sample_token"] in samples]
    tokens = {record["ego_pose_token"] for record in readings}
    pose_of = {record["token"]: record for record in read_table(tables, "ego_pose") if record["token"] in tokens}
    poses = list(pose_of.values())
    (root / version).mkdir()
    for entry in dataroot.iterdir():
        if entry.name not in (version, SWEEPS):
            (root / entry.name).symlink_to(entry)
    for table in tables.iterdir():
        if table.name not in ("sample_data.json", "ego_pose.json"):
            (root / version / table.name).symlink_to(table)
    (root / SWEEPS).mkdir()
    own: dict[str, list[Record]] = {}
    for record in readings:
        own.setdefault(sensor_of[record["calibrated_sensor_token"]]["channel"], []).append(record)
    for sensor in sensors.values():
        channel, records = sensor["channel"], own.get(sensor["channel"], [])
        there = dataroot / SWEEPS / channel
        if there.is_dir():
            (root / SWEEPS / channel).symlink_to(there)
        if sensor["modality"] not in RATES_HZ or any(not record["is_key_frame"] for record in records):
            continue
        keyframes = sorted(records, key=lambda record: int(record["timestamp"]))
        for before, after in pairwise(keyframes):
            last = before["token"]
            if not (dataroot / before["filename"]).exists():  # the player says so
                continue
            for number, record in enumerate(_between(before, after, RATES_HZ[sensor["modality"]]), 1):
                last = _write(record, last, number, sensor, dataroot, root)
                readings.append(record)
                poses.append(_pose_between(pose_of[before["ego_pose_token"]], pose_of[after["ego_pose_token"]], record))
            after["prev"] = last
    for name, rows in (("sample_data", readings), ("ego_pose", poses)):
        (root / version / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")


def _between(before: Record, after: Record, rate_hz: int) -> list[Record]:
    """Records of the readings that a sensor would have given between two keyframes."""
    start_us, span_us = int(before["timestamp"]), int(after["timestamp"]) - int(before["timestamp"])
    count = round(1e-6 * span_us * rate_hz)
    return [{**before, "token": f"{before['token']}-{number}", "ego_pose_token": f"{before['ego_pose_token']}-{number}", "is_key_frame": False,
             "sample_token": after["sample_token"], "timestamp": start_us + span_us * number // count} for number in range(1, count)]


def _write(record: Record, prev: str, number: int, sensor: Mapping[str, str], dataroot: Path, root: Path) -> str:
    """The file of a record, whose `filename` is still its keyframe's; returns its token."""
    original = dataroot / record["filename"]
    name = f"{SWEEPS}/{sensor['channel']}/{number}-{original.name}"
    record["filename"], record["prev"] = name, prev
    content = np.fromfile(original, np.uint8)
    if sensor["modality"] == "camera":
        if not varied_jpeg(content, number):
            raise UserError(f"{original}: no JPEG; keyframes with images in JPEG are needed to stand in for the images between them")
    else:
        varied_points(content, number, _POINT_BYTES)
    (root / name).parent.mkdir(exist_ok=True)
    content.tofile(root / name)
    return str(record["token"])


def _pose_between(before: Record, after: Record, record: Record) -> Record:
    """The ego's pose at a record's stamp: half a second is short enough for a straight line, of the quaternion too."""
    share = (record["timestamp"] - before["timestamp"]) / (after["timestamp"] - before["timestamp"])
    start, end = np.array(before["rotation"]), np.array(after["rotation"])
    rotation = (1 - share) * start + share * (end if start @ end >= 0 else -end)
    translation = (1 - share) * np.array(before["translation"]) + share * np.array(after["translation"])
    return {"token": record["ego_pose_token"], "timestamp": record["timestamp"], "rotation": (rotation / np.linalg.norm(rotation)).tolist(),
            "translation": translation.tolist()}
