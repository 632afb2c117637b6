"""What a training computes in, by what the hardware computes."""

from __future__ import annotations

from typing import Literal

from fusion.hardware import computes_bf16
from fusion.train.config import Precision


def decided(asked: Literal["auto", Precision], device: str) -> Precision:
    """What `train.precision` comes to on a device, `cpu` or `cuda`."""
    if asked == "auto":
        return "bf16-mixed" if computes_bf16(device) else "32-true"
    return asked


def told(precision: Precision, device: str) -> str:
    """A line that says so, and warns where it is slow."""
    if precision == "32-true":
        return "computing in float32"
    slow = "" if computes_bf16(device) else (f"; warning: this {device} has no bfloat16 arithmetic and takes several times as long as for"
                                             " train.precision=32-true, which auto would choose")
    return f"computing in bfloat16 where that is safe{slow}"
