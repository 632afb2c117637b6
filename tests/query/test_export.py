"""The decoder as an ONNX graph gives the same answers, whatever cameras are absent and however their images are padded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from query_scenes import IMAGE_HW, random_rig, random_stream, small_head
from torch import Tensor, nn

from fusion.heads.query.head import QueryHead
from fusion.heads.query.view import ViewGeometry
from fusion.types import CameraStream

NAMES = ("heatmap", "logits", "boxes", "direction", "attributes", "heat", "cells", "valid", "refreshed")


class Flat(nn.Module):
    """Tensors in, tensors out."""

    def __init__(self, head: QueryHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, joined: Tensor, perspective: Tensor, image_T_ego: Tensor, valid_px: Tensor, camera_ok: Tensor) -> tuple[Tensor, ...]:
        empty = joined[:, :1]
        camera = CameraStream(perspective=perspective, bev=empty, seen=empty, ok=camera_ok.any(dim=1))
        view = ViewGeometry(image_T_ego=image_T_ego, image_hw=IMAGE_HW, valid_px=valid_px, camera_ok=camera_ok)
        output = self.head(joined, camera, None, view)
        return tuple(getattr(output, name) for name in NAMES)


@torch.no_grad()
def test_graph_equals_module(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="export is an extra")
    import onnx
    import onnxruntime

    flat, view = Flat(small_head()).eval(), random_rig(1, 3, batch=1, absent=0.0)
    joined, camera = random_stream(view)
    path = tmp_path / "decoder.onnx"
    inputs = (joined, camera.perspective, view.image_T_ego, view.valid_px, view.camera_ok)
    torch.onnx.export(flat, inputs, path, dynamo=True, opset_version=20, verbose=False)
    forbidden = {"NonZero", "ScatterND", "ScatterElements", "Unique", "Compress", "If", "Loop"}
    assert not forbidden & {node.op_type for node in onnx.load(path).graph.node}
    session = onnxruntime.InferenceSession(path)
    padded = random_rig(1, 3, batch=1, absent=0.0, padded=True).valid_px
    for ok, valid_px in (([True, True, True], view.valid_px), ([True, True, True], padded), ([True, False, True], padded),
                         ([False, False, False], view.valid_px)):
        given = (*inputs[:3], valid_px, torch.tensor([ok]))
        got = session.run(None, {i.name: t.numpy() for i, t in zip(session.get_inputs(), given, strict=True)})
        for name, value, expected in zip(NAMES, got, flat(*given), strict=True):
            np.testing.assert_allclose(value, expected.numpy(), atol=2e-4, rtol=1e-3, err_msg=name)
