"""Tiles of surface detail, drawn once: what asphalt, brick or grass looks like from close by, as factors on a face's colour."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

TILE_PX = 512
"""Width and height of every tile; it repeats without a seam."""

_SEED = 20240501
_ONE = 96.0  # the stored value of factor 1, so that up to 2.6 fits a byte


def _spread(rng: np.random.Generator, slope: float, stretch_v: float = 1.0) -> np.ndarray:
    """Seamless noise of zero mean and unit deviation whose amplitude falls as 1 / frequency ** slope; streaky along v if stretched."""
    frequency = np.fft.fftfreq(TILE_PX) * TILE_PX
    distance = np.hypot(frequency[None, :], frequency[:, None] * stretch_v)
    distance[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((TILE_PX, TILE_PX))) * distance ** -slope
    noise: np.ndarray = np.fft.ifft2(spectrum).real
    return np.asarray((noise - noise.mean()) / noise.std())


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """u, v in [0, 1) of every texel."""
    side = (np.arange(TILE_PX) + 0.5) / TILE_PX
    return np.broadcast_to(side[None, :], (TILE_PX, TILE_PX)), np.broadcast_to(side[:, None], (TILE_PX, TILE_PX))


def _cracks(rng: np.random.Generator, width: float) -> np.ndarray:
    """1 in thin lines along the level set of a noise, within patches; else 0."""
    line = np.exp(-(_spread(rng, 1.7) / width) ** 2)
    return np.asarray(line * (_spread(rng, 2.0) > 0.3))


def _asphalt(rng: np.random.Generator) -> np.ndarray:
    grey = 1 + 0.12 * _spread(rng, 0.3) + 0.12 * _spread(rng, 0.9)
    return np.asarray(grey * (1 - 0.45 * _cracks(rng, 0.03)) * (1 + 0.25 * (_spread(rng, 0.1) > 2.6)))[..., None]


def _worn(rng: np.random.Generator) -> np.ndarray:
    chipped = 1 / (1 + np.exp(-8 * (0.7 * _spread(rng, 1.0) + 0.5 * _spread(rng, 1.8) - 1.2)))
    return np.asarray((1 + 0.05 * _spread(rng, 0.4)) * (1 - 0.55 * chipped))[..., None]


def _concrete(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid()
    joint = np.maximum(np.exp(-((np.mod(4 * u, 1) - 0.5) / 0.012) ** 2), np.exp(-((np.mod(4 * v, 1) - 0.5) / 0.012) ** 2))
    slab = rng.uniform(0.93, 1.07, (4, 4))[(np.mod(4 * v + 0.5, 4)).astype(int), (np.mod(4 * u + 0.5, 4)).astype(int)]
    grey = slab * (1 + 0.05 * _spread(rng, 0.3) + 0.05 * _spread(rng, 1.4)) * (1 - 0.4 * joint) * (1 - 0.4 * _cracks(rng, 0.02))
    return np.asarray(grey[..., None] * np.array([1.0, 0.99, 0.96]))


def _soil(rng: np.random.Generator) -> np.ndarray:
    grey = 1 + 0.16 * _spread(rng, 0.6) + 0.12 * _spread(rng, 1.4)
    return np.asarray(grey[..., None] * (1 + 0.04 * _spread(rng, 1.6)[..., None] * np.array([1.0, 0.0, -1.0])))


def _grass(rng: np.random.Generator) -> np.ndarray:
    grey = 1 + 0.22 * _spread(rng, 0.5) + 0.14 * _spread(rng, 1.4)
    dry = 0.5 + 0.5 * np.tanh(_spread(rng, 1.6))
    return np.asarray(grey[..., None] * (1 + dry[..., None] * np.array([0.35, 0.05, 0.05])))


def _leaves(rng: np.random.Generator) -> np.ndarray:
    grey = 1 + 0.30 * _spread(rng, 0.9) + 0.22 * _spread(rng, 1.5)
    return np.asarray(grey[..., None] * (1 + 0.12 * _spread(rng, 1.2)[..., None] * np.array([1.0, 0.3, 0.0])))


def _bark(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(1 + 0.25 * _spread(rng, 0.9, stretch_v=6.0) + 0.08 * _spread(rng, 0.3))[..., None]


def _brick(rng: np.random.Generator) -> np.ndarray:
    rows, columns = 32, 12
    u, v = _grid()
    row = (v * rows).astype(int)
    along = u * columns + 0.5 * (row % 2)
    column = along.astype(int) % columns
    tone = rng.normal(1.0, 0.13, (rows, columns))[row, column]
    hue = rng.normal(0.0, 0.05, (rows, columns))[row, column]
    mortar = (np.abs(np.mod(v * rows, 1) - 0.5) > 0.42) | (np.abs(np.mod(along, 1) - 0.5) > 0.47)
    colour = (tone * (1 + 0.07 * _spread(rng, 0.4)))[..., None] * (1 + hue[..., None] * np.array([-0.5, 0.5, 1.0]))
    return np.where(mortar[..., None], np.array([0.95, 1.25, 1.4]), colour)


def _plaster(rng: np.random.Generator) -> np.ndarray:
    stains = np.clip(_spread(rng, 1.5, stretch_v=5.0) - 0.8, 0, 2)
    return np.asarray((1 + 0.025 * _spread(rng, 0.3) + 0.035 * _spread(rng, 1.6)) * (1 - 0.12 * stains))[..., None]


def _paint(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(1 + 0.015 * _spread(rng, 0.2) + 0.03 * _spread(rng, 1.6))[..., None]


def _metal(rng: np.random.Generator) -> np.ndarray:
    rust = np.clip(_spread(rng, 1.4) - 1.3, 0, 1)[..., None]
    return np.asarray((1 + 0.05 * _spread(rng, 0.6, stretch_v=4.0))[..., None] * (1 - rust * np.array([0.3, 0.5, 0.6])))


def _cloth(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(1 + 0.10 * _spread(rng, 1.2) + 0.06 * _spread(rng, 0.2) + 0.12 * _spread(rng, 1.6, stretch_v=0.4))[..., None]


def _wood(rng: np.random.Generator) -> np.ndarray:
    u, _ = _grid()
    plank = rng.uniform(0.85, 1.15, 8)[(u * 8).astype(int)] * (1 - 0.5 * (np.abs(np.mod(u * 8, 1) - 0.5) > 0.47))
    return np.asarray(plank * (1 + 0.12 * _spread(rng, 1.0, stretch_v=10.0)))[..., None]


def _large(rng: np.random.Generator) -> np.ndarray:
    """Unevenness of tens of metres; also the clouds."""
    u, v = _grid()
    seam = np.exp(-((u - 0.37 + 0.01 * np.sin(6 * np.pi * v)) / 0.0012) ** 2) + np.exp(-((v - 0.61) / 0.0012) ** 2)
    return np.asarray(1 + 0.30 * _spread(rng, 1.55) - 0.6 * seam)[..., None]


def _plain(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(1 + 0.02 * _spread(rng, 0.8))[..., None]


PATTERNS: dict[str, tuple[float, Callable[[np.random.Generator], np.ndarray]]] = {
    "plain": (2.0, _plain), "asphalt": (6.0, _asphalt), "worn": (4.0, _worn), "concrete": (6.4, _concrete), "soil": (5.0, _soil),
    "grass": (4.0, _grass), "leaves": (3.0, _leaves), "bark": (1.6, _bark), "brick": (2.56, _brick), "plaster": (9.0, _plaster),
    "paint": (3.0, _paint), "metal": (2.0, _metal), "cloth": (0.8, _cloth), "wood": (1.6, _wood), "window": (4.0, _plain),
    "large": (70.0, _large),
}
"""Width of a tile in metres and what draws it."""

NAMES = tuple(PATTERNS)
"""Order of the tiles in the atlas."""


@lru_cache(maxsize=1)
def atlas() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pattern at every resolution.

    Returns:
        texels: `(T, N)` uint32; factors times 96 as bytes, red lowest; per tile its levels one after the other, rows first, each half as
            wide as the one before.
        start: `(L,)` int64 first texel of a level.
        tile_m: `(T,)` float32 width of a tile.
    """
    levels = int(np.log2(TILE_PX)) + 1
    sides = [TILE_PX >> level for level in range(levels)]
    start = np.concatenate([[0], np.cumsum([side * side for side in sides])]).astype(np.int64)
    texels = np.empty((len(NAMES), start[-1], 3), np.uint8)
    for index, name in enumerate(NAMES):
        tile = PATTERNS[name][1](np.random.default_rng([_SEED, index]))
        tile = np.broadcast_to(tile, (TILE_PX, TILE_PX, 3))
        tile = np.clip(tile, 0.0, 255.0 / _ONE)
        if name != "large":
            tile = tile / tile.mean(axis=(0, 1))
        for level in range(levels):
            texels[index, start[level]:start[level + 1]] = np.clip(np.rint(tile * _ONE), 0, 255).reshape(-1, 3)
            if level + 1 < levels:
                side = sides[level + 1]
                tile = tile.reshape(side, 2, side, 2, 3).mean(axis=(1, 3))
    wide = texels.astype(np.uint32)
    return wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16, start[:-1], np.array([PATTERNS[name][0] for name in NAMES], np.float32)
