"""Where cells project into images, compiled with Numba: a cell is dropped at the first test that it fails, no camera's whole grid is ever made."""

from __future__ import annotations

import numba
import numpy as np

NOWHERE = np.float32(-3)
"""A position so far beyond the maps that a sample there is zero and reads no pixel: a weight of 0 alone would not keep a pixel's NaN out."""

CLEAR = np.float32(2.0**-21)
"""How far, in positions from -1 to 1, samples of images with padding stay within the last row and column that are image: more than rounding
makes of a position, so that no tap reads padding, be its weight ever so small."""


@numba.njit(cache=True, nogil=True)
def project_cells(
    image_T_ego: np.ndarray,
    valid_px: np.ndarray,
    valid_cells: np.ndarray,
    camera_ok: np.ndarray,
    image_hw: tuple[int, int],
    feature_hw: tuple[int, int],
    xs_m: np.ndarray,
    ys_m: np.ndarray,
    heights_m: np.ndarray,
    views: int,
    min_depth_m: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The views of every cell at every height, those nearest to their image's centre column first.

    Args:
        image_T_ego: `(B, N, 3, 4)` float32, ego metres to homogeneous pixels, N > 0.
        valid_px: `(B, N, 4)` float32 left, top, right and bottom of what is image: what projects elsewhere, into padding, is not seen.
        valid_cells: `(B, N, 4)` float32 first column, first row, last column and last row of feature maps that hold any image.
        camera_ok: `(B, N)` bool.
        image_hw: pixels of an image, padding included.
        feature_hw: pixels of a feature map.
        xs_m: `(X,)` float32 centres of the cells forward.
        ys_m: `(Y,)` float32, left.
        heights_m: `(Z,)` float32.
        views: V, cameras kept for a cell at a height.
        min_depth_m: nothing nearer is seen.

    Returns:
        coords `(B, V, Z * X, Y, 2)` float32 in [-1, 1] of the maps side by side (align_corners=True), `NOWHERE` where there is no such view;
        weight `(B, V, Z, X, Y)` float32, 1 / number of views, 0 where there is none; seen `(B, 1, X, Y)` float32;
        depth `(B, V, Z, X, Y)` float32 metres, 1 where there is no view; camera `(B, V, Z, X, Y)` int64, 0 where there is none.
    """
    one, two, half, zero = np.float32(1), np.float32(2), np.float32(0.5), np.float32(0)
    batch, cameras = camera_ok.shape
    size_x, size_y, size_z = len(xs_m), len(ys_m), len(heights_m)
    coords = np.full((batch, views, size_z * size_x, size_y, 2), NOWHERE, np.float32)
    weight = np.zeros((batch, views, size_z, size_x, size_y), np.float32)
    seen = np.zeros((batch, 1, size_x, size_y), np.float32)
    depth = np.ones((batch, views, size_z, size_x, size_y), np.float32)
    camera = np.zeros((batch, views, size_z, size_x, size_y), np.int64)
    height, width = np.float32(image_hw[0]), np.float32(image_hw[1])
    h, w = np.float32(feature_hw[0]), np.float32(feature_hw[1])
    centre, near = (width - one) / two, np.float32(min_depth_m)
    across, down = w / width, h / height
    to_x, to_y = two / max(np.float32(cameras) * w - one, one), two / max(h - one, one)
    slot, row_of, along = np.empty(cameras, np.int64), np.empty((cameras, 3), np.float32), np.empty((cameras, 3), np.float32)
    best, owner = np.empty((views, 4), np.float32), np.empty(views, np.int64)  # distance from the centre column, u, v, depth
    for b in range(batch):
        padded = False  # any of these images: a neighbour's padding is to be kept clear of, too
        for n in range(cameras):
            first, last = valid_cells[b, n, :2], valid_cells[b, n, 2:]
            if camera_ok[b, n] and (first[0] > zero or first[1] > zero or last[0] < w - one or last[1] < h - one):
                padded = True
        for z in range(size_z):
            for i in range(size_x):
                present = 0
                for n in range(cameras):
                    if camera_ok[b, n]:
                        slot[present] = n
                        for axis in range(3):
                            m = image_T_ego[b, n, axis]
                            row_of[present, axis], along[present, axis] = m[0] * xs_m[i] + m[2] * heights_m[z] + m[3], m[1]
                        present += 1
                for j in range(size_y):
                    count, y = 0, ys_m[j]
                    for p in range(present):
                        d = row_of[p, 2] + along[p, 2] * y
                        if not d > near:
                            continue
                        u = (row_of[p, 0] + along[p, 0] * y) / d
                        valid = valid_px[b, slot[p]]
                        if not (valid[0] <= u < valid[2]):
                            continue
                        v = (row_of[p, 1] + along[p, 1] * y) / d
                        if not (valid[1] <= v < valid[3]):
                            continue
                        distance = abs(u - centre)
                        place = count
                        while place > 0 and distance < best[place - 1, 0]:
                            place -= 1
                        if place == views:
                            continue
                        count = min(count + 1, views)
                        for k in range(count - 1, place, -1):
                            best[k], owner[k] = best[k - 1], owner[k - 1]
                        best[place, 0], best[place, 1], best[place, 2], best[place, 3] = distance, u, v, d
                        owner[place] = slot[p]
                    if count:
                        seen[b, 0, i, j] = one
                    for k in range(count):
                        # Clamping inside the own image keeps bilinear taps from reaching into the neighbour's, or into padding.
                        edge, tile = valid_cells[b, owner[k]], np.float32(owner[k]) * w
                        column = (min(max((best[k, 1] + half) * across - half, edge[0]), edge[2]) + tile) * to_x - one
                        row = min(max((best[k, 2] + half) * down - half, edge[1]), edge[3]) * to_y - one
                        if padded:
                            column = min(max(column, (edge[0] + tile) * to_x - one + CLEAR), (edge[2] + tile) * to_x - one - CLEAR)
                            row = min(max(row, edge[1] * to_y - one + CLEAR), edge[3] * to_y - one - CLEAR)
                        coords[b, k, z * size_x + i, j, 0] = column
                        coords[b, k, z * size_x + i, j, 1] = row
                        weight[b, k, z, i, j] = one / np.float32(count)
                        depth[b, k, z, i, j] = best[k, 3]
                        camera[b, k, z, i, j] = owner[k]
    return coords, weight, seen, depth, camera
