"""Trees, shrubs, hedges, grass: porous triangles of leaves, as a beam meets them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import BROWN, CONCRETE, Colour, srgb, tint
from fusion.simulate.shapes.sculpt import Sculpt

FOLIAGE, BARK, GRASS = int(Material.FOLIAGE), int(Material.BARK), int(Material.GRASS)
_LEAVES = (srgb("3f5a2a"), srgb("4d6b30"), srgb("2f4a2b"), srgb("5f7a3a"), srgb("6b7238"), srgb("39543a"), srgb("7d7a3c"))
_TRUNKS = (srgb("5a4a3b"), srgb("6e6255"), srgb("4a3c30"), srgb("8a8278"))


def leaves(body: Sculpt, points: np.ndarray, size_m: np.ndarray | float, colour: Colour, rng: np.random.Generator, drop: float = 0.3) -> None:
    """One randomly turned triangle of leaves around each of `(N, 3)` points; lower ones are darker."""
    count = len(points)
    axis = rng.normal(size=(count, 2, 3))
    u = axis[:, 0] / np.linalg.norm(axis[:, 0], axis=1, keepdims=True)
    v = axis[:, 1] - np.sum(axis[:, 1] * u, axis=1, keepdims=True) * u
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    size = np.broadcast_to(np.asarray(size_m, np.float64), (count,))[:, None] * rng.uniform(0.7, 1.35, (count, 1))
    corners = np.stack([points + size * (c * u + s * v) for c, s in ((1.0, 0.0), (-0.5, 0.87), (-0.5, -0.87))], axis=1)
    corners[..., 2] = np.maximum(corners[..., 2], 0.0)
    z = points[:, 2]
    shade = 1 - drop + drop * (z - z.min()) / max(float(np.ptp(z)), 1e-6)
    colours = np.clip(np.array(colour) * shade[:, None] * np.exp(rng.normal(0, 0.18, (count, 1))), 0, 1)
    body.add(corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3), FOLIAGE, colours)


def _shell(count: int, rng: np.random.Generator, filled: float = 0.35) -> np.ndarray:
    """`(count, 3)` points in a unit ball, most of them near its skin."""
    way = rng.normal(size=(count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    points: np.ndarray = way * (rng.uniform(filled, 1.0, (count, 1)) ** (1 / 3))
    return points


def _trunk(body: Sculpt, height: float, radius: float, branches: int, spread_m: float, top: float, rng: np.random.Generator) -> np.ndarray:
    """A bent trunk and branches; gives the branches' ends `(branches, 3)`."""
    bark = tint(_TRUNKS[rng.integers(len(_TRUNKS))], rng)
    bend = np.cumsum(rng.normal(0, 0.03 * height, (3, 2)), axis=0) * np.array([[0.0], [0.5], [1.0]])
    line = np.column_stack([bend, np.array([0.0, 0.5, 1.0]) * height])
    line[0, :2] = 0.0
    body.tubes(line[:-1], line[1:], np.array([radius, radius * 0.8]), BARK, bark, np.array([radius * 0.8, radius * 0.55]), sides=6)
    yaw = rng.uniform(0, 2 * np.pi) + np.arange(branches) * 2.4
    reach = spread_m * rng.uniform(0.5, 1.0, branches)
    base = line[1] + (line[2] - line[1]) * rng.uniform(0.2, 1.0, (branches, 1))
    ends: np.ndarray = base + np.column_stack([np.cos(yaw) * reach, np.sin(yaw) * reach, (top - height) * rng.uniform(0.3, 0.9, branches)])
    body.tubes(base, ends, radius * 0.42, BARK, bark, radius * 0.12, sides=4)
    return ends


def tree_round(body: Sculpt, rng: np.random.Generator) -> None:
    """A broad crown of several clumps, as planes and oaks have."""
    height = rng.uniform(5.5, 12.0)
    clear, wide = height * rng.uniform(0.25, 0.4), height * rng.uniform(0.24, 0.36)
    ends = _trunk(body, clear * 1.35, 0.018 * height + rng.uniform(0.02, 0.1), 5, wide * 0.75, height * 0.85, rng)
    colour = tint(_LEAVES[rng.integers(len(_LEAVES))], rng, 0.15)
    middle = np.array([0.0, 0.0, (height + clear) / 2])
    clumps = np.concatenate([ends, [middle, middle + [0, 0, (height - clear) * 0.28]]])
    count = int(rng.integers(250, 420))
    which = rng.integers(len(clumps), size=count)
    radii = np.array([wide * 0.62, wide * 0.62, (height - clear) * 0.3])
    points = clumps[which] + _shell(count, rng) * radii
    points[:, 2] = np.clip(points[:, 2], clear * 0.95, height - 0.2)
    leaves(body, points, 0.045 * height + 0.1, colour, rng)


