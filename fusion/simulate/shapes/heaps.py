"""Stacks, rocks, statues, parasols, fences, scaffolds: what stands about without being an object of interest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusion.geometry.transforms import rotation_z
from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import BROWN, CONCRETE, DARK, GALVANISED, GREEN, GREY, ORANGE, RED, STEEL, WHITE, clothing, srgb, tint
from fusion.simulate.shapes.sculpt import Sculpt

METAL, PLASTIC, STONE, WOOD, CLOTH, FENCE, SOIL, BRICK = (
    int(m)
    for m in (Material.METAL, Material.PLASTIC, Material.CONCRETE, Material.WOOD, Material.CLOTH, Material.FENCE, Material.SOIL, Material.BRICK)
)


def box_pile(body: Sculpt, rng: np.random.Generator) -> None:
    """Cartons, crates or sacks in a heap."""
    count = int(rng.integers(2, 8))
    size = rng.uniform(0.25, 0.9, (count, 3))
    spot = rng.normal(0, 0.35, (count, 2)) * (count > 2)
    level = np.where(np.arange(count) < (count + 1) // 2, 0.0, size[0, 2])
    material = (WOOD, PLASTIC, CLOTH)[rng.integers(3)]
    colours = np.array([tint((srgb("a8834f"), BROWN, GREY, WHITE, DARK)[rng.integers(5)], rng, 0.2) for _ in range(count)])
    body.boxes(
        np.column_stack([spot, level + size[:, 2] / 2]), size, material, colours, np.stack([rotation_z(a) for a in rng.uniform(0, np.pi, count)])
    )


def pallets(body: Sculpt, rng: np.random.Generator) -> None:
    """Pallets, alone or with bricks, sacks or film-wrapped goods."""
    count = int(rng.integers(1, 8))
    z = np.arange(count) * 0.145
    body.boxes([[0, y, level + 0.05] for level in z for y in (-0.36, 0.36)], (1.2, 0.1, 0.1), WOOD, tint(srgb("a8895c"), rng))
    body.boxes([[0, 0, level + 0.12] for level in z], (1.2, 0.8, 0.03), WOOD, tint(srgb("a8895c"), rng))
    if count < 3 or rng.random() < 0.5:
        high = rng.uniform(0.3, 1.1)
        material, colour = ((BRICK, srgb("8f4a35")), (STONE, CONCRETE), (PLASTIC, WHITE), (CLOTH, srgb("b9ac90")))[rng.integers(4)]
        body.boxes([[0, 0, count * 0.145 + high / 2]], (1.1, 0.75, high), material, tint(colour, rng))


def rocks(body: Sculpt, rng: np.random.Generator) -> None:
    """Boulders."""
    count = int(rng.integers(1, 5))
    for _ in range(count):
        size = rng.uniform(0.2, 0.8, 3) * [1, 1, 0.8]
        stone = Sculpt()
        stone.balls([[0, 0, 0]], size, STONE, tint(srgb("857f75"), rng, 0.2), rings=3, sides=7)
        mesh = stone.mesh()
        mesh.vertices[:] *= rng.uniform(0.75, 1.15, (len(mesh.vertices), 1)).astype(np.float32)
        spot = rng.normal(0, 0.5, 2) * (count > 1)
        body.put(mesh, None, (spot[0], spot[1], size[2] * 0.6))


def soil_heap(body: Sculpt, rng: np.random.Generator) -> None:
    """A heap of soil, sand or gravel."""
    wide, high, n = rng.uniform(0.8, 3.0), rng.uniform(0.4, 1.6), 10
    rows = [
        [*rng.normal(0, 0.06, 2) * wide, z * high, wide * r * rng.uniform(0.85, 1.1), wide * r * rng.uniform(0.85, 1.1)]
        for z, r in ((0, 1.0), (0.35, 0.75), (0.75, 0.38), (1.0, 0.1))
    ]
    body.column(rows, SOIL, tint((BROWN, srgb("b8a078"), GREY)[rng.integers(3)], rng, 0.15), sides=n)


def statue(body: Sculpt, rng: np.random.Generator) -> None:
    """A figure, column or advertising pillar of a person's size and more."""
    material, colour = ((STONE, CONCRETE), (METAL, srgb("4d5b4c")), (STONE, srgb("cfc8b8")))[rng.integers(3)]
    colour, plinth, high = tint(colour, rng), rng.uniform(0.2, 1.4), rng.uniform(1.2, 2.2)
    wide = rng.uniform(0.35, 0.8)
    body.frustum((0, 0, plinth / 2), (wide * 1.3, wide * 1.3, plinth), (wide * 1.1, wide * 1.1), STONE, tint(CONCRETE, rng))
    levels = np.linspace(0, 1, 8)
    radius = wide * 0.45 * rng.uniform(0.5, 1.0, 8) * np.array([1.1, 1, 0.95, 1, 1.1, 0.9, 0.55, 0.3])
    rows = [[*rng.normal(0, 0.02, 2), plinth + level * high, r, r * rng.uniform(0.7, 1.2)] for level, r in zip(levels, radius, strict=True)]
    body.column(rows, material, colour)


