"""From a checkpoint to a folder that an engine runs: the engine's files and their manifest, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fusion.checkpoint import load_checkpoint
from fusion.errors import UserError
from fusion.export.graph import check_exportable
from fusion.export.manifest import MANIFEST, Format, Manifest, Precision, read_manifest, sha256, write_manifest
from fusion.export.onnx_export import export_onnx, write_onnx
from fusion.export.packages import engine_module, require
from fusion.model import ModelConfig

Calibration: TypeAlias = Callable[[ModelConfig, int], Iterable[Mapping[str, np.ndarray]]]
"""Named inputs of the graph to calibrate INT8 on, for a model and a number of camera slots."""


def export_model(checkpoint: Path, out: Path, *, format: Format, precision: Precision = "fp32", cameras: int = 6,
                 calibration: Calibration | None = None, keep: tuple[str, ...] | None = None, calibrated_on: str = "",
                 capabilities: tuple[str, ...] = ()) -> Manifest:
    """Export a checkpoint to the folder `out`, which is new, empty or holds an earlier export; that one goes when the new one is complete.

    Args:
        checkpoint: a `.safetensors` file with its `.yaml` beside it.
        format: what will run it.
        precision: what it computes in; inputs and outputs are float32 in any case.
        cameras: N, camera slots.
        calibration: for int8.
        keep: layers that int8 leaves in the graph's own type; None: those that are known to need it (`fusion.export.quantise`).
        calibrated_on: what the frames are, for the manifest.
        capabilities: that TensorRT-RTX builds for; none: all it can.

    Returns:
        The manifest as written.

    Raises:
        UserError: a bad checkpoint, a network that no engine runs, a folder with other things in it, a package that is missing, int8 without
            calibration, a graph that TensorRT refuses.
    """
    _check_folder(out)
    if (precision == "int8") != (calibration is not None):
        raise UserError(f"--precision {precision}: calibration frames are for int8, which needs them")
    require("onnx", "onnxscript")
    network, config = load_checkpoint(checkpoint)
    check_exportable(config, format)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder, graph = Path(scratch) / "new", Path(scratch) / "graph.onnx"
        folder.mkdir()
        manifest = export_onnx(network, config, graph, cameras=cameras, name=checkpoint.stem, checkpoint_sha256=sha256(checkpoint))
        manifest = replace(manifest, format=format, precision=precision)
        if precision == "int8":
            assert calibration is not None
            manifest = _quantise(graph, manifest, calibration(config, manifest.cameras), keep)
            manifest = replace(manifest, build={**manifest.build, "calibrated_on": calibrated_on})
        if (precision == "fp16" and format != "openvino") or (precision == "int8" and format == "tensorrt"):
            _halve(graph)  # beside INT8, a GPU computes the rest in halves; OpenVINO compresses weights itself
        files, build = _write(graph, folder, manifest, capabilities)
        manifest = replace(manifest, build={**manifest.build, **build})
        write_manifest(folder, manifest, files)
        _put(folder, out, Path(scratch) / "old")
    return manifest


def build_exported(source: Path, out: Path, *, capabilities: tuple[str, ...] = ()) -> Manifest:
    """A TensorRT engine from a folder that was exported as ONNX, perhaps on another machine; neither the checkpoint nor torch's exporter is needed.

    Args:
        source, out: folders; `out` as in `export_model`.
        capabilities: that TensorRT-RTX builds for; none: all it can.

    Returns:
        The manifest as written.

    Raises:
        UserError: not an ONNX folder, other things in `out`, a package that is missing, a graph that TensorRT refuses.
    """
    _check_folder(out)
    require("onnx")
    manifest, path = read_manifest(source)
    if manifest.format != "onnx":
        raise UserError(f"{source}: expected a folder of format onnx, got {manifest.format}")
    manifest = replace(manifest, format="tensorrt")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder, graph = Path(scratch) / "new", Path(scratch) / "graph.onnx"
        folder.mkdir()
        shutil.copyfile(path, graph)
        if manifest.precision == "int8":
            _halve(graph)
        files, build = _write(graph, folder, manifest, capabilities)
        manifest = replace(manifest, build={**manifest.build, **build})
        write_manifest(folder, manifest, files)
        _put(folder, out, Path(scratch) / "old")
    return manifest


def _quantise(graph: Path, manifest: Manifest, inputs: Iterable[Mapping[str, np.ndarray]], keep: tuple[str, ...] | None) -> Manifest:
    from fusion.export.quantise import quantise

    report = quantise(graph, graph, inputs, keep=keep)
    return replace(manifest, build={**manifest.build, **report.build()})


def _halve(graph: Path) -> None:
    import onnx

    from fusion.export.half import to_half

    onnx.save(to_half(onnx.load(str(graph))), str(graph))


def _write(graph: Path, folder: Path, manifest: Manifest, capabilities: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, object]]:
    """The engine's files in `folder`, and what is to be noted of how they were built."""
    match manifest.format:
        case "onnx":
            import onnx

            write_onnx(onnx.load(str(graph)), folder / "model.onnx", manifest)
            return ("model.onnx",), {}
        case "openvino":
            from fusion.export.openvino_export import export_openvino

            return export_openvino(graph, folder, manifest, manifest.precision), {"openvino": engine_module("openvino").__version__}
        case "tensorrt":
            from fusion.export.tensorrt_engine import CAPABILITIES
            from fusion.export.tensorrt_gate import build_engine

            data, build = build_engine(graph, manifest.precision, capabilities or CAPABILITIES)
            (folder / "model.engine").write_bytes(data)
            return ("model.engine",), build


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out}: expected a folder, got a file")
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise UserError(f"--out {out}: not empty, and no earlier export ({MANIFEST} is missing); give a new folder")


def _put(new: Path, out: Path, old: Path) -> None:
    """Move a complete folder into place; the one that was there goes to `old`."""
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
