"""Adaptive gradient modulation: contributions and factors as computed by hand, and training that is otherwise untouched."""

from __future__ import annotations

import csv
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import SyntheticSource, tiny_recipe

from fusion.checkpoint import load_checkpoint
from fusion.errors import UserError
from fusion.geometry.grid import BevGrid
from fusion.losses.contribution import contributions, object_cells
from fusion.network import BevDuetNet, build_network
from fusion.train.balance import Modulation, measure
from fusion.train.config import BalanceConfig
from fusion.train.groups import ENCODERS, parameter_groups, scale_steps
from fusion.train.run import train
from fusion.types import GroundTruth, SensorBatch

GRID = BevGrid(x_range_m=(-2.0, 2.0), y_range_m=(-2.0, 2.0), cell_m=1.0)


def truth(*places: tuple[float, float, int]) -> GroundTruth:
    """Boxes at `(x, y)` of a class each."""
    count = len(places)
    boxes = np.array([[x, y, 0, 4, 2, 1, 0, 0, 0] for x, y, _ in places], np.float32).reshape(-1, 9)
    return GroundTruth(boxes=boxes, labels=np.array([label for *_, label in places], np.int64), attributes=("",) * count,
                       num_lidar_pts=np.ones(count, np.int64), visibility=np.ones(count, np.int64))


def test_contributions_by_hand() -> None:
    truths = [truth((-1.5, 0.5, 1), (5.0, 0.0, 0)), truth((1.2, -1.9, 0))]  # the second box lies off the grid
    sample, cell, label = object_cells(truths, GRID)
    assert (sample.tolist(), cell.tolist(), label.tolist()) == ([0, 1], [[0, 2], [3, 0]], [1, 0])
    both, camera, lidar = torch.full((3, 2, 2, 4, 4), 9.0)
    both[0, 1, 0, 2], camera[0, 1, 0, 2], lidar[0, 1, 0, 2] = 3.0, -1.0, 2.0
    both[1, 0, 3, 0], camera[1, 0, 3, 0], lidar[1, 0, 3, 0] = 1.0, 1.5, -0.5
    parts = contributions(both, camera, lidar, truths, GRID)
    assert parts.labels.tolist() == [1, 0]
    assert parts.camera.tolist() == [(3 - 2 - 1) / 2, (1 + 0.5 + 1.5) / 2]
    assert parts.lidar.tolist() == [(3 + 1 + 2) / 2, (1 - 1.5 - 0.5) / 2]
    assert (parts.camera + parts.lidar).tolist() == [3.0, 1.0]  # together the whole answer
    assert parts.camera_nats.tolist() == pytest.approx([math.log(2), math.log(1 + math.exp(-1.5))])
    assert parts.lidar_nats.tolist() == pytest.approx([math.log(1 + math.exp(-3)), math.log(1 + math.exp(0.5))])
    assert len(contributions(both, camera, lidar, [truth(), truth()], GRID)) == 0


def test_factors_by_hand() -> None:
    state = Modulation.start(BalanceConfig(alpha=0.5))
    assert state.scale == {"camera": 1.0, "lidar": 1.0}
    state.update(2.0, 1.0)
    assert state.scale == {"camera": 1.0, "lidar": 1.0}  # the first measurement is its own mean
    state.update(1.0, 2.0)
    # Mean lead of the camera: 1.5 - 1.5 = 0; its present lead: 1. It runs ahead and is slowed.
    assert (state.measured, state.camera_nats, state.lidar_nats) == (2, 1.5, 1.5)
    assert state.scale == pytest.approx({"camera": math.exp(-0.5), "lidar": math.exp(0.5)})
    state.update(3.0, 1.5)
    # Means of 2 and 1.5: a lead of -0.5; present lead: -1.5. It fell back and is hurried.
    assert state.scale == pytest.approx({"camera": math.exp(0.5), "lidar": math.exp(-0.5)})
    before = dict(state.scale)
    state.update(math.nan, 1.0)
    assert state.scale == before and state.measured == 3


def test_the_equal_reference_slows_whoever_leads_within_bounds() -> None:
    state = Modulation.start(BalanceConfig(alpha=1.0, reference="equal", max_scale=2.0))
    state.update(1.0, 0.5)
    assert state.scale == pytest.approx({"camera": math.exp(0.5), "lidar": math.exp(-0.5)})
    state.update(9.0, 0.5)
    assert state.scale == pytest.approx({"camera": 2.0, "lidar": 0.5})
    with pytest.raises(ValueError, match="alpha, max_scale, every: expected >= 0, >= 1 and >= 1, got 1.0, 0.5, 10"):
        BalanceConfig(max_scale=0.5)


def net() -> BevDuetNet:
    torch.manual_seed(0)
    return build_network(tiny_recipe().model.network)


