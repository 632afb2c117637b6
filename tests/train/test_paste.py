from __future__ import annotations

import numpy as np
import torch

from fusion.geometry.boxes import points_in_boxes
from fusion.geometry.iou import bev_iou
from fusion.train.paste import ObjectBank, paste
from fusion.types import GroundTruth, SensorBatch


def _truth(boxes: list[list[float]]) -> GroundTruth:
    count = len(boxes)
    return GroundTruth(boxes=np.array(boxes, np.float32).reshape(-1, 9), labels=np.zeros(count, np.int64), attributes=("",) * count,
                       num_lidar_pts=np.full(count, 9), visibility=np.ones(count, np.int64))


def _bank(places: list[tuple[float, float]]) -> ObjectBank:
    rng, bank = np.random.default_rng(0), ObjectBank()
    for x, y in places:
        points = np.zeros((20, 5), np.float32)
        points[:, :3] = rng.uniform(-0.9, 0.9, (20, 3)) + [x, y, 0]
        bank.add(points, _truth([[x, y, 0, 4, 2, 2, 0, 0, 0]]))
    return bank


def test_pasted_objects_overlap_nothing() -> None:
    bank = _bank([(x, y) for x in range(-15, 16, 3) for y in range(-15, 16, 3)])
    truth = _truth([[0, 0, 0, 10, 4, 2, 0.5, 0, 0]])
    objects = bank.draw(truth, {"car": 60}, np.random.default_rng(1))
    boxes = np.concatenate([truth.boxes, *(o.truth.boxes for o in objects)])
    assert len(objects) > 5
    assert bev_iou(boxes, boxes)[~np.eye(len(boxes), dtype=bool)].max() == 0


def _numbered(count: int, **settings: object) -> list[float]:
    """Which of `count` cars, met one cloud at a time, a bank keeps: each stands at its own number, in metres ahead."""
    bank = ObjectBank(**settings)  # type: ignore[arg-type]
    for x in range(count):
        bank.add(np.tile(np.array([[10.0 * x, 0, 0, 0, 0]], np.float32), (9, 1)), _truth([[10.0 * x, 0, 0, 4, 2, 2, 0, 0, 0]]))
    return [float(o.truth.boxes[0, 0]) / 10 for o in bank._objects.get("car", [])]


def test_a_full_bank_holds_objects_of_the_whole_data_set() -> None:
    first = _numbered(1000, at_most={"car": 100}, seed=1)
    assert len(set(first)) == 100
    quarters = np.histogram(first, bins=4, range=(0, 1000))[0]
    assert quarters.min() >= 10 and quarters.max() <= 45  # 25 each by chance, deviation 4.1
    assert first == _numbered(1000, at_most={"car": 100}, seed=1)
    assert first != _numbered(1000, at_most={"car": 100}, seed=2)
    often = np.bincount(np.concatenate([_numbered(20, at_most={"car": 5}, seed=s) for s in range(400)]).astype(int), minlength=20)
    assert often.min() > 60 and often.max() < 140  # 100 each by chance, deviation 8.7


def test_a_bank_with_room_keeps_all_in_order_and_says_what_it_met() -> None:
    assert _numbered(7, at_most={"car": 7}, seed=3) == _numbered(7) == list(range(7))
    assert _numbered(7, at_most={"bus": 7}) == []
    bank = ObjectBank(at_most={"car": 2})
    for x in (0, 10, 20):
        bank.add(np.tile(np.array([[x, 0, 0, 0, 0]], np.float32), (9, 1)), _truth([[x, 0, 0, 4, 2, 2, 0, 0, 0]]))
    assert bank.counts() == {"car": (2, 3)} and len(bank) == 2


def test_pasting_clears_the_place_and_withholds_the_cameras() -> None:
    batch, truth = SensorBatch.example(points=3000), _truth([])
    objects = _bank([(5, 5)]).draw(truth, {"car": 1}, np.random.default_rng(0))
    pasted, merged = paste(batch, truth, objects)
    cloud = pasted.points[0][pasted.points_ok[0]].numpy()
    assert len(merged) == 1 and not pasted.camera_ok.any()
    assert points_in_boxes(cloud[:, :3], merged.boxes).sum() == len(objects[0].points)
    assert batch.camera_ok.all()


def test_without_lidar_nothing_is_pasted() -> None:
    batch = SensorBatch.example().drop(lidar=torch.ones(1, dtype=torch.bool))
    objects = _bank([(5, 5)]).draw(_truth([]), {"car": 1}, np.random.default_rng(0))
    same, merged = paste(batch, _truth([]), objects)
    assert same is batch and len(merged) == 0
