"""From a checkpoint to a folder that an engine runs: the engine's files and their manifest, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from fusion.checkpoint import load_checkpoint
from fusion.errors import UserError
from fusion.export.manifest import MANIFEST, Format, Manifest, Precision, sha256, write_manifest
from fusion.export.onnx_export import export_onnx

Calibration = Callable[[int], Iterable[Mapping[str, np.ndarray]]]
"""Named inputs of the graph to calibrate INT8 on, for a number of camera slots."""


def export_model(checkpoint: Path, out: Path, *, format: Format, precision: Precision = "fp32", cameras: int = 6,
                 calibration: Calibration | None = None) -> Manifest:
    """Export a checkpoint to the folder `out`, which is new, empty or holds an earlier export; that one goes when the new one is complete.

    Args:
        checkpoint: a `.safetensors` file with its `.yaml` beside it.
        format: what will run it.
        precision: what it computes in; inputs and outputs are float32 in any case.
        cameras: N, camera slots.
        calibration: for int8.

    Returns:
        The manifest as written.

    Raises:
        UserError: a bad checkpoint, a network that no engine runs, a folder with other things in it, a package that is missing.
    """
    _check_folder(out)
    network, config = load_checkpoint(checkpoint)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder, name = Path(scratch) / "new", checkpoint.stem
        folder.mkdir()
        manifest = export_onnx(network, config, folder / "model.onnx", cameras=cameras, name=name, checkpoint_sha256=sha256(checkpoint))
        write_manifest(folder, manifest, ("model.onnx",))
        _put(folder, out, Path(scratch) / "old")
    return manifest


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
