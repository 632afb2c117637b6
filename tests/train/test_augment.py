from __future__ import annotations

import numpy as np
import torch

from fusion.geometry.boxes import points_in_boxes
from fusion.sensors.preprocess import IMAGE_MEAN, IMAGE_STD
from fusion.train.augment_bev import draw_bev_transform, transform_batch, transform_ground_truth
from fusion.train.augment_colour import augment_colour, draw_colour_transform
from fusion.train.augment_image import draw_image_transform, transform_images
from fusion.train.augment_points import augment_points
from fusion.train.config import AugmentConfig, ColourAugmentConfig, PointAugmentConfig
from fusion.types import GroundTruth, SensorBatch


def _project(batch: SensorBatch, camera: int, points: torch.Tensor) -> torch.Tensor:
    matrix = batch.cam_T_ego[0, camera].double()
    local = (points.double() @ matrix[:3, :3].T + matrix[:3, 3]) @ batch.intrinsics[0, camera].double().T
    return local[:, :2] / local[:, 2:]


def _truth(seed: int = 0) -> GroundTruth:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(-15, 15, (6, 2)), rng.uniform(0, 2, (6, 1)), rng.uniform(2, 6, (6, 3)),
                            rng.uniform(-3, 3, (6, 3))], 1)
    return GroundTruth(boxes=boxes.astype(np.float32), labels=np.zeros(6, np.int64), attributes=("",) * 6,
                       num_lidar_pts=np.ones(6, np.int64), visibility=np.ones(6, np.int64))


def test_bev_transform_keeps_points_in_their_boxes_and_on_their_pixels() -> None:
    batch, truth = SensorBatch.example(points=4000), _truth()
    config = AugmentConfig(bev_scale=(0.8, 1.2))
    inside = points_in_boxes(batch.points[0, :, :3].numpy(), truth.boxes)
    assert inside.sum() > 20
    for seed in range(8):
        new_T_ego = draw_bev_transform(config, np.random.default_rng(seed))
        moved, moved_truth = transform_batch(batch, new_T_ego), transform_ground_truth(truth, new_T_ego)
        same = points_in_boxes(moved.points[0, :, :3].numpy(), moved_truth.boxes) == inside
        assert (~same).sum() <= 1  # a point on a face may round to the other side
        before, after = _project(batch, 0, batch.points[0, :, :3]), _project(moved, 0, moved.points[0, :, :3])
        torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-2)


def test_bev_transform_moves_velocity_with_heading() -> None:
    truth = GroundTruth.example()
    truth.boxes[0, 6:] = [0.4, 3 * np.cos(0.4), 3 * np.sin(0.4)]
    box = transform_ground_truth(truth, np.diag([1.0, -1, 1, 1]))
    np.testing.assert_allclose(box.boxes[0, 6:], [-0.4, 3 * np.cos(0.4), -3 * np.sin(0.4)], rtol=1e-6)


def test_no_augmentation_is_the_identity() -> None:
    rng = np.random.default_rng(0)
    assert np.array_equal(draw_bev_transform(AugmentConfig.none(), rng), np.eye(4))
    np.testing.assert_allclose(draw_image_transform(AugmentConfig.none(), (64, 128), rng), np.eye(3), atol=1e-12)


