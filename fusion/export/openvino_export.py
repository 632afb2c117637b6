"""An ONNX graph as OpenVINO's own files: no parsing of ONNX on the robot, weights in half the space if wanted."""

from __future__ import annotations

import json
from pathlib import Path

from fusion.export.manifest import Manifest, Precision
from fusion.export.onnx_export import METADATA_KEY
from fusion.export.packages import engine_module


def export_openvino(onnx_path: Path, folder: Path, manifest: Manifest, precision: Precision) -> tuple[str, str]:
    """Write `model.xml` and `model.bin` into `folder`; the manifest goes into rt_info.

    Args:
        onnx_path: graph in float32, or INT8 as Q/DQ pairs.
        precision: fp16 stores the weights as halves; the CPU computes in float32 from them.

    Returns:
        The names of both files, the one to open first.

    Raises:
        UserError: the extra is not installed.
    """
    openvino = engine_module("openvino")
    model = openvino.convert_model(str(onnx_path))
    for key, value in json.loads(manifest.embedded()).items():
        if not isinstance(value, dict | list):
            model.set_rt_info(str(value), [METADATA_KEY, key])
    model.set_rt_info(manifest.embedded(), [METADATA_KEY, "manifest"])
    openvino.save_model(model, str(folder / "model.xml"), compress_to_fp16=precision == "fp16")
    return "model.xml", "model.bin"
