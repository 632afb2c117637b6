"""Labels of points in a data root, as the official devkit reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_roots import contents
from nuscenes import NuScenes
from nuscenes.eval.lidarseg.utils import LidarsegClassMapper
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box
from toy_world import TOY, FullDiskCamera, Stumbling

from fusion.data.open import open_source
from fusion.errors import UserError
from fusion.simulate.point_classes import POINT_CLASSES, point_class
from fusion.simulate.record.drive import Request
from fusion.simulate.record.run import simulate
from fusion.simulate.rig import nuscenes_rig

REQUEST = Request(scenes=3, seed=11, rig=nuscenes_rig(), image_scale=0.02, duration_s=2.0, sweeps=True, lidarseg=True)
FILES = "lidarseg/v1.0-sim"
SHARE = ({"static_object.bicycle_rack", "vehicle.bicycle"}, {"vehicle.car", "vehicle.bus.rigid", "vehicle.construction"})
"""Whose boxes share room in the toy world: a bicycle stands in the rack, the car drives through what is ahead of it."""


def load(root: Path) -> Any:
    return NuScenes(version="v1.0-sim", dataroot=str(root), verbose=False)


def labels_of(nusc: Any, reading: str) -> np.ndarray:
    return np.fromfile(Path(nusc.dataroot) / nusc.get("lidarseg", reading)["filename"], np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lidarseg") / "root"
    simulate(path, REQUEST, parts=TOY)
    return path


@pytest.fixture(scope="module")
def nusc(root: Path) -> Any:
    return load(root)


def test_the_devkit_loads_it_and_counts_the_points_of_each_class(nusc: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert nusc.lidarseg_idx2name_mapping == dict(enumerate(POINT_CLASSES))
    nusc.get_sample_lidarseg_stats(nusc.sample[0]["token"], sort_by="index")
    rows = [line.replace("n=", "").split() for line in capsys.readouterr().out.splitlines() if "n=" in line]
    assert len(rows) == 11 and rows[0] == ["2", "human.pedestrian.adult", "20"]
    assert {name: int(count) for _, name, count in rows}["vehicle.bicycle"] == 40
    assert set(LidarsegClassMapper(nusc).convert_label(labels_of(nusc, nusc.lidarseg[0]["token"])).tolist()) == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}


def test_every_point_of_keyframes_has_a_label_and_lies_in_a_box_of_that_category(nusc: Any, root: Path) -> None:
    keyframes = {row["token"] for row in nusc.sample_data if row["channel"] == "LIDAR_TOP" and row["is_key_frame"]}
    assert len(keyframes) == 12 == len(nusc.lidarseg) == len(list((root / FILES).iterdir()))
    assert {row["token"] for row in nusc.lidarseg} == {row["sample_data_token"] for row in nusc.lidarseg} == keyframes
    assert nusc.lidarseg[0]["filename"] == f"{FILES}/{nusc.lidarseg[0]['token']}_lidarseg.bin"
    for token in keyframes:
        path, boxes, _ = nusc.get_sample_data(token)
        points, labels = LidarPointCloud.from_file(path).points[:3], labels_of(nusc, token)
        assert labels.shape == (points.shape[1],)
        for name in {box.name for box in boxes}:
            within = np.any([points_in_box(box, points) for box in boxes if box.name == name], axis=0)
            assert within.any() or name == "human.pedestrian.adult"  # who is hidden for a while keeps the box
            assert within[labels == point_class(name)].all()
            assert {POINT_CLASSES[label] for label in labels[within]} <= next((group for group in SHARE if name in group), {name})


def test_nothing_else_of_the_root_changes(root: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "plain", replace(REQUEST, lidarseg=False), parts=TOY)
    plain, labelled = contents(tmp_path / "plain"), contents(root)
    added = {name for name in labelled if name.startswith(FILES)} | {"v1.0-sim/lidarseg.json"}
    assert set(labelled) - set(plain) == added
    differ = {name for name in plain if plain[name] != labelled[name]}
    assert differ == {"simulate.json", "v1.0-sim/category.json"} | {name for name in plain if name.startswith("scenes/")}
    assert all("index" not in row for row in json.loads(plain["v1.0-sim/category.json"]))
    assert b"lidarseg" not in plain["simulate.json"] + plain["scenes/sim-11-0000.tables"]


def test_our_own_reader_takes_it(root: Path) -> None:
    source = open_source(root, "v1.0-sim", ["sim-11-0000"])
    truth = source.ground_truth(source.tokens("sim-11-0000")[0])
    assert truth is not None and len(truth.boxes) == 11


def test_a_stopped_run_loads_and_resumes_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "stopped", REQUEST, parts=replace(TOY, camera=Stumbling(2)))
    assert len(load(tmp_path / "stopped").lidarseg) == 8
    left = tmp_path / "stopped" / "lidarseg" / "sim-11-0002"
    left.mkdir()
    (left / "half_lidarseg.bin").write_bytes(b"of a run that was killed")
    simulate(tmp_path / "stopped", REQUEST, resume=True, parts=TOY)
    assert contents(tmp_path / "stopped") == contents(root)


def test_labels_of_scenes_that_are_not_in_the_tables_wait(tmp_path: Path) -> None:
    """The devkit refuses a folder with more files than rows: a root must load while it is made, or after the machine stopped."""
    loaded = []

    class Looking(Stumbling):
        def __call__(self, scenery: Any) -> Any:
            if (tmp_path / "v1.0-sim").is_dir():
                loaded.append(len(load(tmp_path).lidarseg))
            return super().__call__(scenery)

    simulate(tmp_path, REQUEST, parts=replace(TOY, camera=Looking(99)))
    assert loaded and set(loaded) <= {4, 8}
    assert [path.name for path in (tmp_path / "lidarseg").iterdir()] == ["v1.0-sim"]


def test_a_full_disk_leaves_no_labels_of_half_a_scene(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, REQUEST, parts=replace(TOY, camera=Stumbling(1)))
    with pytest.raises(UserError, match=r"no space left; 1 finished scene\(s\) of 3 stay valid"):
        simulate(tmp_path, REQUEST, resume=True, parts=replace(TOY, camera=FullDiskCamera))
    assert len(load(tmp_path).lidarseg) == 4 == len([name for name in contents(tmp_path) if name.startswith("lidarseg")])


@pytest.mark.parametrize(("first", "says"), [(True, "was begun with --lidarseg;"), (False, "was begun without --lidarseg;")])
def test_resume_with_or_without_labels_is_refused_where_it_was_begun_otherwise(tmp_path: Path, first: bool, says: str) -> None:
    small = replace(REQUEST, scenes=1)
    simulate(tmp_path, replace(small, lidarseg=first), parts=TOY)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=says):
        simulate(tmp_path, replace(small, lidarseg=not first), resume=True, parts=TOY)
    assert contents(tmp_path) == before


def test_a_rig_without_lidar_has_no_points_to_label() -> None:
    with pytest.raises(UserError, match="--lidarseg: the rig has no LiDAR"):
        replace(REQUEST, sweeps=False, rig=replace(REQUEST.rig, lidar=None))
