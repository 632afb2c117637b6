"""The large sizes build as shipped and train a step on small images and a small map."""

from __future__ import annotations

import pytest
import torch
from tiny_dual import dual_config, tiny_net

from fusion.interaction.absent import AbsentConfig
from fusion.network import build_network
from fusion.network_config import NetworkConfig
from fusion.train.groups import parameter_groups
from fusion.train.recipe import load_recipe
from fusion.types import GroundTruth, SensorBatch

TINY = {"base": ("model.network.grid.x_range_m=[-12.8, 12.8]", "model.network.grid.y_range_m=[-12.8, 12.8]"),
        "large": ("model.network.grid.x_range_m=[-9.6, 9.6]", "model.network.grid.y_range_m=[-9.6, 9.6]")}


def shipped(name: str, *sets: str) -> NetworkConfig:
    if name == "large":
        pytest.importorskip("spconv", reason="the sparse voxel encoder needs the extra 'sparse'")
    return load_recipe(name, [*sets, "model.input.image_size_hw=[64, 96]"]).model.network


@pytest.mark.parametrize("name", ["base", "large"])
def test_a_step_reaches_every_weight(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(shipped(name, *TINY[name])).train()
    optimizer = torch.optim.AdamW(parameter_groups(network, 1e-3, 0.01))
    batch, truths = SensorBatch.example(batch=2, cameras=2, points=3000, size_hw=(64, 96)), [GroundTruth.example() for _ in range(2)]
    losses = network.loss(batch, truths)
    torch.stack(list(losses.values())).sum().backward()
    assert all(value.isfinite() for value in losses.values())
    # Attention's offsets start at zero weights, so what leads to them gets a gradient of zeros in the first step.
    assert all(value.grad is not None and value.grad.isfinite().all() for value in network.parameters())
    before = [value.detach().clone() for value in network.trunk.parameters()]
    optimizer.step()
    assert all(value.isfinite().all() for value in network.parameters())
    assert not any(torch.equal(value, old) for value, old in zip(network.trunk.parameters(), before, strict=True))


def test_the_sizes_that_are_promised() -> None:
    base, large = shipped("base"), shipped("large")
    assert [(c.fuser.kind, c.fuser.layers, c.fuser.channels) for c in (base, large)] == [("dual_stream", 2, 128)] * 2
    assert base.bev_grid.shape == (128, 128) and base.lift.kind == "pull"  # the splatting lift reduces by index_add, which no deployed graph may
    assert large.bev_grid.shape == (180, 180) and large.bev_grid.cell_m == pytest.approx(0.6)
    assert (large.head.kind, large.head.queries, large.head.layers) == ("query", 200, 4)


def test_scales_tokens_and_biases_do_not_decay_whatever_their_shape() -> None:
    network = tiny_net(fuser=dual_config(absent=AbsentConfig(kind="predict", tokens=4, channels=8, heads=2)))
    (decayed, kept) = ({id(p) for group in parameter_groups(network, 1e-3, 0.01) if (group["weight_decay"] > 0) is decays for p in group["params"]}
                       for decays in (True, False))
    layers = (torch.nn.Conv2d, torch.nn.Linear)
    kernels = {id(module.weight) for module in network.modules() if isinstance(module, layers)}
    assert decayed == kernels
    assert kept == {id(p) for p in network.parameters()} - kernels
    assert id(dict(network.named_parameters())["fuser.layers.0.scales.polar"]) in kept
