"""Street furniture: bins, benches, boxes, shelters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import BLACK, BLUE, BROWN, DARK, GALVANISED, GREEN, GREY, ORANGE, RED, STEEL, WHITE, YELLOW, clothing, srgb, tint
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.wheels import add_wheels

METAL, PLASTIC, RETRO, LAMP, CONCRETE, WOOD, GLASS, CLOTH = (
    int(m)
    for m in (
        Material.METAL,
        Material.PLASTIC,
        Material.RETRO,
        Material.LAMP,
        Material.CONCRETE,
        Material.WOOD,
        Material.FACADE_GLASS,
        Material.CLOTH,
    )
)


def bin_(body: Sculpt, rng: np.random.Generator) -> None:
    """A litter bin, round or square, open or with a hood."""
    high, wide = rng.uniform(0.7, 1.25), rng.uniform(0.18, 0.34)
    colour = tint((DARK, GREEN, GREY, BROWN, STEEL)[rng.integers(5)], rng, 0.2)
    sides = 10 if rng.random() < 0.6 else 4
    lid = high * rng.uniform(0.75, 0.85)
    rows = [[0, 0, 0, wide * 0.85, wide * 0.85], [0, 0, lid, wide, wide], [0, 0, lid, wide * 0.8, wide * 0.8], [0, 0, high, wide * 0.75, wide * 0.75]]
    shades = np.array([colour, colour, BLACK if rng.random() < 0.5 else colour])
    body.column(rows, METAL, np.repeat(shades, sides, axis=0), sides=sides)
    body.column([[0, 0, high, wide, wide], [0, 0, high + 0.08, wide * 0.6, wide * 0.6]], PLASTIC, colour, sides=sides)


def wheelie_bin(body: Sculpt, rng: np.random.Generator) -> None:
    """One or a few refuse bins on two wheels."""
    for k in range(int(rng.choice([1, 1, 2, 3]))):
        high, wide = rng.uniform(0.9, 1.15), rng.uniform(0.5, 0.62)
        colour = tint((GREEN, BLUE, DARK, BROWN, GREY)[rng.integers(5)], rng)
        lid = colour if rng.random() < 0.5 else tint((YELLOW, BLUE, GREEN)[rng.integers(3)], rng)
        y, x = k * 0.72, rng.normal(0, 0.06)
        body.frustum((x, y, high * 0.5), (wide * 0.85, wide * 0.75, high * 0.86), (wide * 1.15, wide), PLASTIC, colour)
        body.frustum((x, y, high * 0.96), (wide * 1.25, wide * 1.06, 0.08), (wide * 1.0, wide * 0.9), PLASTIC, lid)
        body.boxes([[x - wide * 0.5, y + s * wide * 0.4, 0.1] for s in (1, -1)], (0.2, 0.05, 0.2), int(Material.RUBBER), BLACK)
        body.boxes([[x - wide * 0.66, y, high * 0.93]], (0.05, wide * 0.8, 0.05), PLASTIC, lid)


def dumpster(body: Sculpt, rng: np.random.Generator) -> None:
    """A container for waste, sloped, with lids or full of rubble."""
    length, deep, high = rng.uniform(1.3, 3.8), rng.uniform(1.1, 1.9), rng.uniform(1.0, 1.6)
    colour, half = tint((GREEN, BLUE, DARK, RED, ORANGE)[rng.integers(5)], rng, 0.2), deep / 2
    ring = np.array([[-half * 0.9, 0.12], [-half, high], [half, high * 0.86], [half * 0.85, 0.12]])
    rings = np.stack([np.column_stack([np.full(4, s * length / 2), ring]) for s in (1, -1)])
    body.loft(rings, METAL, colour, closed=bool(rng.random() < 0.6))
    body.quads([rings[0], rings[1]], METAL, colour)
    body.boxes(
        [[x, s * half * 0.97, high * 0.5] for x in np.linspace(-0.4, 0.4, 3) * length for s in (1, -1)],
        (0.08, 0.08, high * 0.75),
        METAL,
        tint(colour, rng),
    )
    body.quads(
        [
            [
                [-length / 2, -half * 0.95, high * 0.75],
                [length / 2, -half * 0.95, high * 0.75],
                [length / 2, half * 0.95, high * 0.7],
                [-length / 2, half * 0.95, high * 0.7],
            ]
        ],
        PLASTIC,
        BLACK,
    )
    body.boxes([[x * length * 0.42, y * half * 0.75, 0.07] for x in (1, -1) for y in (1, -1)], (0.14, 0.08, 0.14), METAL, DARK)


def hydrant(body: Sculpt, rng: np.random.Generator) -> None:
    """A fire hydrant."""
    colour, high = tint((RED, YELLOW, GREY, RED)[rng.integers(4)], rng), rng.uniform(0.65, 0.95)
    rows = [
        [0, 0, z * high, r, r] for z, r in ((0, 0.16), (0.06, 0.16), (0.06, 0.1), (0.7, 0.1), (0.72, 0.14), (0.8, 0.13), (0.95, 0.06), (1.0, 0.03))
    ]
    body.column(rows, METAL, colour)
    body.tubes(
        [[0, -0.19, 0.55 * high], [0, 0, 0.5 * high]],
        [[0, 0.19, 0.55 * high], [0.2, 0, 0.5 * high]],
        np.array([0.05, 0.065]),
        METAL,
        WHITE if rng.random() < 0.3 else colour,
        sides=6,
        capped=True,
    )


def mailbox(body: Sculpt, rng: np.random.Generator) -> None:
    """A letter box, round-topped on legs or a pillar."""
    colour, high = tint((BLUE, RED, YELLOW, GREEN)[rng.integers(4)], rng), rng.uniform(1.1, 1.6)
    if rng.random() < 0.6:
        outline = [(-0.25, 0.15), (0.25, 0.15), (0.25, high - 0.25), (0.18, high - 0.07), (0, high), (-0.18, high - 0.07), (-0.25, high - 0.25)]
        body.prism(outline, (-0.28, 0.28), METAL, colour)
        body.boxes([[x, y, 0.08] for x in (0.2, -0.2) for y in (0.23, -0.23)], (0.05, 0.05, 0.16), METAL, DARK)
    else:
        rows = [[0, 0, z * high, r, r] for z, r in ((0, 0.25), (0.08, 0.25), (0.08, 0.22), (0.85, 0.22), (0.88, 0.27), (0.95, 0.22), (1.0, 0.08))]
        body.column(rows, METAL, colour, sides=10)
    body.boxes([[0.24, 0, high * 0.75]], (0.03, 0.3, 0.05), METAL, BLACK)


def bench(body: Sculpt, rng: np.random.Generator) -> None:
    """A bench with or without a back."""
    wide, deep, seat = rng.uniform(1.2, 2.4), rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.48)
    material, colour = ((WOOD, BROWN), (METAL, DARK), (CONCRETE, srgb("a5a29a")), (WOOD, srgb("8a5a33")))[rng.integers(4)]
    colour = tint(colour, rng)
    if material == CONCRETE:
        body.boxes([[0, 0, seat / 2], [0, 0, seat + 0.02]], [[deep * 0.7, wide * 0.9, seat], [deep, wide, 0.1]], material, colour)
        return
    body.boxes([[x * deep * 0.33, 0, seat] for x in (-1, 0, 1)], (deep * 0.28, wide, 0.04), material, colour)
    if rng.random() < 0.75:
        body.boxes([[-deep * 0.5 - 0.05 * k, 0, seat + 0.2 + 0.17 * k] for k in (0, 1)], (0.04, wide, 0.13), material, colour)
    body.boxes([[x * deep * 0.35, y * wide * 0.42, seat / 2] for x in (1, -1) for y in (1, -1)], (0.06, 0.06, seat), METAL, DARK)
    body.boxes([[-deep * 0.52, y * wide * 0.42, seat * 0.95] for y in (1, -1)], (0.05, 0.05, 0.75), METAL, DARK)


def cabinet(body: Sculpt, rng: np.random.Generator) -> None:
    """An electric or telephone cabinet, from the size of a child to that of a small car."""
    size = rng.uniform(0.3, 0.9), rng.uniform(0.5, 2.4), rng.uniform(0.7, 1.8)
    colour = tint((GREY, srgb("8e9685"), GREEN, DARK, srgb("c9c4b5"))[rng.integers(5)], rng, 0.15)
    body.boxes(
        [[0, 0, 0.06], [0, 0, 0.12 + size[2] / 2], [0, 0, size[2] + 0.14]],
        [[size[0] * 1.05, size[1] * 1.03, 0.12], [*size], [size[0] * 1.08, size[1] * 1.04, 0.05]],
        np.array([CONCRETE, METAL, METAL]),
        colour,
    )
    body.boxes([[size[0] / 2, 0, 0.12 + size[2] * 0.5]], (0.012, 0.02, size[2] * 0.9), PLASTIC, BLACK)
    if rng.random() < 0.4:
        body.quads(
            [
                [
                    [size[0] / 2 + 0.01, -size[1] * 0.4, 0.5],
                    [size[0] / 2 + 0.01, size[1] * 0.1, 0.5],
                    [size[0] / 2 + 0.01, size[1] * 0.1, size[2] * 0.8],
                    [size[0] / 2 + 0.01, -size[1] * 0.4, size[2] * 0.8],
                ]
            ],
            PLASTIC,
            clothing(rng),
        )


def newspaper_box(body: Sculpt, rng: np.random.Generator) -> None:
    """One or a row of newspaper boxes."""
    for k in range(int(rng.choice([1, 2, 3, 4]))):
        colour, high = tint((RED, BLUE, YELLOW, GREEN, WHITE, ORANGE)[rng.integers(6)], rng), rng.uniform(1.0, 1.3)
        y = (k - 1) * 0.58
        body.boxes([[0, y, high * 0.65]], (0.42, 0.5, high * 0.7), PLASTIC, colour)
        body.boxes([[0, y, high * 0.15], [0, y, 0.02]], [[0.2, 0.3, high * 0.3], [0.4, 0.48, 0.04]], METAL, DARK)
        body.quads(
            [[[0.215, y - 0.2, high * 0.6], [0.215, y + 0.2, high * 0.6], [0.215, y + 0.2, high * 0.92], [0.215, y - 0.2, high * 0.92]]], GLASS, GREY
        )


def bus_shelter(body: Sculpt, rng: np.random.Generator) -> None:
    """Glass walls, a roof, a bench, a lit poster."""
    wide, deep, high = rng.uniform(2.8, 5.2), rng.uniform(1.2, 1.7), rng.uniform(2.3, 2.6)
    colour = tint((DARK, STEEL, GREEN)[rng.integers(3)], rng)
    x, y = deep / 2, wide / 2
    posts = [[-x, -y, 0], [-x, 0, 0], [-x, y, 0], [x, y, 0], [x, -y, 0]]
    body.tubes(posts, np.array(posts) + [0, 0, high], 0.045, METAL, colour, sides=5)
    body.box((-x - 0.1, -y - 0.1, high), (x + 0.25, y + 0.1, high + 0.1), METAL, colour)
    body.quads(
        [
            [[-x, -y, 0.3], [-x, y, 0.3], [-x, y, high - 0.2], [-x, -y, high - 0.2]],
            [[-x, y, 0.3], [x * 0.5, y, 0.3], [x * 0.5, y, high - 0.2], [-x, y, high - 0.2]],
        ],
        GLASS,
        GREY,
    )
    body.boxes([[0, -y, 1.15]], (deep * 0.9, 0.14, 1.8), LAMP if rng.random() < 0.5 else PLASTIC, clothing(rng))
    body.boxes([[-x * 0.5, 0, 0.45]], (0.35, wide * 0.55, 0.05), METAL, STEEL)
    body.boxes([[-x * 0.5, s * wide * 0.2, 0.22] for s in (1, -1)], (0.06, 0.06, 0.44), METAL, colour)


def bike_rack(body: Sculpt, rng: np.random.Generator) -> None:
    """A row of hoops."""
    count, step, high = int(rng.integers(1, 6)), rng.uniform(0.6, 0.95), rng.uniform(0.75, 0.95)
    y = (np.arange(count) - (count - 1) / 2) * step
    half = rng.uniform(0.28, 0.4)
    arch = np.array([(-half, 0), (-half, high * 0.75), (-half * 0.5, high), (half * 0.5, high), (half, high * 0.75), (half, 0)])
    line = np.concatenate([np.column_stack([arch[:, 0], np.full(6, v), arch[:, 1]])[None] for v in y])
    body.tubes(line[:, :-1].reshape(-1, 3), line[:, 1:].reshape(-1, 3), 0.025, METAL, GALVANISED if rng.random() < 0.6 else BLACK, sides=5)


def shopping_cart(body: Sculpt, rng: np.random.Generator) -> None:
    """A trolley, now and then loaded."""
    body.quads(
        [[[-0.4, s * 0.22, 0.5], [0.4, s * 0.18, 0.55], [0.45, s * 0.2, 0.95], [-0.45, s * 0.27, 1.0]] for s in (1, -1)]
        + [
            [[0.4, 0.18, 0.55], [0.4, -0.18, 0.55], [0.45, -0.2, 0.95], [0.45, 0.2, 0.95]],
            [[-0.4, 0.22, 0.5], [0.4, 0.18, 0.55], [0.4, -0.18, 0.55], [-0.4, -0.22, 0.5]],
        ],
        int(Material.FENCE),
        GALVANISED,
    )
    body.tubes([[-0.4, s * 0.22, 0.5] for s in (1, -1)], [[0.4, s * 0.2, 0.12] for s in (1, -1)], 0.015, METAL, GALVANISED, sides=4)
    body.tubes([[-0.55, 0.27, 1.05]], [[-0.55, -0.27, 1.05]], 0.02, PLASTIC, RED, sides=5)
    add_wheels(body, [0.35, -0.35], 0.22, 0.07, 0.04, GREY, sides=6)
    if rng.random() < 0.5:
        body.boxes([[0, 0, 0.85]], (0.6, 0.35, rng.uniform(0.3, 0.7)), CLOTH, clothing(rng))


FURNITURE: dict[str, Callable[[Sculpt, np.random.Generator], None]] = {
    "bin": bin_,
    "wheelie_bin": wheelie_bin,
    "dumpster": dumpster,
    "hydrant": hydrant,
    "mailbox": mailbox,
    "bench": bench,
    "cabinet": cabinet,
    "newspaper_box": newspaper_box,
    "bus_shelter": bus_shelter,
    "bike_rack": bike_rack,
    "shopping_cart": shopping_cart,
}
"""Makers by name."""