def advertising_column(body: Sculpt, rng: np.random.Generator) -> None:
    """A poster pillar or a kiosk-like drum."""
    radius, high = rng.uniform(0.4, 0.75), rng.uniform(2.2, 3.4)
    posters = np.array([clothing(rng) for _ in range(12)])
    rows = [
        [0, 0, z, r, r]
        for z, r in ((0, radius * 1.05), (0.3, radius * 1.05), (0.3, radius), (high, radius), (high, radius * 1.2), (high + 0.15, radius * 1.2))
    ]
    shades = np.concatenate([np.tile(np.array([GREY]), (24, 1)), posters, np.tile(np.array([tint(GREEN, rng)]), (24, 1))])
    body.column(rows, PLASTIC, shades, sides=12)
    body.column([[0, 0, high + 0.15, radius * 1.2, radius * 1.2], [0, 0, high + 0.6, 0.05, 0.05]], METAL, tint(GREEN, rng), sides=12, lid=False)


def parasol(body: Sculpt, rng: np.random.Generator) -> None:
    """A parasol with a table and chairs, or closed."""
    colour, high = clothing(rng), rng.uniform(2.2, 2.8)
    body.tubes([[0, 0, 0]], [[0, 0, high]], 0.03, METAL, GREY, sides=5)
    body.boxes([[0, 0, 0.04]], (0.5, 0.5, 0.08), STONE, CONCRETE)
    if rng.random() < 0.25:
        body.column([[0, 0, 0.9, 0.16, 0.16], [0, 0, 1.6, 0.13, 0.13], [0, 0, high, 0.04, 0.04]], CLOTH, colour, sides=7)
        return
    wide = rng.uniform(1.0, 1.7)
    body.column(
        [
            [0, 0, high - 0.25, wide, wide],
            [0, 0, high - 0.45, wide, wide],
            [0, 0, high - 0.45, wide, wide],
            [0, 0, high - 0.42, wide * 0.98, wide * 0.98],
            [0, 0, high + 0.05, 0.04, 0.04],
        ],
        CLOTH,
        colour,
        lid=False,
    )
    if rng.random() < 0.7:
        body.column([[0, 0, 0.72, 0.45, 0.45], [0, 0, 0.75, 0.45, 0.45]], WOOD, BROWN, sides=10)
        for yaw in rng.uniform(0, 2 * np.pi) + np.arange(int(rng.integers(2, 5))) * 1.6:
            turn, spot = rotation_z(float(yaw)), np.array([np.cos(yaw), np.sin(yaw), 0]) * 0.8
            body.boxes(spot + np.array([[0, 0, 0.45], [0.2, 0, 0.68]]) @ turn.T, [[0.42, 0.42, 0.04], [0.03, 0.42, 0.45]], PLASTIC, DARK, turn)
            body.boxes(spot + np.array([[x, y, 0.22] for x in (0.18, -0.18) for y in (0.18, -0.18)]) @ turn.T, (0.03, 0.03, 0.44), METAL, DARK, turn)


def tent(body: Sculpt, rng: np.random.Generator) -> None:
    """A market stall or party tent on four legs, or a small ridge tent."""
    colour = tint((WHITE, clothing(rng), RED, GREEN)[rng.integers(4)], rng)
    if rng.random() < 0.35:
        long, wide, high = rng.uniform(1.8, 3.0), rng.uniform(1.3, 2.2), rng.uniform(1.0, 1.7)
        body.prism(
            [(-wide / 2, 0), (wide / 2, 0), (wide * 0.3, high * 0.6), (0, high), (-wide * 0.3, high * 0.6)], (-long / 2, long / 2), CLOTH, colour
        )
        return
    half, high = rng.uniform(1.1, 1.7), rng.uniform(2.0, 2.4)
    posts = [[x * half, y * half, 0] for x in (1, -1) for y in (1, -1)]
    body.tubes(posts, np.array(posts) + [0, 0, high], 0.025, METAL, GALVANISED, sides=4)
    body.frustum((0, 0, high + 0.45), (2 * half + 0.1, 2 * half + 0.1, 0.9), (0.1, 0.1), CLOTH, colour)
    if rng.random() < 0.5:
        body.boxes([[half * 0.6, 0, 0.75], [half * 0.6, 0, 0.37]], [[0.7, half * 1.7, 0.04], [0.6, half * 1.6, 0.7]], CLOTH, clothing(rng))


