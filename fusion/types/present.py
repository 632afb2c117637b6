"""Training stages with batch normalisation, kept clear of samples that lack the sensor."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def train_on_present(stage: nn.Module, maps: Tensor, ok: Tensor) -> Tensor:
    """What `stage`, in training, makes of the samples that are present, and exact zeros elsewhere.

    The zeros of absent samples would shift the statistics, and a sample's features would depend on what its batch mates lack. Outside
    training every sample is normalised by the same numbers: run the stage as it is and mask, which has one shape.

    Args:
        maps: `(B, C, ...)`, something finite where absent.
        ok: `(B,)` bool.
    """
    if bool(ok.all()):
        made: Tensor = stage(maps)
        return made
    if not bool(ok.any()):
        stage.eval()  # for the shape alone: the running statistics are not for zeros
        with torch.no_grad():
            nothing = torch.zeros_like(stage(maps))
        stage.train()
        return nothing
    index = torch.nonzero(ok).squeeze(1)
    made = stage(maps[index])
    return made.new_zeros(len(ok), *made.shape[1:]).index_copy(0, index, made)
