"""A simulated root as the official devkit sees it, and as our own reader does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_roots import truth_as_result
from nuscenes import NuScenes
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.detection.evaluate import DetectionEval
from toy_world import TOY

from fusion.data.open import open_source
from fusion.evaluate.nuscenes_eval import score_detections
from fusion.evaluate.submission import SubmissionWriter, to_submission
from fusion.geometry.projection import ref_T_lidar
from fusion.geometry.transforms import pose
from fusion.simulate.record.drive import Request
from fusion.simulate.record.run import simulate
from fusion.simulate.rig import nuscenes_rig
from fusion.types import DETECTION_CLASSES, Detections

REQUEST = Request(scenes=2, seed=3, rig=nuscenes_rig(), image_scale=0.05, duration_s=4.0, sweeps=True, weather="day")
NAMES = ["sim-3-0000", "sim-3-0001"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sim") / "root"
    assert simulate(path, REQUEST, parts=TOY) == NAMES
    return path


@pytest.fixture(scope="module")
def nusc(root: Path) -> Any:
    return NuScenes(version="v1.0-sim", dataroot=str(root), verbose=False)


def test_the_truth_scores_one(nusc: Any, root: Path, tmp_path: Path) -> None:
    evaluation = score_detections(root, "v1.0-sim", NAMES, truth_as_result(nusc, NAMES, tmp_path / "truth.json"))
    assert min(evaluation.ground_truth.values()) > 0
    assert evaluation.summary["mean_ap"] == pytest.approx(1.0, abs=1e-9)
    assert evaluation.summary["nd_score"] == pytest.approx(1.0, abs=1e-6)
    assert max(evaluation.summary["tp_errors"].values()) < 1e-6


def test_the_truth_in_our_frames_scores_one(root: Path, tmp_path: Path) -> None:
    """Every class with its attribute and velocity, read into the ego's frame and written back to the global one, against the devkit's own reading."""
    source = open_source(root, "v1.0-sim")
    with SubmissionWriter(tmp_path / "truth.json", use_lidar=True) as writer:
        for token in (token for name in source.scenes() for token in source.tokens(name)):
            truth, pose_there = source.ground_truth(token), source.load(token, cameras=False, lidar=False).global_T_ego
            assert truth is not None and pose_there is not None
            truth = truth.select(truth.num_points > 0)
            answer = Detections(boxes=np.nan_to_num(truth.boxes), scores=np.full(len(truth), 0.5, np.float32), labels=truth.labels,
                                attributes=truth.attributes, stamp_ns=0, sensors_used=())
            writer.add(token, to_submission(answer, pose_there, token))
    summary = score_detections(root, "v1.0-sim", NAMES, tmp_path / "truth.json").summary
    assert summary["mean_ap"] == pytest.approx(1.0, abs=1e-9)
    assert summary["nd_score"] == pytest.approx(1.0, abs=1e-4)


def test_the_untouched_devkit_scores_the_split_of_the_root(nusc: Any, tmp_path: Path) -> None:
    result = truth_as_result(nusc, NAMES[1:], tmp_path / "truth.json")
    metrics, _ = DetectionEval(nusc, config_factory("detection_cvpr_2019"), str(result), "sim_val", str(tmp_path), verbose=False).evaluate()
    assert metrics.mean_ap == pytest.approx(1.0, abs=1e-9)
    assert metrics.nd_score == pytest.approx(1.0, abs=1e-6)


def test_bicycles_in_racks_and_boxes_without_points_do_not_count(nusc: Any, root: Path, tmp_path: Path) -> None:
    counts = score_detections(root, "v1.0-sim", NAMES, truth_as_result(nusc, NAMES, tmp_path / "truth.json")).ground_truth
    annotated = [row for row in nusc.sample_annotation if row["category_name"] == "vehicle.bicycle"]
    assert len(annotated) == 2 * counts["bicycle"] == 2 * 2 * 8
    people = [row for row in nusc.sample_annotation if row["category_name"] == "human.pedestrian.adult"]
    assert [row["num_lidar_pts"] for row in people[:4]] == [20, 0, 20, 20]  # lost at 1 s, then interpolated; lost for good after 2 s
    assert counts["pedestrian"] == 2 * 3


def test_links_and_counts(nusc: Any) -> None:
    for scene in nusc.scene:
        token, seen = scene["first_sample_token"], []
        while token:
            seen.append(nusc.get("sample", token)["timestamp"])
            last, token = token, nusc.get("sample", token)["next"]
        assert (len(seen), last) == (scene["nbr_samples"], scene["last_sample_token"]) == (8, last)
        assert np.diff(seen).tolist() == [500_000] * 7
        for channel in ("LIDAR_TOP", "CAM_BACK"):
            reading, chain = nusc.get("sample", scene["first_sample_token"])["data"][channel], []
            while nusc.get("sample_data", reading)["prev"]:
                reading = nusc.get("sample_data", reading)["prev"]
            while reading:
                chain.append(nusc.get("sample_data", reading))
                reading = chain[-1]["next"]
            assert len(chain) == (8 * 10 if channel == "LIDAR_TOP" else 8)
            assert sum(row["is_key_frame"] for row in chain) == 8
            assert (np.diff([row["timestamp"] for row in chain]) > 0).all()
    for instance in nusc.instance:
        row = nusc.get("sample_annotation", instance["first_annotation_token"])
        count = 1
        while row["next"]:
            assert nusc.get("sample_annotation", row["next"])["prev"] == row["token"]
            row, count = nusc.get("sample_annotation", row["next"]), count + 1
        assert (row["token"], count) == (instance["last_annotation_token"], instance["nbr_annotations"])
    tokens = [row["token"] for table in nusc.table_names for row in getattr(nusc, table) if table not in ("ego_pose", "visibility")]
    assert len(set(tokens)) == len(tokens)
    assert all(len(token) == 32 for token in tokens)


def test_every_file_exists_and_images_have_their_size(nusc: Any, root: Path) -> None:
    for row in nusc.sample_data:
        path = root / row["filename"]
        assert path.is_file()
        if row["channel"] != "LIDAR_TOP":
            assert cv2.imread(str(path)).shape == (row["height"], row["width"], 3) == (45, 80, 3)
    files = {str(p.relative_to(root)) for folder in ("samples", "sweeps") for p in (root / folder).rglob("*.*")}
    assert files == {row["filename"] for row in nusc.sample_data}


def test_cameras_fire_when_the_lidar_looks_their_way(nusc: Any) -> None:
    sample = nusc.sample[2]
    rig = REQUEST.rig_of(0)
    for camera in rig.cameras:
        early_us = sample["timestamp"] - nusc.get("sample_data", sample["data"][camera.name])["timestamp"]
        assert 0 < early_us <= 50_000
        assert early_us == pytest.approx(1e6 * rig.shutter_before_s(camera), abs=1)
    poses = [nusc.get("ego_pose", nusc.get("sample_data", sample["data"][c])["ego_pose_token"]) for c in ("CAM_FRONT", "LIDAR_TOP")]
    moved = poses[1]["translation"][0] - poses[0]["translation"][0]
    assert moved == pytest.approx(5e-6 * (poses[1]["timestamp"] - poses[0]["timestamp"]), abs=1e-5)


def test_velocity_attribute_and_range(nusc: Any) -> None:
    cars = [row for row in nusc.sample_annotation if row["category_name"] == "vehicle.car"]
    assert len(cars) == 16
    for row in cars:
        assert nusc.box_velocity(row["token"]) == pytest.approx([8, 0, 0])
        assert [nusc.get("attribute", t)["name"] for t in row["attribute_tokens"]] == ["vehicle.moving"]
        assert row["visibility_token"] in {"1", "2"}  # the toy camera says that half is hidden


def test_our_reader_agrees_with_the_calibration(root: Path) -> None:
    source = open_source(root, "v1.0-sim", NAMES)
    token = source.tokens(NAMES[0])[3]
    sensor_set, truth = source.load(token, num_sweeps=9), source.ground_truth(token)
    assert not sensor_set.warnings
    assert truth is not None and sensor_set.lidar is not None
    assert set(truth.labels.tolist()) == set(range(len(DETECTION_CLASSES)))
    rig = REQUEST.rig_of(0)
    np.testing.assert_allclose(sensor_set.lidar.ego_T_lidar, rig.lidar.ego_T_lidar, atol=1e-6)  # type: ignore[union-attr]
    for camera in rig.cameras:
        reading = sensor_set.cameras[camera.name]
        assert reading is not None
        np.testing.assert_allclose(reading.ego_T_cam, camera.ego_T_cam, atol=1e-6)
        np.testing.assert_allclose(reading.intrinsics, camera.intrinsics, atol=1e-9)
    inside = ref_T_lidar(sensor_set)[:3, :3] @ sensor_set.lidar.points[:, :3].T + ref_T_lidar(sensor_set)[:3, 3:]
    assert len(inside.T) > 9 * 200  # keyframe and nine sweeps of eleven boxes with 20 points


def test_the_map_mask_starts_at_the_global_origin(nusc: Any) -> None:
    mask = nusc.map[0]["mask"]
    x, y = np.array([89.0, 91.0, 239.0, 241.0, 100.0]), np.array([100.0, 91.0, 109.0, 100.0, 111.0])
    assert mask.is_on_mask(x, y).tolist() == [False, True, True, False, False]


def test_fixed_tables_are_nuscenes_own(nusc: Any, scene0523: Path) -> None:
    for table in ("attribute", "visibility", "category"):
        real = json.loads((scene0523 / "v1.0-mini" / f"{table}.json").read_text())
        key = "level" if table == "visibility" else "name"
        ours = {row[key] for row in getattr(nusc, table)}
        assert ours <= {row[key] for row in real}
        assert len(ours) == {"attribute": 8, "visibility": 4, "category": 23}[table]
    assert {row["token"]: row["level"] for row in nusc.visibility} == {"1": "v0-40", "2": "v40-60", "3": "v60-80", "4": "v80-100"}


def test_ego_poses_are_rigid(nusc: Any) -> None:
    for row in [*nusc.ego_pose, *nusc.calibrated_sensor]:
        assert np.linalg.norm(row["rotation"]) == pytest.approx(1, abs=1e-9)
        assert np.isfinite(pose(row["rotation"], row["translation"])).all()