def test_projection_hits_the_moved_pixel() -> None:
    batch = SensorBatch.example(points=1)
    batch.images.zero_()
    point = torch.tensor([[12.0, 1.0, 1.0]])
    pixel = _project(batch, 0, point)[0].round().long()
    batch.images[0, 0, :, pixel[1] - 1 : pixel[1] + 2, pixel[0] - 1 : pixel[0] + 2] = 1.0
    config = AugmentConfig(image_resize=(1.0, 1.3), image_flip=0.5)
    offset = _project(batch, 0, point)[0] - pixel
    flipped = 0
    for seed in range(8):
        transform = draw_image_transform(config, (64, 128), np.random.default_rng(seed))
        flipped += transform[0, 0] < 0
        moved = transform_images(batch, np.broadcast_to(transform, (1, 2, 3, 3)))
        weights = moved.images[0, 0, 0].double()
        rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(128.0), indexing="ij")
        centre = torch.stack([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
        expected = _project(moved, 0, point)[0] - torch.from_numpy(transform[:2, :2]) @ offset
        torch.testing.assert_close(centre, expected, atol=0.1, rtol=0)  # OpenCV interpolates at 1/32 px
    assert 0 < flipped < 8


def test_augmenting_leaves_the_input_alone() -> None:
    batch = SensorBatch.example()
    points, images, intrinsics = batch.points.clone(), batch.images.clone(), batch.intrinsics.clone()
    transform_batch(batch, np.diag([1.0, -1, 1, 1]))
    transform_images(batch, np.broadcast_to(np.diag([2.0, 2, 1]), (1, 2, 3, 3)))
    assert torch.equal(points, batch.points) and torch.equal(images, batch.images) and torch.equal(intrinsics, batch.intrinsics)


def test_bev_shift_moves_everything_together() -> None:
    new_T_ego = draw_bev_transform(AugmentConfig(bev_shift_m=2.0), np.random.default_rng(3))
    assert 0 < np.abs(new_T_ego[:2, 3]).max() <= 2.0 and 0 < abs(new_T_ego[2, 3]) <= 0.4
    batch, truth = SensorBatch.example(points=4000), _truth()
    inside = points_in_boxes(batch.points[0, :, :3].numpy(), truth.boxes)
    moved = points_in_boxes(transform_batch(batch, new_T_ego).points[0, :, :3].numpy(), transform_ground_truth(truth, new_T_ego).boxes)
    assert (moved != inside).sum() <= 1


def test_points_are_lost_jittered_and_dimmed() -> None:
    batch = SensorBatch.example(points=4000)
    before = batch.points.clone()
    lost = augment_points(batch, PointAugmentConfig(lose=0.5, lose_sectors=1.0), np.random.default_rng(1))
    assert 1000 < lost.points.shape[1] < 4000 and bool(lost.points_ok.all())
    rows = {tuple(row) for row in before[0].tolist()}
    assert all(tuple(row) in rows for row in lost.points[0, :50].tolist())  # thinning alone changes no point
    moved = augment_points(batch, PointAugmentConfig(jitter_m=0.05, intensity_off=1.0), np.random.default_rng(1))
    error = (moved.points[0, :, :3] - before[0, :, :3]).std()
    assert 0.045 < float(error) < 0.055 and float(moved.points[0, :, 3].abs().max()) == 0.0
    assert torch.equal(batch.points, before)
    assert augment_points(batch, PointAugmentConfig.none(), np.random.default_rng(1)) is batch


def test_colour_changes_light_not_places() -> None:
    grey = (0.5 - torch.tensor(IMAGE_MEAN)) / torch.tensor(IMAGE_STD)
    batch = SensorBatch.example(cameras=2)
    batch.images[:] = grey[:, None, None]
    batch.images[0, 0, :, 20:30, 40:60] = 0.0
    batch = batch.drop(cameras=torch.tensor([[False, True]]))
    changed = augment_colour(batch, ColourAugmentConfig(brightness=0.3), np.random.default_rng(2))
    shift = (changed.images[0, 0] - batch.images[0, 0])[:, 0, 0] * torch.tensor(IMAGE_STD)
    assert 0.01 < float(shift.abs().max()) <= 0.3 and float(shift.std()) < 1e-5  # one step of brightness for every channel
    assert float((changed.images[0, 0, :, 25, 50] - changed.images[0, 0, :, 25, 45]).abs().max()) < 1e-5
    assert float(changed.images[0, 1].abs().max()) == 0.0  # an absent camera stays absent
    assert augment_colour(batch, ColourAugmentConfig.none(), np.random.default_rng(2)) is batch
    linear = draw_colour_transform(ColourAugmentConfig.none(), np.random.default_rng(0))
    np.testing.assert_allclose(linear, np.eye(3, 4), atol=1e-12)
