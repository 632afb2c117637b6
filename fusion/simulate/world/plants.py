"""Trees, hedges, bushes and grass: porous things at every height, which a LiDAR sees half through."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import cylinder
from fusion.simulate.world.kit import blob


def leaf_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """A green, now and then yellow or red."""
    if rng.random() < 0.1:
        return float(rng.uniform(0.2, 0.4)), float(rng.uniform(0.12, 0.25)), 0.04
    green = float(rng.uniform(0.09, 0.2))
    return green * float(rng.uniform(0.45, 0.85)), green, green * float(rng.uniform(0.2, 0.5))


def tree(rng: np.random.Generator) -> Mesh:
    """A tree of one of several habits, its trunk's foot at the origin (and 0.4 m deeper)."""
    habit = rng.choice(["round", "round", "tall", "fir", "palm", "bare", "young"])
    bark = tuple(rng.uniform(0.05, 0.16) * np.array([1.0, 0.85, 0.7]))
    leaf = leaf_colour(rng)
    if habit == "fir":
        height, radius = float(rng.uniform(6, 14)), float(rng.uniform(1.4, 2.6))
        parts = [_trunk(0.16, height * 0.8, bark)]
        levels = int(rng.integers(4, 6))
        for level in range(levels):
            share = level / levels
            parts.append(_crumpled_cone(radius * (1 - 0.75 * share), height * 0.34, 0.9 + share * (height * 0.85 - 0.9), leaf, rng))
        return join(parts)
    if habit == "palm":
        height = float(rng.uniform(5, 10))
        parts = [_trunk(0.17, height, bark)]
        for angle in np.arange(9) * 2 * np.pi / 9 + rng.uniform(0, 1):
            c, s, reach, droop = np.cos(angle), np.sin(angle), rng.uniform(1.6, 2.6), rng.uniform(-0.9, 0.3)
            points = [[0, 0, height], [c * reach * 0.5 - s * 0.35, s * reach * 0.5 + c * 0.35, height + 0.5],
                      [c * reach, s * reach, height + droop], [c * reach * 0.5 + s * 0.35, s * reach * 0.5 - c * 0.35, height + 0.5]]
            parts.append(Mesh.of(np.array(points), np.array([[0, 1, 2], [0, 2, 3]]), Material.FOLIAGE, leaf))
        return join(parts)
    height = {"round": rng.uniform(5.5, 11), "tall": rng.uniform(9, 17), "bare": rng.uniform(6, 11), "young": rng.uniform(2.8, 4.5)}[str(habit)]
    clear = float(height * rng.uniform(0.24, 0.42)) if habit != "young" else float(rng.uniform(1.2, 1.9))
    trunk = float(height * rng.uniform(0.014, 0.03))
    parts = [_trunk(trunk, float(height * 0.75), bark)]
    crown = height - clear
    wide = float(crown * rng.uniform(0.28, 0.45) * (0.6 if habit == "tall" else 1.0))
    for _ in range(int(rng.integers(3, 6))):
        angle, lean = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.0)
        foot, tip = float(clear * rng.uniform(0.7, 1.1)), float(clear + crown * rng.uniform(0.3, 0.7))
        parts.append(_stick((0, 0, foot), (float(np.cos(angle) * wide * lean), float(np.sin(angle) * wide * lean), tip), trunk * 0.45, bark))
    if habit == "bare":
        for _ in range(10):
            angle, z = rng.uniform(0, 2 * np.pi), rng.uniform(clear, height)
            reach = rng.uniform(0.4, 1.0) * wide
            twig = (float(np.cos(angle) * reach), float(np.sin(angle) * reach), float(z + 0.4))
            parts.append(_stick((0, 0, float(z - reach * 0.6)), twig, trunk * 0.25, bark))
        return join(parts)
    for _ in range(int(rng.integers(5, 9)) if habit != "young" else 2):
        angle, out, z = rng.uniform(0, 2 * np.pi), wide * np.sqrt(rng.random()) * 0.75, clear + crown * rng.uniform(0.15, 0.85)
        size = wide * rng.uniform(0.45, 0.8)
        parts.append(blob((size, size, size * float(rng.uniform(0.6, 0.95))), (float(np.cos(angle) * out), float(np.sin(angle) * out), float(z)), rng,
                          albedo=leaf, crumple=0.3))
    return join(parts)


def shrub(rng: np.random.Generator, size_m: float) -> Mesh:
    """A few lumps of leaves on the ground, about `size_m` across."""
    leaf = leaf_colour(rng)
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        r = size_m / 2 * float(rng.uniform(0.5, 1.0))
        x, y = rng.uniform(-0.3, 0.3, 2) * size_m
        radii = (r, r * float(rng.uniform(0.6, 1.2)), r * float(rng.uniform(0.6, 1.3)))
        parts.append(blob(radii, (float(x), float(y), r * 0.6), rng, albedo=leaf, crumple=0.28))
    return join(parts)


