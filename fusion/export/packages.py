"""Packages that exporting needs beside torch: extras of the installation, imported when they are asked for."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec

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
