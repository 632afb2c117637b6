"""Change light and colour of images, as another camera or another hour would: pixels keep their places."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from fusion.sensors.preprocess import IMAGE_MEAN, IMAGE_STD
from fusion.train.config import ColourAugmentConfig
from fusion.types import SensorBatch

_GREY = np.array([0.299, 0.587, 0.114])
_SHIFTS = 100_003
_MEAN, _STD = np.array(IMAGE_MEAN), np.array(IMAGE_STD)


def draw_colour_transform(config: ColourAugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """A random `(3, 4)` float64 affine map of RGB in [0, 1]: saturation, white balance, contrast about mid-grey, brightness."""
    saturation = 1 + rng.uniform(-config.saturation, config.saturation)
    balance = np.exp(rng.uniform(-config.balance, config.balance, 3))
    contrast = np.exp(rng.uniform(-config.contrast, config.contrast))
    brightness = rng.uniform(-config.brightness, config.brightness)
    linear = contrast * balance[:, None] * (saturation * np.eye(3) + (1 - saturation) * _GREY[None, :])
    offset = brightness + 0.5 * (1 - contrast) * np.ones(3)
    return np.concatenate([linear, offset[:, None]], axis=1)


def augment_colour(batch: SensorBatch, config: ColourAugmentConfig, rng: np.random.Generator) -> SensorBatch:
    """Every present image of one normalised sample under a colour change, a blur and a noise of its own.

    Args:
        batch: a batch of one, images normalised as by `fusion.sensors.preprocess`.
        config: how much.
        rng: the sample's own generator.
    """
    seed = int(rng.integers(2**31))
    if config == ColourAugmentConfig.none() or not bool(batch.camera_ok.any()):
        return batch
    own = np.random.default_rng(seed)
    shared = draw_colour_transform(config, own)  # most of a change is the scene's; a camera adds its own half
    images = batch.images.clone()
    grain = own.standard_normal(images[0, 0].numel() + _SHIFTS, np.float32)  # of all cameras, at another place of it each
    for camera in batch.camera_ok[0].nonzero().flatten().tolist():
        single = 0.5 * (shared + draw_colour_transform(config, own))
        blur_px, noise = own.uniform(0, config.blur_px), own.uniform(0, config.noise)
        linear = single[:, :3] * _STD[None, :] / _STD[:, None]
        offset = (single[:, :3] @ _MEAN + single[:, 3] - _MEAN) / _STD
        pixels = np.ascontiguousarray(images[0, camera].permute(1, 2, 0).numpy())
        pixels = cv2.transform(pixels, np.concatenate([linear, offset[:, None]], axis=1))
        if blur_px > 0.3:
            pixels = cv2.GaussianBlur(pixels, (0, 0), blur_px)
        if noise > 0:
            start = int(own.integers(_SHIFTS))
            pixels = pixels + grain[start:start + pixels.size].reshape(pixels.shape) * np.float32(noise / _STD.mean())
        images[0, camera] = torch.from_numpy(pixels).permute(2, 0, 1)
        for plane, mean, std in zip(images[0, camera], IMAGE_MEAN, IMAGE_STD, strict=True):
            plane.clamp_(-mean / std, (1 - mean) / std)
    return replace(batch, images=images)
