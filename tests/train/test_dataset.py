from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import SyntheticSource, tiny_recipe

from fusion.errors import UserError
from fusion.train.config import SensorDropoutConfig
from fusion.train.dataset import TrainDataset, collate, drop_sensors
from fusion.train.sample_key import SampleKey
from fusion.types import GroundTruth, SensorBatch


def test_same_key_gives_the_same_sample_and_another_epoch_another() -> None:
    recipe = tiny_recipe(augment={"paste": {"car": 2}, "paste_probability": 0.5})
    first, second = (TrainDataset(SyntheticSource(), recipe.model, recipe.train) for _ in range(2))
    a, b = first[SampleKey(1, 0, 2)], second[SampleKey(1, 0, 2)]
    assert torch.equal(a.sensors.points, b.sensors.points) and torch.equal(a.sensors.images, b.sensors.images)
    assert np.array_equal(a.truth[0].boxes, b.truth[0].boxes)
    assert not np.array_equal(a.truth[0].boxes, first[SampleKey(2, 0, 2)].truth[0].boxes)


def test_cache_changes_nothing() -> None:
    plain, cached = (TrainDataset(SyntheticSource(), r.model, r.train) for r in (tiny_recipe(), tiny_recipe(cache=True)))
    for _ in range(2):
        assert torch.equal(plain[SampleKey(0, 1, 1)].sensors.images, cached[SampleKey(0, 1, 1)].sensors.images)


def test_collate_pads_as_absent() -> None:
    recipe = tiny_recipe()
    sample = TrainDataset(SyntheticSource(), recipe.model, recipe.train)[SampleKey(0, 0, 0)]
    other = type(sample)(sensors=SensorBatch.example(cameras=3, points=500, size_hw=(32, 64)), truth=sample.truth)
    joined = collate([sample, other]).sensors
    assert joined.images.shape[:2] == (2, 3) and joined.points.shape[1] == 500
    assert not joined.camera_ok[0, 2] and torch.equal(joined.cam_T_ego[0, 2], torch.eye(4)) and not joined.points_ok[0, 300:].any()


def test_dropout_reaches_every_state_but_the_empty_one() -> None:
    config = SensorDropoutConfig(cameras=0.3, lidar=0.3, one_camera=0.3)
    states = set()
    for seed in range(60):
        batch = drop_sensors(SensorBatch.example(), config, np.random.default_rng(seed))
        states.add((int(batch.camera_ok.sum()), bool(batch.lidar_ok[0])))
    assert states == {(0, True), (1, True), (2, True), (1, False), (2, False)}
    alone = SensorBatch.example(cameras=0)
    assert all(bool(drop_sensors(alone, config, np.random.default_rng(s)).lidar_ok[0]) for s in range(20))


def test_boxes_that_the_official_score_counts_are_taught() -> None:
    class Counted(SyntheticSource):
        def ground_truth(self, token: str) -> GroundTruth:
            one = super().ground_truth(token)
            four = one.select(np.zeros(4, np.int64))
            return replace(four, num_lidar_pts=np.array([3, 0, 0, -1]), num_radar_pts=np.array([0, 2, 0, 0]))

    recipe = tiny_recipe(augment={"bev_flip": 0.0, "bev_rotate_rad": 0.0, "bev_scale": [1.0, 1.0]})
    truth = TrainDataset(Counted(), recipe.model, recipe.train)[SampleKey(0, 0, 0)].truth[0]
    assert truth.num_lidar_pts.tolist() == [3, 0, -1]  # by LiDAR, by radar alone, unknown; not the one that nothing hits
    assert truth.num_points.tolist() == [3, 2, -1]


def test_a_model_of_other_classes_learns_its_own_labels() -> None:
    recipe = tiny_recipe()
    model = replace(recipe.model, network=replace(recipe.model.network, classes=("pedestrian", "bus")))
    data = TrainDataset(SyntheticSource(), model, recipe.train)
    assert [labels.tolist() for labels in data.labels] == [[], [], [0], []]  # cars are not its business
    assert data[SampleKey(0, 0, 2)].truth[0].classes == ("pedestrian", "bus")
    unknown = replace(model, network=replace(model.network, classes=("car", "tram")))
    with pytest.raises(UserError, match=r"model.network.classes: 'tram': not a class of this data set; expected some of \['car', "):
        TrainDataset(SyntheticSource(), unknown, recipe.train)
