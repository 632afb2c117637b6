"""The shipped configs export, each with its own fuser, interaction layers, lift and head, and answer in both CPU engines as in torch.

`nano` itself is held to that with every subset of the sensors in tests/runtime/test_parity.py, and by name here are those of other parts.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.encoders.pillars import PillarConfig
from fusion.encoders.resnet import ResNetConfig
from fusion.errors import UserError
from fusion.export.graph import check_exportable
from fusion.export.ports import output_names, outputs_of
from fusion.heads.query.head import QueryHeadConfig
from fusion.inputs import prepare_inputs
from fusion.interaction.dual import DualStreamConfig
from fusion.model import ModelConfig, load_model_config
from fusion.network import build_network
from fusion.types import SensorBatch

pytest.importorskip("onnxscript", reason="onnxscript is not installed (extra edge)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra edge)")
pytest.importorskip("openvino", reason="openvino is not installed (extra edge)")

from fusion.export.manifest import write_manifest
from fusion.export.onnx_export import export_onnx
from fusion.runtime.backends.open import open_backend
from fusion.runtime.backends.protocol import Backend

CONFIGS = {"base": 1e-4, "large": 5e-4, "camera": 1e-4}
"""Largest difference; queries normalise what they read, which with untrained weights may be almost constant, and makes more of rounding."""


def shrunk(name: str) -> ModelConfig:
    """Small images, a small area, and one of what is repeated, for speed; every part and what it exchanges are the config's."""
    config = load_model_config(name)
    cell = config.network.grid.cell_m
    side = cell * 64 / 2
    grid = replace(config.network.grid, x_range_m=(-side, side), y_range_m=(-side, side))
    network = replace(config.network, grid=grid, trunk=replace(config.network.trunk, blocks=(1, 1, 1)))
    assert network.camera is not None
    if isinstance(network.camera.backbone, ResNetConfig):
        network = replace(network, camera=replace(network.camera, backbone=ResNetConfig(depth=18, width=0.25)))
    if isinstance(network.fuser, DualStreamConfig):
        network = replace(network, fuser=replace(network.fuser, layers=1))
    if isinstance(network.head, QueryHeadConfig):
        network = replace(network, head=replace(network.head, layers=2))  # one looks into images, one at the map
    if "voxels" in str(network.lidar):  # sparse convolutions are in no engine: refused by name, and exported with pillars in their place
        with pytest.raises(UserError, match="lidar.kind voxels: .* expected kind pillars"):
            check_exportable(config)
        network = replace(network, lidar=PillarConfig(out_channels=network.lidar.out_channels))  # type: ignore[union-attr]
    return replace(config, input=replace(config.input, image_size_hw=(64, 128)), network=network)


def assert_equal(reference: tuple[torch.Tensor, ...], answer: tuple[torch.Tensor, ...], names: tuple[str, ...], what: str, atol: float) -> None:
    for name, wanted, got in zip(names, reference, answer, strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), atol=atol, rtol=1e-4, err_msg=f"{what}: {name}")


@pytest.mark.parametrize("name", CONFIGS)
def test_config_answers_in_engines_as_in_torch(name: str, tmp_path: Path) -> None:
    config = shrunk(name)
    torch.manual_seed(0)
    network = build_network(config.network).eval()
    for value in network.parameters():  # normalising what is nearly constant would make much of rounding
        if value.dim() <= 1:
            value.data += torch.rand_like(value) - 0.5
        elif not value.any():  # branches that start silent
            torch.nn.init.xavier_uniform_(value)
    manifest = export_onnx(network, config, tmp_path / "model.onnx", cameras=2)
    write_manifest(tmp_path, manifest, ("model.onnx",))
    engines: list[Backend] = [open_backend(str(tmp_path), backend, threads=1) for backend in ("onnxruntime", "openvino")]
    batch = SensorBatch.example(cameras=2, points=2000, size_hw=config.input.image_size_hw)
    for state in (batch, batch.drop(lidar=torch.tensor([True])), batch.drop(cameras=torch.tensor([[True, False]]))):
        inputs = prepare_inputs(config.network, state)
        with torch.inference_mode():
            wanted = outputs_of(network(inputs))
        for engine in engines:
            assert_equal(wanted, outputs_of(engine(inputs)), output_names(config), engine.describe(), CONFIGS[name])
