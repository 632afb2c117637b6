"""Wheels of anything on tyres: tread, side wall, sunk rim."""

from __future__ import annotations

from functools import cache

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import CHROME, TYRE, Colour
from fusion.simulate.shapes.sculpt import Sculpt, circle


@cache
def _template(sides: int, rim: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit wheel with its axle along y (outside at y = 0.5): points, faces, and which faces are rim."""
    ring = circle(sides)
    rows = [(1.0, -0.5), (1.0, 0.5), (rim, 0.5)]
    points = np.concatenate([np.column_stack([ring[:, 0] * r, np.full(sides, y), ring[:, 1] * r]) for r, y in rows] + [np.array([[0.0, 0.3, 0.0]])])
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    faces, is_rim = [], []
    for row in range(2):
        a, b = row * sides, (row + 1) * sides
        faces += [np.column_stack([a + i, a + j, b + j]), np.column_stack([a + i, b + j, b + i])]
        is_rim += [np.zeros(2 * sides, bool)]
    faces.append(np.column_stack([2 * sides + i, 2 * sides + j, np.full(sides, 3 * sides)]))
    is_rim.append(np.ones(sides, bool))
    k = np.arange(1, sides - 1)
    faces.append(np.column_stack([np.zeros_like(k), k + 1, k]))
    is_rim.append(np.zeros(len(k), bool))
    return points, np.concatenate(faces), np.concatenate(is_rim)


def add_wheels(
    body: Sculpt,
    axles_x: list[float] | np.ndarray,
    half_track_m: float,
    radius_m: float,
    width_m: float,
    rim: Colour = CHROME,
    sides: int = 9,
    rim_share: float = 0.66,
    material: int = int(Material.METAL),
) -> None:
    """A pair of wheels on every axle; `half_track_m` is from the middle to a wheel's outside, wheels stand on z = 0."""
    points, faces, is_rim = _template(sides, rim_share)
    centres = np.array([[x, side * (half_track_m - width_m / 2), radius_m] for x in axles_x for side in (1, -1)])
    sizes = np.array([[radius_m, side * width_m, radius_m] for _ in axles_x for side in (1, -1)])
    count = len(centres)
    every = (centres[:, None] + points[None] * sizes[:, None]).reshape(-1, 3)
    where = (faces[None] + len(points) * np.arange(count)[:, None, None]).reshape(-1, 3)
    face_is_rim = np.tile(is_rim, count)
    body.add(every, where, np.where(face_is_rim, material, int(Material.RUBBER)), np.where(face_is_rim[:, None], rim, TYRE))
