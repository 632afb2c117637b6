"""TensorRT's Python module, which has two names: `tensorrt` (10 and later; a Jetson has it from JetPack) builds on the GPU that it builds
for, `tensorrt_rtx` builds ahead of time for many, on a machine that may have none.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal, TypeAlias, get_args

from fusion.errors import UserError

Builder: TypeAlias = Literal["tensorrt", "tensorrt_rtx"]

INSTALL = "for tensorrt_rtx install the extra 'tensorrt': pip install -c tools/constraints.txt -e .[tensorrt]; a Jetson has tensorrt from JetPack"

NO_GPU = "CUDA driver version is insufficient"
"""What either says where there is no GPU, and goes on building."""


def load_tensorrt(name: Builder | None = None) -> Any:
    """The module; with no name, `tensorrt` where it is installed, else `tensorrt_rtx`. UserError where there is none, or one too old."""
    if name not in (None, *get_args(Builder)):
        raise UserError(f"builder {name!r}: expected {' or '.join(get_args(Builder))}; export the model again")
    for candidate in (name,) if name else get_args(Builder):
        try:
            trt = importlib.import_module(candidate)
        except ImportError:
            continue
        if candidate == "tensorrt" and int(trt.__version__.split(".")[0]) < 10:
            raise UserError(f"tensorrt {trt.__version__}: expected 10 or later (JetPack 6.1 has 10.3)")
        return trt
    raise UserError(f"{name or 'tensorrt and tensorrt_rtx'}: cannot be imported; {INSTALL}")


def recording_logger(trt: Any) -> Any:
    """A logger that keeps errors in `messages`, in order, in place of printing them; what is only about a missing GPU is left out."""

    class Recorder(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR) and NO_GPU not in message:
                self.messages.append(message)

    return Recorder()
