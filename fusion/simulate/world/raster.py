"""A grid of numbers over the scene, read at any place."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A grid north up in memory the other way round: row 0 at the smallest y; `origin_xy` is its lower left corner."""

    origin_xy: tuple[float, float]
    shape: tuple[int, int]
    m_per_px: float

    def pixels(self, xy: np.ndarray) -> np.ndarray:
        """`(..., 2)` continuous column and row; whole numbers are centres."""
        out: np.ndarray = (np.asarray(xy, np.float64) - self.origin_xy) / self.m_per_px - 0.5
        return out

    def fill(self, image: np.ndarray, polygons: list[np.ndarray], value: int) -> None:
        """Paint global polygons, each `(N, 2)`, one by one (overlaps stay painted)."""
        for polygon in polygons:
            cv2.fillPoly(image, [np.round(self.pixels(polygon) * 16).astype(np.int32)], value, shift=4)  # type: ignore[call-overload]

    def read(self, image: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Bilinear value at `(..., 2)` places, held at the border; float64 `(...)`."""
        p = self.pixels(xy)
        x, y = np.clip(p[..., 0], 0, self.shape[1] - 1.001), np.clip(p[..., 1], 0, self.shape[0] - 1.001)
        i, j = x.astype(np.int64), y.astype(np.int64)
        fx, fy = x - i, y - j
        out: np.ndarray = ((image[j, i] * (1 - fx) + image[j, i + 1] * fx) * (1 - fy)
                           + (image[j + 1, i] * (1 - fx) + image[j + 1, i + 1] * fx) * fy)
        return out

    def pick(self, image: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Nearest value at `(..., 2)` places, held at the border."""
        p = np.round(self.pixels(xy)).astype(np.int64)
        out: np.ndarray = image[np.clip(p[..., 1], 0, self.shape[0] - 1), np.clip(p[..., 0], 0, self.shape[1] - 1)]
        return out


def distance_m(inside: np.ndarray, m_per_px: float) -> np.ndarray:
    """`(H, W)` float32 signed distance to the border of a mask, negative inside, smoothed over about 0.3 m."""
    mask = inside.astype(np.uint8)
    out = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) - cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return cv2.GaussianBlur(out, (0, 0), 1.5) * np.float32(m_per_px)
