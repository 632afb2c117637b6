"""Rain in a photograph: streaks in the air and a few drops on the lens."""

from __future__ import annotations

import cv2
import numpy as np

_DROPS_PER_MM_H, _STREAKS_PER_MM_H = 0.5, 12.0


def add_rain(image: np.ndarray, rain_mm_h: float, rng: np.random.Generator) -> np.ndarray:
    """`(H, W, 3)` uint8 with the traces of a rain rate; a new image."""
    height, width = image.shape[:2]
    result = _streaks(image, int(rng.poisson(_STREAKS_PER_MM_H * rain_mm_h)), rng)
    for _ in range(int(rng.poisson(_DROPS_PER_MM_H * min(rain_mm_h, 12.0)))):
        radius = max(3, round(width * float(rng.uniform(0.006, 0.022))))
        x, y = int(rng.integers(width)), int(rng.integers(height))
        x0, x1, y0, y1 = max(0, x - radius), min(width, x + radius + 1), max(0, y - radius), min(height, y + radius + 1)
        window = result[y0:y1, x0:x1]
        # A drop is a small strong lens: it shows its surroundings upside down and out of focus.
        around = image[max(0, y - 4 * radius):y + 4 * radius + 1, max(0, x - 4 * radius):x + 4 * radius + 1]
        inside = cv2.GaussianBlur(cv2.resize(around[::-1, ::-1], (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA), (0, 0), 0.2 * radius)
        rows, columns = np.mgrid[y0 - y:y1 - y, x0 - x:x1 - x]
        share = 0.75 * np.clip(1.6 * (1 - np.hypot(rows, columns) / radius), 0, 1)[..., None]
        result[y0:y1, x0:x1] = np.rint(window * (1 - share) + inside * share)
    return result


def _streaks(image: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    lean = float(rng.uniform(-0.15, 0.15))
    starts, lengths = rng.random((count, 2)) * (width, height), rng.uniform(0.02, 0.09, count) * height
    strength = rng.uniform(12, 45, count)
    for (x, y), length, grey in zip(starts, lengths, strength, strict=True):
        cv2.line(mask, (int(x), int(y)), (int(x + lean * length), int(y + length)), (float(grey),), 1, cv2.LINE_AA)
    share = mask[..., None].astype(np.float32) / 255.0
    return np.asarray(np.rint(image + share * (205.0 - image)), np.uint8)