def tree_cone(body: Sculpt, rng: np.random.Generator) -> None:
    """A conifer, branched to near the ground."""
    height = rng.uniform(4.0, 13.0)
    wide, clear = height * rng.uniform(0.15, 0.26), height * rng.uniform(0.06, 0.2)
    _trunk(body, height * 0.9, 0.014 * height + 0.04, 3, wide * 0.3, height, rng)
    count = int(rng.integers(220, 400))
    share = 1 - np.sqrt(rng.uniform(0, 1, count))
    yaw, out = rng.uniform(0, 2 * np.pi, count), wide * (1 - share) * rng.uniform(0.55, 1.0, count)
    points = np.column_stack([np.cos(yaw) * out, np.sin(yaw) * out, clear + share * (height - clear - 0.2)])
    leaves(body, points, 0.04 * height * (0.5 + 0.5 * (1 - share)) + 0.08, tint(srgb("2c4430"), rng, 0.2), rng)


def tree_column(body: Sculpt, rng: np.random.Generator) -> None:
    """A poplar or cypress, slim and tall."""
    height = rng.uniform(4.0, 12.0)
    wide, clear = rng.uniform(0.5, 1.1), rng.uniform(0.2, 1.2)
    _trunk(body, height * 0.7, 0.08 + 0.008 * height, 3, wide * 0.5, height, rng)
    count = int(rng.integers(220, 360))
    points = _shell(count, rng) * [wide, wide, (height - clear) / 2] + [0, 0, (height + clear) / 2]
    leaves(body, points, 0.28, tint(_LEAVES[rng.integers(len(_LEAVES))], rng, 0.15), rng)


def tree_young(body: Sculpt, rng: np.random.Generator) -> None:
    """A sapling of the street with a small crown, a stake or two, now and then a grate."""
    height = rng.uniform(2.6, 5.0)
    clear, wide = height * rng.uniform(0.38, 0.5), height * rng.uniform(0.14, 0.26)
    ends = _trunk(body, height * 0.6, rng.uniform(0.025, 0.06), 4, wide * 0.7, height * 0.9, rng)
    count = int(rng.integers(120, 220))
    points = np.concatenate([_shell(count, rng, 0.1) * [wide, wide, (height - clear) / 2] + [0, 0, (height + clear) / 2], ends])
    leaves(body, points, 0.17, tint(_LEAVES[rng.integers(len(_LEAVES))], rng, 0.15), rng)
    stakes = [[s * 0.35, 0, 0] for s in ((1, -1) if rng.random() < 0.5 else (1,))]
    body.tubes(stakes, np.array(stakes) + [0, 0, 1.5], 0.03, int(Material.WOOD), BROWN, sides=4)


def tree_bare(body: Sculpt, rng: np.random.Generator) -> None:
    """A tree in winter: branches that branch."""
    height = rng.uniform(4.5, 10.0)
    wide, bark = height * rng.uniform(0.22, 0.32), tint(_TRUNKS[rng.integers(len(_TRUNKS))], rng)
    ends = _trunk(body, height * 0.5, 0.016 * height + 0.04, 8, wide, height, rng)
    for children, radius, scale in ((4, 0.03, 1.0), (4, 0.02, 0.55)):
        parents = np.repeat(ends, children, axis=0)
        way = rng.normal(0, 0.1 * height * scale, parents.shape) + [0, 0, 0.08 * height * scale] + parents * [0.15, 0.15, 0]
        ends = np.clip(parents + way, [-wide * 1.4, -wide * 1.4, height * 0.25], [wide * 1.4, wide * 1.4, height])
        if scale == 1.0:
            body.tubes(parents, ends, radius, BARK, bark, radius * 0.5, sides=3)
        else:
            side = rng.normal(0, 1, parents.shape)
            side *= radius / np.linalg.norm(side, axis=1, keepdims=True)
            twigs = np.stack([parents - side, parents + side, ends], axis=1)
            body.add(twigs.reshape(-1, 3), np.arange(3 * len(twigs)).reshape(-1, 3), BARK, bark)


def palm(body: Sculpt, rng: np.random.Generator) -> None:
    """A bare stem with a tuft of fronds."""
    height, fronds = rng.uniform(4.0, 10.0), 11
    top = np.array([rng.normal(0, 0.2), rng.normal(0, 0.2), height])
    body.tubes([[0, 0, 0]], [top], 0.2, BARK, tint(_TRUNKS[1], rng), 0.13, sides=7)
    yaw = np.arange(fronds) * 2.4
    out = np.column_stack([np.cos(yaw), np.sin(yaw), np.zeros(fronds)])
    side = np.column_stack([-np.sin(yaw), np.cos(yaw), np.zeros(fronds)]) * 0.3
    reach, lift = rng.uniform(1.2, 2.2, (fronds, 1)), rng.uniform(-0.3, 0.9, (fronds, 1)) * [[0, 0, 1]]
    middle, tip = top + out * reach * 0.55 + lift, top + out * reach + lift * 0.2 - [0, 0, 0.6]
    body.quads(np.stack([np.tile(top, (fronds, 1)), middle + side, tip, middle - side], axis=1), FOLIAGE, tint(_LEAVES[1], rng))


