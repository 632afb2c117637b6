"""The --device option, checked before long work begins."""

from __future__ import annotations

from fusion.errors import UserError


def check_device(name: str) -> None:
    """UserError unless `name` is "cpu", or a CUDA device that this machine has: "cuda", "cuda:0", ..."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    known = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if name not in known:
        raise UserError(f"--device {name}: not available on this machine; expected {' or '.join(known)}")