def fence_segment(body: Sculpt, rng: np.random.Generator) -> None:
    """A panel of chain-link, pickets, boards or a building site's fence, along y."""
    wide, high, kind = rng.uniform(2.0, 3.6), rng.uniform(0.9, 2.1), rng.integers(4)
    posts = [[0, s * wide / 2, 0] for s in (1, -1)]
    body.tubes(posts, np.array(posts) + [0, 0, high], 0.04, METAL if kind != 3 else WOOD, GALVANISED if kind != 3 else BROWN, sides=5)
    if kind < 2:
        body.quads([[[0, -wide / 2, 0.06], [0, wide / 2, 0.06], [0, wide / 2, high], [0, -wide / 2, high]]], FENCE, GALVANISED)
        body.tubes([[0, -wide / 2, z] for z in (0.08, high)], [[0, wide / 2, z] for z in (0.08, high)], 0.02, METAL, GALVANISED, sides=4)
        if kind == 1:
            body.boxes([[0, s * wide / 2, 0.07] for s in (1, -1)], (0.6, 0.22, 0.14), STONE, CONCRETE)
    else:
        count = int(wide / 0.16)
        y = np.linspace(-wide / 2 + 0.08, wide / 2 - 0.08, count)
        colour = tint((WHITE, BROWN, DARK)[rng.integers(3)], rng)
        body.boxes([[0, v, high / 2 + 0.05] for v in y], (0.025, 0.1 if kind == 3 else 0.025, high - 0.1), WOOD if kind == 3 else METAL, colour)
        body.boxes([[0.03, 0, z * high] for z in (0.2, 0.85)], (0.03, wide, 0.06), WOOD if kind == 3 else METAL, colour)


def guard_rail(body: Sculpt, rng: np.random.Generator) -> None:
    """A crash barrier of steel on posts, along y."""
    wide, high = rng.uniform(3.5, 5.0), rng.uniform(0.65, 0.85)
    profile = np.array([(0, -0.15), (0.06, -0.1), (0.0, 0.0), (0.06, 0.1), (0, 0.15)])
    rings = np.stack([np.column_stack([profile[:, 0] + 0.1, np.full(5, y), profile[:, 1] + high - 0.15]) for y in (-wide / 2, wide / 2)])
    body.loft(rings, METAL, GALVANISED)
    body.boxes([[0, y, high / 2] for y in np.linspace(-0.42, 0.42, 3) * wide], (0.1, 0.14, high), METAL, STEEL)
    body.boxes([[0.17, 0, high - 0.15]], (0.02, 0.08, 0.06), int(Material.RETRO), ORANGE)


def scaffold(body: Sculpt, rng: np.random.Generator) -> None:
    """A scaffold tower with decks."""
    wide, deep, high = rng.uniform(1.5, 3.0), rng.uniform(0.8, 1.4), rng.uniform(2.2, 6.0)
    corners = np.array([[x * deep / 2, y * wide / 2, 0.0] for x in (1, -1) for y in (1, -1)])
    body.tubes(corners, corners + [0, 0, high], 0.025, METAL, GALVANISED, sides=4)
    levels = np.arange(1.0, high, 1.0)
    for level in levels:
        ring = corners[[0, 1, 3, 2]] + [0, 0, level]
        body.tubes(ring, np.roll(ring, 1, axis=0), 0.022, METAL, GALVANISED, sides=3)
    decks = levels[1::2]
    if len(decks):
        body.boxes([[0, 0, level + 0.04] for level in decks], (deep, wide, 0.05), WOOD, tint(srgb("a8895c"), rng))
    body.tubes(corners[[0, 2]] + [0, 0, 0.2], corners[[1, 3]] + [0, 0, 1.9], 0.02, METAL, GALVANISED, sides=3)


def ladder(body: Sculpt, rng: np.random.Generator) -> None:
    """A step ladder."""
    high, foot = rng.uniform(1.4, 2.4), rng.uniform(0.35, 0.55)
    colour = tint((GALVANISED, ORANGE, WHITE)[rng.integers(3)], rng)
    rails = [[s * foot, y * 0.25, 0] for s in (1, -1) for y in (1, -1)]
    tops = [[s * 0.05, y * 0.18, high] for s in (1, -1) for y in (1, -1)]
    body.tubes(rails, tops, 0.022, METAL, colour, sides=4)
    share = np.linspace(0.15, 0.95, 6)
    body.boxes([[foot - (foot - 0.05) * k, 0, high * k] for k in share], (0.08, 0.42, 0.025), METAL, colour)


HEAPS: dict[str, Callable[[Sculpt, np.random.Generator], None]] = {
    "box_pile": box_pile,
    "pallets": pallets,
    "rocks": rocks,
    "soil_heap": soil_heap,
    "statue": statue,
    "advertising_column": advertising_column,
    "parasol": parasol,
    "tent": tent,
    "fence_segment": fence_segment,
    "guard_rail": guard_rail,
    "scaffold": scaffold,
    "ladder": ladder,
}
"""Makers by name."""
