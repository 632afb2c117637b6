"""Make clouds less perfect: lost points, noise, another gain. What a detector may not rely on must differ from sample to sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fusion.train.config import PointAugmentConfig
from fusion.types import SensorBatch

INTENSITY = 3
"""Column of `POINT_FIELDS`."""


def augment_points(batch: SensorBatch, config: PointAugmentConfig, rng: np.random.Generator) -> SensorBatch:
    """One sample with its cloud thinned, jittered and its intensity changed; the same batch where nothing is to be changed.

    Args:
        batch: a batch of one, ego frame.
        config: how much.
        rng: the sample's own generator; the same number of draws is taken whatever the settings.
    """
    fraction, bundle, gain, drawn = rng.uniform(0, config.lose), rng.random(), rng.uniform(-1, 1), rng.random()
    seed = int(rng.integers(2**31))
    if config == PointAugmentConfig.none() or not bool(batch.lidar_ok[0]):
        return batch
    own = np.random.default_rng(seed)
    points = batch.points[0][batch.points_ok[0]].numpy().copy()
    keep = own.random(len(points)) >= fraction
    if bundle < config.lose_sectors:
        keep &= ~_in_sectors(points, own)
    points = points[keep]
    if config.jitter_m > 0:
        points[:, :3] += own.standard_normal((len(points), 3), np.float32) * np.float32(config.jitter_m)
    if drawn < config.intensity_off:
        points[:, INTENSITY] = 0.0
    else:
        points[:, INTENSITY] = np.clip(points[:, INTENSITY] * np.float32(np.exp(gain * config.intensity_gain)), 0, 1)
    return replace(batch, points=torch.from_numpy(points)[None], points_ok=torch.ones(1, len(points), dtype=torch.bool))


def _in_sectors(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`(P,)` bool: in one of a few random pieces of the view, each some degrees wide and beyond some range: a dirty window, a blind spot."""
    azimuth, distance = np.arctan2(points[:, 1], points[:, 0]), np.hypot(points[:, 0], points[:, 1])
    lost = np.zeros(len(points), bool)
    for _ in range(int(rng.integers(1, 6))):
        centre, half_rad, beyond_m = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(0.5, 8)), rng.uniform(2, 40)
        off = np.abs(np.mod(azimuth - centre + np.pi, 2 * np.pi) - np.pi)
        lost |= (off < half_rad) & (distance > beyond_m)
    return lost
