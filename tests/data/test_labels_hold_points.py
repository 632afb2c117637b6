"""Labelled boxes of real frames hold the LiDAR points that their labels count: conventions of boxes and frames are right.

DGP's published clouds are thinned, see `test_dgp.py`. KITTI counts no points, so its boxes are only asked to hold some.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from fusion.data.kitti import KittiSource
from fusion.data.nuscenes import NuScenesSource
from fusion.geometry.boxes import points_in_boxes, transform_boxes
from fusion.geometry.transforms import invert, pose, transform_points


def held_as_counted(points: np.ndarray, boxes: np.ndarray, counted: np.ndarray) -> None:
    """`(P, 3+)` points and `(M, 7+)` boxes of one frame, `(M,)` counts of the labels.

    A few points at the faces may differ, and a label here and there miscounts. Boxes across their objects, or with length and width exchanged,
    hold fewer, though for most pedestrians and far objects it is all the same.
    """
    held = points_in_boxes(points, boxes).sum(axis=1)
    assert (held == counted).mean() > 0.8
    assert (np.abs(held - counted) <= 1 + 0.12 * counted).mean() > 0.95
    assert abs(held.sum() - counted.sum()) < 0.03 * counted.sum()
    across = points_in_boxes(points, boxes + np.array([0, 0, 0, 0, 0, 0, np.pi / 2] + [0] * (boxes.shape[1] - 7))).sum(axis=1)
    assert across.sum() < 0.85 * counted.sum()


def in_ego(boxes: np.ndarray, ego_T_lidar: np.ndarray) -> np.ndarray:
    """`(M, 7)` boxes of the LiDAR's frame in the ego frame."""
    return transform_boxes(ego_T_lidar, np.pad(boxes, ((0, 0), (0, 2))))


def from_old(boxes: np.ndarray) -> np.ndarray:
    """`(M, 7)` boxes of the old MMDetection3D files, x y z w l h and yaw = -yaw_lidar - pi/2, as ours."""
    x, y, z, width, length, height, yaw = boxes.T
    return np.stack([x, y, z, length, width, height, -yaw - np.pi / 2], axis=1)


def cloud(path: Path) -> np.ndarray:
    """`(P, 5)` points of a nuScenes file."""
    return np.fromfile(path, np.float32).reshape(-1, 5)


def test_scene_0061(shared_data: Path) -> None:
    folder = shared_data / "nuscenes_scene0061_frame0"
    (frame,) = json.loads((folder / "info_AS_JSON.json").read_text())["data_list"]
    points, ego_T_lidar = cloud(folder / frame["lidar_points"]["lidar_path"]), np.array(frame["lidar_points"]["lidar2ego"])
    boxes = np.array([label["bbox_3d"] for label in frame["instances"]])
    counted = np.array([label["num_lidar_pts"] for label in frame["instances"]])
    held_as_counted(points, boxes, counted)
    held_as_counted(transform_points(ego_T_lidar, points[:, :3]), in_ego(boxes, ego_T_lidar), counted)


def test_scene_0003(shared_data: Path) -> None:
    folder = shared_data / "nuscenes_scene0003_frame0"
    frame = yaml.load((folder / "sample0000.yaml").read_text(), yaml.CSafeLoader)
    points, ego_T_lidar = cloud(folder / "0.bin"), pose(frame["lidar2ego_rotation"], frame["lidar2ego_translation"])
    boxes, counted = from_old(np.array(frame["gt_boxes"])), np.array(frame["num_lidar_pts"])
    held_as_counted(points, boxes, counted)
    held_as_counted(transform_points(ego_T_lidar, points[:, :3]), in_ego(boxes, ego_T_lidar), counted)


def test_scene_0103(shared_data: Path) -> None:
    """Boxes in the LiDAR's frame, and as nuScenes' own tables have them: global."""
    folder = shared_data / "nuscenes_scene0103_multisweep_idx1"
    frame = json.loads((folder / "info_idx1.json").read_text())
    points = cloud(folder / frame["lidar_path"].removeprefix("./data/nuscenes/"))
    counted = np.array(frame["num_lidar_pts"])
    held_as_counted(points, from_old(np.array(frame["gt_boxes"])), counted)
    ego_T_lidar, global_T_ego = (pose(frame[f"{name}_rotation"], frame[f"{name}_translation"]) for name in ("lidar2ego", "ego2global"))
    labels = frame["annotations_global_DERIVED"]
    yaws = [2 * np.arctan2(label["rotation"][3], label["rotation"][0]) for label in labels]
    boxes = np.array([[*label["translation"], *np.array(label["size"])[[1, 0, 2]], yaw, 0, 0] for label, yaw in zip(labels, yaws, strict=True)])
    held_as_counted(transform_points(ego_T_lidar, points[:, :3]), transform_boxes(invert(global_T_ego), boxes), counted)


@pytest.mark.parametrize("number", [0, 20, 39])
def test_scene_0523_as_it_is_read(scene0523: Path, number: int) -> None:
    source = NuScenesSource(scene0523, "v1.0-mini")
    token = source.tokens("scene-0523")[number]
    readings, truth = source.load(token, cameras=False), source.ground_truth(token)
    assert readings.lidar is not None and truth is not None
    held_as_counted(transform_points(readings.lidar.ego_T_lidar, readings.lidar.points[:, :3]), truth.boxes[:, :7], truth.num_lidar_pts)


@pytest.mark.parametrize(("token", "least"), [("000000", [300]), ("000001", [50, 5, 5]), ("000002", [20])])
def test_kitti(shared_data: Path, token: str, least: list[int]) -> None:
    source = KittiSource(shared_data / "kitti_object_3frames")
    readings, truth = source.load(token, cameras=False), source.ground_truth(token)
    assert readings.lidar is not None and truth is not None
    held = points_in_boxes(transform_points(readings.lidar.ego_T_lidar, readings.lidar.points[:, :3]), truth.boxes).sum(axis=1)
    assert (held >= least).all(), held
