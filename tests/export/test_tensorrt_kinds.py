"""Every part that an exported network can have passes the gate in every precision: one network with all of them, on the smallest sizes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fusion.bev.image_depth import DepthBins
from fusion.bev.measured_depth import MeasuredDepthConfig
from fusion.bev.pull import PullConfig
from fusion.heads.query.head import QueryHeadConfig
from fusion.interaction.absent import AbsentConfig
from fusion.interaction.join import JoinConfig
from fusion.model import ModelConfig
from fusion.sensors.preprocess import InputConfig

pytest.importorskip("onnxruntime", reason="needs the extra \"edge\"")
pytest.importorskip("tensorrt_rtx", reason="needs the extra \"tensorrt\"")

from fusion.export.gate_graphs import gate_graphs
from fusion.export.tensorrt_gate import judge

sys.path.insert(0, str(Path(__file__).parents[1] / "interaction"))
from tiny_dual import dual_config, tiny_config, tiny_net


def test_all_parts_at_once(tmp_path: Path) -> None:
    """Operators do not depend on sizes. Networks of one sensor and the concatenating fuser are in `test_tensorrt_engine.py`."""
    fuser = dual_config(layers=1, join=JoinConfig(kind="ssma"), absent=AbsentConfig(kind="predict"))
    lift = PullConfig(channels=8, depth=DepthBins(count=6), measured=MeasuredDepthConfig())
    parts = {"fuser": fuser, "lift": lift, "head": QueryHeadConfig(channels=16, queries=12, layers=1, heads=2, hidden=16, region=3)}
    config = ModelConfig(input=InputConfig(image_size_hw=(32, 64)), network=tiny_config(**parts))
    assert all(getattr(fuser, part) is not None for part in ("image_self", "bev_self", "image_to_bev", "polar", "bev_to_image"))
    for precision, graph in gate_graphs(tiny_net(**parts), config, tmp_path, ("fp32", "fp16", "int8"), cameras=2):
        assert [str(refusal) for refusal in judge(graph, precision, ("SM86",)).refusals] == []
