"""Packages that engines need beside torch: extras of the installation, imported when they are asked for."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

from fusion.errors import UserError

EXTRAS = {"onnx": "edge", "onnxscript": "edge", "onnxruntime": "edge", "openvino": "edge", "tensorrt_rtx": "tensorrt"}
"""Extra of setup.py by package."""


def own_version() -> str:
    """Of this package, as installed."""
    return version("bevduet")


def require(*packages: str) -> None:
    """UserError that names the extra of a package that is not installed."""
    for package in packages:
        if find_spec(package) is None:
            extra = EXTRAS[package]
            raise UserError(f"{package} is not installed; install the extra {extra!r}: pip install -c tools/constraints.txt -e .[{extra}]")


def engine_module(name: str) -> ModuleType:
    """An engine's Python package; UserError that says how to install it, or why it cannot be imported.

    OpenVINO reports every import and conversion to its makers unless a file in the home folder says no; it does without the package that does so.
    """
    require(name)
    if name == "openvino":
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # an import of it fails, as if it were not installed
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{name}: is installed, but cannot be imported: {error}") from None
