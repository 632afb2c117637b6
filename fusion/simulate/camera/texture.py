"""The surface pass: which colour the surface that a pixel sees has, before any light falls on it."""

from __future__ import annotations

import numpy as np

from fusion.geometry.transforms import invert
from fusion.simulate.camera.faces import Faces, Posed
from fusion.simulate.camera.kernel import Scalar, fast_kernel
from fusion.simulate.camera.patterns import NAMES, atlas
from fusion.simulate.camera.raster import View
from fusion.simulate.materials import MATERIALS, Material

_LEVELS = 10
_PATTERN = np.array([NAMES.index(MATERIALS[material].texture) for material in Material], np.int64)
_TINT = np.ones((len(Material), 3), np.float32)
_TINT[Material.ASPHALT] = 2.15, 2.0, 1.75  # traffic polishes it to a warm grey
_TINT[Material.FOLIAGE] = 1.05, 0.9, 0.9
_TINT[Material.CONCRETE] = 1.04, 1.0, 0.92
_LARGE_SHARE = np.zeros(len(Material), np.float32)
for _name, _share in ((Material.ASPHALT, 0.75), (Material.MARKING, 0.6), (Material.CONCRETE, 0.35), (Material.SOIL, 0.6), (Material.GRASS, 0.7),
                      (Material.BRICK, 0.25), (Material.PLASTER, 0.2), (Material.FOLIAGE, 0.5)):
    _LARGE_SHARE[_name] = _share


def surface(faces: Faces, posed: Posed, view: View, nearness: np.ndarray, face: np.ndarray, samples: int,
            out: np.ndarray) -> None:
    """Fill `out` `(H, W, 4)` float32 with linear RGB and the share of a face's glow that is switched on (a window's panes differ).

    Patterns lie in the frame of their owner: a moving car takes its dirt along. They fade to their mean where a pixel covers much.

    Args:
        faces, posed: the scene at the shutter time.
        view: of the image.
        nearness, face: `(H, W)` float32 and int32 from `draw`; pixels without a face are left alone.
        samples: 2 where two by two samples make a pixel: a face is then looked at once per pixel. Else 1.
        out: changed.
    """
    texels, start, tile_m = atlas()
    owner_T_view = (posed.owner_T_origin @ invert(view.view_T_origin))[:, :3].astype(np.float32)
    _surface(faces.normal, faces.material, faces.albedo, _TINT, faces.owner, owner_T_view, np.array(view.lens, np.float32), nearness, face,
             texels, start, tile_m, _PATTERN, _LARGE_SHARE, NAMES.index("large"), NAMES.index("window"), samples, out)


@fast_kernel
def _cell(i: int, j: int, k: int) -> Scalar:
    """A number in [0, 1) for a pane."""
    h = np.uint32((i * 73856093) ^ (j * 19349663) ^ (k * 83492791))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(1274126177))
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(2246822519))
    return np.float32(np.uint32(h >> np.uint32(8))) * np.float32(1.0 / 16777216.0)


@fast_kernel
def _fetch(texels: np.ndarray, start: np.ndarray, tile: int, u: Scalar, v: Scalar, level: int, colour: np.ndarray) -> None:
    """Multiply `colour` (3,) by a tile's factor at u, v (in tiles), mixed linearly between texels."""
    side = 512 >> level
    wide = np.float32(side)
    x, y = (u - np.floor(u)) * wide + np.float32(side - 0.5), (v - np.floor(v)) * wide + np.float32(side - 0.5)
    i, j = np.int64(x), np.int64(y)
    s, t = x - np.float32(i), y - np.float32(j)
    mask = side - 1
    at = start[level]
    i0, i1, j0, j1 = i & mask, (i + 1) & mask, at + (j & mask) * side, at + ((j + 1) & mask) * side
    a, b = texels[tile, np.uint64(j0 + i0)], texels[tile, np.uint64(j0 + i1)]
    d, e = texels[tile, np.uint64(j1 + i0)], texels[tile, np.uint64(j1 + i1)]
    one = np.float32(1)
    wa, wb, wd, we = (one - s) * (one - t), s * (one - t), (one - s) * t, s * t
    scale = np.float32(1.0 / 96.0)
    for c in range(3):
        shift = np.uint32(8 * c)
        mixed = wa * np.float32((a >> shift) & np.uint32(255)) + wb * np.float32((b >> shift) & np.uint32(255)) \
            + wd * np.float32((d >> shift) & np.uint32(255)) + we * np.float32((e >> shift) & np.uint32(255))
        colour[c] *= scale * mixed


@fast_kernel
def _fetch_grey(texels: np.ndarray, start: np.ndarray, tile: int, u: Scalar, v: Scalar, level: int) -> Scalar:
    """A grey tile's factor at u, v (in tiles)."""
    side = 512 >> level
    wide = np.float32(side)
    x, y = (u - np.floor(u)) * wide + np.float32(side - 0.5), (v - np.floor(v)) * wide + np.float32(side - 0.5)
    i, j = np.int64(x), np.int64(y)
    s, t = x - np.float32(i), y - np.float32(j)
    mask = side - 1
    i0, i1, j0, j1 = i & mask, (i + 1) & mask, start[level] + (j & mask) * side, start[level] + ((j + 1) & mask) * side
    low, one = np.uint32(255), np.float32(1)
    a, b = np.float32(texels[tile, np.uint64(j0 + i0)] & low), np.float32(texels[tile, np.uint64(j0 + i1)] & low)
    d, e = np.float32(texels[tile, np.uint64(j1 + i0)] & low), np.float32(texels[tile, np.uint64(j1 + i1)] & low)
    return ((a * (one - s) + b * s) * (one - t) + (d * (one - s) + e * s) * t) * np.float32(1.0 / 96.0)


