"""The index: cached, rebuilt when it must be, and plain about broken tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.data import nuscenes_index
from fusion.data.nuscenes_index import cache_path, load_index
from fusion.errors import UserError

VERSION = "v1.0-tiny"


def _write(root: Path, table: str, records: Any) -> None:
    (root / VERSION / f"{table}.json").write_text(json.dumps(records))


def _read(root: Path, table: str) -> Any:
    return json.loads((root / VERSION / f"{table}.json").read_text())


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by one each time the tables are parsed."""
    seen: list[Path] = []
    original = nuscenes_index.build_arrays

    def count(folder: Path, version: str) -> dict[str, np.ndarray]:
        seen.append(folder)
        return original(folder, version)

    monkeypatch.setattr(nuscenes_index, "build_arrays", count)
    return seen


def test_tables_are_parsed_once(tiny_root: Path, builds: list[Path], cache_home: Path) -> None:
    first, second = load_index(tiny_root, VERSION), load_index(tiny_root, VERSION)
    assert len(builds) == 1
    for name, array in vars(first).items():
        np.testing.assert_array_equal(getattr(second, name), array)
    assert [p.name for p in (cache_home / "bevduet").iterdir()] == [cache_path(tiny_root, VERSION).name]


def test_changed_table_rebuilds(tiny_root: Path, builds: list[Path]) -> None:
    load_index(tiny_root, VERSION)
    _write(tiny_root, "scene", [{"token": "s", "name": "scene-renamed"}])
    assert load_index(tiny_root, VERSION).scene_name.tolist() == [b"scene-renamed"]
    assert len(builds) == 2


@pytest.mark.parametrize("keep", [0, 10, -40])
def test_damaged_cache_is_rebuilt(tiny_root: Path, builds: list[Path], keep: int) -> None:
    load_index(tiny_root, VERSION)
    path = cache_path(tiny_root, VERSION)
    path.write_bytes(path.read_bytes()[:keep])
    load_index(tiny_root, VERSION)
    load_index(tiny_root, VERSION)
    assert len(builds) == 2


def test_unwritable_cache_is_no_error(tiny_root: Path, builds: list[Path], cache_home: Path) -> None:
    (cache_home / "bevduet").write_text("a file where the folder should be")
    for _ in range(2):
        assert len(load_index(tiny_root, VERSION).sample_token) == 2
    assert len(builds) == 2


def test_wrong_version_names_the_ones_found(tiny_root: Path) -> None:
    with pytest.raises(UserError, match=r"v1.0-trainval: no such folder of nuScenes tables; found v1.0-tiny"):
        load_index(tiny_root, "v1.0-trainval")


def test_missing_and_corrupt_tables_are_named(tiny_root: Path) -> None:
    path = tiny_root / VERSION / "ego_pose.json"
    path.write_text(path.read_text()[:30])
    with pytest.raises(UserError, match=r"ego_pose.json: not valid JSON"):
        load_index(tiny_root, VERSION)
    path.unlink()
    with pytest.raises(UserError, match=r"ego_pose.json: table not found; extract"):
        load_index(tiny_root, VERSION)


def test_missing_calibration_record_is_named(tiny_root: Path) -> None:
    _write(tiny_root, "calibrated_sensor", [r for r in _read(tiny_root, "calibrated_sensor") if r["token"] != "cc"])
    with pytest.raises(UserError, match=r"calibrated_sensor.json: record cc not found, which sample_data c0 names"):
        load_index(tiny_root, VERSION)


@pytest.mark.parametrize("change", [
    {"camera_intrinsic": [[1, 0], [0, 1]]}, {"camera_intrinsic": []}, {"camera_intrinsic": None},
    {"camera_intrinsic": [[0, 0, 8], [0, 10, 4], [0, 0, 1]]}, {"rotation": [1, 0, 0]}, {"rotation": [0, 0, 0, 0]},
    {"translation": [1, 2]}, {"translation": [1, 2, float("nan")]},
])
def test_malformed_calibration_is_named(tiny_root: Path, change: dict[str, Any]) -> None:
    records = _read(tiny_root, "calibrated_sensor")
    _write(tiny_root, "calibrated_sensor", [{**r, **(change if r["token"] == "cc" else {})} for r in records])
    with pytest.raises(UserError, match=r"calibrated_sensor.json: record cc.*expected"):
        load_index(tiny_root, VERSION)


def test_missing_pose_and_missing_field_are_named(tiny_root: Path) -> None:
    poses = _read(tiny_root, "ego_pose")
    _write(tiny_root, "ego_pose", poses[1:])
    with pytest.raises(UserError, match=r"ego_pose.json: record p0 not found"):
        load_index(tiny_root, VERSION)
    _write(tiny_root, "ego_pose", poses)
    _write(tiny_root, "sample_data", [{k: v for k, v in r.items() if k != "filename"} for r in _read(tiny_root, "sample_data")])
    with pytest.raises(UserError, match=r"sample_data.json: a record of it.* lacks or garbles 'filename'"):
        load_index(tiny_root, VERSION)
