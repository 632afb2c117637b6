"""Cells that present sensors look at, and the margin around them."""

from __future__ import annotations

import pytest
import torch

from fusion.geometry.view import looked_at


def test_a_margin_around_what_cameras_see_and_everything_with_a_lidar() -> None:
    seen = torch.zeros(2, 1, 12, 12)
    seen[:, :, 5, 6] = 1
    looked = looked_at(seen, torch.tensor([False, True]), (12, 12), 2.0)
    near = torch.zeros(12, 12, dtype=torch.bool)
    near[3:8, 4:9] = True  # 4 m are two cells
    assert torch.equal(looked[0, 0], near) and looked[1].all()
    assert torch.equal(looked_at(seen, None, (12, 12), 2.0)[:, 0], near.expand(2, -1, -1))
    alone = looked_at(None, torch.tensor([True, False]), (3, 4), 2.0)
    assert alone.shape == (2, 1, 3, 4) and alone[0].all() and not alone[1].any()
    with pytest.raises(ValueError, match="expected at least one"):
        looked_at(None, None, (3, 4), 2.0)
