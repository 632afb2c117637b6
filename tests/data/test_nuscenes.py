"""The nuScenes source against the official devkit, and on a tiny data set with sweeps and faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.data.nuscenes import NuScenesSource
from fusion.errors import UserError
from fusion.types import DETECTION_CLASSES

WALL = np.array([[20.0, 3.0, 1.0], [25.0, -2.0, 2.0]])


def _edit(root: Path, table: str, change: Any) -> None:
    path = root / "v1.0-tiny" / f"{table}.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps(change(records)))


def test_equals_the_devkit(scene0523: Path) -> None:
    nuscenes = pytest.importorskip("nuscenes.nuscenes")
    from nuscenes.eval.detection.utils import category_to_detection_name
    from pyquaternion import Quaternion

    devkit = nuscenes.NuScenes(version="v1.0-mini", dataroot=str(scene0523), verbose=False)
    source = NuScenesSource(scene0523, "v1.0-mini", ["scene-0523"])
    tokens = source.tokens("scene-0523")
    assert len(tokens) == 40
    total = 0
    expected_token = devkit.scene[0]["first_sample_token"]
    for token in tokens:
        assert token == expected_token
        sample = devkit.get("sample", token)
        expected_token = sample["next"]
        record = devkit.get("sample_data", sample["data"]["LIDAR_TOP"])
        pose = devkit.get("ego_pose", record["ego_pose_token"])
        truth = source.ground_truth(token)
        assert truth is not None
        rows = []
        for name in sample["anns"]:
            annotation = devkit.get("sample_annotation", name)
            detection = category_to_detection_name(annotation["category_name"])
            if detection is None:
                continue
            box = devkit.get_box(name)
            box.velocity = devkit.box_velocity(name)
            box.translate(-np.array(pose["translation"]))
            box.rotate(Quaternion(pose["rotation"]).inverse)
            width, length, height = box.wlh
            yaw = np.arctan2(box.orientation.rotation_matrix[1, 0], box.orientation.rotation_matrix[0, 0])
            attributes = [devkit.get("attribute", key)["name"] for key in annotation["attribute_tokens"]]
            rows.append((annotation["instance_token"],
                         np.array([*box.center, length, width, height, yaw, *box.velocity[:2]]),
                         DETECTION_CLASSES.index(detection), annotation["num_lidar_pts"] + annotation["num_radar_pts"],
                         int(annotation["visibility_token"]),
                         attributes[0] if attributes else ""))
        assert sorted(truth.tokens) == sorted(row[0] for row in rows)
        for instance, box, label, points, visibility, attribute in rows:
            i = truth.tokens.index(instance)
            np.testing.assert_allclose(truth.boxes[i], box, atol=2e-5, rtol=1e-5)
            assert (truth.labels[i], truth.num_points[i], truth.visibility[i], truth.attributes[i]) == (
                label, points, visibility, attribute)
        total += len(rows)
    assert total > 1000


def test_readings_equal_the_devkit(scene0523: Path) -> None:
    nuscenes = pytest.importorskip("nuscenes.nuscenes")
    from nuscenes.utils.data_classes import LidarPointCloud
    from nuscenes.utils.geometry_utils import transform_matrix
    from pyquaternion import Quaternion

    devkit = nuscenes.NuScenes(version="v1.0-mini", dataroot=str(scene0523), verbose=False)
    source = NuScenesSource(scene0523, "v1.0-mini")
    token = source.tokens("scene-0523")[7]
    sample = devkit.get("sample", token)
    # This copy has no sweeps between keyframes: one step back is the previous keyframe, 0.5 s ago; two would be too old.
    readings = source.load(token, num_sweeps=10)
    assert readings.warnings == ()
    assert len(readings.sensors_present) == 7
    assert readings.lidar is not None
    cloud, ages = LidarPointCloud.from_file_multisweep(devkit, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=2)
    np.testing.assert_allclose(readings.lidar.points[:, :3], cloud.points[:3].T, atol=1e-4)
    np.testing.assert_allclose(readings.lidar.points[:, 3], cloud.points[3] / 255, atol=1e-6)
    np.testing.assert_allclose(readings.lidar.points[:, 4], ages[0], atol=1e-6)
    for name in source.sensors():
        record = devkit.get("sample_data", sample["data"][name])
        calibration = devkit.get("calibrated_sensor", record["calibrated_sensor_token"])
        ego = devkit.get("ego_pose", record["ego_pose_token"])
        reading = readings.lidar if name == "LIDAR_TOP" else readings.cameras[name]
        assert reading is not None
        assert reading.stamp_ns == record["timestamp"] * 1000
        sensor_pose = reading.ego_T_lidar if name == "LIDAR_TOP" else reading.ego_T_cam  # type: ignore[union-attr]
        for ours, record in ((sensor_pose, calibration), (reading.global_T_ego, ego)):
            expected = transform_matrix(record["translation"], Quaternion(record["rotation"]))
            np.testing.assert_allclose(ours, expected, atol=1e-9)
        if name != "LIDAR_TOP":
            np.testing.assert_array_equal(reading.intrinsics, calibration["camera_intrinsic"])  # type: ignore[union-attr]
    assert readings.stamp_ns == readings.lidar.stamp_ns
    np.testing.assert_array_equal(readings.global_T_ego, readings.lidar.global_T_ego)


def test_sweeps_are_motion_compensated(tiny_root: Path) -> None:
    source = NuScenesSource(tiny_root, "v1.0-tiny")
    assert source.tokens("scene-tiny") == ["k0", "k1"]  # time order, not table order
    alone = source.load("k1").lidar
    merged = source.load("k1", num_sweeps=3).lidar
    assert alone is not None
    assert merged is not None
    assert len(alone.points) == 2
    assert len(merged.points) == 8
    for i in range(4):
        np.testing.assert_allclose(merged.points[2 * i:2 * i + 2, :4], alone.points[:, :4], atol=1e-5)
    np.testing.assert_allclose(merged.points[::2, 4], [0, 0.2, 0.3, 0.4], atol=1e-6)
    in_ego = alone.points[:, :3] @ alone.ego_T_lidar[:3, :3].T + alone.ego_T_lidar[:3, 3]
    np.testing.assert_allclose(in_ego, WALL - [5, 0, 0], atol=1e-5)  # at 0.5 s the vehicle is at x = 5 m
    np.testing.assert_allclose(alone.points[:, 3], 0.2, atol=1e-6)


def test_missing_sweep_is_skipped_and_broken_one_warns(tiny_root: Path) -> None:
    source = NuScenesSource(tiny_root, "v1.0-tiny")
    (tiny_root / "sweeps/LIDAR_TOP/3.pcd.bin").unlink()
    (tiny_root / "sweeps/LIDAR_TOP/2.pcd.bin").write_bytes(b"123")
    readings = source.load("k1", num_sweeps=10)
    assert readings.lidar is not None
    np.testing.assert_allclose(readings.lidar.points[::2, 4], [0, 0.4, 0.5], atol=1e-6)
    assert len(readings.warnings) == 1
    assert "2.pcd.bin" in readings.warnings[0]
    assert "\n" not in readings.warnings[0]


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\nxx"])
def test_broken_image_becomes_absence_with_one_warning(tiny_root: Path, content: bytes | None) -> None:
    path = tiny_root / "samples/CAM_FRONT/0.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    readings = NuScenesSource(tiny_root, "v1.0-tiny").load("k0")
    assert readings.cameras == {"CAM_FRONT": None}
    assert readings.sensors_present == ("LIDAR_TOP",)
    assert len(readings.warnings) == 1
    assert readings.warnings[0].startswith("CAM_FRONT: ")
    assert str(path) in readings.warnings[0]


def test_missing_cloud_keeps_the_reference(tiny_root: Path) -> None:
    (tiny_root / "samples/LIDAR_TOP/4.pcd.bin").unlink()
    readings = NuScenesSource(tiny_root, "v1.0-tiny").load("k1", num_sweeps=2)
    assert readings.lidar is None
    assert len(readings.warnings) == 1
    assert readings.stamp_ns == 1_000_500_000_000
    assert readings.global_T_ego is not None
    assert readings.global_T_ego[0, 3] == 5.0


def test_no_lidar_record_falls_back_to_the_sample_and_first_camera(tiny_root: Path) -> None:
    _edit(tiny_root, "sample_data", lambda rows: [r for r in rows if "LIDAR" not in r["filename"]])
    readings = NuScenesSource(tiny_root, "v1.0-tiny").load("k1")
    assert readings.lidar is None
    assert "no sample_data record" in readings.warnings[0]
    assert readings.stamp_ns == 1_000_500_000_000
    assert readings.global_T_ego is not None
    assert readings.global_T_ego[0, 3] == 5.0


def test_unwanted_sensors_are_not_read(tiny_root: Path) -> None:
    readings = NuScenesSource(tiny_root, "v1.0-tiny").load("k0", cameras=False, lidar=False)
    assert readings.sensors_present == ()
    assert readings.warnings == ()
    assert list(readings.cameras) == ["CAM_FRONT"]


def test_unknown_names_are_refused(tiny_root: Path) -> None:
    with pytest.raises(UserError, match=r"scene 'scene-9': not in .*expected one of scene-tiny"):
        NuScenesSource(tiny_root, "v1.0-tiny", ["scene-9"])
    source = NuScenesSource(tiny_root, "v1.0-tiny")
    with pytest.raises(UserError, match=r"scene 'x'"):
        source.tokens("x")
    with pytest.raises(UserError, match=r"sample token 'x'"):
        source.load("x")
    for number in (-1, 11):
        with pytest.raises(UserError, match=r"num_sweeps: got"):
            source.load("k0", num_sweeps=number)


def test_ground_truth_of_a_version_without_annotations_is_none(tiny_root: Path) -> None:
    assert NuScenesSource(tiny_root, "v1.0-tiny").ground_truth("k0") is None
