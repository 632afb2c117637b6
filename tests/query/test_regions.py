"""Regions of interest equal loops over queries, cameras and places."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from query_scenes import FEATURE_HW, GRID, IMAGE_HW, bilinear, random_boxes, random_rig

from fusion.geometry.boxes import box_corners
from fusion.heads.query.boxes import corners_m, heading
from fusion.heads.query.decode import metric_boxes
from fusion.heads.query.regions import NEAR_M, bev_regions, image_rectangles, image_regions
from fusion.heads.query.sampling import tile_cameras
from fusion.heads.query.view import ViewGeometry
from fusion.types import whole_px


def rectangle(box: np.ndarray, image_T_ego: np.ndarray, valid_px: list[float]) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of one box in one image's valid part, or None: corners in front and cuts of edges with the near plane."""
    corners = box_corners(box[None])[0]
    uvd = corners @ image_T_ego[:, :3].T + image_T_ego[:, 3]
    seen = [point / point[2] for point in uvd if point[2] > NEAR_M]
    for a, b in itertools.combinations(range(8), 2):
        is_edge = np.isclose(np.linalg.norm(corners[a] - corners[b]), box[3:6]).any() and sum(
            abs((corners[a] - corners[b]) @ axis) > 1e-6 for axis in box_axes(box)) == 1
        if is_edge and (uvd[a, 2] > NEAR_M) != (uvd[b, 2] > NEAR_M):
            cut = uvd[a] + (NEAR_M - uvd[a, 2]) / (uvd[b, 2] - uvd[a, 2]) * (uvd[b] - uvd[a])
            seen.append(cut / NEAR_M)
    if not seen:
        return None
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    left, right = np.clip([low[0], high[0]], valid_px[0], valid_px[2])
    top, bottom = np.clip([low[1], high[1]], valid_px[1], valid_px[3])
    return (left, top, right, bottom) if right > left and bottom > top else None


def box_axes(box: np.ndarray) -> np.ndarray:
    return np.array([[np.cos(box[6]), np.sin(box[6]), 0], [-np.sin(box[6]), np.cos(box[6]), 0], [0, 0, 1]])


