"""Simple bodies from which shapes are put together. All are centred as their docstring says, z up."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh

Colour = tuple[float, float, float] | np.ndarray

_BOX_FACES = np.array([[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4],
                       [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7]])


def box(size_lwh: tuple[float, float, float], material: Material, albedo: Colour, centre: tuple[float, float, float] = (0, 0, 0),
        top_lw: tuple[float, float] | None = None, top_shift: tuple[float, float] = (0, 0)) -> Mesh:
    """A box around `centre`; `top_lw` gives its top another length and width (a frustum), moved by `top_shift` in x and y."""
    length, width, height = size_lwh
    top_l, top_w = top_lw or (length, width)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    bottom = np.column_stack([square * (length, width), np.full(4, -height / 2)])
    top = np.column_stack([square * (top_l, top_w) + top_shift, np.full(4, height / 2)])
    return Mesh.of(np.concatenate([bottom, top]) + centre, _BOX_FACES, material, albedo)


def cylinder(radius_m: float, length_m: float, material: Material, albedo: Colour, centre: tuple[float, float, float] = (0, 0, 0),
             axis: int = 2, sides: int = 10, top_radius_m: float | None = None) -> Mesh:
    """A closed cylinder (a cone with `top_radius_m`) around `centre` along axis 0, 1 or 2."""
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    top = radius_m if top_radius_m is None else top_radius_m
    points = np.concatenate([np.column_stack([ring * radius_m, np.full(sides, -length_m / 2)]),
                             np.column_stack([ring * top, np.full(sides, length_m / 2)]),
                             [[0, 0, -length_m / 2], [0, 0, length_m / 2]]])
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    low, high = np.full(sides, 2 * sides), np.full(sides, 2 * sides + 1)
    faces = np.concatenate([np.column_stack([i, j, j + sides]), np.column_stack([i, j + sides, i + sides]),
                            np.column_stack([low, j, i]), np.column_stack([high, i + sides, j + sides])])
    return Mesh.of(np.roll(points, axis - 2, axis=1) + centre, faces, material, albedo)


def ellipsoid(radii_m: tuple[float, float, float], material: Material, albedo: Colour, centre: tuple[float, float, float] = (0, 0, 0),
              rings: int = 5, sides: int = 8) -> Mesh:
    """An ellipsoid around `centre`."""
    polar = np.linspace(0, np.pi, rings + 2)[1:-1]
    angle = np.arange(sides) * 2 * np.pi / sides
    grid = np.stack([np.outer(np.sin(polar), np.cos(angle)), np.outer(np.sin(polar), np.sin(angle)),
                     np.repeat(np.cos(polar)[:, None], sides, 1)], axis=-1).reshape(-1, 3)
    points = np.concatenate([grid, [[0, 0, 1], [0, 0, -1]]]) * radii_m + centre
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    faces = [np.column_stack([np.full(sides, rings * sides), i, j]),
             np.column_stack([np.full(sides, rings * sides + 1), (rings - 1) * sides + j, (rings - 1) * sides + i])]
    for ring in range(rings - 1):
        a, b = ring * sides, (ring + 1) * sides
        faces += [np.column_stack([a + i, b + i, b + j]), np.column_stack([a + i, b + j, a + j])]
    return Mesh.of(points, np.concatenate(faces), material, albedo)


def extruded(outline_xz: np.ndarray, width_m: float, material: Material, albedo: Colour, top_width_m: float | None = None) -> Mesh:
    """A side view drawn out along y: `(N, 2)` x, z corners of a convex or star-shaped outline (about its mean), closed by itself.

    With `top_width_m` the width shrinks linearly from the outline's lowest z to its highest.
    """
    outline = np.asarray(outline_xz, np.float64)
    low, high = outline[:, 1].min(), outline[:, 1].max()
    share = (outline[:, 1] - low) / max(high - low, 1e-9)
    half = (width_m + share * ((width_m if top_width_m is None else top_width_m) - width_m)) / 2
    n = len(outline)
    middle = outline.mean(axis=0)
    middle_half = half.mean()
    points = np.concatenate([np.column_stack([outline[:, 0], half, outline[:, 1]]), np.column_stack([outline[:, 0], -half, outline[:, 1]]),
                             [[middle[0], middle_half, middle[1]], [middle[0], -middle_half, middle[1]]]])
    i, j = np.arange(n), (np.arange(n) + 1) % n
    faces = np.concatenate([np.column_stack([i, j, j + n]), np.column_stack([i, j + n, i + n]),
                            np.column_stack([np.full(n, 2 * n), i, j]), np.column_stack([np.full(n, 2 * n + 1), j + n, i + n])])
    return Mesh.of(points, faces, material, albedo)


def quad(corners: np.ndarray, material: Material, albedo: Colour) -> Mesh:
    """`(4, 3)` corners in order."""
    return Mesh.of(corners, np.array([[0, 1, 2], [0, 2, 3]]), material, albedo)
