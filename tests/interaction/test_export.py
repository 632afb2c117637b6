"""Every part is a plain graph: what deployed runtimes lack does not occur, and ONNX takes it where the exporter is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from whole_layer import awake, inputs, layer_config, meeting, square

GRID, CHANNELS, CAMERAS, FEATURE_HW = square(16), 8, 3, (4, 12)
CONFIG = layer_config()
MISSING = ("nonzero", "scatter", "index_put", "masked_select", "linalg", "inverse", "grid_sampler_3d", "unique", "sort", "topk", "cumsum", "bincount")


class Flat(nn.Module):
    """A part whose geometry comes as tensors, as in a deployed graph; `call` puts it back into its dataclass."""

    def __init__(self, part: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.part, self.call = part, call

    def forward(self, *tensors: Tensor) -> Any:
        return self.call(self.part, *tensors)


def cases() -> dict[str, tuple[Flat, Sequence[Tensor]]]:
    perspective, bev, here, logits = inputs(GRID, CHANNELS, CAMERAS, FEATURE_HW)
    where, layer = meeting(CONFIG, GRID, CAMERAS, FEATURE_HW), awake(CONFIG, CHANNELS).eval()
    cells, rays, pixels = where.cells, where.rays, where.pixels
    assert cells is not None and rays is not None and pixels is not None

    def values(geometry: Any) -> list[Tensor]:
        return [value for f in fields(geometry) if (value := getattr(geometry, f.name)) is not None]

    def like(geometry: Any, tensors: Sequence[Tensor]) -> Any:
        names = [f.name for f in fields(geometry) if getattr(geometry, f.name) is not None]
        return replace(geometry, **dict(zip(names, tensors, strict=True)))

    def whole(part: nn.Module, images: Tensor, maps: Tensor, depth: Tensor, camera_ok: Tensor, valid_px: Tensor, *geometry: Tensor) -> Any:
        a, b = len(values(cells)), len(values(cells)) + len(values(rays))
        met = replace(where, camera_ok=camera_ok, valid_px=valid_px, cells=like(cells, geometry[:a]), rays=like(rays, geometry[a:b]),
                      pixels=like(pixels, geometry[b:]))
        return part(images, maps, here, depth, met)

    return {
        "self": (Flat(layer.bev_self, lambda part, maps: part(maps)), [bev]),  # type: ignore[arg-type]
        "image_to_bev": (Flat(layer.image_to_bev, lambda part, maps, images, *g: part(maps, images, like(cells, g[1:]), g[0])),  # type: ignore[arg-type]
                         [bev, perspective, logits, *values(cells)]),
        "polar": (Flat(layer.polar, lambda part, maps, images, ok, *g: part(maps, images, ok, like(rays, g))),  # type: ignore[arg-type]
                  [bev, perspective, where.pixels_ok((FEATURE_HW[0], FEATURE_HW[1] // 2)), *values(rays)]),
        "bev_to_image": (Flat(layer.bev_to_image, lambda part, images, maps, depth, *g: part(images, maps, depth, like(pixels, g))),  # type: ignore[arg-type]
                         [perspective, bev, logits, *values(pixels)]),
        "layer": (Flat(layer, whole), [perspective, bev, logits, where.camera_ok, where.valid_px, *values(cells), *values(rays), *values(pixels)]),
    }


NAMES = ("self", "image_to_bev", "polar", "bev_to_image", "layer")


@cache
def exported(name: str) -> tuple[Flat, Sequence[Tensor], ExportedProgram]:
    """A part, its inputs and its graph, made once for both tests: that takes seconds."""
    part, tensors = cases()[name]
    return part, tensors, torch.export.export(part, tuple(tensors), strict=False)


@pytest.mark.parametrize("name", NAMES)
def test_graph_holds_nothing_that_deployed_runtimes_lack(name: str) -> None:
    part, tensors, program = exported(name)
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert any("grid_sampler" in target for target in called)
    assert [target for target in called if any(word in target for word in MISSING)] == []
    assert not any(target.startswith("aten.index.") for target in called)  # by mask or by position
    with torch.no_grad():
        torch.testing.assert_close(program.module()(*tensors), part(*tensors))


@pytest.mark.parametrize("name", NAMES)
def test_onnx_at_opset_20(name: str) -> None:
    pytest.importorskip("onnx", reason="ONNX export is an extra")
    pytest.importorskip("onnxscript", reason="ONNX export is an extra")
    part, tensors, graph = exported(name)
    program = torch.onnx.export(graph, dynamo=True, opset_version=20, verbose=False)
    assert program is not None
    model = program.model_proto
    operations = {node.op_type for node in model.graph.node}
    assert "GridSample" in operations and not operations & {"NonZero", "ScatterND", "ScatterElements", "TopK", "CumSum", "Det"}
    assert {entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")} == {20}
    runtime = pytest.importorskip("onnxruntime", reason="runs what was exported, where it is installed")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {value.name: tensor.numpy() for value, tensor in zip(session.get_inputs(), tensors, strict=True)})
    with torch.no_grad():
        expected = part(*tensors)
    for one, two in zip(got, [expected] if isinstance(expected, Tensor) else expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(one), two, atol=1e-4, rtol=1e-4)
