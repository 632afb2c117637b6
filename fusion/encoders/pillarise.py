"""Host-side pillarisation: a point cloud into padded, decorated pillars, whatever the order of its points."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from fusion.geometry.grid import BevGrid

PILLAR_FEATURES = ("x", "y", "z", "intensity", "age_s", "dx_mean", "dy_mean", "dz_mean", "dx_cell", "dy_cell")
"""Columns of a decorated point: the point, its offset from the pillar's mean, its offset from the cell's centre."""


@dataclass(frozen=True, kw_only=True)
class Pillars:
    """Occupied pillars of a batch, ordered by `index`.

    Attributes:
        features: `(M, K, F)` float32, columns `PILLAR_FEATURES`; zero rows where `mask` is False.
        mask: `(M, K)` bool; every pillar has at least one point.
        index: `(M,)` int64, strictly increasing: `(sample * X + i) * Y + j`.
    """

    features: np.ndarray
    mask: np.ndarray
    index: np.ndarray


def pillarise(points: np.ndarray, points_ok: np.ndarray, grid: BevGrid, max_points: int) -> Pillars:
    """Sort points into the cells of a grid.

    A pillar with more than `max_points` points keeps those whose values hash to the smallest numbers: as good as a random
    choice, and the same whatever the order in which the sensor delivered them. Means are taken over all points.

    Args:
        points: `(B, P, 5)` float32, ego frame.
        points_ok: `(B, P)` bool.
        grid: cells; points outside its x, y or z range are left out.
        max_points: K.
    """
    low = np.array([grid.x_range_m[0], grid.y_range_m[0], grid.z_range_m[0]])
    high = np.array([grid.x_range_m[1], grid.y_range_m[1], grid.z_range_m[1]])
    features, mask, index = _pillarise(
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(points_ok),
        low,
        high,
        grid.cell_m,
        grid.shape[0],
        grid.shape[1],
        max_points,
    )
    return Pillars(features=features, mask=mask, index=index)


@numba.njit(cache=True)
def _cells(
    points: np.ndarray, points_ok: np.ndarray, low: np.ndarray, high: np.ndarray, cell_m: float, size_x: int, size_y: int
) -> tuple[np.ndarray, np.ndarray]:
    """Flat cell of every point (-1: none) and the number of points of every cell."""
    batch, count = points.shape[0], points.shape[1]
    cell = np.full(batch * count, -1, np.int32)
    counts = np.zeros(batch * size_x * size_y, np.int32)
    for b in range(batch):
        for p in range(count):
            if not points_ok[b, p]:
                continue
            x, y, z = points[b, p, 0], points[b, p, 1], points[b, p, 2]
            # Written so that NaN is left out too.
            if not (x >= low[0] and x < high[0] and y >= low[1] and y < high[1] and z >= low[2] and z < high[2]):
                continue
            i = min(int((x - low[0]) / cell_m), size_x - 1)
            j = min(int((y - low[1]) / cell_m), size_y - 1)
            flat = (b * size_x + i) * size_y + j
            cell[b * count + p] = flat
            counts[flat] += 1
    return cell, counts


@numba.njit(cache=True)
def _hash(bits: np.ndarray, p: int) -> np.uint64:
    """A well-mixed number of a point's own 160 bits: the same wherever the point stands in the cloud."""
    value = np.uint64(0x9E3779B97F4A7C15)
    for c in range(bits.shape[1]):
        value = (value ^ np.uint64(bits[p, c])) * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(29)
    return value


@numba.njit(cache=True)
def _choose(bits: np.ndarray, members: np.ndarray, count: int, hashes: np.ndarray) -> None:
    """Move the `count` points of the smallest hashes to the front of `members`; `hashes` is scratch of that length."""
    for k in range(count):
        hashes[k] = _hash(bits, members[k])
    worst = np.argmax(hashes)
    for k in range(count, len(members)):
        value = _hash(bits, members[k])
        if value < hashes[worst]:
            members[worst] = members[k]
            hashes[worst] = value
            worst = np.argmax(hashes)


@numba.njit(cache=True)
def _pillarise(
    points: np.ndarray,
    points_ok: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    cell_m: float,
    size_x: int,
    size_y: int,
    max_points: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cell, counts = _cells(points, points_ok, low, high, cell_m, size_x, size_y)
    flat_points = points.reshape(-1, points.shape[2])
    bits = flat_points.view(np.uint32)
    hashes = np.empty(max_points, np.uint64)
    occupied = np.flatnonzero(counts)
    starts = np.zeros(len(counts), np.int32)
    total = 0
    for flat in occupied:
        starts[flat] = total
        total += counts[flat]
    members = np.empty(total, np.int32)
    cursor = starts.copy()
    for p in range(len(cell)):
        if cell[p] >= 0:
            members[cursor[cell[p]]] = p
            cursor[cell[p]] += 1
    features = np.zeros((len(occupied), max_points, 10), np.float32)
    mask = np.zeros((len(occupied), max_points), np.bool_)
    for m in range(len(occupied)):
        flat = occupied[m]
        n = counts[flat]
        own = members[starts[flat] : starts[flat] + n]
        mean_x, mean_y, mean_z = 0.0, 0.0, 0.0
        for p in own:
            mean_x += flat_points[p, 0]
            mean_y += flat_points[p, 1]
            mean_z += flat_points[p, 2]
        mean_x, mean_y, mean_z = mean_x / n, mean_y / n, mean_z / n
        if n > max_points:  # after the means: the points that are not chosen are lost
            _choose(bits, own, max_points, hashes)
        rest = flat % (size_x * size_y)
        centre_x = low[0] + (rest // size_y + 0.5) * cell_m
        centre_y = low[1] + (rest % size_y + 0.5) * cell_m
        for k in range(min(n, max_points)):
            p = own[k]
            for c in range(5):
                features[m, k, c] = flat_points[p, c]
            x, y, z = flat_points[p, 0], flat_points[p, 1], flat_points[p, 2]
            features[m, k, 5], features[m, k, 6], features[m, k, 7] = x - mean_x, y - mean_y, z - mean_z
            features[m, k, 8], features[m, k, 9] = x - centre_x, y - centre_y
            mask[m, k] = True
    return features, mask, occupied
