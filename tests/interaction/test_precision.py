"""Short number formats stay finite at 256 x 256 cells, forwards and backwards, and mean the same as float32."""

from __future__ import annotations

import pytest
import torch
from whole_layer import awake, inputs, layer_config, meeting, square


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_finite_at_256_cells(dtype: torch.dtype) -> None:
    grid, channels, cameras, feature_hw = square(256, 0.4), 8, 2, (8, 22)
    config = layer_config(stride=1)
    perspective, bev, here, logits = inputs(grid, channels, cameras, feature_hw)
    where = meeting(config, grid, cameras, feature_hw)
    layer = awake(config, channels)
    with torch.no_grad():
        expected = layer(perspective, bev, here, logits, where)
        similar = layer.to(dtype)(perspective.to(dtype), bev.to(dtype), here, logits.to(dtype), where)
    for short, full, start in zip(similar, expected, (perspective, bev), strict=True):
        assert short.dtype == dtype
        assert (short.float() - full).abs().mean() < 0.05 * (full - start).abs().mean()
    streams = [(100 * x).to(dtype).requires_grad_() for x in (perspective, bev)]
    images, cells = layer(*streams, here, (100 * logits).to(dtype), where)
    assert images.isfinite().all() and cells.isfinite().all()
    (images.float().mean() + cells.float().mean()).backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (*streams, *layer.parameters()))


def test_mixed_precision_trains() -> None:
    grid, cameras, feature_hw, config = square(32), 2, (4, 12), layer_config()
    perspective, bev, here, logits = inputs(grid, 8, cameras, feature_hw)
    layer, where = awake(config, 8), meeting(config, grid, cameras, feature_hw)
    with torch.autocast("cpu", torch.bfloat16):
        images, cells = layer(perspective, bev, here, logits, where)
        loss = images.float().square().mean() + cells.float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
