"""Every shipped config builds and answers once, so that no default breaks a stranger."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.model import config_names, load_model_config
from fusion.network import build_network
from fusion.types import SensorBatch


@pytest.mark.parametrize("name", config_names())
def test_config_builds_and_does_one_forward(name: str) -> None:
    if "voxels" in str(load_model_config(name).network.lidar):
        pytest.importorskip("spconv", reason="the sparse voxel encoder needs the extra 'sparse'")
    config = load_model_config(name)
    torch.manual_seed(0)
    network = build_network(config.network).eval()
    batch = SensorBatch.example(cameras=2, points=2000, size_hw=config.input.image_size_hw)
    before = replace(batch, images=batch.images.clone(), points=batch.points.clone(), cam_T_ego=batch.cam_T_ego.clone())
    with torch.inference_mode():
        (result,) = network.detect(batch)
    assert result.boxes.shape == (len(result.scores), 9)
    assert np.isfinite(result.boxes).all()
    for field in ("images", "points", "cam_T_ego"):
        assert torch.equal(getattr(batch, field), getattr(before, field)), f"{field} was changed by the forward"
