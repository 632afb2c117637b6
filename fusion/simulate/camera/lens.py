"""From light to a photograph: motion blur, glare, smoothing, exposure, vignette, noise and a tone curve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from fusion.simulate.camera.kernel import Scalar, fast_kernel

_BLOOM_STEP = 8
_TABLE = 4096
_MAX_TAPS = 13
_LUMA = np.array([0.25, 0.6, 0.15], np.float32)


@dataclass(frozen=True, kw_only=True)
class Development:
    """How one photograph is exposed and developed.

    Attributes:
        gain_rgb: `(3,)` factor on linear light before the tone curve: exposure times white balance.
        glare: share of the light that the lens spreads around bright things.
        vignette: loss of light in the corners, 0 to 1.
        noise: deviation of the sensor's noise in grey values of 255, for a mid grey.
        saturation: 1 keeps colours.
        softness: share of a pixel's light that falls on its neighbours.
        seed: of the noise.
    """

    gain_rgb: np.ndarray
    glare: float
    vignette: float
    noise: float
    saturation: float
    softness: float
    seed: int


def merge(image: np.ndarray, nearness: np.ndarray, face: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`samples` by `samples` samples a pixel to one: mean light, and the first sample's nearness and face."""
    if samples == 1:
        return image, nearness, face
    size_wh = (image.shape[1] // samples, image.shape[0] // samples)
    return (cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.ascontiguousarray(nearness[::samples, ::samples]),
            np.ascontiguousarray(face[::samples, ::samples]))


def blur(image: np.ndarray, nearness: np.ndarray, face: np.ndarray, owner: np.ndarray, lens: tuple[float, float, float, float],
         drift_m: np.ndarray, turn_rad: np.ndarray) -> np.ndarray:
    """The image as the open shutter smears it.

    Args:
        image: `(H, W, 4)` float32 light.
        nearness, face: `(H, W)` from `raster.draw`.
        owner: `(F,)` int32 of the faces.
        lens: fx, fy, cx, cy, pixels.
        drift_m: `(O, 3)` way of each owner relative to the camera while the shutter is open, camera axes, metres.
        turn_rad: `(3,)` rotation vector of the camera meanwhile, camera axes.

    Returns:
        A new image, or the same one where nothing moves by a pixel.
    """
    reach = lens[0] * (np.abs(turn_rad).max() + np.linalg.norm(drift_m, axis=1).max() / 3.0)
    if reach < 0.8:
        return image
    result = np.empty_like(image)
    _blur(image, nearness, face, owner, np.array(lens, np.float32), drift_m.astype(np.float32), turn_rad.astype(np.float32), result)
    return result


def meter(image: np.ndarray, grey: float) -> float:
    """The gain on linear light with which the image's mean comes out as a grey value of 255, within 1/16 to 64."""
    step = max(1, image.shape[0] // 60)
    sample = image[::step, ::step, :3].reshape(-1, 3) @ _LUMA
    table = _tone_table()
    low, high = -4.0, 6.0
    for _ in range(9):
        middle = 0.5 * (low + high)
        light = sample * np.float32(2.0 ** middle)
        mean = float(table[(np.sqrt(light / (1 + light)) * np.float32(_TABLE - 1)).astype(np.int64)].mean(dtype=np.float64))
        low, high = (middle, high) if mean < grey else (low, middle)
    return float(2.0 ** (0.5 * (low + high)))


def develop(image: np.ndarray, how: Development) -> np.ndarray:
    """Light `(H, W, 4)` float32 to a photograph `(H, W, 3)` uint8 RGB."""
    small = cv2.resize(image, (max(2, image.shape[1] // _BLOOM_STEP), max(2, image.shape[0] // _BLOOM_STEP)), interpolation=cv2.INTER_AREA)
    small = np.minimum(small[..., :3], 30.0)
    wide = max(1.0, small.shape[1] / 100.0)
    glare = 0.65 * cv2.GaussianBlur(small, (0, 0), 1.2 * wide) + 0.35 * cv2.GaussianBlur(small, (0, 0), 8.0 * wide)
    result = np.empty((*image.shape[:2], 3), np.uint8)
    _develop(image, np.ascontiguousarray(glare, np.float32), how.gain_rgb.astype(np.float32), np.float32(how.glare), np.float32(how.vignette),
             np.float32(how.noise), np.float32(how.saturation), np.float32(how.softness), np.uint32(how.seed), _tone_table(), result)
    if how.softness > 0.2:  # demosaicing and JPEG spread noise and edges alike over neighbours
        result = np.asarray(cv2.GaussianBlur(result, (3, 3), 0.6))
    return result


@lru_cache(maxsize=1)
def _tone_table() -> np.ndarray:
    """`(_TABLE,)` float32 grey value for sqrt(x / (1 + x)) of light x: highlights roll off, a little black is cut."""
    share = (np.arange(_TABLE) / (_TABLE - 1)) ** 2
    light = share / np.maximum(1.0 - share, 1e-6)
    rolled = light * (1 + light / 9.0) / (1 + 0.75 * light)
    grey = np.clip((rolled - 0.004) / 0.996, 0, 1) ** (1 / 1.85)
    return np.asarray(255.0 * np.clip(grey, 0, 1), np.float32)


@fast_kernel
def _blur(image: np.ndarray, nearness: np.ndarray, face: np.ndarray, owner: np.ndarray, lens: np.ndarray, drift: np.ndarray, turn: np.ndarray,
          result: np.ndarray) -> None:
    height, width = face.shape
    for row in range(height):
        y = (np.float32(row) - lens[3]) / lens[1]
        for column in range(width):
            x = (np.float32(column) - lens[2]) / lens[0]
            # A point at (x, y, 1) z moves by its drift and against the camera's turn.
            du = -(turn[1] * (np.float32(1) + x * x) - turn[2] * y - turn[0] * x * y)
            dv = -(turn[2] * x - turn[0] * (np.float32(1) + y * y) + turn[1] * x * y)
            f = face[row, column]
            if f >= 0:
                d, q = drift[owner[f]], nearness[row, column]
                du += (d[0] - x * d[2]) * q
                dv += (d[1] - y * d[2]) * q
            du, dv = du * lens[0], dv * lens[1]
            length = max(abs(du), abs(dv))
            if length < 0.8:
                for c in range(4):
                    result[row, column, c] = image[row, column, c]
                continue
            taps = min(_MAX_TAPS, 2 * int(np.ceil(length / 2)) + 1)
            step = min(np.float32(1), np.float32(40) / length) / (taps - 1)
            for c in range(4):
                result[row, column, c] = 0
            share = np.float32(1.0) / taps
            for k in range(taps):
                t = k * step - np.float32(0.5) * step * (taps - 1)
                i = min(max(int(np.floor(row + dv * t + 0.5)), 0), height - 1)
                j = min(max(int(np.floor(column + du * t + 0.5)), 0), width - 1)
                for c in range(4):
                    result[row, column, c] += share * image[i, j, c]


@fast_kernel
def _bits(a: int, b: int, seed: Scalar) -> Scalar:
    h = np.uint32(a) * np.uint32(374761393) + np.uint32(b) * np.uint32(668265263) + np.uint32(seed)
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(2246822519))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(3266489917))
    return np.uint32(h ^ (h >> np.uint32(16)))


@fast_kernel
def _develop(image: np.ndarray, glare: np.ndarray, gain: np.ndarray, glare_share: Scalar, vignette: Scalar, noise: Scalar,
             saturation: Scalar, softness: Scalar, seed: Scalar, table: np.ndarray, result: np.ndarray) -> None:
    height, width = result.shape[0], result.shape[1]
    one = np.float32(1)
    rows, columns = glare.shape[0], glare.shape[1]
    value = np.empty(3, np.float32)
    diagonal = np.float32(4.0 / (width * width + height * height))
    middle_x, middle_y = np.float32(0.5 * width), np.float32(0.5 * height)
    for row in range(height):
        gy = (np.float32(row) + np.float32(0.5)) * np.float32(rows / height) - np.float32(0.5)
        gy = min(max(gy, np.float32(0)), np.float32(rows - 1.001))
        g0 = int(gy)
        gt = gy - np.float32(g0)
        for column in range(width):
            gx = (np.float32(column) + np.float32(0.5)) * np.float32(columns / width) - np.float32(0.5)
            gx = min(max(gx, np.float32(0)), np.float32(columns - 1.001))
            h0 = int(gx)
            hs = gx - np.float32(h0)
            up, down = max(row - 1, 0), min(row + 1, height - 1)
            left, right = max(column - 1, 0), min(column + 1, width - 1)
            here = image[row, column, 1]
            around = np.float32(0.25) * (image[up, column, 1] + image[down, column, 1] + image[row, left, 1] + image[row, right, 1])
            # The lens blurs a little everywhere; a jagged edge, where a pixel differs from its surroundings, is smoothed more.
            edge = min(one, np.float32(3) * abs(around - here) / (around + here + np.float32(1e-3)))
            share = softness + np.float32(0.2) * edge
            for c in range(3):
                near = np.float32(0.25) * (image[up, column, c] + image[down, column, c] + image[row, left, c] + image[row, right, c])
                value[c] = image[row, column, c] + share * (near - image[row, column, c])
            away = ((np.float32(column) - middle_x) ** 2 + (np.float32(row) - middle_y) ** 2) * diagonal
            dim = one - vignette * away
            for c in range(3):
                spread = (glare[g0, h0, c] * (one - hs) + glare[g0, h0 + 1, c] * hs) * (one - gt) \
                    + (glare[g0 + 1, h0, c] * (one - hs) + glare[g0 + 1, h0 + 1, c] * hs) * gt
                value[c] = max((value[c] + glare_share * (spread - value[c])) * gain[c] * dim, np.float32(0))
            grey = np.float32(0.25) * value[0] + np.float32(0.6) * value[1] + np.float32(0.15) * value[2]
            bits, more = _bits(column, row, seed), _bits(column, row, seed + np.uint32(77))
            common = np.float32((bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + ((bits >> 24) & 255)) * np.float32(1 / 148.0) \
                - np.float32(3.4459)
            for c in range(3):
                light = max(grey + saturation * (value[c] - grey), np.float32(0))
                tone = table[int(np.sqrt(light / (one + light)) * np.float32(_TABLE - 1))]
                own = np.float32((more >> np.uint32(8 * c)) & 255) * np.float32(1 / 74.0) - np.float32(1.7230)
                strength = noise * (np.float32(1.3) - tone * np.float32(1 / 425.0))
                out = tone + strength * (np.float32(0.8) * common + np.float32(0.6) * own)
                result[row, column, c] = np.uint8(min(max(out + np.float32(0.5), np.float32(0)), np.float32(255)))
