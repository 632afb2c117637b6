"""Zoom, shift and mirror images; the intrinsics take the same pixel transform, so projections stay true."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from fusion.geometry.valid import moved_px
from fusion.train.config import AugmentConfig
from fusion.types import SensorBatch


def draw_image_transform(config: AugmentConfig, size_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random `(3, 3)` float64 pixel transform `new_T_old` (pixel centres at integers) that keeps the image's size."""
    height, width = size_hw
    zoom = rng.uniform(*config.image_resize)
    shift = rng.uniform(-config.image_shift, config.image_shift, 2) * (width, height)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    new_T_old = np.array([[zoom, 0, 0], [0, zoom, 0], [0, 0, 1.0]])
    new_T_old[:2, 2] = centre - zoom * centre + shift
    if rng.random() < config.image_flip:
        new_T_old = np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]]) @ new_T_old
    return new_T_old


def transform_images(batch: SensorBatch, new_T_old: np.ndarray) -> SensorBatch:
    """Warp the images of a batch.

    Args:
        batch: B samples with N cameras.
        new_T_old: `(B, N, 3, 3)` affine pixel transforms. A mirroring makes the focal length of x negative, which keeps
            `K @ p_cam` exact; pixels from outside are padding, filled with zero, the mean colour of a normalised image.
    """
    images, intrinsics, valid_px = batch.images.clone(), batch.intrinsics.clone(), batch.valid_px.clone()
    height, width = images.shape[-2:]
    for sample, camera in batch.camera_ok.nonzero().tolist():
        matrix = new_T_old[sample, camera]
        old = np.ascontiguousarray(images[sample, camera].permute(1, 2, 0).numpy())
        new = cv2.warpAffine(old, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0.0, 0.0, 0.0))
        images[sample, camera] = torch.from_numpy(new).permute(2, 0, 1)
        intrinsics[sample, camera] = (torch.from_numpy(matrix) @ batch.intrinsics[sample, camera].to(torch.float64)).to(torch.float32)
        valid_px[sample, camera] = torch.from_numpy(moved_px(batch.valid_px[sample, camera].numpy(), matrix, (height, width))).to(valid_px.dtype)
    return replace(batch, images=images, intrinsics=intrinsics, valid_px=valid_px)


def augment_images(batch: SensorBatch, config: AugmentConfig, rng: np.random.Generator) -> SensorBatch:
    """Warp every image by a transform of its own; the same batch where nothing is to be changed."""
    if config.image_resize == (1.0, 1.0) and config.image_shift == 0 and config.image_flip == 0:
        return batch
    samples, cameras, _, height, width = batch.images.shape
    transforms = np.stack([draw_image_transform(config, (height, width), rng) for _ in range(samples * cameras)]) \
        if samples * cameras else np.zeros((0, 3, 3))
    return transform_images(batch, transforms.reshape(samples, cameras, 3, 3))
