"""The benchmark of growth: instants of any number of cameras and points, and what it says of curves that are known."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="onnxscript is not installed (extra edge)")

from fusion.model import load_model_config
from fusion.types import SensorSet

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        return runpy.run_path(str(BENCH / "edge_growth.py"))


def test_cameras_beyond_the_rig_are_its_own_turned(tool: dict[str, Any]) -> None:
    recorded = SensorSet.example(cameras=2, points=50)
    frame = tool["instant"](recorded, tool["Setting"](cameras=3))
    first, third = recorded.cameras["CAM_0"], frame.cameras["CAM_2"]
    assert list(frame.cameras) == ["CAM_0", "CAM_1", "CAM_2"] and frame.lidar.points is recorded.lidar.points  # type: ignore[union-attr]
    np.testing.assert_array_equal(frame.cameras["CAM_0"].ego_T_cam, first.ego_T_cam)  # type: ignore[union-attr]
    assert third.image is first.image  # type: ignore[union-attr]
    forward = [reading.ego_T_cam[:3, 2] for reading in (first, third)]  # type: ignore[union-attr]
    assert np.degrees(np.arccos(forward[0] @ forward[1])) == pytest.approx(30.0)


@pytest.mark.parametrize("count", [20, 50, 130])
def test_points_are_a_part_or_repeated_with_noise(tool: dict[str, Any], count: int) -> None:
    recorded = SensorSet.example(cameras=1, points=50)
    assert recorded.lidar is not None
    known = {tuple(point) for point in recorded.lidar.points}
    points = tool["instant"](recorded, tool["Setting"](points=count)).lidar.points
    assert points.dtype == np.float32 and len(points) == count
    assert {tuple(point) for point in points[:50]} <= known and len({tuple(point) for point in points}) == count
    assert not known & {tuple(point) for point in points[50:]} and {point[2] for point in points} <= {point[2] for point in recorded.lidar.points}


def test_finer_cells_cover_the_same_ground(tool: dict[str, Any]) -> None:
    config = load_model_config("nano")
    finer = tool["configured"](config, tool["Setting"](cells=512))
    assert finer.network.grid.shape == (512, 512) and finer.network.grid.x_range_m == config.network.grid.x_range_m
    assert tool["configured"](config, tool["Setting"]()).network == config.network
    assert finer.input.max_points == 400_000


def test_a_straight_line_is_told_as_one(tool: dict[str, Any], tmp_path: Path) -> None:
    settings = {setting for name in tool["SERIES"] for setting in tool["settings_of"](name).values()}
    medians = {"engine": {s: 20 + 5 * s.cameras + (s.points or 34_000) / 1e4 + (s.cells**2) / 1e3 for s in settings}}
    text = tool["table"](medians)
    assert "- cameras, engine: 89 ms + 5.0 ms a camera, which explains 1.000 of the variance; the part that grows goes with the power 1.00" in text
    assert "+ 0.1 ms a thousand" in text and "+ 1 ms a thousand" in text and text.count("| cameras: ") == 8
    tool["plot"](medians, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