def test_steps_are_scaled_in_each_encoder_and_nowhere_else() -> None:
    """By weights, not by gradients: Adam takes a gradient's size out again."""
    def stepped(scale: dict[str, float]) -> dict[str, torch.Tensor]:
        network = net()
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        optimizer = torch.optim.AdamW(parameter_groups(network, 1e-2, 0.0, by_modality=True))
        for number, parameter in enumerate(network.parameters()):
            parameter.grad = torch.full_like(parameter, 1.0 + number % 7)
        next(iter(network.camera.parameters())).grad = None  # an encoder that took no part in a step
        scale_steps(optimizer, scale)
        optimizer.step()
        return {name: p.detach() - before[name] for name, p in network.named_parameters()}

    usual, scaled = stepped({"camera": 1.0, "lidar": 1.0}), stepped({"camera": 2.0, "lidar": 0.25})
    factors = {"camera": 2.0, "lift": 2.0, "lidar": 0.25}
    assert set(factors) == set(ENCODERS) and set(factors) <= {name.split(".")[0] for name in usual}
    for name, step in usual.items():
        torch.testing.assert_close(scaled[name], step * factors.get(name.split(".")[0], 1.0), atol=1e-6, rtol=1e-3)
    assert sum(step.any() for step in usual.values()) == len(usual) - 1


def test_measuring_changes_nothing_and_reads_samples_with_both() -> None:
    network = net().train()
    network.lidar.eval()  # a part that is kept in eval mode stays so
    batch = SensorBatch.example(batch=3, points=200, size_hw=(32, 64))
    batch = batch.drop(cameras=torch.tensor([[False, False], [True, True], [True, False]]), lidar=torch.tensor([False, False, False]))
    truths = [truth((3.0, 1.0, 0)), truth((-4.0, 2.0, 2)), truth((5.0, -6.0, 5), (7.0, 7.0, 0))]
    inputs = {f.name: getattr(batch, f.name).clone() for f in fields(batch)}
    state = {name: value.clone() for name, value in network.state_dict().items()}
    modes = {name: module.training for name, module in network.named_modules()}
    drawn = torch.get_rng_state()
    camera, lidar, count = measure(network, batch, truths).tolist()
    assert count == 3  # the second sample has no cameras
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(getattr(batch, name), value) for name, value in inputs.items())
    network.eval()
    wanted = torch.zeros(2)
    with torch.no_grad():
        for index in (0, 2):
            one = replace(batch, **{f.name: getattr(batch, f.name)[index:index + 1] for f in fields(batch)})
            without_lidar, without_cameras = one.drop(lidar=torch.tensor([True])), one.drop(cameras=torch.ones(1, 2, dtype=torch.bool))
            heat = [network(view).heatmap for view in (one, without_lidar, without_cameras)]
            parts = contributions(heat[0], heat[1], heat[2], [truths[index]], network.config.bev_grid)
            wanted += torch.stack([parts.camera_nats.sum(), parts.lidar_nats.sum()])
    assert [camera, lidar] == pytest.approx(wanted.tolist(), rel=1e-5)
    alone = batch.drop(lidar=torch.ones(3, dtype=torch.bool))
    assert measure(network, alone, truths).tolist() == [0, 0, 0]


def rows(out: Path) -> list[dict[str, str]]:
    return [row for file in sorted(out.glob("log/version_*/metrics.csv")) for row in csv.DictReader(file.open())]


def losses(out: Path) -> list[str]:
    return [row["loss"] for row in rows(out) if row.get("loss")]


DROPOUT = {"cameras": 0.0, "lidar": 0.0, "one_camera": 0.0}


def test_a_factor_of_one_trains_as_without_the_callback(tmp_path: Path) -> None:
    for name, balance in (("plain", None), ("idle", {"alpha": 0.0, "every": 1})):
        train(tiny_recipe(epochs=2, dropout=DROPOUT, balance=balance), SyntheticSource(), tmp_path / name, progress=False)
    assert len(losses(tmp_path / "plain")) == 4
    plain, idle = ([float(loss) for loss in losses(tmp_path / name)] for name in ("plain", "idle"))
    assert plain == pytest.approx(idle, rel=1e-4)  # the norm to clip to is added up in another order
    logged = [row for row in rows(tmp_path / "idle") if row.get("nats_camera")]
    assert len(logged) == 4 and all(float(row["step_scale_lidar"]) == 1 and float(row["nats_lidar"]) > 0 for row in logged)


def test_a_balanced_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    # One sample per step, measured in every third: the factors must outlive the end of an epoch, and so the resume file.
    recipe = tiny_recipe(epochs=2, batch_size=1, dropout=DROPOUT, balance={"alpha": 5.0, "every": 3})
    whole = train(recipe, SyntheticSource(), tmp_path / "whole", progress=False)
    train(recipe, SyntheticSource(), tmp_path / "parts", stop_after_epochs=1, progress=False)
    parts = train(recipe, SyntheticSource(), tmp_path / "parts", resume=True, progress=False)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    a, b = load_checkpoint(whole)[0].state_dict(), load_checkpoint(parts)[0].state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    rates = [(row["lr-AdamW/pg1"], row["lr-AdamW/pg3"]) for row in rows(tmp_path / "whole") if row.get("lr-AdamW/pg3")]
    assert len(set(rates)) > 1 and all(rest == camera for rest, camera in rates)  # the schedule's: not multiplied up from step to step
    scales = {row["step_scale_camera"] for row in rows(tmp_path / "whole") if row.get("step_scale_camera")}
    assert len(scales) > 1


def test_a_network_of_one_modality_has_nothing_to_balance(tmp_path: Path) -> None:
    recipe = tiny_recipe(balance={})
    recipe = replace(recipe, model=replace(recipe.model, network=replace(recipe.model.network, lidar=None)))
    with pytest.raises(UserError, match="train.balance: expected a network with a camera and a LiDAR encoder"):
        train(recipe, SyntheticSource(), tmp_path, progress=False)
