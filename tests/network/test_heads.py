"""Targets, decoding and losses of the centre head agree with each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.geometry.grid import BevGrid
from fusion.heads.centre import HeadOutput
from fusion.heads.decode import DecodeConfig, decode
from fusion.heads.perspective import perspective_heatmap
from fusion.heads.targets import CentreTargets, encode_targets, gaussian_radius
from fusion.heads.yaw import decode_yaw, direction_bin
from fusion.losses.centre import CentreLossConfig, centre_losses, class_weights, gaussian_focal_loss
from fusion.types import ATTRIBUTES, DETECTION_CLASSES, GroundTruth, SensorBatch

GRID = BevGrid(x_range_m=(-20, 28), y_range_m=(-16, 16), cell_m=0.8)


def truth(seed: int = 0) -> GroundTruth:
    """One box of each class, spread out, every yaw quadrant, unknown velocity for the last."""
    rng = np.random.default_rng(seed)
    n = len(DETECTION_CLASSES)
    boxes = np.concatenate(
        [
            np.stack([np.linspace(-19, 27, n), rng.uniform(-15, 15, n), rng.uniform(-1, 2, n)], 1),
            rng.uniform(0.4, 9, (n, 3)),
            np.linspace(-3.1, 3.1, n)[:, None],
            rng.uniform(-8, 8, (n, 2)),
        ],
        axis=1,
    ).astype(np.float32)
    boxes[-1, 7:] = np.nan
    attributes = (
        "vehicle.parked",
        "vehicle.moving",
        "vehicle.stopped",
        "vehicle.parked",
        "vehicle.moving",
        "pedestrian.standing",
        "cycle.with_rider",
        "cycle.without_rider",
        "",
        "",
    )
    return GroundTruth(boxes=boxes, labels=np.arange(n), attributes=attributes, num_lidar_pts=np.full(n, 9), visibility=np.full(n, 4))


def perfect_maps(targets: CentreTargets) -> HeadOutput:
    """The maps a network would give that had learned the targets by heart."""
    batch, _, size_x, size_y = targets.heatmap.shape
    maps = {"heatmap": torch.logit(targets.heatmap, eps=1e-6)}
    for name, channels in (("offset", 2), ("height", 1), ("log_size", 3), ("yaw", 2), ("velocity", 2)):
        flat = torch.zeros(batch, channels, size_x * size_y)
        value = torch.nan_to_num(getattr(targets, name)).transpose(1, 2)
        maps[name] = flat.scatter(2, targets.index[:, None].expand(-1, channels, -1), value).view(batch, channels, size_x, size_y)
    for name, channels in (("direction", 2), ("attributes", len(ATTRIBUTES))):
        flat = torch.zeros(batch, channels, size_x * size_y)
        hot = torch.nn.functional.one_hot(getattr(targets, name).clamp(min=0), channels).transpose(1, 2) * 10.0
        maps[name] = flat.scatter(2, targets.index[:, None].expand(-1, channels, -1), hot).view(batch, channels, size_x, size_y)
    return HeadOutput(**maps)


@pytest.mark.parametrize("config", [DecodeConfig(min_score=0.99), DecodeConfig(min_score=0.99, iou_threshold=1.0, spread_m=0.0)])
def test_targets_decode_to_the_same_boxes(config: DecodeConfig) -> None:
    want = truth()
    targets = encode_targets([want, GroundTruth.example()], GRID, 10)
    got, second = decode(perfect_maps(targets), GRID, DETECTION_CLASSES, config)
    order = np.argsort(got.labels)
    assert np.array_equal(got.labels[order], want.labels)
    np.testing.assert_allclose(got.boxes[order], np.nan_to_num(want.boxes), atol=1e-3)
    assert tuple(got.attribute_names[i] for i in order) == want.attributes
    np.testing.assert_allclose(second.boxes, GroundTruth.example().boxes, atol=1e-3)


def rows_of(*centres: tuple[float, float], label: int) -> GroundTruth:
    """Cones or barriers and the like: boxes of half a metre."""
    boxes = np.array([[x, y, 0.5, 0.5, 0.5, 1, 0, 0, 0] for x, y in centres], np.float32)
    count = len(boxes)
    return GroundTruth(boxes=boxes, labels=np.full(count, label), attributes=("",) * count, num_lidar_pts=np.full(count, 9),
                       visibility=np.full(count, 4))


def test_neighbouring_cells_hold_two_objects_unless_only_cameras_looked() -> None:
    cone = DETECTION_CLASSES.index("traffic_cone")
    targets = encode_targets([rows_of((0.7, 0.4), (1.7, 0.4), label=cone)] * 2, GRID, 10)
    maps = perfect_maps(replace(targets, heatmap=(targets.heatmap == 1).float()))
    measured, guessed = decode(maps, GRID, DETECTION_CLASSES, DecodeConfig(min_score=0.5), lidar_ok=np.array([True, False]))
    np.testing.assert_allclose(np.sort(measured.boxes[:, 0]), [0.7, 1.7], atol=1e-5)
    assert measured.scores.min() > 0.99
    assert len(guessed) == 1  # a metre apart, by cameras that are a metre wrong: 1 - exp(-1/2) of the second's score is left
    wider = decode(maps, GRID, DETECTION_CLASSES, DecodeConfig(min_score=0.1), lidar_ok=np.array([True, False]))[1]
    assert wider.scores[1] == pytest.approx(1 - np.exp(-0.5), abs=1e-3)


def test_few_boxes_of_many_candidates_are_the_best() -> None:
    maps = perfect_maps(encode_targets([truth()], GRID, 10))
    every = decode(maps, GRID, DETECTION_CLASSES, DecodeConfig(min_score=0.01))[0]
    few = decode(maps, GRID, DETECTION_CLASSES, DecodeConfig(min_score=0.01, max_boxes=4))[0]
    assert len(every) > 4 and np.array_equal(few.boxes, every.boxes[:4]) and np.array_equal(few.scores, every.scores[:4])


@pytest.mark.parametrize(("key", "value"), [("candidates", 299), ("max_boxes", 501), ("iou_threshold", 1.1), ("spread_m", -0.1),
                                            ("spread_by_cameras_m", np.nan)])
def test_impossible_decoding_is_refused(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        DecodeConfig(**{key: value})


def test_boxes_off_the_grid_are_left_out() -> None:
    want = truth()
    moved = want.boxes.copy()
    moved[:4, 0] += 100
    moved[4, :2] = (28, 0)  # the far edge belongs to the next cell
    targets = encode_targets(
        [GroundTruth(boxes=moved, labels=want.labels, attributes=want.attributes, num_lidar_pts=want.num_lidar_pts, visibility=want.visibility)],
        GRID,
        10,
    )
    assert targets.ok.sum() == 5
    assert targets.heatmap[0, :5].max() == 0
    assert (targets.heatmap[0, 5:].flatten(1).max(1).values == 1).all()


def test_yaw_survives_its_encoding() -> None:
    yaw = np.linspace(-np.pi, np.pi, 721)[:-1]
    back = decode_yaw(np.sin(2 * yaw), np.cos(2 * yaw), direction_bin(yaw))
    error = np.mod(back - yaw + np.pi, 2 * np.pi) - np.pi
    edge = np.isclose(np.mod(yaw - np.pi / 4, np.pi), 0) | np.isclose(np.mod(yaw - np.pi / 4, np.pi), np.pi)
    assert np.abs(error[~edge]).max() < 1e-9
    assert edge.sum() == 2


def test_gaussian_radius_keeps_the_overlap() -> None:
    for length, width, overlap in ((10.0, 4.0, 0.5), (3.0, 3.0, 0.1), (20.0, 5.0, 0.7)):
        r = gaussian_radius(length, width, overlap)
        inner = (length - r) * (width - r)
        ious = (
            inner / (2 * length * width - inner),
            (length - 2 * r) * (width - 2 * r) / (length * width),
            length * width / ((length + 2 * r) * (width + 2 * r)),
        )
        assert min(ious) == pytest.approx(overlap)


def test_losses_vanish_on_perfect_maps_and_survive_no_boxes() -> None:
    targets = encode_targets([truth()], GRID, 10)
    losses = centre_losses(perfect_maps(targets), targets)
    assert all(losses[name] < 1e-3 for name in ("offset", "height", "log_size", "yaw", "velocity", "direction", "attributes"))
    none = encode_targets([truth().select(np.zeros(10, bool))], GRID, 10)
    assert all(torch.isfinite(value) for value in centre_losses(perfect_maps(targets), none).values())


def test_focal_loss_matches_its_definition() -> None:
    logits, target = torch.tensor([[1.5, -0.5, 0.3]]), torch.tensor([[1.0, 0.6, 0.0]])
    p = logits.sigmoid()[0]
    expected = -(p[0].log() * (1 - p[0]) ** 2) - (1 - p[1]).log() * p[1] ** 2 * 0.4**4 - (1 - p[2]).log() * p[2] ** 2
    assert gaussian_focal_loss(logits, target) == pytest.approx(float(expected), rel=1e-5)


def test_classes_weigh_by_how_rare_they_are() -> None:
    labels = torch.tensor([0] * 8 + [1] * 2)
    assert class_weights(labels, 3, 1.0).tolist() == [1.0, 4.0, 8.0]
    assert class_weights(labels, 3, 0.5).tolist() == pytest.approx([1.0, 2.0, 8**0.5])
    logits, target = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    target[0, 0].view(-1)[:8] = 1
    target[0, 1].view(-1)[:2] = 1
    each = [float(gaussian_focal_loss(logits[:, k], target[:, k])) * max(int((target[0, k] == 1).sum()), 1) for k in range(3)]
    balanced = float(gaussian_focal_loss(logits, target, class_weights(labels, 3, 1.0)))
    assert balanced == pytest.approx((each[0] + 4 * each[1] + 8 * each[2]) / 16, rel=1e-5)


def test_balanced_boxes_are_those_of_one_object_per_class() -> None:
    targets = encode_targets([truth()], GRID, 10)
    output = perfect_maps(targets)
    output = replace(output, height=output.height + 1.0)  # every box is wrong by one metre: any weighting gives one metre
    for balance in (0.0, 0.5, 1.0):
        losses = centre_losses(output, targets, CentreLossConfig(class_balance=balance, height=1.0))
        assert losses["height"] == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(ValueError, match="class_balance: expected 0 to 1, got 2"):
        CentreLossConfig(class_balance=2)


def test_perspective_peaks_stand_where_boxes_project() -> None:
    batch = SensorBatch.example(cameras=2, size_hw=(64, 128))  # the first looks along +x from (1, 0, 1.5), the second along -x
    boxes = np.array([[11, 0, 1.5, 4, 2, 1.5, 0, 0, 0], [11, 2, 1.5, 1, 1, 1, 0, 0, 0], [-11, 0, 1.5, 4, 2, 1.5, 0, 0, 0]], np.float32)
    seen = GroundTruth(boxes=boxes, labels=np.array([0, 5, 1]), attributes=("",) * 3, num_lidar_pts=np.full(3, 9), visibility=np.array([4, 1, 0]))
    heatmap = perspective_heatmap([seen], batch, (8, 16), 10)
    assert heatmap.shape == (2, 10, 8, 16)
    peaks = (heatmap == 1).nonzero().tolist()
    assert peaks == [[0, 0, 4, 8], [1, 1, 4, 8]]  # the second box is hidden
    only_second = torch.tensor([[False, True]])
    assert (perspective_heatmap([seen], replace(batch, camera_ok=only_second), (8, 16), 10) == heatmap[1:]).all()
    padded = batch.valid_px.clone()
    padded[:, 0, 3] = 31.5  # the first camera's image ends above its box, which is in row 32
    assert not perspective_heatmap([seen], replace(batch, valid_px=padded), (8, 16), 10)[0].any()
