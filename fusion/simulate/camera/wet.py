"""Wet ground: what stands on it is seen upside down, found by following the mirrored ray through the image's own depth."""

from __future__ import annotations

import numpy as np

from fusion.geometry.transforms import invert
from fusion.simulate.camera.kernel import fast_kernel
from fusion.simulate.camera.raster import View

_STEPS = 22
_FIRST_M, _GROWTH = 0.4, 1.28


def reflect(view: View, horizon_rgb: np.ndarray, nearness: np.ndarray, image: np.ndarray) -> None:
    """Add reflections to `image` `(H, W, 4)` float32 light, where its fourth channel says how strongly the ground mirrors.

    Args:
        view: of the image.
        horizon_rgb: `(3,)` light where the ray leaves the image.
        nearness: `(H, W)` from `raster.draw`.
        image: changed.
    """
    up = invert(view.view_T_origin)[2, :3]  # the origin frame's z axis in the view
    _reflect(np.array(view.lens, np.float32), up.astype(np.float32), horizon_rgb.astype(np.float32), nearness, image)


@fast_kernel
def _reflect(lens: np.ndarray, up: np.ndarray, horizon: np.ndarray, nearness: np.ndarray, image: np.ndarray) -> None:
    height, width = nearness.shape
    two, half = np.float32(2), np.float32(0.5)
    for row in range(height):
        ray_y = (np.float32(row) - lens[3]) / lens[1]
        for column in range(width):
            strength = image[row, column, 3]
            if strength <= 0:
                continue
            ray_x = (np.float32(column) - lens[2]) / lens[0]
            depth = np.float32(1) / nearness[row, column]
            x, y, z = ray_x * depth, ray_y * depth, depth
            k = two * (ray_x * up[0] + ray_y * up[1] + up[2])
            dx, dy, dz = ray_x - k * up[0], ray_y - k * up[1], np.float32(1) - k * up[2]
            away, step = np.float32(0), np.float32(_FIRST_M) / np.sqrt(dx * dx + dy * dy + dz * dz)
            i, j, found = -1, -1, False
            for _ in range(_STEPS):
                away += step
                sz = z + dz * away
                if sz < np.float32(0.2):
                    break
                v, u = (y + dy * away) / sz * lens[1] + lens[3], (x + dx * away) / sz * lens[0] + lens[2]
                if not (u >= 0 and v >= 0 and u < width - 1 and v < height - 1):
                    break
                i, j = int(v + half), int(u + half)
                q = nearness[i, j]
                if q * sz > np.float32(1.0) and image[i, j, 3] <= 0 and q * (sz - two * step * dz - np.float32(1)) < np.float32(1):
                    found = True
                    break
                step *= np.float32(_GROWTH)
            seen = found or (i >= 0 and nearness[i, j] == 0)
            for c in range(3):
                light = min(image[i, j, c], np.float32(4)) if seen else horizon[c] * np.float32(0.8)
                image[row, column, c] += strength * light
