"""The names of the backends; imports nothing heavy, for option parsers."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

BackendName: TypeAlias = Literal["torch", "compile", "onnxruntime", "openvino", "tensorrt"]

BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
