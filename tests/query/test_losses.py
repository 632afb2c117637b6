"""Assignments equal brute force; losses vanish on perfect answers and count what is wrong by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from query_scenes import GRID, random_boxes, truths

from fusion.geometry.iou import iou_3d
from fusion.heads.query.decode import metric_boxes
from fusion.heads.query.output import QueryOutput
from fusion.heads.targets import CentreTargets, encode_targets
from fusion.losses.matching import MatchConfig, assign, match_costs
from fusion.losses.query import QueryLossConfig, match_queries, query_losses
from fusion.types import GroundTruth

CLASSES, LAYERS, QUERIES = 3, 3, 6
FIRST = truths((0, [1, 2, 0.5, 4, 2, 1.5, 0.3, 1, 0], "vehicle.moving"), (2, [-5, -3, 0, 1, 1, 2, -2.8, 0, 0], ""),
               (1, [6, 5, 1, 8, 2.5, 3, 1.9, float("nan"), float("nan")], "vehicle.parked"))
SECOND = truths((1, [3, -4, 0.2, 5, 2, 2, 3.0, 0, -2], "vehicle.stopped"))


def perfect(targets: CentreTargets) -> QueryOutput:
    """What a decoder would say that had learned the targets by heart; queries of an object in reverse order, fillers last."""
    batch, most = targets.ok.shape
    corner = torch.stack([targets.index // GRID.shape[1], targets.index % GRID.shape[1]], dim=-1)
    xy = (corner + targets.offset) * GRID.cell_m + torch.tensor([GRID.x_range_m[0], GRID.y_range_m[0]])
    rows = torch.cat([xy, targets.height, targets.log_size, targets.yaw, torch.nan_to_num(targets.velocity)], dim=-1).flip(1)
    there = targets.ok.flip(1)
    hot = [20 * (2 * F.one_hot(getattr(targets, name).clamp(min=0).flip(1), width).float() - 1)
           for name, width in (("labels", CLASSES), ("direction", 2), ("attributes", 8))]
    hot[0] = torch.where(there[..., None], hot[0], -20.0)

    def padded(x: torch.Tensor, fill: float) -> torch.Tensor:
        return F.pad(x, (0, 0, 0, QUERIES - most), value=fill)[:, None].repeat(1, LAYERS, 1, 1)

    return QueryOutput(
        heatmap=torch.where(targets.heatmap == 1, 20.0, -20.0), cells=torch.zeros(batch, QUERIES, dtype=torch.long),
        labels=torch.zeros(batch, QUERIES, dtype=torch.long), valid=torch.arange(QUERIES).expand(batch, -1) < QUERIES - 1,
        heat=torch.ones(batch, QUERIES, CLASSES), logits=padded(hot[0], -20.0), boxes=padded(rows, 0.0), direction=padded(hot[1], 0.0),
        attributes=padded(hot[2], 0.0), refreshed=torch.ones(batch, LAYERS, QUERIES, dtype=torch.bool),
    )


def total(cost: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    return float(sum(cost[q, t] for q, t in pairs))


@pytest.mark.parametrize(("queries", "objects"), [(5, 3), (4, 4), (2, 4), (3, 0), (0, 2)])
def test_assignment_equals_brute_force(queries: int, objects: int) -> None:
    rng = np.random.default_rng(queries)
    for _ in range(5):
        boxes = metric_boxes(random_boxes(int(rng.integers(1000)), queries, 1)[0][0].numpy(), np.zeros(queries, int), GRID)
        wanted = metric_boxes(random_boxes(int(rng.integers(1000)), objects, 1)[0][0].numpy(), np.zeros(objects, int), GRID)
        costs = match_costs(rng.normal(size=(queries, 3)), boxes, rng.integers(0, 3, objects), wanted, GRID, MatchConfig())
        pairs = list(zip(*(index.tolist() for index in assign(costs)), strict=True))
        if queries >= objects:
            every = [list(zip(chosen, range(objects), strict=True)) for chosen in itertools.permutations(range(queries), objects)]
        else:
            every = [list(zip(range(queries), chosen, strict=True)) for chosen in itertools.permutations(range(objects), queries)]
        assert total(costs, pairs) == pytest.approx(min(total(costs, option) for option in every))
        assert len(set(pairs)) == min(queries, objects)


def test_costs_by_hand() -> None:
    logits = np.array([[0.0, 2.0, -1.0]])
    box, other = np.array([[1.0, 2, 0, 4, 2, 1.5, 0.2]]), np.array([[1.5, 1.8, 0.1, 4, 2, 1.5, 0.1]])
    p = 1 / (1 + np.exp(-2.0))
    focal = -0.25 * (1 - p) ** 2 * np.log(p) + 0.75 * p**2 * np.log(1 - p)
    expected = 0.15 * focal + 0.25 * (0.5 / 16 + 0.2 / 12.8) - 0.25 * iou_3d(box, other)[0, 0]
    assert match_costs(logits, box, np.array([1]), other, GRID, MatchConfig())[0, 0] == pytest.approx(expected)
    assert np.isfinite(match_costs(np.array([[np.nan, np.inf, -np.inf]]), box * np.nan, np.array([0, 1, 2]), other.repeat(3, 0), GRID,
                                   MatchConfig())).all()
    with pytest.raises(ValueError, match="overlap: expected a weight of at least 0, got -1"):
        MatchConfig(overlap=-1)


def test_every_layer_has_its_own_assignment_without_fillers() -> None:
    targets = encode_targets([FIRST, SECOND], GRID, CLASSES)
    output = perfect(targets)
    boxes, logits = output.boxes.clone(), output.logits.clone()
    boxes[0, 1, [0, 2]], logits[0, 1, [0, 2]] = boxes[0, 1, [2, 0]], logits[0, 1, [2, 0]]  # two queries change places in one layer
    boxes[0, 2, 5], logits[0, 2, 5] = boxes[0, 2, 0], logits[0, 2, 0]  # a filler says the same as a query
    matches = match_queries(replace(output, boxes=boxes, logits=logits), targets, GRID, MatchConfig())
    found = {(int(s), int(la), int(q)): int(t) for s, la, q, t in zip(matches.sample, matches.layer, matches.query, matches.truth, strict=True)}
    expected = {(0, layer, 2 - t): t for layer in (0, 2) for t in range(3)} | {(0, 1, t): t for t in range(3)}
    assert found == expected | {(1, layer, 2): 0 for layer in range(LAYERS)}


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_losses_vanish_on_perfect_answers(balance: float) -> None:
    targets = encode_targets([FIRST, SECOND], GRID, CLASSES)
    for given in ([FIRST, SECOND], targets):
        losses = query_losses(perfect(targets), given, GRID, QueryLossConfig(class_balance=balance))
        assert set(losses) == {"heatmap", "label", "box", "direction", "attributes"}
        assert all(0 <= float(value) < 1e-5 for value in losses.values()), losses


def test_wrong_boxes_cost_what_they_are_wrong_by() -> None:
    targets = encode_targets([FIRST, SECOND], GRID, CLASSES)
    output = perfect(targets)
    for column, step, expected in ((0, GRID.cell_m, 1.0), (2, 0.3, 0.3), (4, 0.1, 0.1), (6, 0.1, 0.1)):
        wrong = output.boxes.clone()
        wrong[:, 1, :, column] += step
        assert query_losses(replace(output, boxes=wrong), targets, GRID)["box"] == pytest.approx(0.25 * expected, rel=1e-3)
    wrong = output.boxes.clone()
    wrong[:, :, :, 8] += 2.0
    got = query_losses(replace(output, boxes=wrong), targets, GRID)["box"]
    assert got == pytest.approx(0.25 * LAYERS * 0.2 * 2.0 * 3 / 4, rel=1e-3)  # one of the four velocities is unknown


def test_wrong_classes_cost_the_focal_loss() -> None:
    targets = encode_targets([SECOND], GRID, CLASSES)
    output = perfect(targets)
    logits = output.logits.clone()
    logits[0, 0, 0, 1] = 1.0  # the object itself
    logits[0, 0, 3, 2] = -1.0  # no object
    logits[0, 0, 5, 2] = 9.0  # a filler
    p, n = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(1.0))
    expected = -0.25 * (1 - p) ** 2 * np.log(p) - 0.75 * n**2 * np.log(1 - n)
    assert query_losses(replace(output, logits=logits), [SECOND], GRID)["label"] == pytest.approx(expected, rel=1e-4)


def test_a_layer_does_not_teach_queries_that_it_left_alone() -> None:
    targets = encode_targets([FIRST], GRID, CLASSES)
    output = perfect(targets)
    boxes, logits, refreshed = output.boxes.clone(), output.logits.clone(), output.refreshed.clone()
    boxes[0, 1, 0, 2] += 0.1
    logits[0, 1, 0] = 0.0
    refreshed[0, 1, 0] = False
    wrong = replace(output, boxes=boxes, logits=logits)
    assert query_losses(wrong, targets, GRID)["box"] > 1e-3
    losses = query_losses(replace(wrong, refreshed=refreshed), targets, GRID)
    assert all(float(value) < 1e-5 for value in losses.values())


def test_no_boxes_and_more_boxes_than_queries_are_finite() -> None:
    none = FIRST.select(np.zeros(3, bool))
    many = GroundTruth(boxes=np.tile(FIRST.boxes, (4, 1)), labels=np.tile(FIRST.labels, 4), attributes=FIRST.attributes * 4,
                       num_lidar_pts=np.full(12, 9), visibility=np.full(12, 4))
    output = perfect(encode_targets([FIRST, SECOND], GRID, CLASSES))
    for given in ([none, none], [many, none], [many, many]):
        leaves = {name: getattr(output, name).clone().requires_grad_() for name in ("heatmap", "logits", "boxes", "direction", "attributes")}
        losses = query_losses(replace(output, **leaves), given, GRID)
        sum(losses.values()).backward()  # type: ignore[union-attr]
        assert all(torch.isfinite(value) for value in losses.values())
        assert all(leaf.grad is not None and torch.isfinite(leaf.grad).all() for leaf in leaves.values())


def test_impossible_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="class_balance: expected 0 to 1, got 2"):
        QueryLossConfig(class_balance=2)
