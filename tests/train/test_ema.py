from __future__ import annotations

import torch
from torch import nn

from fusion.train.ema import EmaCallback


def test_average_follows_its_formula_and_survives_a_checkpoint() -> None:
    network, ema = nn.Linear(1, 1, bias=False), EmaCallback(0.9)
    expected = None
    for step, value in enumerate([1.0, 2.0, 4.0], start=1):
        nn.init.constant_(network.weight, value)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        ema.update(network)
    resumed = EmaCallback(0.9)
    resumed.load_state_dict(ema.state_dict())
    with resumed.applied_to(network):
        torch.testing.assert_close(network.weight.item(), expected)
    assert network.weight.item() == 4.0 and resumed.updates == 3
