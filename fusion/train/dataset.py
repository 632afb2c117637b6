"""Training samples: read, converted, pasted into, withheld and augmented, each by a random generator of its own."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from fusion.data.source import SceneSource
from fusion.errors import UserError
from fusion.model import ModelConfig
from fusion.sensors.preprocess import to_batch
from fusion.train.augment_bev import draw_bev_transform, transform_batch, transform_ground_truth
from fusion.train.augment_colour import augment_colour
from fusion.train.augment_image import augment_images
from fusion.train.augment_points import augment_points
from fusion.train.config import SensorDropoutConfig, TrainConfig
from fusion.train.paste import ObjectBank, paste
from fusion.train.sample_key import SampleKey
from fusion.types import GroundTruth, SensorBatch

OBJECTS_PER_CLASS = 2000
"""Objects of a class that are kept in memory to be pasted."""


@dataclass(frozen=True, kw_only=True)
class TrainSample:
    """Attributes: `sensors`, a batch of one, and its `truth`."""

    sensors: SensorBatch
    truth: GroundTruth


def drop_sensors(batch: SensorBatch, config: SensorDropoutConfig, rng: np.random.Generator) -> SensorBatch:
    """One sample with sensors withheld at random; the last modality present always stays."""
    state, single, chosen = rng.random(), rng.random(), rng.random()
    present = batch.camera_ok[0].nonzero().flatten()
    # Further numbers are drawn for this option alone: without it, a seed gives the samples it always gave.
    lost = np.zeros(0, np.int64)
    if config.half_cameras > 0 and rng.random() < config.half_cameras:
        lost = rng.permutation(len(present))[:len(present) // 2]
    lidar = bool(batch.lidar_ok[0])
    if state < config.cameras and lidar:
        return batch.drop(cameras=torch.ones_like(batch.camera_ok))
    if config.cameras <= state < config.cameras + config.lidar and len(present):
        batch = batch.drop(lidar=torch.ones_like(batch.lidar_ok))
    if len(lost):
        mask = torch.zeros_like(batch.camera_ok)
        mask[0, present[lost]] = True
        batch = batch.drop(cameras=mask)
    elif single < config.one_camera and len(present) > 1:
        mask = torch.zeros_like(batch.camera_ok)
        mask[0, present[int(chosen * len(present))]] = True
        batch = batch.drop(cameras=mask)
    return batch


class TrainDataset(Dataset[TrainSample]):
    """The annotated samples of a source.

    Items are asked for by `SampleKey` (epoch, place, index): the same key gives the same sample in whatever process.
    """

    def __init__(self, source: SceneSource, model: ModelConfig, train: TrainConfig, *, progress: bool = False) -> None:
        """Reads all ground truth once, if pasting is on all clouds, and with `train.cache` everything; with `progress`, says so.

        Raises:
            UserError: the source holds no annotated sample, or the model a class that the source does not know.
        """
        self._source, self._model, self._train = source, model, train
        self._classes = model.network.classes
        self._reads_camera, reads_lidar = model.network.camera is not None, model.network.lidar is not None
        # What a network of one kind of sensor reads always stays: without it there is nothing to learn from.
        self._dropout = train.dropout if self._reads_camera and reads_lidar else replace(train.dropout, preset=None, cameras=0.0, lidar=0.0)
        tokens = [token for scene in source.scenes() for token in source.tokens(scene)]
        truths = [(token, source.ground_truth(token)) for token in tokens]
        self._samples = [(token, self._teachable(truth)) for token, truth in truths if truth is not None]
        if not self._samples:
            raise UserError(f"training data: none of {len(tokens)} samples has annotations; choose a version with annotations")
        known = next(truth.classes for _, truth in truths if truth is not None)
        for name in self._classes:
            if name not in known:
                raise UserError(f"model.network.classes: {name!r}: not a class of this data set; expected some of {list(known)}")
        # Before loaders fork, which then share it: filled by themselves, each would end with a copy of its own.
        self._converted = self._read_all(progress) if train.cache else {}
        self._bank = ObjectBank(at_most=dict.fromkeys(train.augment.paste, OBJECTS_PER_CLASS), seed=train.seed)
        if reads_lidar and train.augment.paste and train.augment.paste_probability > 0:
            self._fill_bank(progress)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def labels(self) -> list[np.ndarray]:
        """Per sample, the class indices of its boxes on the network's grid: the others are not taught, but where augmentation moves them onto it."""
        grid = self._model.network.bev_grid
        return [truth.labels[grid.holds(truth.boxes[:, :2])] for _, truth in self._samples]

    @property
    def fingerprint(self) -> str:
        """Tells these samples apart from others: a hash of their tokens and of what is annotated."""
        digest = hashlib.sha256()
        for token, truth in self._samples:
            digest.update(f"{token} {truth.labels.tolist()}\n".encode())
        return digest.hexdigest()

    def __getitem__(self, key: SampleKey) -> TrainSample:
        rng = key.rng(self._train.seed)
        _, truth = self._samples[key.index]
        sensors = self._sensors(key.index)
        config = self._train.augment
        if rng.random() < config.paste_probability and len(self._bank):
            sensors, truth = paste(sensors, truth, self._bank.draw(truth, config.paste, rng))
        sensors = drop_sensors(sensors, self._dropout, rng)
        sensors = augment_points(sensors, config.points, rng)
        sensors = augment_colour(augment_images(sensors, config, rng), config.colour, rng)
        new_T_ego = draw_bev_transform(config, rng)
        if not np.array_equal(new_T_ego, np.eye(4)):
            sensors, truth = transform_batch(sensors, new_T_ego), transform_ground_truth(truth, new_T_ego)
        return TrainSample(sensors=sensors, truth=truth)

    def _sensors(self, index: int) -> SensorBatch:
        if index in self._converted:
            return self._converted[index]
        token, _ = self._samples[index]
        # Points are read for a network of cameras alone, too: they teach it depth.
        readings = self._source.load(token, num_sweeps=self._model.num_sweeps, cameras=self._reads_camera)
        return to_batch([readings], self._model.input)

    def _read_all(self, progress: bool) -> dict[int, SensorBatch]:
        self._converted = {}
        return {index: self._sensors(index) for index in tqdm(range(len(self)), unit="keyframe", desc="reading everything",
                                                              disable=None if progress else True)}

    def _teachable(self, truth: GroundTruth) -> GroundTruth:
        return truth.select((truth.num_points >= self._train.min_points) | (truth.num_points < 0)).in_classes(self._classes)

    def _fill_bank(self, progress: bool) -> None:
        for index, (token, truth) in enumerate(tqdm(self._samples, unit="keyframe", desc="cutting out objects to paste",
                                                    disable=None if progress else True)):
            sensors = self._converted.get(index)
            if sensors is None:
                sensors = to_batch([self._source.load(token, num_sweeps=self._model.num_sweeps, cameras=False)], self._model.input)
            self._bank.add(sensors.points[0][sensors.points_ok[0]].numpy(), truth)
        if progress:
            told = ", ".join(f"{name} {kept}" + (f" of {met}" if met > kept else "") for name, (kept, met) in self._bank.counts().items())
            print(f"objects to paste: {told or 'none'}", file=sys.stderr, flush=True)
