"""Preprocessing: geometry of the resize, availability masks, thinning."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from fusion.sensors.preprocess import IMAGE_MEAN, IMAGE_STD, InputConfig, fit_image, normalise_images, thin_points, to_batch
from fusion.types import SensorSet


@pytest.mark.parametrize("size", [(900, 1600), (375, 1242), (1216, 1936), (40, 400), (128, 352), (64, 100)])
def test_a_blob_lands_where_the_moved_intrinsics_say(size: tuple[int, int]) -> None:
    height, width = size
    ys, xs = np.mgrid[:height, :width]
    centre = np.array([0.37 * width, height - 0.3 * min(height, width * 128 / 352)])
    sigma = 0.03 * width
    blob = 255 * np.exp(-((xs - centre[0]) ** 2 + (ys - centre[1]) ** 2) / (2 * sigma**2))
    image, new_T_old = fit_image(np.repeat(np.round(blob).astype(np.uint8)[:, :, None], 3, axis=2), (128, 352))
    assert image.shape == (128, 352, 3)
    filled = 128 if height / width >= 128 / 352 else round(height * 352 / width)
    weight = image[:filled, :, 0].astype(float)
    wanted = new_T_old @ [*centre, 1]
    ys, xs = np.mgrid[:filled, :352]
    near = (np.abs(xs - wanted[0]) < 30) & (np.abs(ys - wanted[1]) < 30)
    window = min(wanted[1], filled - 1 - wanted[1])
    near &= np.abs(ys - wanted[1]) <= window
    got = [(weight * near * xs).sum() / (weight * near).sum(), (weight * near * ys).sum() / (weight * near).sum()]
    np.testing.assert_allclose(got, wanted[:2], atol=0.3)


def test_resize_is_the_identity_at_the_same_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    same, new_T_old = fit_image(image, (12, 20))
    np.testing.assert_array_equal(same, image)
    np.testing.assert_array_equal(new_T_old, np.eye(3))


@pytest.mark.parametrize("size", [(900, 1600), (81, 320), (80, 320), (81, 322), (80, 321)])
def test_large_images_are_averaged_over_what_each_pixel_covers(size: tuple[int, int]) -> None:
    height, width = size
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    scaled, new_T_old = fit_image(image, (16, 70))
    top = round(0.5 - (new_T_old[1, 2] + 0.5) / new_T_old[1, 1])
    filled = round((height - top) * new_T_old[1, 1])
    assert filled == (16 if height > width * 16 / 70 else round(height * 70 / width))
    expected = np.array(image[top:], np.float64).transpose(2, 0, 1)
    for cells, axis in ((filled, 1), (70, 2)):
        edges = np.linspace(0, expected.shape[axis], cells + 1)
        whole = np.insert(expected.cumsum(axis), 0, 0.0, axis)  # the integral up to each pixel's edge, linear between
        low = np.minimum(edges.astype(int), expected.shape[axis] - 1)
        shape = [-1 if a == axis else 1 for a in range(3)]
        at = whole.take(low, axis) + (edges - low).reshape(shape) * expected.take(low, axis)
        expected = np.diff(at, axis=axis) / np.diff(edges).reshape(shape)
    off = np.abs(scaled[:filled].transpose(2, 0, 1) - expected)
    assert off.mean() < 1.5  # of 255: halves know no finer areas than 2x2 pixels
    assert off.max() < 8


def test_low_images_are_padded_with_the_mean_below() -> None:
    image, new_T_old = fit_image(np.full((10, 40, 3), 255, np.uint8), (20, 40))
    assert (image[:10] == 255).all()
    np.testing.assert_array_equal(new_T_old, np.eye(3))
    assert normalise_images(torch.from_numpy(image))[:, 10:].abs().max() < 0.01


def test_normalisation_is_imagenets() -> None:
    got = normalise_images(torch.full((1, 1, 3), 51, dtype=torch.uint8))[:, 0, 0]
    np.testing.assert_allclose(got.numpy(), (0.2 - np.array(IMAGE_MEAN)) / IMAGE_STD, rtol=1e-5)


def test_absent_sensors_keep_their_slots() -> None:
    readings = SensorSet.example(cameras=3)
    batch = to_batch([readings.without("CAM_1"), readings.without("LIDAR_TOP")], InputConfig(image_size_hw=(32, 64)))
    assert batch.camera_ok.tolist() == [[True, False, True], [True, True, True]]
    assert batch.lidar_ok.tolist() == [True, False]
    assert not batch.images[0, 1].any()
    assert not batch.points[1].any()
    assert batch.points_ok.sum(1).tolist() == [200, 0]


def test_rigs_without_cameras_or_named_slots() -> None:
    config = InputConfig(image_size_hw=(32, 64))
    assert to_batch([SensorSet.example(cameras=0)], config).images.shape == (1, 0, 3, 32, 64)
    named = to_batch([SensorSet.example(cameras=2)], config, cameras=["CAM_1", "CAM_9"])
    assert named.camera_ok.tolist() == [[True, False]]


def test_points_are_in_the_ego_frame() -> None:
    readings = SensorSet.example()
    assert readings.lidar is not None
    points = to_batch([readings], InputConfig()).points[0].numpy()
    np.testing.assert_allclose(points[:, :3], readings.lidar.points[:, :3] + [0, 0, 1.8], atol=1e-5)
    np.testing.assert_array_equal(points[:, 3:], readings.lidar.points[:, 3:])


def test_points_beyond_the_range_are_cut_and_each_is_moved_alike() -> None:
    readings = SensorSet.example(points=400)
    assert readings.lidar is not None
    yaw = np.array([[np.cos(0.3), -np.sin(0.3), 0, 3.0], [np.sin(0.3), np.cos(0.3), 0, -1.0], [0, 0, 1, 1.8], [0, 0, 0, 1]])
    turned = replace(readings, lidar=replace(readings.lidar, ego_T_lidar=yaw))
    points = to_batch([turned], InputConfig(max_range_m=15.0)).points[0].numpy()
    raw = readings.lidar.points
    wanted = np.stack([sum(row[k] * raw[:, k].astype(np.float64) for k in range(3)) + row[3] for row in yaw[:3]], 1).astype(np.float32)
    inside = (np.abs(wanted[:, :2]) <= 15.0).all(1)
    assert 20 < inside.sum() < 380
    np.testing.assert_array_equal(points, np.concatenate([wanted, raw[:, 3:]], 1)[inside])


def test_thinning_does_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1000, 5)).astype(np.float32)
    some, other = thin_points(points, 300), thin_points(points[rng.permutation(1000)], 300)
    assert len(some) == 300
    assert {row.tobytes() for row in some} == {row.tobytes() for row in other}
    assert abs(some[:, 0].mean()) < 0.2


def test_nothing_is_mutated() -> None:
    readings = SensorSet.example()
    assert readings.lidar is not None
    before = readings.lidar.points.copy()
    to_batch([readings], InputConfig(max_points=50))
    np.testing.assert_array_equal(readings.lidar.points, before)


def test_bad_config_names_the_field() -> None:
    with pytest.raises(ValueError, match="image_size_hw"):
        InputConfig(image_size_hw=(0, 352))
