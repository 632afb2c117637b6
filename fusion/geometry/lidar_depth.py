"""What a LiDAR says about the depth of pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import numba
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.types.sensor_batch import SensorBatch

NEWEST_S = 0.04
"""Points at least this much older than the reference stamp are of an earlier sweep: LiDARs turn 5 to 20 times a second."""


def lidar_depth_m(sensors: SensorBatch, feature_hw: tuple[int, int]) -> Tensor:
    """`(B, N, h, w)` float32: depth of the nearest LiDAR point in each feature pixel, infinity where there is none (host work).

    Args:
        sensors: cameras and points; those of an absent LiDAR, and those that lie in the padding of an image, count for nothing.
        feature_hw: size of the feature maps.
    """
    return torch.from_numpy(_nearest(*_seen_by(sensors, feature_hw))).to(sensors.intrinsics.device)


def newest_depth_m(sensors: SensorBatch, feature_hw: tuple[int, int]) -> Tensor:
    """`lidar_depth_m` by the newest sweep alone, to teach depth with: what moves leaves a trail in earlier ones, of depths where it no longer is."""
    return lidar_depth_m(_newest(sensors), feature_hw)


def lidar_depth_counts(sensors: SensorBatch, feature_hw: tuple[int, int], scale: Tensor, range_m: tuple[float, float], bins: int) -> np.ndarray:
    """`(B, h, N, w, bins)` float32: points of the newest sweep in each feature pixel, by their depth (host work).

    Args:
        sensors, feature_hw: as in `lidar_depth_m`.
        scale: `(B, N)`, what a camera's depths are multiplied by before they are put into bins.
        range_m: lower edge of the first and upper edge of the last bin; the bins between are of equal ratio.
        bins: their number, at least 2. A point counts in the two bins whose centres it lies between, by how near it is to each.
    """
    low, high = range_m
    seen = _seen_by(_newest(sensors), feature_hw)
    return _counts(*seen, scale.detach().float().cpu().numpy(), np.float32(low), np.float32(bins / math.log(high / low)), bins)  # type: ignore[no-any-return]


def _newest(sensors: SensorBatch) -> SensorBatch:
    return replace(sensors, points_ok=sensors.points_ok & (sensors.points[..., 4] < NEWEST_S))


def _seen_by(sensors: SensorBatch, feature_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int], np.ndarray, np.ndarray]:
    """What the kernels read: `(B, N, 3, 4)` from ego metres to homogeneous feature pixels whose edges lie at integers, `(B, N, 4)` left, top,
    right and bottom of what is image in them, `(B, N)` which cameras are there, the maps' size, the points, and which of them count."""
    down, across = feature_hw[0] / sensors.image_hw[0], feature_hw[1] / sensors.image_hw[1]
    to_map = torch.tensor([[across, 0, 0.5 * across], [0, down, 0.5 * down], [0, 0, 1]])
    map_T_ego = to_map @ (sensors.intrinsics.float() @ sensors.cam_T_ego.float()[:, :, :3]).cpu()
    edges = (sensors.valid_px.float().cpu() + 0.5) * torch.tensor([across, down, across, down])
    points_ok = sensors.points_ok & sensors.lidar_ok[:, None]
    return (np.ascontiguousarray(map_T_ego.numpy()), edges.numpy(), sensors.camera_ok.cpu().numpy(), feature_hw,
            sensors.points.detach().float().cpu().numpy(), points_ok.cpu().numpy())


@numba.njit(cache=True, nogil=True)
def _pixel_of(m: np.ndarray, edges: np.ndarray, x: np.float32, y: np.float32, z: np.float32) -> tuple[int, int, np.float32]:
    """Row, column and depth of a point in a camera's map; a row of -1 where it is not in the image. Dropped at the first test that it fails."""
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    if not depth > np.float32(0.1):
        return -1, -1, depth
    row = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / depth
    if not (row >= edges[1] and row < edges[3]):
        return -1, -1, depth
    column = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / depth
    if not (column >= edges[0] and column < edges[2]):
        return -1, -1, depth
    return int(row), int(column), depth


