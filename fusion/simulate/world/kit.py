"""Building blocks that many parts of the world use: rows of boxes, walls along a line, blobs of leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh
from fusion.simulate.primitives import Colour, ellipsoid

_CORNERS = np.array([[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]]) / 2
_FACES = np.array([[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4],
                   [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7]])


def row(x: ArrayLike, y: ArrayLike, z: ArrayLike) -> np.ndarray:
    """`(N, 3)` points from coordinates, single numbers repeated."""
    return np.stack(np.broadcast_arrays(np.atleast_1d(np.asarray(x, np.float64)), np.asarray(y, np.float64), np.asarray(z, np.float64)), axis=-1)


def upright(x0: float, x1: float, y: float, z0: float, z1: float) -> list[list[float]]:
    """Corners of a rectangle that stands along x."""
    return [[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]]


def boxes(centres: np.ndarray, sizes: np.ndarray, material: Material, albedo: Colour) -> Mesh:
    """`(N, 3)` centres and sizes of upright boxes as one mesh; `albedo` is one colour or `(N, 3)`."""
    centres, sizes = np.atleast_2d(np.asarray(centres, np.float64)), np.asarray(sizes, np.float64)
    n = len(centres)
    points = centres[:, None] + _CORNERS * np.broadcast_to(sizes, (n, 3))[:, None]
    faces = (_FACES + 8 * np.arange(n)[:, None, None]).reshape(-1, 3)
    colours = np.asarray(albedo, np.float32)
    return Mesh.of(points.reshape(-1, 3), faces, material, np.repeat(colours, 12, axis=0) if colours.ndim == 2 else colours)


def wall(line_xyz: np.ndarray, height_m: float | np.ndarray, thick_m: float, material: Material, albedo: Colour) -> Mesh:
    """A wall along `(N, 3)` points on its lower middle; open at the bottom. `height_m` may differ from point to point, `(N,)`."""
    line = np.asarray(line_xyz, np.float64)
    along = np.gradient(line[:, :2], axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = np.column_stack([-along[:, 1], along[:, 0], np.zeros(len(line))]) * thick_m / 2
    up = np.column_stack([np.zeros((len(line), 2)), np.broadcast_to(height_m, len(line))])
    points = np.stack([line - side, line - side + up, line + side + up, line + side], axis=1).reshape(-1, 3)
    i = 4 * np.arange(len(line) - 1)
    faces = np.concatenate([np.stack([[i + a, i + a + 4, i + b + 4], [i + a, i + b + 4, i + b]]).transpose(0, 2, 1).reshape(-1, 3)
                            for a, b in ((0, 1), (1, 2), (2, 3))])
    last = 4 * (len(line) - 1)
    ends = np.array([[0, 1, 2], [0, 2, 3], [last, last + 1, last + 2], [last, last + 2, last + 3]])
    return Mesh.of(points, np.concatenate([faces, ends]), material, albedo)


def sheet(corners: np.ndarray, material: Material, albedo: Colour) -> Mesh:
    """`(N, 4, 3)` quads."""
    corners = np.asarray(corners, np.float64).reshape(-1, 4, 3)
    base = 4 * np.arange(len(corners))[:, None]
    faces = np.concatenate([base + [0, 1, 2], base + [0, 2, 3]], axis=1).reshape(-1, 3)
    colours = np.asarray(albedo, np.float32)
    return Mesh.of(corners.reshape(-1, 3), faces, material, np.repeat(colours, 2, axis=0) if colours.ndim == 2 else colours)


def blob(radii_m: tuple[float, float, float], centre: tuple[float, float, float], rng: np.random.Generator, material: Material = Material.FOLIAGE,
         albedo: Colour = (0.08, 0.16, 0.05), rings: int = 4, sides: int = 7, crumple: float = 0.22) -> Mesh:
    """A lumpy ellipsoid, such as leaves or a heap."""
    body = ellipsoid(radii_m, material, albedo, (0.0, 0.0, 0.0), rings, sides)
    scale = 1 + rng.uniform(-crumple, crumple, (len(body.vertices), 1))
    shade = rng.uniform(0.75, 1.25, (len(body.faces), 1)).astype(np.float32)
    return Mesh(vertices=(body.vertices * scale + centre).astype(np.float32), faces=body.faces, material=body.material,
                albedo=np.clip(body.albedo * shade, 0, 1).astype(np.float32))


def gable(length: float, width: float, eaves_z: float, rise: float, overhang: float, material: Material, albedo: Colour,
          wall_material: Material, wall_albedo: Colour) -> list[Mesh]:
    """A pitched roof, ridge along x, over a house of `length` x `width` around the origin, with its gable walls."""
    x, y, drop = length / 2 + overhang, width / 2 + overhang, rise * overhang / (width / 2)
    top = eaves_z + rise
    slopes = [[[-x, s * y, eaves_z - drop], [x, s * y, eaves_z - drop], [x, 0, top], [-x, 0, top]] for s in (-1, 1)]
    ends = np.array([[[e * length / 2, -width / 2, eaves_z], [e * length / 2, width / 2, eaves_z], [e * length / 2, 0, top]] for e in (-1, 1)])
    return [sheet(np.array(slopes), material, albedo),
            Mesh.of(ends.reshape(-1, 3), np.array([[0, 1, 2], [3, 4, 5]]), wall_material, wall_albedo)]
