"""The paper that travels with an exported model: what it is, what it was made from, and what it expects.

An exported model is a folder: the engine's file or files, and `manifest.json`. The same text, without the checksums of the files, stands
inside the engine's file where its format has room for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fusion.config import from_mapping, to_mapping
from fusion.errors import UserError
from fusion.files import write_text
from fusion.model import ModelConfig

MANIFEST = "manifest.json"

GRAPH_VERSION = 2
"""Raised whenever the same config would give a graph with other inputs or outputs."""

Format: TypeAlias = Literal["onnx", "openvino", "tensorrt"]
Precision: TypeAlias = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True, kw_only=True)
class Port:
    """One named tensor.

    Attributes:
        name: as in the graph.
        shape: sizes; a name stands for a size that may change from call to call.
        dtype: as NumPy spells it.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """An exported model.

    Attributes:
        format, precision: of the engine.
        name: of the model it was made from, such as `nano`.
        checkpoint_sha256: of that model's safetensors file.
        version: of the package that exported it.
        graph_version: `GRAPH_VERSION` then.
        opset: ONNX operator set, also of what OpenVINO and TensorRT were built from.
        cameras: N, camera slots; a rig with fewer leaves slots empty.
        inputs, outputs: of the graph, in order.
        model: the resolved config: classes, preprocessing, grids and decoding.
        build: how it was built: tool versions, calibration, layers kept in higher precision.
        files: sha256 by file name, the file to open first.
    """

    format: Format
    precision: Precision
    name: str
    checkpoint_sha256: str
    version: str
    opset: int
    cameras: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    model: ModelConfig
    graph_version: int = GRAPH_VERSION
    build: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def embedded(self) -> str:
        """JSON that goes into the engine's file."""
        return json.dumps(to_mapping(replace(self, files={})), sort_keys=True)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(folder: Path, manifest: Manifest, files: tuple[str, ...]) -> None:
    """Write `folder/manifest.json` for files that are complete; last, so that a folder with a manifest is whole."""
    complete = replace(manifest, files={name: sha256(folder / name) for name in files})
    write_text(folder / MANIFEST, json.dumps(to_mapping(complete), indent=1) + "\n")


def read_manifest(path: Path) -> tuple[Manifest, Path]:
    """The manifest of an exported model and its engine's file, every file's checksum compared.

    Args:
        path: the folder, or a file of it.

    Raises:
        UserError: no manifest, not readable, made by another graph version, a file missing, cut short or changed.
    """
    folder = path if path.is_dir() else path.parent
    place = folder / MANIFEST
    if not path.exists():
        raise UserError(f"{path}: no such exported model; expected a folder written by `bevduet export`, or the engine's file in it")
    if not place.is_file():
        raise UserError(f"{place}: missing; an engine needs the manifest that `bevduet export` writes beside it")
    try:
        mapping = json.loads(place.read_text(encoding="utf-8"))
        if not isinstance(mapping, Mapping):
            raise ValueError("expected a JSON object")
    except (ValueError, OSError) as error:
        raise UserError(f"{place}: not a readable manifest ({error}); export the model again") from None
    made_by = mapping.get("graph_version")
    if made_by != GRAPH_VERSION:
        raise UserError(f"{place}: graph version {made_by!r} of bevduet {mapping.get('version')!r}, expected {GRAPH_VERSION};"
                        " export the model again with this version")
    manifest = from_mapping(Manifest, mapping, str(place))
    for name, wanted in manifest.files.items():
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: missing, but {MANIFEST} names it; export the model again or copy the whole folder")
        if sha256(folder / name) != wanted:
            raise UserError(f"{folder / name}: not the file that was exported (its sha256 differs from the one in {MANIFEST}):"
                            " cut short, damaged or replaced; copy it again or export the model again")
    if not manifest.files:
        raise UserError(f"{place}: files: expected at least the engine's file, got none; export the model again")
    return manifest, folder / next(iter(manifest.files))
