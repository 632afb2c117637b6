"""The stage types refuse what they do not stand for, naming what they expected and what they got."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fusion.types import (
    ATTRIBUTES,
    BOX_FIELDS,
    CameraReading,
    CameraStream,
    Detections,
    GroundTruth,
    LidarReading,
    LidarStream,
    SensorBatch,
    SensorSet,
)


def test_examples_are_valid_and_repeat() -> None:
    first, second = SensorBatch.example(batch=2, cameras=3), SensorBatch.example(batch=2, cameras=3)
    assert first.batch_size == 2
    assert first.images.shape[:2] == (2, 3)
    assert torch.equal(first.points, second.points)
    assert SensorBatch.example(cameras=0, points=0).points.shape == (1, 0, 5)
    assert SensorSet.example().sensors_present == ("CAM_0", "CAM_1", "LIDAR_TOP")
    assert len(Detections.example()) == 1
    empty = Detections.empty(stamp_ns=7)
    assert (len(empty), empty.boxes.shape, empty.stamp_ns, empty.sensors_used) == (0, (0, len(BOX_FIELDS)), 7, ())
    assert len(set(ATTRIBUTES)) == 8


@pytest.mark.parametrize(("change", "message"), [
    ({"camera_ok": torch.ones(2, 3, dtype=torch.bool)}, r"camera_ok: expected \(B, N\) with {'B': 2, 'N': 2}, got \(2, 3\)"),
    ({"valid_px": torch.ones(2, 2, 2)}, r"valid_px: expected \(B, N, 4\).*got \(2, 2, 2\)"),
    ({"intrinsics": torch.ones(2, 2, 4, 4)}, r"intrinsics: expected \(B, N, 3, 3\).*got \(2, 2, 4, 4\)"),
    ({"points": torch.ones(2, 9, 4)}, r"points: expected \(B, P, 5\).*got \(2, 9, 4\)"),
    ({"lidar_ok": torch.ones(2)}, "lidar_ok: expected dtype torch.bool, got torch.float32"),
    ({"images": None}, r"images: expected \(B, N, 3, H, W\), got NoneType"),
])
def test_batch_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SensorBatch.example(batch=2), **change)


def test_drop_cameras() -> None:
    batch = SensorBatch.example(batch=2, cameras=2)
    dropped = batch.drop(cameras=torch.tensor([[True, False], [False, False]]))
    assert dropped.camera_ok.tolist() == [[False, True], [True, True]]
    assert not dropped.images[0, 0].any()
    assert torch.equal(dropped.intrinsics[0, 0], torch.eye(3))
    assert torch.equal(dropped.cam_T_ego[0, 0], torch.eye(4))
    assert not dropped.valid_px[0, 0].any() and torch.equal(dropped.valid_px[0, 1], batch.valid_px[0, 1])
    assert torch.equal(dropped.images[1], batch.images[1])
    assert torch.equal(dropped.images[0, 1], batch.images[0, 1])
    assert torch.equal(dropped.points, batch.points)
    assert batch.camera_ok.all()  # the original is untouched


def test_drop_lidar_and_never_back() -> None:
    batch = SensorBatch.example(batch=2)
    dropped = batch.drop(lidar=torch.tensor([False, True]))
    assert dropped.lidar_ok.tolist() == [True, False]
    assert dropped.points_ok.any(dim=1).tolist() == [True, False]
    assert not dropped.points[1].any()
    assert torch.equal(dropped.points[0], batch.points[0])
    assert torch.equal(dropped.images, batch.images)
    again = dropped.drop(lidar=torch.tensor([True, False]))
    assert again.lidar_ok.tolist() == [False, False]


def test_drop_hides_even_nan() -> None:
    batch = SensorBatch.example()
    broken = replace(batch, images=torch.full_like(batch.images, torch.nan), points=torch.full_like(batch.points, torch.nan))
    dropped = broken.drop(cameras=torch.ones(1, 2, dtype=torch.bool), lidar=torch.ones(1, dtype=torch.bool))
    assert not dropped.images.any()
    assert not dropped.points.any()


def test_to_moves_every_tensor() -> None:
    moved = SensorBatch.example().to("meta")
    assert all(getattr(moved, name).device.type == "meta" for name in vars(moved))


def test_without() -> None:
    sensors = replace(SensorSet.example(), token="t", warnings=("w",))
    less = sensors.without("CAM_1", "LIDAR_TOP")
    assert less.sensors_present == ("CAM_0",)
    assert list(less.cameras) == ["CAM_0", "CAM_1"]
    assert less.lidar is None
    assert (less.token, less.warnings) == ("t", ("w",))
    assert sensors.sensors_present == ("CAM_0", "CAM_1", "LIDAR_TOP")
    assert less.without("CAM_1").sensors_present == ("CAM_0",)
    with pytest.raises(ValueError, match=r"sensor 'CAM_9': not in this rig; expected one of \['CAM_0', 'CAM_1', 'LIDAR_TOP'\]"):
        sensors.without("CAM_9")


@pytest.mark.parametrize(("change", "message"), [
    ({"image": np.zeros((4, 5), np.uint8)}, r"image: expected \(H, W, 3\), got \(4, 5\)"),
    ({"image": np.zeros((4, 5, 3), np.float32)}, "image: expected dtype .*uint8.*, got float32"),
    ({"intrinsics": np.zeros((3, 3))}, "intrinsics: expected finite, positive focal lengths"),
    ({"ego_T_cam": np.diag([1.0, 1, -1, 1])}, "ego_T_cam: expected a rotation"),
    ({"ego_T_cam": np.eye(4) * np.nan}, "ego_T_cam: expected finite numbers"),
    ({"global_T_ego": np.ones((4, 4)) - np.tri(4, k=-1) - np.triu(np.ones((4, 4)), 1) + np.eye(4)[::-1] * 0.1},
     "global_T_ego: expected"),
])
def test_camera_refuses(change: dict[str, Any], message: str) -> None:
    reading = SensorSet.example().cameras["CAM_0"]
    assert isinstance(reading, CameraReading)
    with pytest.raises(ValueError, match=message):
        replace(reading, **change)


@pytest.mark.parametrize(("change", "message"), [
    ({"points": np.zeros((3, 4), np.float32)}, r"points: expected \(P, 5\), got \(3, 4\)"),
    ({"points": np.zeros((3, 5))}, "points: expected dtype .*float32.*, got float64"),
    ({"points": np.array([[0, 0, 0, 0, 0], [np.nan, 0, 0, 0, 0]], np.float32)}, "got 1 rows with NaN or infinity of 2"),
    ({"ego_T_lidar": np.zeros((4, 4))}, "ego_T_lidar: expected a rotation"),
])
def test_lidar_refuses(change: dict[str, Any], message: str) -> None:
    reading = SensorSet.example().lidar
    assert isinstance(reading, LidarReading)
    with pytest.raises(ValueError, match=message):
        replace(reading, **change)


@pytest.mark.parametrize(("change", "message"), [
    ({"scores": np.zeros(2, np.float32)}, r"scores: expected \(1,\), got \(2,\)"),
    ({"boxes": np.ones((1, 7), np.float32)}, r"boxes: expected \(M, 9\), got \(1, 7\)"),
    ({"labels": np.array([10])}, "labels: expected indices into 10 classes, got 10..10"),
    ({"attributes": ()}, "attributes: expected 1 names, got 0"),
    ({"boxes": np.zeros((1, 9), np.float32)}, "boxes: expected positive length, width and height"),
    ({"scores": np.array([np.nan], np.float32)}, "detections: expected finite boxes and scores"),
])
def test_detections_refuse(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Detections.example(), **change)


def test_ground_truth_may_lack_velocity_but_not_counts() -> None:
    box = np.array([[1, 2, 0, 4, 2, 1, 0, np.nan, np.nan]], np.float32)
    one = np.array([1])
    truth = GroundTruth(boxes=box, labels=np.array([0]), attributes=("",), num_lidar_pts=one, visibility=one)
    assert len(truth) == 1
    with pytest.raises(ValueError, match=r"visibility: expected \(1,\), got \(0,\)"):
        replace(truth, visibility=one[:0])


def test_streams_refuse_mixed_grids_and_batches() -> None:
    maps = {"perspective": torch.zeros(2, 6, 8, 4, 4), "bev": torch.zeros(2, 8, 10, 12), "ok": torch.ones(2, dtype=torch.bool)}
    stream = CameraStream(**maps, seen=torch.zeros(2, 1, 10, 12))
    with pytest.raises(ValueError, match=r"seen: expected \(B, 1, X, Y\) with {'B': 2, 'X': 10, 'Y': 12}, got \(2, 1, 12, 10\)"):
        replace(stream, seen=torch.zeros(2, 1, 12, 10))
    with pytest.raises(ValueError, match="depth_logits"):
        replace(stream, depth_logits=torch.zeros(2, 5, 8, 4, 4))
    with pytest.raises(ValueError, match=r"ok: expected \(B,\) with {'B': 2}, got \(3,\)"):
        LidarStream(bev=maps["bev"], ok=torch.ones(3, dtype=torch.bool))