def reference_image_regions(perspective: torch.Tensor, rows: np.ndarray, view: ViewGeometry, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    batch, cameras, channels, h, w = perspective.shape
    out, seen_by = torch.zeros(batch, rows.shape[1], count * count, channels, dtype=perspective.dtype), torch.zeros(rows.shape[:2], dtype=torch.long)
    regions = []
    for b, q in np.ndindex(*rows.shape[:2]):
        parts = []
        for n in range(cameras):
            valid_px = view.valid_px[b, n].tolist()
            where = rectangle(rows[b, q], view.image_T_ego[b, n].double().numpy(), valid_px) if view.camera_ok[b, n] else None
            if where is None:
                continue
            left, top, right, bottom = where
            whole_rows = [i for i in range(h) if i * IMAGE_HW[0] / h - 0.5 < valid_px[3]]  # feature pixels that hold some of the image
            whole_columns = [j for j in range(w) if j * IMAGE_HW[1] / w - 0.5 < valid_px[2]]
            samples = []
            for i, j in np.ndindex(count, count):
                u, v = left + (right - left) * (j + 0.5) / count, top + (bottom - top) * (i + 0.5) / count
                row, column = (v + 0.5) * h / IMAGE_HW[0] - 0.5, (u + 0.5) * w / IMAGE_HW[1] - 0.5
                samples.append(bilinear(perspective[b, n], float(np.clip(row, 0, whole_rows[-1])), float(np.clip(column, 0, whole_columns[-1]))))
            parts.append(torch.stack(samples))
        seen_by[b, q] = len(parts)
        regions.append(sum(parts) / len(parts) if parts else out[b, q])
    return torch.stack(regions).view_as(out), seen_by


@pytest.mark.parametrize(("cameras", "most", "padded"), [(1, 1, False), (2, 2, False), (4, 2, False), (7, 3, False), (4, 2, True), (7, 3, True)])
def test_image_regions_equal_loops(cameras: int, most: int, padded: bool) -> None:
    view, boxes = random_rig(cameras, cameras, padded=padded), random_boxes(cameras + 10, 8)[0]
    rows = metric_boxes(boxes.numpy(), np.zeros(boxes.shape[:2], int), GRID)
    rows[..., :2] = boxes[..., :2].numpy()  # regions follow a box off the grid
    perspective = torch.randn(2, cameras, 3, *FEATURE_HW, generator=torch.Generator().manual_seed(0)).requires_grad_()
    expected, seen_by = reference_image_regions(perspective, rows, view, 2)
    got, seen = image_regions(tile_cameras(perspective, view.pixels_ok(FEATURE_HW)), boxes, view, 2, views=cameras)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(seen, seen_by > 0)
    assert seen.any()
    assert padded or cameras == 7 or not seen.all()
    assert int(seen_by.max()) == most  # boxes are seen by so many cameras at once
    weight = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((value * weight).sum(), perspective)[0] for value in (got, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)
    in_padding = ~view.pixels_ok(FEATURE_HW)[:, :, None].expand_as(perspective)
    assert not gradients[0][in_padding].any() and (not padded or bool(in_padding[view.camera_ok].any()))


@pytest.mark.parametrize("seed", range(4))
def test_bev_regions_equal_loops(seed: int) -> None:
    boxes, direction = random_boxes(seed, 6)
    boxes[..., :2] = boxes[..., :2].clamp(-7.9, 6.3)
    rows = metric_boxes(boxes.numpy(), direction.argmax(-1).numpy(), GRID)
    rows[..., :2] = boxes[..., :2].numpy()
    bev = torch.randn(2, 3, *GRID.shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    regions = []
    for b, q in np.ndindex(2, 6):
        x, y, _, length, width, _, yaw = rows[b, q, :7]
        for i, j in np.ndindex(3, 3):
            ahead, left = ((i + 0.5) / 3 - 0.5) * 2 * length, ((j + 0.5) / 3 - 0.5) * 2 * width
            place = np.array([x + np.cos(yaw) * ahead - np.sin(yaw) * left, y + np.sin(yaw) * ahead + np.cos(yaw) * left])
            cell = GRID.metres_to_cells(place) - 0.5
            regions.append(bilinear(bev[b], float(cell[0]), float(cell[1])))
    expected = torch.stack(regions).view(2, 6, 9, 3)
    got = bev_regions(bev, boxes, direction, GRID, 3)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    weight = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((value * weight).sum(), bev)[0] for value in (got, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_corners_and_headings_are_those_of_the_decoded_box() -> None:
    boxes, direction = random_boxes(0, 200)
    rows = metric_boxes(boxes.numpy(), direction.argmax(-1).numpy(), GRID)
    rows[..., :2] = boxes[..., :2].numpy()
    np.testing.assert_allclose(heading(boxes, direction), np.stack([np.cos(rows[..., 6]), np.sin(rows[..., 6])], -1), atol=1e-4)
    for b, q in np.ndindex(1, 20):
        mine = corners_m(boxes)[b, q].numpy()
        theirs = box_corners(rows[b, q][None])[0]
        np.testing.assert_allclose(np.sort(mine.round(3) @ [1, 1e3, 1e6]), np.sort(theirs.round(3) @ [1, 1e3, 1e6]), atol=1e4)
        assert all(np.abs(theirs - corner).sum(axis=1).min() < 1e-4 for corner in mine)


def test_a_box_beside_the_camera_fills_the_image_up_to_its_edge() -> None:
    image_T_ego = torch.tensor([[[[40.0, -40, 0, 0], [24, 0, -40, 40], [1, 0, 0, 0]]]])  # at the ego origin, 1 m high, looking along +x
    view = ViewGeometry(image_T_ego=image_T_ego, image_hw=IMAGE_HW, valid_px=whole_px(IMAGE_HW)[None, None], camera_ok=torch.ones(1, 1).bool())
    beside = torch.tensor([[[0.0, 2, 1, np.log(8), 0, 0, 0, 1, 0, 0], [-5, 0, 1, 0, 0, 0, 0, 1, 0, 0]]])
    rectangles, area = image_rectangles(beside, view)
    left, top, right, bottom = rectangles[0, 0, 0].tolist()
    assert left == -0.5
    assert right == pytest.approx(40 - 40 * 1.5 / 4, abs=1e-4)  # its nearest side at its front end
    assert (top, bottom) == (-0.5, 47.5)
    assert area[0, 0, 0] > 0
    assert area[0, 0, 1] == 0  # behind the camera


def test_only_the_cameras_that_show_most_are_read() -> None:
    view, (boxes, _) = random_rig(5, 7, absent=0.0), random_boxes(5, 30)
    _, area = image_rectangles(boxes, view)
    one_hot = torch.eye(7).view(1, 7, 7, 1, 1).expand(2, 7, 7, *FEATURE_HW)
    got, seen = image_regions(tile_cameras(one_hot, view.pixels_ok(FEATURE_HW)), boxes, view, 2, views=2)
    share = got.mean(dim=2)  # (B, Q, N): how far each camera was read (rounding reaches a millionth into the next one)
    for b, q in np.ndindex(2, 30):
        best = [int(n) for n in area[b, :, q].argsort(descending=True)[:2] if area[b, n, q] > 0]
        assert sorted((share[b, q] > 1e-3).nonzero().flatten().tolist()) == sorted(best)
        assert bool(seen[b, q]) == bool(best)


def test_absent_cameras_show_nothing_whatever_they_hold() -> None:
    view, (boxes, _) = random_rig(3, 4, absent=0.5), random_boxes(3, 20)
    perspective = torch.randn(2, 4, 3, *FEATURE_HW)
    gone = ~view.camera_ok
    assert gone.any()
    clean = image_regions(tile_cameras(perspective, view.pixels_ok(FEATURE_HW)), boxes, view, 2, 3)
    broken = replace(view, image_T_ego=torch.where(gone[..., None, None], torch.nan, view.image_T_ego))
    bad = torch.where(gone[..., None, None, None], torch.nan, perspective).requires_grad_()
    got = image_regions(tile_cameras(bad, view.pixels_ok(FEATURE_HW)), boxes, broken, 2, 3)
    assert torch.equal(got[0], clean[0]) and torch.equal(got[1], clean[1])
    gradient, = torch.autograd.grad(got[0].sum(), bad)
    assert torch.isfinite(gradient).all() and not gradient[gone].any()
