"""A compact index of nuScenes' tables: parsed from JSON once, then read from a cache in well under a second.

The tables of the full data set are gigabytes of JSON; what perception needs of them is a few arrays. The cache holds arrays
only (no pickle) and is tied to each table's size and modification time, so a changed table means a rebuild.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fusion.data.nuscenes_tables import OPTIONAL_IN_TEST, TABLES, build_arrays
from fusion.errors import UserError
from fusion.files import replacing

FORMAT = 2  # raise whenever an array's meaning changes: old caches are then rebuilt


@dataclass(frozen=True, kw_only=True)
class NuScenesIndex:
    """Arrays of one nuScenes version. S scenes, N keyframes, C channels, R readings, K calibrations, M annotations.

    Attributes:
        scene_name: `(S,)` bytes.
        sample_token: `(N,)` bytes, grouped by scene, in time order.
        sample_scene: `(N,)` int, index of the scene.
        sample_stamp_us: `(N,)` int64.
        channel: `(C,)` bytes, cameras in rig order, LIDAR_TOP last.
        sample_reading: `(N, C)` int, index of the keyframe's reading, -1 where there is none.
        reading_file: `(R,)` bytes, relative to the data root.
        reading_calibration: `(R,)` int.
        reading_stamp_us: `(R,)` int64.
        reading_pose: `(R, 7)` global_T_ego as quaternion w x y z and translation x y z.
        reading_prev: `(R,)` int, the reading before it of the same LiDAR, -1 where there is none.
        reading_hw: `(R, 2)` int, image height and width.
        calibration_pose: `(K, 7)` ego_T_sensor as quaternion and translation.
        calibration_intrinsics: `(K, 3, 3)`, zeros for a LiDAR.
        has_annotations: `()` bool.
        annotation_start: `(N + 1,)` int, the annotations of keyframe i are start[i]:start[i + 1].
        annotation_box: `(M, 13)` global: centre x y z, w l h, quaternion w x y z, velocity x y z (NaN where unknown).
        annotation_label: `(M,)` int, index into DETECTION_CLASSES, never -1 (others are left out).
        annotation_attribute: `(M,)` int, index into ATTRIBUTES or -1.
        annotation_points: `(M, 2)` int, LiDAR and radar points inside.
        annotation_visibility: `(M,)` int, 0 to 4.
        annotation_instance: `(M,)` bytes.
    """

    scene_name: np.ndarray
    sample_token: np.ndarray
    sample_scene: np.ndarray
    sample_stamp_us: np.ndarray
    channel: np.ndarray
    sample_reading: np.ndarray
    reading_file: np.ndarray
    reading_calibration: np.ndarray
    reading_stamp_us: np.ndarray
    reading_pose: np.ndarray
    reading_prev: np.ndarray
    reading_hw: np.ndarray
    calibration_pose: np.ndarray
    calibration_intrinsics: np.ndarray
    has_annotations: np.ndarray
    annotation_start: np.ndarray
    annotation_box: np.ndarray
    annotation_label: np.ndarray
    annotation_attribute: np.ndarray
    annotation_points: np.ndarray
    annotation_visibility: np.ndarray
    annotation_instance: np.ndarray


def cache_path(dataroot: Path, version: str) -> Path:
    """Where the index of this data root and version is cached: `$XDG_CACHE_HOME/bevduet`, by default in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path(os.path.expanduser("~")) / ".cache")
    key = hashlib.sha256(f"{dataroot.resolve()}\n{version}".encode()).hexdigest()[:16]
    return Path(base) / "bevduet" / f"nuscenes-{key}.npz"


def load_index(dataroot: Path, version: str) -> NuScenesIndex:
    """The index from the cache, or from the tables where the cache is absent, stale or damaged.

    Raises:
        UserError: no such data root or version, a missing or corrupt table, or a record without calibration.
    """
    folder = dataroot / version
    if not folder.is_dir():
        found = sorted(p.name for p in dataroot.glob("v1.0-*") if p.is_dir()) if dataroot.is_dir() else []
        hint = f"found {', '.join(found)}" if found else "pass the folder that holds v1.0-trainval, v1.0-mini or v1.0-test"
        raise UserError(f"{folder}: no such folder of nuScenes tables; {hint}")
    fingerprint = _fingerprint(folder, version)
    path = cache_path(dataroot, version)
    index = _read_cache(path, fingerprint)
    if index is None:
        index = NuScenesIndex(**build_arrays(folder, version))
        _write_cache(path, index, fingerprint)
    return index


def _fingerprint(folder: Path, version: str) -> str:
    stamps: dict[str, Any] = {"format": FORMAT}
    for table in TABLES:
        path = folder / f"{table}.json"
        try:
            stat = path.stat()
        except OSError:
            if "test" in version and table in OPTIONAL_IN_TEST:
                continue
            raise UserError(f"{path}: table not found; extract the metadata archive of {version} into {folder.parent}") from None
        stamps[table] = [stat.st_size, stat.st_mtime_ns]
    return json.dumps(stamps, sort_keys=True)


def _read_cache(path: Path, fingerprint: str) -> NuScenesIndex | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["fingerprint"]) != fingerprint:
                return None
            return NuScenesIndex(**{f.name: stored[f.name] for f in fields(NuScenesIndex)})
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None  # a cache is only a cache: the tables are read again


def _write_cache(path: Path, index: NuScenesIndex, fingerprint: str) -> None:
    arrays = {f.name: getattr(index, f.name) for f in fields(index)}
    try:
        with replacing(path) as temporary:
            np.savez(temporary, fingerprint=np.array(fingerprint), **arrays)
    except OSError:
        return  # an unwritable cache folder costs time, nothing else
