from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from synthetic import SyntheticSource, tiny_recipe

from fusion.bev.image_depth import DepthBins
from fusion.bev.pull import PullConfig
from fusion.errors import UserError
from fusion.heads.perspective import PerspectiveConfig
from fusion.network import build_network
from fusion.train.batch import Collate, join
from fusion.train.config import SensorDropoutConfig
from fusion.train.dataset import TrainDataset, drop_sensors
from fusion.train.sample_key import SampleKey
from fusion.types import GroundTruth, SensorBatch, SensorSet


def test_same_key_gives_the_same_sample_and_another_epoch_another() -> None:
    recipe = tiny_recipe(augment={"paste": {"car": 2}, "paste_probability": 0.5})
    first, second = (TrainDataset(SyntheticSource(), recipe.model, recipe.train) for _ in range(2))
    a, b = first[SampleKey(1, 0, 2)], second[SampleKey(1, 0, 2)]
    assert torch.equal(a.sensors.points, b.sensors.points) and torch.equal(a.sensors.images, b.sensors.images)
    assert np.array_equal(a.truth.boxes, b.truth.boxes)
    assert not np.array_equal(a.truth.boxes, first[SampleKey(2, 0, 2)].truth.boxes)


def test_filling_the_bank_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Large(SyntheticSource):
        def ground_truth(self, token: str) -> GroundTruth:
            return replace(super().ground_truth(token), boxes=np.array([[0, 0, 0, 200, 200, 200, 0, 0, 0]], np.float32))

    monkeypatch.setattr("fusion.train.dataset.OBJECTS_PER_CLASS", 2)
    recipe = tiny_recipe(augment={"paste": {"car": 2, "pedestrian": 1, "bus": 1}, "paste_probability": 0.5})
    TrainDataset(Large(), recipe.model, recipe.train)
    assert capsys.readouterr().err == ""
    TrainDataset(Large(), recipe.model, recipe.train, progress=True)
    assert capsys.readouterr().err == "objects to paste: car 2 of 3, pedestrian 1\n"


def test_cache_changes_nothing() -> None:
    plain, cached = (TrainDataset(SyntheticSource(), r.model, r.train) for r in (tiny_recipe(), tiny_recipe(cache=True)))
    for _ in range(2):
        assert torch.equal(plain[SampleKey(0, 1, 1)].sensors.images, cached[SampleKey(0, 1, 1)].sensors.images)


def test_joining_pads_as_absent() -> None:
    recipe = tiny_recipe()
    sample = TrainDataset(SyntheticSource(), recipe.model, recipe.train)[SampleKey(0, 0, 0)]
    joined = join([sample.sensors, SensorBatch.example(cameras=3, points=500, size_hw=(32, 64))])
    assert joined.images.shape[:2] == (2, 3) and joined.points.shape[1] == 500
    assert not joined.camera_ok[0, 2] and torch.equal(joined.cam_T_ego[0, 2], torch.eye(4)) and not joined.points_ok[0, 300:].any()


def test_what_a_loader_prepares_teaches_what_the_network_would_prepare_itself() -> None:
    recipe = tiny_recipe()
    data = TrainDataset(SyntheticSource(), recipe.model, recipe.train)
    config = replace(recipe.model.network, lift=PullConfig(channels=8, depth=DepthBins(count=8)), perspective=PerspectiveConfig(hidden=8))
    network, collate = build_network(config).train(), Collate(network=config, keep_sensors=True)
    batch = collate([data[SampleKey(0, 0, 0)], data[SampleKey(0, 1, 1)]])
    assert batch.sensors is not None and replace(collate, keep_sensors=False)([data[SampleKey(0, 0, 0)]]).sensors is None
    prepared, own = network.taught(batch.inputs, batch.supervision), network.loss(batch.sensors, batch.truth)
    assert {"heatmap", "depth", "perspective"} <= set(own) and own == prepared
    moved = batch.to("meta")
    assert moved.inputs.images.is_meta and moved.supervision.targets.heatmap.is_meta and moved.truth == batch.truth


@pytest.mark.parametrize("kind", ["camera", "lidar"])
def test_a_network_of_one_kind_of_sensor_keeps_what_it_reads(kind: str) -> None:
    """The data have both kinds, the recipe withholds both and pastes; what the network reads is there in every sample all the same."""

    class Watched(SyntheticSource):
        asked: ClassVar[list[bool]] = []

        def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
            self.asked.append(cameras)
            readings = super().load(token)
            return readings if cameras else readings.without(*readings.cameras)

    recipe = tiny_recipe(dropout={"cameras": 0.5, "lidar": 0.5, "one_camera": 0.0}, augment={"paste": {"car": 2}, "paste_probability": 0.5})
    other = "lidar" if kind == "camera" else "camera"
    model = replace(recipe.model, network=replace(recipe.model.network, **{other: None}))
    samples = [TrainDataset(Watched(), model, recipe.train)[SampleKey(0, place, place % 4)].sensors for place in range(16)]
    if kind == "camera":
        assert all(bool(sensors.camera_ok.all()) and bool(sensors.lidar_ok.all()) for sensors in samples)
    else:
        assert all(bool(sensors.lidar_ok.all()) for sensors in samples)
        assert not any(Watched.asked)  # nobody decodes images that nobody looks at


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
    truth = TrainDataset(Counted(), recipe.model, recipe.train)[SampleKey(0, 0, 0)].truth
    assert truth.num_lidar_pts.tolist() == [3, 0, -1]  # by LiDAR, by radar alone, unknown; not the one that nothing hits
    assert truth.num_points.tolist() == [3, 2, -1]


def test_a_model_of_other_classes_learns_its_own_labels() -> None:
    recipe = tiny_recipe()
    model = replace(recipe.model, network=replace(recipe.model.network, classes=("pedestrian", "bus")))
    data = TrainDataset(SyntheticSource(), model, recipe.train)
    assert [labels.tolist() for labels in data.labels] == [[], [], [0], []]  # cars are not its business
    assert data[SampleKey(0, 0, 2)].truth.classes == ("pedestrian", "bus")
    unknown = replace(model, network=replace(model.network, classes=("car", "tram")))
    with pytest.raises(UserError, match=r"model.network.classes: 'tram': not a class of this data set; expected some of \['car', "):
        TrainDataset(SyntheticSource(), unknown, recipe.train)


def test_samples_are_balanced_by_what_the_network_is_taught() -> None:
    """A box off the grid is not: a sample whose only bus is there teaches no bus."""

    class FarBus(SyntheticSource):
        def ground_truth(self, token: str) -> GroundTruth:
            one = super().ground_truth(token)
            bus = replace(one, boxes=one.boxes + np.array([40, 0, 0, 0, 0, 0, 0, 0, 0], np.float32), labels=np.array([2]))
            both = one.select(np.array([0, 0]))
            return replace(both, boxes=np.concatenate([one.boxes, bus.boxes]), labels=np.concatenate([one.labels, bus.labels]))

    recipe = tiny_recipe()
    data = TrainDataset(FarBus(), recipe.model, recipe.train)
    assert [labels.tolist() for labels in data.labels] == [[0], [0], [5], [0]]
    assert len(data[SampleKey(0, 0, 0)].truth) == 2  # augmentation may still bring it onto the grid