@numba.njit(cache=True, nogil=True)
def _nearest(map_T_ego: np.ndarray, edges: np.ndarray, camera_ok: np.ndarray, feature_hw: tuple[int, int], points: np.ndarray,
             points_ok: np.ndarray) -> np.ndarray:
    """`lidar_depth_m` of what `_seen_by` gives."""
    batch, cameras = camera_ok.shape
    h, w = feature_hw
    nearest = np.full((batch, cameras, h, w), np.inf, np.float32)
    for b in range(batch):
        for n in range(cameras):
            if not camera_ok[b, n]:
                continue
            own_map, own_edges = map_T_ego[b, n], edges[b, n]
            for p in range(points.shape[1]):
                if points_ok[b, p]:
                    row, column, depth = _pixel_of(own_map, own_edges, points[b, p, 0], points[b, p, 1], points[b, p, 2])
                    if row >= 0:
                        i, j = min(row, h - 1), min(column, w - 1)  # of sizes that do not divide, an edge may round beyond the map
                        nearest[b, n, i, j] = min(nearest[b, n, i, j], depth)
    return nearest


@numba.njit(cache=True, nogil=True)
def _counts(map_T_ego: np.ndarray, edges: np.ndarray, camera_ok: np.ndarray, feature_hw: tuple[int, int], points: np.ndarray, points_ok: np.ndarray,
            scale: np.ndarray, low: np.float32, per_log: np.float32, bins: int) -> np.ndarray:
    """`lidar_depth_counts` of what `_seen_by` gives; position k among the bins is the lower edge of bin k."""
    batch, cameras = camera_ok.shape
    h, w = feature_hw
    half = np.float32(0.5)
    counts = np.zeros((batch, h, cameras, w, bins), np.float32)
    for b in range(batch):
        for n in range(cameras):
            if not camera_ok[b, n]:
                continue
            own_map, own_edges = map_T_ego[b, n], edges[b, n]
            for p in range(points.shape[1]):
                if not points_ok[b, p]:
                    continue
                row, column, depth = _pixel_of(own_map, own_edges, points[b, p, 0], points[b, p, 1], points[b, p, 2])
                if row < 0:
                    continue
                at = np.log(depth * scale[b, n] / low) * per_log
                if at < 0 or at >= bins:
                    continue
                centre = min(max(at - half, np.float32(0)), np.float32(bins - 1))
                k = min(int(centre), bins - 2)
                far = centre - np.float32(k)
                pixel = counts[b, min(row, h - 1), n, min(column, w - 1)]
                pixel[k] += np.float32(1) - far
                pixel[k + 1] += far
    return counts


def completed_depth_m(nearest_m: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Fill the holes of a sparse depth map, on its device: push and pull (Gortler et al., The Lumigraph, 1996) on inverse depths.

    A pixel with a return keeps it. One without takes the mean inverse depth (the near counts more) of the smallest aligned block of
    2, 4, ... `2 ** levels` pixels that holds a return; where none of them does, such as in the sky, it stays unknown.

    Args:
        nearest_m: `(..., h, w)` metres, infinity where there is no return.

    Returns:
        depth_m: `(..., h, w)`, 1 where unknown.
        known: `(..., h, w)` bool.
    """
    h, w = nearest_m.shape[-2:]
    block = 2**levels
    maps = F.pad(nearest_m, (0, -w % block, 0, -h % block), value=torch.inf)
    known = torch.isfinite(maps)
    inverse = torch.where(known, 1 / torch.where(known, maps, 1.0), 0.0)
    total, count = inverse, known.to(maps.dtype)
    for level in range(1, levels + 1):
        total, count = _block_sums(total), _block_sums(count)
        inverse = torch.where(known, inverse, _repeated(total / count.clamp(min=1), 2**level))
        known = known | _repeated(count > 0, 2**level)
    known, inverse = known[..., :h, :w], inverse[..., :h, :w]
    return torch.where(known, 1 / torch.where(known, inverse, 1.0), 1.0), known


def _block_sums(maps: Tensor) -> Tensor:
    return maps[..., ::2, ::2] + maps[..., ::2, 1::2] + maps[..., 1::2, ::2] + maps[..., 1::2, 1::2]


def _repeated(maps: Tensor, times: int) -> Tensor:
    return maps.repeat_interleave(times, -2).repeat_interleave(times, -1)