def hedge(line_xyz: np.ndarray, height_m: float, thick_m: float, rng: np.random.Generator) -> Mesh:
    """A cut hedge along `(N, 3)` ground points about 1 m apart, uneven by some centimetres."""
    n = len(line_xyz)
    along = np.gradient(line_xyz[:, :2], axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = np.column_stack([-along[:, 1], along[:, 0]])
    levels = np.array([[-0.45, -0.2], [-0.52, 0.45], [-0.42, 0.95], [0.0, 1.05], [0.42, 0.95], [0.52, 0.45], [0.45, -0.2]])
    k = len(levels)
    jitter = rng.normal(0, 0.06, (n, k, 2))
    across = levels[:, 0] * thick_m + jitter[..., 0]
    z = line_xyz[:, None, 2] + levels[:, 1] * height_m + jitter[..., 1]
    points = np.concatenate([line_xyz[:, None, :2] + side[:, None] * across[..., None], z[..., None]], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(n - 1), np.arange(k - 1), indexing="ij")
    a = (i * k + j).ravel()
    faces = np.concatenate([np.column_stack([a, a + k, a + k + 1]), np.column_stack([a, a + k + 1, a + 1]),
                            [[0, m, m + 1] for m in range(1, k - 1)], [[(n - 1) * k, (n - 1) * k + m, (n - 1) * k + m + 1] for m in range(1, k - 1)]])
    shade = rng.uniform(0.8, 1.2, (len(faces), 1))
    return Mesh.of(points, faces, Material.FOLIAGE, np.clip(np.array(leaf_colour(rng)) * shade, 0, 1))


def tufts(xyz: np.ndarray, rng: np.random.Generator) -> Mesh:
    """Grass blades: two crossed triangles, 5-30 cm high, at each of `(N, 3)` ground points."""
    n = len(xyz)
    if n == 0:
        return Mesh.empty()
    angle, height, width = rng.uniform(0, np.pi, n), rng.gamma(2.0, 0.05, n) + 0.03, rng.uniform(0.08, 0.22, n)
    parts = []
    for turn in (0.0, np.pi / 2):
        d = np.column_stack([np.cos(angle + turn), np.sin(angle + turn), np.zeros(n)]) * width[:, None]
        top = np.column_stack([rng.normal(0, 0.05, (n, 2)), height])
        parts.append(np.stack([xyz - d, xyz + d, xyz + top], axis=1).reshape(-1, 3))
    points = np.concatenate(parts)
    colour = np.tile(np.column_stack([rng.uniform(0.07, 0.2, n), rng.uniform(0.12, 0.2, n), rng.uniform(0.03, 0.07, n)]), (2, 1))
    return Mesh.of(points, np.arange(len(points)).reshape(-1, 3), Material.GRASS, colour)


def _trunk(radius: float, height: float, bark: tuple[float, ...]) -> Mesh:
    return cylinder(radius, height + 0.4, Material.BARK, np.array(bark), (0, 0, height / 2 - 0.2), sides=6, top_radius_m=radius * 0.55)


def _stick(a: tuple[float, float, float], b: tuple[float, float, float], radius: float, bark: tuple[float, ...]) -> Mesh:
    """A branch as a three-sided prism."""
    start, end = np.array(a), np.array(b)
    along = (end - start) / np.linalg.norm(end - start)
    side = np.cross(along, [0.3, 0.5, 0.81])
    side /= np.linalg.norm(side)
    other = np.cross(along, side)
    ring = np.array([np.cos(t) * side + np.sin(t) * other for t in (0.0, 2.094, 4.189)]) * max(radius, 0.02)
    points = np.concatenate([start + ring, end + ring * 0.5])
    faces = np.array([[0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4], [2, 0, 3], [2, 3, 5]])
    return Mesh.of(points, faces, Material.BARK, np.array(bark))


def _crumpled_cone(radius: float, height: float, z: float, leaf: tuple[float, float, float], rng: np.random.Generator) -> Mesh:
    sides = 9
    angle = np.arange(sides) * 2 * np.pi / sides
    reach = radius * rng.uniform(0.75, 1.15, sides)
    rim = np.column_stack([np.cos(angle) * reach, np.sin(angle) * reach, z + rng.uniform(-0.2, 0.2, sides)])
    points = np.concatenate([rim, [[0, 0, z + height], [0, 0, z + 0.35]]])
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    faces = np.concatenate([np.column_stack([i, j, np.full(sides, sides)]), np.column_stack([i, j, np.full(sides, sides + 1)])])
    return Mesh.of(points, faces, Material.FOLIAGE, leaf)