@fast_kernel
def _level(texel_m: Scalar, pixel_m: Scalar) -> Scalar:
    """The level whose texels are about as wide as a pixel."""
    level = 0
    while level < _LEVELS - 1 and texel_m * np.float32(1.5) < pixel_m:
        texel_m = texel_m * np.float32(2)
        level += 1
    return level


@fast_kernel
def _window(across: Scalar, up: Scalar, pixel_m: Scalar, colour: np.ndarray) -> Scalar:
    """Panes, frames and blinds of a glazed wall; returns how much of its glow is on."""
    x, y = across * np.float32(1 / 1.4), up * np.float32(1 / 1.7)
    i, j = int(np.floor(x)), int(np.floor(y))
    a, b = x - np.float32(i), y - np.float32(j)
    room = _cell(i >> 1, j, 3)
    tone = np.float32(0.5 + 0.9 * _cell(i, j, 1))
    fade = max(np.float32(0), np.float32(1) - pixel_m / np.float32(0.5))
    for c in range(3):
        colour[c] *= np.float32(1) + fade * (tone - np.float32(1))
    if room > 0.55 and b > 0.35 + 0.6 * _cell(i >> 1, j, 2):  # a blind, lowered to some height
        for c in range(3):
            colour[c] += fade * np.float32(0.22)
    if min(a, 1 - a) < 0.035 or min(b, 1 - b) < 0.03:  # frames
        for c in range(3):
            colour[c] = colour[c] + fade * (np.float32(0.14) - colour[c])
        return np.float32(0)
    return np.float32(1) if _cell(i >> 1, j, 5) > 0.8 else np.float32(0.03)


@fast_kernel
def _surface(normal: np.ndarray, material: np.ndarray, albedo: np.ndarray, tint: np.ndarray, owner: np.ndarray, owner_T_view: np.ndarray,
             lens: np.ndarray, nearness: np.ndarray, face: np.ndarray, texels: np.ndarray, start: np.ndarray, tile_m: np.ndarray, pattern: np.ndarray,
             large_share: np.ndarray, large: int, window: int, samples: int, out: np.ndarray) -> None:
    height, width = face.shape
    colour = np.empty(3, np.float32)
    one = np.float32(1)
    footprint = np.float32(samples) / lens[0]
    for row in range(height):
        ray_y = (np.float32(row) - lens[3]) / lens[1]
        for column in range(width):
            f = face[row, column]
            if f < 0:
                continue
            depth = one / nearness[row, column]
            if samples == 2:
                same_row, same_column = row, column
                if column & 1 and face[row, column - 1] == f:
                    same_column = column - 1
                elif row & 1 and face[row - 1, column] == f:
                    same_row = row - 1
                if same_row != row or same_column != column:
                    for c in range(4):
                        out[row, column, c] = out[same_row, same_column, c]
                    continue
            ray_x = (np.float32(column) - lens[2]) / lens[0]
            m = owner_T_view[owner[f]]
            dx = m[0, 0] * ray_x + m[0, 1] * ray_y + m[0, 2]
            dy = m[1, 0] * ray_x + m[1, 1] * ray_y + m[1, 2]
            dz = m[2, 0] * ray_x + m[2, 1] * ray_y + m[2, 2]
            x, y, z = dx * depth + m[0, 3], dy * depth + m[1, 3], dz * depth + m[2, 3]
            nx, ny, nz = normal[f, 0], normal[f, 1], normal[f, 2]
            slant = abs(nx * dx + ny * dy + nz * dz) / np.sqrt(dx * dx + dy * dy + dz * dz)
            pixel_m = depth * footprint / np.sqrt(max(slant, np.float32(0.02)))  # mean of the footprint's two axes
            kind = material[f]
            colour[0], colour[1], colour[2] = albedo[f, 0] * tint[kind, 0], albedo[f, 1] * tint[kind, 1], albedo[f, 2] * tint[kind, 2]
            if abs(nz) > np.float32(0.75):
                u, v = x, y
            else:
                length = np.sqrt(nx * nx + ny * ny) + np.float32(1e-9)
                u, v = (nx * y - ny * x) / length, z
            tile = pattern[kind]
            lit = one
            if tile == window:
                lit = _window(u, v, pixel_m, colour)
            else:
                size = tile_m[tile]
                _fetch(texels, start, tile, u / size, v / size, _level(size / np.float32(512), pixel_m), colour)
            share = large_share[kind]
            if share > 0:
                size = tile_m[large]
                factor = _fetch_grey(texels, start, large, u / size, v / size, _level(size / np.float32(512), pixel_m))
                factor = max(one + share * (factor - one), np.float32(0))
                colour[0], colour[1], colour[2] = colour[0] * factor, colour[1] * factor, colour[2] * factor
            out[row, column, 0], out[row, column, 1], out[row, column, 2], out[row, column, 3] = colour[0], colour[1], colour[2], lit
