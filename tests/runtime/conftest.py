"""One exported model for all tests of backends."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fusion.checkpoint import load_checkpoint, resolve_model, save_checkpoint
from fusion.data.open import open_source
from fusion.export.run import export_model
from fusion.types import SensorSet

sys.path.insert(0, str(Path(__file__).parent))
from exported import Exported


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The shipped weights on images and a grid of half the size, for speed: the graph is the same, the maps are smaller."""
    for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (extra edge)")
    folder = tmp_path_factory.mktemp("exported")
    _, config = load_checkpoint(resolve_model("nano"))
    grid = replace(config.network.grid, x_range_m=(-25.6, 25.6), y_range_m=(-25.6, 25.6))
    config = replace(config, input=replace(config.input, image_size_hw=(64, 176)), network=replace(config.network, grid=grid))
    network, _ = load_checkpoint(resolve_model("nano"), config)
    checkpoint = folder / "half.safetensors"
    save_checkpoint(checkpoint, network, config)
    export_model(checkpoint, folder / "onnx", format="onnx", cameras=6)
    return Exported(checkpoint, folder / "onnx")


@pytest.fixture(scope="session")
def real_frame(scene0523: Path) -> SensorSet:
    """A keyframe with seven sensors."""
    source = open_source(scene0523, "v1.0-mini")
    return source.load(source.tokens("scene-0523")[3])
