"""The decoder as a whole: it learns, batches do not mix, and nothing leaks from absent cameras."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from query_scenes import GRID, random_rig, random_stream, small_head, truths

from fusion.geometry.grid import BevGrid
from fusion.heads.decode import DecodeConfig
from fusion.heads.query.decode import decode_queries
from fusion.heads.query.head import QueryHeadConfig
from fusion.heads.query.output import QueryOutput
from fusion.heads.query.view import ViewGeometry
from fusion.losses.query import query_losses

CLASSES = ("car", "pedestrian", "barrier")
BROAD = DecodeConfig(min_score=0.0, iou_threshold=1.0, spread_m=0.0, spread_by_cameras_m=0.0)


def assert_same(first: QueryOutput, second: QueryOutput, atol: float = 1e-4) -> None:
    for f in fields(first):
        a, b = getattr(first, f.name), getattr(second, f.name)
        if a is not None:
            torch.testing.assert_close(a, b, atol=atol, rtol=1e-4, msg=f.name)


def take(view: ViewGeometry, index: list[int], samples: int | None = None) -> ViewGeometry:
    batch = slice(None) if samples is None else slice(samples, samples + 1)
    return replace(view, image_T_ego=view.image_T_ego[batch, index], valid_px=view.valid_px[batch, index], camera_ok=view.camera_ok[batch, index])


def test_queries_learn_a_scene_by_heart() -> None:
    """Eight metres square, two samples of different objects; a few seconds."""
    grid = BevGrid(x_range_m=(-4, 4), y_range_m=(-4, 4), cell_m=0.8)
    wanted = [truths((0, [1.1, 2.3, 0.5, 3.5, 1.8, 1.5, 0.4, 1, 0.5], "vehicle.moving"), (1, [-2.2, -1.4, 0.2, 0.6, 0.7, 1.8, -2, 0, 0], ""),
                     (0, [2.5, -2.4, 0.6, 4, 2, 1.6, -1.4, 0, 0], "vehicle.parked")),
              truths((2, [-0.5, 3.1, 0, 0.5, 2, 1, 2.9, 0, 0], ""), (1, [3.3, 0.3, 0.3, 0.6, 0.7, 1.7, 1, -1, 0], "pedestrian.moving"))]
    head, view = small_head(grid=grid, layers=2), random_rig(1, 2, absent=0.0)
    joined, camera = random_stream(view, grid)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 120)
    first = last = torch.zeros(())
    for step in range(120):
        last = torch.stack(list(query_losses(head(joined, camera, None, view), wanted, grid).values())).sum()
        first = last.detach() if step == 0 else first
        optimizer.zero_grad()
        last.backward()
        optimizer.step()
        schedule.step()
    assert last < 0.05 * first
    with torch.no_grad():
        found = decode_queries(head(joined, camera, None, view), grid, CLASSES, replace(BROAD, min_score=0.5))
    for truth, detections in zip(wanted, found, strict=True):
        assert len(detections) == len(truth)
        distance = np.linalg.norm(detections.boxes[:, None, :2] - truth.boxes[None, :, :2], axis=-1)
        order = distance.argmin(axis=0)
        assert sorted(order.tolist()) == list(range(len(truth)))
        assert np.array_equal(detections.labels[order], truth.labels)
        np.testing.assert_allclose(detections.boxes[order][:, :6], truth.boxes[:, :6], atol=0.3)
        turn = np.mod(detections.boxes[order][:, 6] - truth.boxes[:, 6] + np.pi, 2 * np.pi) - np.pi
        assert np.abs(turn).max() < 0.3


def test_training_reaches_every_parameter() -> None:
    head, view = small_head(), random_rig(2, 6, absent=0.0)
    joined, camera = random_stream(view)
    output = head(joined, camera, None, view)
    assert output.refreshed[:, 1].any()
    torch.stack(list(query_losses(output, [truths((0, [1, 2, 0.5, 4, 2, 1.5, 0.3, 1, 0], "vehicle.moving"))] * 2, GRID).values())).sum().backward()
    assert [name for name, p in head.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all() or not p.grad.any()] == []


@torch.no_grad()
def test_queries_that_no_camera_sees_keep_what_they_were() -> None:
    view = random_rig(4, 1, batch=2, absent=0.0)
    head = small_head(queries=40).eval()
    joined, camera = random_stream(view)
    output = head(joined, camera, None, view)
    assert output.refreshed[:, [0, 2, 4]].all()
    for layer in (1, 3):
        kept = ~output.refreshed[:, layer]
        assert kept.any() and not kept.all()
        for name in ("logits", "boxes", "direction", "attributes"):
            now, before = getattr(output, name)[:, layer], getattr(output, name)[:, layer - 1]
            assert torch.equal(now[kept], before[kept]), name
            assert (now[~kept] != before[~kept]).any(dim=-1).all(), name
    blind = replace(view, camera_ok=torch.zeros_like(view.camera_ok))
    dark = head(joined, camera, None, blind)
    assert not dark.refreshed[:, [1, 3]].any()
    no_slots = replace(camera, perspective=camera.perspective[:, :0])
    assert_same(dark, head(joined, no_slots, None, take(view, [])))


@torch.no_grad()
def test_order_of_cameras_is_irrelevant_and_absent_ones_have_no_effect() -> None:
    head, view = small_head().eval(), random_rig(6, 7, absent=0.4)
    joined, camera = random_stream(view)
    output = head(joined, camera, None, view)
    order = [3, 0, 6, 5, 1, 4, 2]
    assert_same(output, head(joined, replace(camera, perspective=camera.perspective[:, order]), None, take(view, order)))
    gone = ~view.camera_ok
    assert gone.any() and output.refreshed[:, 1].any()
    noisy = replace(camera, perspective=torch.where(gone[..., None, None, None], torch.nan, camera.perspective))
    broken = replace(view, image_T_ego=torch.where(gone[..., None, None], torch.nan, view.image_T_ego))
    assert_same(output, head(joined, noisy, None, broken), atol=0)
    for b in range(2):
        kept = view.camera_ok[b].nonzero().flatten().tolist()
        fewer = replace(camera, perspective=camera.perspective[b:b + 1, kept], bev=camera.bev[:1], seen=camera.seen[:1], ok=camera.ok[b:b + 1])
        alone = head(joined[b:b + 1], fewer, None, take(view, kept, b))
        for name in ("heatmap", "logits", "boxes", "direction", "attributes", "refreshed"):
            torch.testing.assert_close(getattr(alone, name)[0], getattr(output, name)[b], atol=1e-4, rtol=1e-4)


def test_absent_cameras_leave_gradients_alone() -> None:
    head, view = small_head(), random_rig(6, 7, absent=0.4)
    joined, camera = random_stream(view)
    gone = ~view.camera_ok
    gradients = []
    for value in (0.0, float("nan")):
        head.zero_grad()
        noisy = replace(camera, perspective=torch.where(gone[..., None, None, None], value, camera.perspective))
        head(joined, noisy, None, view).boxes.sum().backward()
        gradients.append([p.grad.clone() for p in head.parameters() if p.grad is not None])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


@torch.no_grad()
def test_overlapping_cameras_are_averaged() -> None:
    """Twice the same camera is as good as once; two that differ give neither one's answer."""
    view, head = random_rig(7, 1, absent=0.0), small_head(views=2).eval()
    joined, camera = random_stream(view)
    once = head(joined, camera, None, view)
    assert once.refreshed[:, 1].any()
    double = take(view, [0, 0])
    assert_same(once, head(joined, replace(camera, perspective=camera.perspective[:, [0, 0]]), None, double))
    other = torch.randn_like(camera.perspective)
    middle = head(joined, replace(camera, perspective=(camera.perspective + other) / 2), None, view)
    both = head(joined, replace(camera, perspective=torch.cat([camera.perspective, other], dim=1)), None, double)
    seen = both.refreshed[:, 1]
    torch.testing.assert_close(both.boxes[:, 1][seen], middle.boxes[:, 1][seen], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(both.boxes[:, 1][seen], once.boxes[:, 1][seen])


@torch.no_grad()
def test_nothing_is_lost_in_batches_and_boxes_are_valid() -> None:
    head, view = small_head(seed=3).eval(), random_rig(8, 3, batch=3)
    joined, camera = random_stream(view)
    wild = head(1e3 * joined, camera, None, view)
    wild = replace(wild, boxes=wild.boxes * torch.tensor([30, 30, 1, 30, 30, 30, 1, 1, 1, 1]))
    for output in (head(joined, camera, None, view), wild):
        together = decode_queries(output, GRID, CLASSES, BROAD)
        assert [len(d) for d in together] == output.valid.sum(dim=1).tolist()
        for b, detections in enumerate(together):
            boxes = detections.boxes
            assert np.isfinite(boxes).all() and (boxes[:, 3:6] > 0).all() and (boxes[:, 3:6] < 55).all()
            assert (np.abs(boxes[:, 0]) <= 8).all() and (np.abs(boxes[:, 1]) <= 6.4001).all()
            assert ((boxes[:, 6] >= -np.float32(np.pi)) & (boxes[:, 6] <= np.float32(np.pi))).all()
            assert ((detections.scores > 0) & (detections.scores <= 1)).all()
            assert (np.diff(detections.scores) <= 0).all()
            single = decode_queries(QueryOutput(**{f.name: getattr(output, f.name)[b:b + 1] for f in fields(output) if f.name != "depth_logits"}),
                                    GRID, CLASSES, BROAD)[0]
            np.testing.assert_array_equal(single.boxes, boxes)
            np.testing.assert_array_equal(single.labels, detections.labels)
    assert [len(d) for d in decode_queries(wild, GRID, CLASSES, BROAD, np.array([True, False, True]))][1] == 0
    assert max(len(d) for d in decode_queries(wild, GRID, CLASSES, replace(BROAD, max_boxes=3))) == 3


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite_on_large_maps(dtype: torch.dtype) -> None:
    grid = BevGrid(x_range_m=(-51.2, 51.2), y_range_m=(-51.2, 51.2), cell_m=0.4)
    head, view = small_head(grid=grid, queries=50, channels=8, hidden=8).eval(), random_rig(9, 2, batch=1)
    joined, camera = random_stream(view, grid)
    with torch.autocast("cpu", dtype=dtype):
        mixed = head(joined, camera, None, view)
    half = head.to(dtype)(joined.to(dtype), replace(camera, perspective=camera.perspective.to(dtype)), None, view)
    for output in (mixed, half):
        assert all(torch.isfinite(getattr(output, name)).all() for name in ("heatmap", "heat", "logits", "boxes", "direction", "attributes"))
        assert output.boxes.dtype == torch.float32
        start = output.cells[0] // 256 * 0.4 - 51.0, output.cells[0] % 256 * 0.4 - 51.0
        moved = torch.stack([output.boxes[0, 0, :, 0] - start[0], output.boxes[0, 0, :, 1] - start[1]])
        assert moved.abs().max() < 1.0  # places are not rounded to half precision


@torch.no_grad()
def test_heads_without_cameras_look_at_bev_alone() -> None:
    head = small_head(perspective_channels=None).eval()
    output = head(torch.randn(1, 16, *GRID.shape), None, None, None)
    assert output.refreshed.all()
    assert output.boxes.shape == (1, 5, 12, 10)


def test_what_cannot_be_is_refused_by_name() -> None:
    joined = torch.randn(1, 16, *GRID.shape)
    with pytest.raises(ValueError, match="camera: expected one .* got None"):
        small_head()(joined, None, None, None)
    view = random_rig(0, 1, batch=1)
    with pytest.raises(ValueError, match="view: expected one .* got None"):
        small_head()(joined, random_stream(view)[1], None, None)
    for changes, message in (({"layers": 0}, "layers: expected at least 1, got 0"), ({"queries": 501}, "queries: expected 1 to 500, got 501"),
                             ({"heads": 5}, r"channels: expected a multiple of heads \(5\), got 48")):
        with pytest.raises(ValueError, match=message):
            QueryHeadConfig(**changes)
    with pytest.raises(ValueError, match="image_T_ego: expected"):
        replace(view, image_T_ego=torch.zeros(1, 1, 4, 4))
