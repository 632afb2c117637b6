"""Dropout of sensors: published presets, half the cameras at once, and the draws that every seed always gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
import torch

from fusion.config import from_mapping, to_mapping
from fusion.errors import UserError
from fusion.train.config import DROPOUT_PRESETS, SensorDropoutConfig
from fusion.train.dataset import drop_sensors
from fusion.types import SensorBatch


class Scripted:
    """A generator that gives the numbers of a list and says how many were taken."""

    def __init__(self, *numbers: float, order: tuple[int, ...] = ()) -> None:
        self._numbers, self._order, self.taken = list(numbers), order, 0

    def random(self) -> float:
        self.taken += 1
        return self._numbers.pop(0)

    def permutation(self, count: int) -> np.ndarray:
        assert sorted(self._order) == list(range(count))
        return np.array(self._order)


def state(batch: SensorBatch) -> tuple[list[int], bool]:
    """Indices of the cameras that are there, and whether the LiDAR is."""
    return batch.camera_ok[0].nonzero().flatten().tolist(), bool(batch.lidar_ok[0])


def six(**changes: torch.Tensor) -> SensorBatch:
    return SensorBatch.example(cameras=6, points=8, size_hw=(4, 8)).drop(**changes)


def chances(config: SensorDropoutConfig, draws: int = 3000) -> dict[str, float]:
    """How often each state comes."""
    rng, full, seen = np.random.default_rng(0), six(), Counter()
    for _ in range(draws):
        cameras, lidar = state(drop_sensors(full, config, rng))
        seen["no cameras" if not cameras else "no LiDAR" if not lidar else "both"] += 1
        seen[f"{len(cameras)} cameras"] += 1
    return {name: count / draws for name, count in seen.items()}


@pytest.mark.parametrize("preset", sorted(DROPOUT_PRESETS))
def test_presets_give_their_published_probabilities(preset: str) -> None:
    config = SensorDropoutConfig(preset=preset, one_camera=0.0)  # type: ignore[arg-type]
    # UniBEV: p = .5, of these 50/50. CMT: 25 % no image, 25 % no points, 50 % both.
    assert (config.cameras, config.lidar, 1 - config.cameras - config.lidar) == (0.25, 0.25, 0.5)
    assert (0.5 * 0.5, 0.5 * 0.5) == DROPOUT_PRESETS["unibev"] and DROPOUT_PRESETS["cmt"] == (0.25, 0.25)
    found = chances(config)
    for name, wanted in (("no cameras", 0.25), ("no LiDAR", 0.25), ("both", 0.5)):
        assert found[name] == pytest.approx(wanted, abs=4 * (wanted * (1 - wanted) / 3000) ** 0.5)


def test_exact_bounds_of_every_state() -> None:
    config = SensorDropoutConfig(preset="unibev", one_camera=0.0)
    for number, cameras, lidar in ((0.0, 0, True), (0.2499, 0, True), (0.25, 6, False), (0.4999, 6, False), (0.5, 6, True), (0.99, 6, True)):
        left, has_lidar = state(drop_sensors(six(), config, Scripted(number, 0.5, 0.5)))  # type: ignore[arg-type]
        assert (len(left), has_lidar) == (cameras, lidar)


def test_a_preset_beside_another_number_is_refused_and_beside_its_own_is_not() -> None:
    config = from_mapping(SensorDropoutConfig, {"preset": "cmt", "half_cameras": 0.1})
    assert (config.cameras, config.lidar, config.one_camera, config.half_cameras) == (0.25, 0.25, 0.1, 0.1)
    assert from_mapping(SensorDropoutConfig, to_mapping(config)) == config  # as a resolved config is saved
    with pytest.raises(UserError, match=r"cameras: got 0.3 beside preset 'cmt', which sets 0.25; leave one of them away"):
        from_mapping(SensorDropoutConfig, {"preset": "cmt", "cameras": 0.3})
    with pytest.raises(UserError, match=r"preset: expected one of \['unibev', 'cmt'\]|preset"):
        from_mapping(SensorDropoutConfig, {"preset": "unibef"})
    with pytest.raises(ValueError, match="half_cameras: expected a probability"):
        SensorDropoutConfig(half_cameras=1.5)


def test_half_the_cameras_go_at_once() -> None:
    config = SensorDropoutConfig(cameras=0.0, lidar=0.0, one_camera=1.0, half_cameras=0.5)
    half = Scripted(0.9, 0.0, 0.0, 0.49, order=(4, 1, 2, 0, 3, 5))
    assert state(drop_sensors(six(), config, half)) == ([0, 3, 5], True)  # type: ignore[arg-type]
    single = Scripted(0.9, 0.0, 0.0, 0.5)
    assert state(drop_sensors(six(), config, single)) == ([1, 2, 3, 4, 5], True)  # type: ignore[arg-type]
    absent = torch.tensor([[True, False, False, False, False, False]])
    odd = Scripted(0.9, 1.0, 0.0, 0.0, order=(4, 0, 1, 2, 3))
    assert state(drop_sensors(six(cameras=absent), config, odd)) == ([2, 3, 4], True)  # type: ignore[arg-type]
    found = chances(SensorDropoutConfig(cameras=0.25, lidar=0.25, one_camera=0.2, half_cameras=0.4))
    for name, wanted in (("0 cameras", 0.25), ("3 cameras", 0.75 * 0.4), ("5 cameras", 0.75 * 0.6 * 0.2), ("6 cameras", 0.75 * 0.6 * 0.8)):
        assert found[name] == pytest.approx(wanted, abs=4 * (wanted * (1 - wanted) / 3000) ** 0.5)


def test_the_last_camera_stays_and_lost_data_are_gone() -> None:
    only = torch.tensor([[False, True, True, True, True, True]])
    config = SensorDropoutConfig(cameras=0.0, lidar=1.0, one_camera=1.0, half_cameras=1.0)
    assert state(drop_sensors(six(cameras=only), config, np.random.default_rng(0))) == ([0], False)
    left = drop_sensors(six(), config, np.random.default_rng(0))
    assert int(left.camera_ok.sum()) == 3 and not left.images[~left.camera_ok].any() and not left.points.any()


def test_seeds_give_the_samples_they_gave_before_the_option_existed() -> None:
    def before(batch: SensorBatch, config: SensorDropoutConfig, rng: np.random.Generator) -> SensorBatch:
        first, single, chosen = rng.random(), rng.random(), rng.random()
        present = batch.camera_ok[0].nonzero().flatten()
        if first < config.cameras:
            return batch.drop(cameras=torch.ones_like(batch.camera_ok))
        if first < config.cameras + config.lidar:
            batch = batch.drop(lidar=torch.ones_like(batch.lidar_ok))
        if single < config.one_camera:
            mask = torch.zeros_like(batch.camera_ok)
            mask[0, present[int(chosen * len(present))]] = True
            batch = batch.drop(cameras=mask)
        return batch

    config = SensorDropoutConfig(cameras=0.1, lidar=0.3, one_camera=0.2)
    for seed in range(200):
        one, other = np.random.default_rng(seed), np.random.default_rng(seed)
        got, wanted = drop_sensors(six(), config, one), before(six(), config, other)
        assert all(torch.equal(getattr(got, f.name), getattr(wanted, f.name)) for f in fields(got))
        assert one.random() == other.random()  # nothing that is drawn later moves either
    taken = Scripted(0.5, 0.5, 0.5)
    drop_sensors(six(), SensorDropoutConfig(), taken)  # type: ignore[arg-type]
    assert taken.taken == 3
