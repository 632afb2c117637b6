"""KITTI frames: labels and projection agree with the files' own numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fusion.data.kitti import KittiSource
from fusion.errors import UserError
from fusion.geometry.boxes import box_corners, points_in_boxes
from fusion.geometry.projection import lidar_to_image, project
from fusion.geometry.transforms import invert, transform_points
from fusion.types import DETECTION_CLASSES


@pytest.fixture
def kitti(shared_data: Path) -> KittiSource:
    return KittiSource(shared_data / "kitti_object_3frames")


def _corners_uv(source: KittiSource, token: str) -> np.ndarray:
    """Image rectangle (u0, v0, u1, v1) of each ground-truth box."""
    truth, camera = source.ground_truth(token), source.load(token).cameras["image_2"]
    assert truth is not None
    assert camera is not None
    cam = transform_points(invert(camera.ego_T_cam), box_corners(truth.boxes.astype(np.float64)))
    uv, _ = project(cam, camera.intrinsics)
    return np.concatenate([uv.min(axis=1), uv.max(axis=1)], axis=1)


@pytest.mark.parametrize(("token", "names", "boxes_2d", "tolerance"), [
    ("000000", ["pedestrian"], [[712.40, 143.00, 810.73, 307.92]], 12.0),  # near: the box is looser than the outline
    ("000001", ["truck", "car", "bicycle"],
     [[599.41, 156.40, 629.75, 189.25], [387.63, 181.54, 423.81, 203.12], [676.60, 163.95, 688.98, 193.93]], 4.0),
    ("000002", ["car"], [[657.39, 190.13, 700.07, 223.39]], 4.0),
])
def test_boxes_project_onto_the_labelled_rectangles(kitti: KittiSource, token: str, names: list[str],
                                                    boxes_2d: list[list[float]], tolerance: float) -> None:
    truth = kitti.ground_truth(token)
    assert truth is not None
    assert [DETECTION_CLASSES[i] for i in truth.labels] == names
    np.testing.assert_allclose(_corners_uv(kitti, token), boxes_2d, atol=tolerance)  # pixels


def test_boxes_stand_on_the_ground_and_hold_points(kitti: KittiSource) -> None:
    truth, cloud = kitti.ground_truth("000000"), kitti.load("000000").lidar
    assert truth is not None
    assert cloud is not None
    x, z, height = truth.boxes[0, [0, 2, 5]]
    assert abs(z - height / 2) < 0.3
    assert 0 < x < 10
    assert points_in_boxes(transform_points(cloud.ego_T_lidar, cloud.points[:, :3]), truth.boxes).sum() > 100


@pytest.mark.parametrize("token", ["000000", "000001", "000002"])
def test_for_training_only_what_is_labelled_is_read(kitti: KittiSource, shared_data: Path, token: str) -> None:
    """No point behind the camera or beside its image; within the image every one but of regions left open, and those of the labelled objects."""
    seen_only = KittiSource(shared_data / "kitti_object_3frames", labelled_only=True)
    whole, readings, truth = kitti.load(token), seen_only.load(token), kitti.ground_truth(token)
    assert truth is not None and whole.lidar is not None and readings.lidar is not None
    camera = readings.cameras["image_2"]
    assert camera is not None
    uv, _ = lidar_to_image(whole, "image_2")
    height, width = camera.image.shape[:2]
    inside = (uv[:, 0] >= -0.5) & (uv[:, 0] < width - 0.5) & (uv[:, 1] >= -0.5) & (uv[:, 1] < height - 0.5)
    assert 0.1 < inside.mean() < 0.3
    lines = [line.split() for line in (shared_data / f"kitti_object_3frames/training/label_2/{token}.txt").read_text().splitlines()]
    left_open = np.array([line[4:8] for line in lines if line[0] in ("DontCare", "Misc")], np.float64).reshape(-1, 4)
    in_open = ((uv[:, None] >= left_open[:, :2] - 1.5) & (uv[:, None] <= left_open[:, 2:] + 1.5)).all(axis=2).any(axis=1)
    kept_uv = lidar_to_image(readings, "image_2")[0]
    is_open = ((kept_uv[:, None] >= left_open[:, :2] - 1.5) & (kept_uv[:, None] <= left_open[:, 2:] + 1.5)).all(axis=2).any(axis=1)
    np.testing.assert_array_equal(readings.lidar.points[~is_open], whole.lidar.points[inside & ~in_open])
    assert is_open.sum() <= 0.2 * (inside & in_open).sum()  # a rectangle's border is outside of it
    held, kept = (points_in_boxes(transform_points(one.ego_T_lidar, one.points[:, :3]), truth.boxes).sum(axis=1)
                  for one in (whole.lidar, readings.lidar))
    assert (kept >= 0.95 * held).all() and held.min() > 0
    same = seen_only.load(token, cameras=False).lidar
    assert same is not None and np.array_equal(same.points, readings.lidar.points)


def test_for_training_nothing_of_unlabelled_objects_is_read(shared_data: Path, tmp_path: Path) -> None:
    """Where DontCare or Misc stands in the image, neither pixels nor points are left, but those of labelled objects there."""
    shutil.copytree(shared_data / "kitti_object_3frames/training", tmp_path / "training")
    label = tmp_path / "training/label_2/000002.txt"
    car = next(line for line in label.read_text().splitlines() if line.startswith("Car"))
    numbers = " -1 -1 -1 -1000 -1000 -1000 -10\n"
    label.chmod(0o644)
    label.write_text(f"{car}\nDontCare -1 -1 -10 600.5 150 750 374{numbers}Misc 0 0 0 -20 -9 99.5 99{numbers}")
    whole, known = (KittiSource(tmp_path, labelled_only=only).load("000002") for only in (False, True))
    truth, before, after = KittiSource(tmp_path).ground_truth("000002"), whole.cameras["image_2"], known.cameras["image_2"]
    assert truth is not None and before is not None and after is not None and whole.lidar is not None and known.lidar is not None

    open_px = np.zeros(before.image.shape[:2], bool)
    open_px[150:, 600:751] = open_px[:100, :101] = True
    open_px[190:225, 657:702] = False  # the car's rectangle, 657.39 190.13 700.07 223.39
    np.testing.assert_array_equal(after.image[~open_px], before.image[~open_px])
    assert (after.image[open_px] == before.image.mean(axis=(0, 1)).astype(np.uint8)).all()

    uv, _ = lidar_to_image(known, "image_2")
    column, row = np.floor(uv + 0.5).astype(int).T
    assert not open_px[row, column].any() and len(known.lidar.points) > 10_000
    held, kept = (points_in_boxes(transform_points(one.ego_T_lidar, one.points[:, :3]), truth.boxes).sum()
                  for one in (whole.lidar, known.lidar))
    assert kept >= 0.95 * held > 50


@pytest.mark.parametrize("image", [None, b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" * 9])
def test_a_cloud_is_absent_where_nothing_says_what_was_labelled(shared_data: Path, tmp_path: Path, image: bytes | None) -> None:
    for name in ("calib/000000.txt", "velodyne/000000.bin"):
        (tmp_path / "training" / name).parent.mkdir(parents=True)
        shutil.copy(shared_data / "kitti_object_3frames/training" / name, tmp_path / "training" / name)
    if image is not None:
        (tmp_path / "training/image_2").mkdir()
        (tmp_path / "training/image_2/000000.png").write_bytes(image)
    readings = KittiSource(tmp_path, labelled_only=True).load("000000", cameras=False)
    assert readings.lidar is None
    (line,) = readings.warnings
    assert line.startswith("velodyne: ") and "000000.png" in line


def test_projection_is_the_files_own(kitti: KittiSource, shared_data: Path) -> None:
    readings = kitti.load("000001")
    camera, cloud = readings.cameras["image_2"], readings.lidar
    assert camera is not None
    assert cloud is not None
    assert readings.warnings == ()
    lines = (shared_data / "kitti_object_3frames/training/calib/000001.txt").read_text().splitlines()
    rows = {line.split(":")[0]: np.array(line.split()[1:], np.float64) for line in lines if line.strip()}
    point = np.array([20.0, 2.0, -1.0])
    rect = rows["R0_rect"].reshape(3, 3) @ (rows["Tr_velo_to_cam"].reshape(3, 4) @ [*point, 1])
    expected = rows["P2"].reshape(3, 4) @ [*rect, 1]
    ego = cloud.ego_T_lidar @ [*point, 1]
    got = camera.intrinsics @ (np.linalg.inv(camera.ego_T_cam) @ ego)[:3]
    np.testing.assert_allclose(got[:2] / got[2], expected[:2] / expected[2], atol=1e-3)


def test_faults(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no calibration files"):
        KittiSource(tmp_path)
    (tmp_path / "training/calib").mkdir(parents=True)
    shutil.copy(shared_data / "kitti_object_3frames/training/calib/000000.txt", tmp_path / "training/calib")
    source = KittiSource(tmp_path)
    readings = source.load("000000")
    assert readings.sensors_present == ()
    assert len(readings.warnings) == 2
    assert source.ground_truth("000000") is None
    with pytest.raises(UserError, match=r"frame '7'"):
        source.load("7")
    (tmp_path / "training/calib/000000.txt").chmod(0o644)
    (tmp_path / "training/calib/000000.txt").write_text("P2: 1 2 3\n")
    with pytest.raises(UserError, match=r"000000.txt: P2: expected 12 numbers"):
        source.load("000000")
