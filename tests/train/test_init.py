"""Weights that do not fit are refused with the keys and shapes that differ, whichever way they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from synthetic import tiny_recipe
from torch import nn

from fusion.bev.image_depth import DepthBins
from fusion.errors import UserError
from fusion.losses.query import QueryLossConfig
from fusion.model import ModelConfig
from fusion.network import build_network
from fusion.train.init import take_weights
from fusion.train.run import _fit

PATH = Path("first.safetensors")


def changed(**changes: object) -> ModelConfig:
    model = tiny_recipe().model
    return replace(model, network=replace(model.network, **changes))  # type: ignore[arg-type]


def test_losses_hold_no_weights() -> None:
    config = changed(query_loss=QueryLossConfig(box=0.5))
    network, source = build_network(config.network), build_network(tiny_recipe().model.network)
    assert take_weights(network, source, tiny_recipe().model, PATH, None) == frozenset()
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in network.state_dict().items())


def test_another_network_is_refused_with_what_differs() -> None:
    first = tiny_recipe().model
    source, depth = build_network(first.network), replace(first.network.lift, depth=DepthBins(count=4))
    network = build_network(changed(lift=depth).network)
    with pytest.raises(UserError, match=r"another network .* or leave --init away\n  lift.depth.bias: expected \(4,\), missing"):
        take_weights(network, source, first, PATH, None)
    with pytest.raises(UserError, match=r"--init-parts lift: 2 tensors differ .*\n  depth.bias: expected \(4,\), missing\n  depth.weight: "):
        take_weights(network, source, first, PATH, ["lift"])
    network = build_network(changed(lift=replace(first.network.lift, views=1)).network)
    with pytest.raises(UserError, match=r"another network .*\n  network.lift.views: expected 1, got 2"):  # the same tensors, read otherwise
        take_weights(network, source, first, PATH, None)


def test_a_run_of_another_network_is_not_resumed(tmp_path: Path) -> None:
    torch.save({"state_dict": nn.Linear(2, 3).state_dict()}, tmp_path / "last.ckpt")
    trainer = SimpleNamespace(fit=lambda module, ckpt_path, weights_only: module.load_state_dict(torch.load(ckpt_path)["state_dict"]))
    with pytest.raises(UserError, match=r"\(1 tensors differ\); train anew in another --out\n  weight: expected \(3, 4\), got \(3, 2\)"):
        _fit(trainer, nn.Linear(4, 3), tmp_path / "last.ckpt")  # type: ignore[arg-type]


def test_a_run_of_other_groups_of_parameters_is_not_resumed(tmp_path: Path) -> None:
    layer = nn.Linear(4, 3)
    torch.save({"optimizer": torch.optim.AdamW([{"params": [layer.weight, layer.bias]}]).state_dict()}, tmp_path / "last.ckpt")
    optimizer = torch.optim.AdamW([{"params": [layer.weight]}])
    trainer = SimpleNamespace(fit=lambda module, ckpt_path, weights_only: optimizer.load_state_dict(torch.load(ckpt_path)["optimizer"]))
    with pytest.raises(UserError, match=r"cannot be resumed .*doesn't match the size of optimizer's group\); train anew in another --out$"):
        _fit(trainer, layer, tmp_path / "last.ckpt")  # type: ignore[arg-type]
