"""The --device option, checked before long work begins."""

from __future__ import annotations

from fusion.errors import UserError


def check_device(name: str) -> None:
    """UserError unless `name` is "cpu", or a CUDA device on a machine that has CUDA."""
    import torch

    cuda = torch.cuda.is_available()
    if name != "cpu" and not (name.startswith("cuda") and cuda):
        raise UserError(f"--device {name}: not available on this machine; expected cpu{' or cuda' if cuda else ''}")