def shrub(body: Sculpt, rng: np.random.Generator) -> None:
    """A bush of any proportions, from a car's size down to a child's."""
    size = np.array([rng.uniform(0.3, 1.3), rng.uniform(0.3, 1.3), rng.uniform(0.4, 2.0)])
    count = int(np.clip(90 * size.prod() ** 0.5 + 50, 60, 220))
    points = _shell(count, rng, 0.2) * size * [1, 1, 0.5] + [0, 0, size[2] * 0.5]
    leaves(body, points, 0.16 * size.mean() ** 0.5, tint(_LEAVES[rng.integers(len(_LEAVES))], rng, 0.2), rng, drop=0.5)
    body.tubes(np.zeros((4, 3)), points[:4] * 0.8, 0.02, BARK, _TRUNKS[0], sides=3)


def hedge(body: Sculpt, rng: np.random.Generator) -> None:
    """A clipped hedge along x."""
    length, deep, high = rng.uniform(1.5, 5.0), rng.uniform(0.5, 1.1), rng.uniform(0.6, 2.0)
    count = int(np.clip(55 * length * high**0.5, 90, 300))
    points = rng.uniform(-0.5, 0.5, (count, 3))
    face = rng.integers(5, size=count)
    points[face < 2, 1] = np.where(face[face < 2] == 0, 0.5, -0.5)
    points[face == 2, 2] = 0.5
    points = points * [length, deep, high] + [0, 0, high / 2]
    leaves(body, points, 0.17, tint(_LEAVES[rng.integers(len(_LEAVES))], rng, 0.15), rng, drop=0.4)
    inner = np.array([length * 0.92, deep * 0.55, high * 0.85])
    body.boxes([[0, 0, inner[2] / 2]], inner, FOLIAGE, tint(srgb("26361f"), rng))


def grass_tuft(body: Sculpt, rng: np.random.Generator) -> None:
    """Tall grass or reeds."""
    count, high, wide = int(rng.integers(25, 60)), rng.uniform(0.25, 1.3), rng.uniform(0.2, 0.7)
    foot = rng.normal(0, wide / 2, (count, 2))
    tip = foot + rng.normal(0, high * 0.25, (count, 2))
    side = rng.normal(0, 0.02 + 0.02 * high, (count, 2))
    z = high * rng.uniform(0.5, 1.0, count)
    zero = np.zeros(count)
    blades = np.stack([np.column_stack([foot - side, zero]), np.column_stack([foot + side, zero]), np.column_stack([tip, z])], axis=1)
    dry = rng.random() < 0.4
    colour = np.array(tint(srgb("a8935a") if dry else srgb("6b7d3a"), rng, 0.2)) * np.exp(rng.normal(0, 0.15, (count, 1)))
    body.add(blades.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3), GRASS, np.clip(colour, 0, 1))


def planter(body: Sculpt, rng: np.random.Generator) -> None:
    """A tub with a plant."""
    material, colour = ((int(Material.CONCRETE), CONCRETE), (int(Material.WOOD), BROWN), (int(Material.PLASTIC), srgb("3b3b3d")))[rng.integers(3)]
    tall, wide, deep = rng.uniform(0.35, 0.8), rng.uniform(0.45, 1.8), rng.uniform(0.45, 0.8)
    body.frustum((0, 0, tall / 2), (wide * 0.9, deep * 0.85, tall), (wide, deep), material, tint(colour, rng))
    high = rng.uniform(0.25, 1.3)
    count = int(rng.integers(50, 110))
    points = _shell(count, rng, 0.1) * [wide * 0.48, deep * 0.5, high / 2] + [0, 0, tall + high / 2]
    leaves(body, points, 0.12, tint(_LEAVES[rng.integers(len(_LEAVES))], rng, 0.2), rng)


PLANTS: dict[str, Callable[[Sculpt, np.random.Generator], None]] = {
    "tree_round": tree_round,
    "tree_cone": tree_cone,
    "tree_column": tree_column,
    "tree_young": tree_young,
    "tree_bare": tree_bare,
    "palm": palm,
    "shrub": shrub,
    "hedge": hedge,
    "grass_tuft": grass_tuft,
    "planter": planter,
}
"""Makers by name."""
