"""Traffic cones and barriers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import AMBER, BLACK, CONCRETE, DARK, GALVANISED, ORANGE, RED, WHITE, YELLOW, Colour, tint
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread

PLASTIC, RETRO, METAL, RUBBER, LAMP = (int(m) for m in (Material.PLASTIC, Material.RETRO, Material.METAL, Material.RUBBER, Material.LAMP))


BARRIER = "movable_object.barrier"
CUTS = {1: (0.04, 0.55, 0.8, 1.0), 2: (0.04, 0.42, 0.56, 0.68, 0.82, 1.0), 4: (0.05, 0.42, 0.52, 0.64, 0.74, 1.0)}
"""Where the bands of a cone with so many begin and end, shares of its height."""


def make_cone(rng: np.random.Generator) -> Shape:
    """A cone, a tall slim one, a tubular post or a drum."""
    draw, body = rng.random(), Sculpt()
    orange = tint(ORANGE, rng)
    base = BLACK if rng.random() < 0.6 else orange
    if draw < 0.62:
        height, foot = spread(rng, 0.92, 0.17, 0.45, 1.2), spread(rng, 0.40, 0.05, 0.28, 0.5)
        _cone(body, height, foot, foot * 0.37, 0.035, orange, base, bands=1 if rng.random() < 0.4 else 2)
    elif draw < 0.78:
        height, foot = spread(rng, 1.25, 0.12, 1.0, 1.5), spread(rng, 0.42, 0.05, 0.32, 0.52)
        _cone(body, height, foot, 0.085, 0.05, orange, base)
        body.tubes([[0, 0, height]], [[0, 0, height + 0.05]], 0.05, PLASTIC, orange, sides=6, capped=True)
    elif draw < 0.90:
        height, foot = spread(rng, 1.08, 0.08, 0.9, 1.25), spread(rng, 0.36, 0.05, 0.25, 0.45)
        _cone(body, height, foot, 0.055, 0.05, (orange if rng.random() < 0.7 else YELLOW), BLACK)
    else:
        height, foot = spread(rng, 1.05, 0.05, 0.9, 1.2), spread(rng, 0.58, 0.03, 0.5, 0.66)
        _cone(body, height, foot, foot * 0.42, foot * 0.33, orange, BLACK, bands=4)
        if rng.random() < 0.4:
            body.boxes([[0, 0, height + 0.1]], (0.08, 0.18, 0.2), LAMP, AMBER)
    return fitted("movable_object.trafficcone", [body])


def _cone(body: Sculpt, height: float, foot: float, low_radius: float, top_radius: float, colour: Colour, base: Colour, bands: int = 2) -> None:
    body.boxes([[0, 0, 0.02]], (foot, foot, 0.04), RUBBER if base == BLACK else PLASTIC, base)
    cuts = CUTS[bands]
    rows = [[0, 0, share * height, *[low_radius + (top_radius - low_radius) * share] * 2] for share in cuts]
    retro = np.arange(len(cuts) - 1) % 2 == 1
    sides = 6
    body.column(
        rows, np.repeat(np.where(retro, RETRO, PLASTIC), sides), np.repeat(np.where(retro[:, None], WHITE, colour), sides, axis=0), sides=sides
    )


def make_barrier(rng: np.random.Generator) -> Shape:
    """A barrier of any sort; its long side is its width."""
    shares = np.cumsum([share for share, _ in BARRIERS.values()])
    return list(BARRIERS.values())[int(np.searchsorted(shares, rng.random() * shares[-1]))][1](rng)


def _concrete(rng: np.random.Generator) -> Shape:
    """A jersey barrier of concrete."""
    size = spread(rng, 0.73, 0.06, 0.6, 0.85), spread(rng, 3.2, 0.45, 2.0, 4.2), spread(rng, 0.93, 0.07, 0.78, 1.1)
    body = Sculpt()
    _jersey(body, size, int(Material.CONCRETE), tint(CONCRETE, rng, 0.12), rng)
    return fitted(BARRIER, [body], size)


def _plastic(rng: np.random.Generator) -> Shape:
    """A jersey barrier of plastic, to be filled with water."""
    size = spread(rng, 0.5, 0.05, 0.4, 0.65), spread(rng, 2.0, 0.3, 1.2, 2.6), spread(rng, 1.0, 0.06, 0.85, 1.1)
    body = Sculpt()
    _jersey(body, size, PLASTIC, tint(ORANGE if rng.random() < 0.55 else WHITE if rng.random() < 0.6 else RED, rng), rng)
    return fitted(BARRIER, [body], size)


def _striped(rng: np.random.Generator) -> Shape:
    """Striped boards on stands."""
    size = spread(rng, 0.44, 0.06, 0.3, 0.6), spread(rng, 2.1, 0.4, 1.2, 3.0), spread(rng, 1.06, 0.08, 0.9, 1.25)
    body = Sculpt()
    _boards(body, size, rng)
    return fitted(BARRIER, [body], size)


def _crowd(rng: np.random.Generator) -> Shape:
    """A crowd-control fence."""
    size = spread(rng, 0.42, 0.06, 0.3, 0.55), spread(rng, 2.3, 0.2, 1.9, 2.7), spread(rng, 1.08, 0.05, 0.95, 1.2)
    body = Sculpt()
    _crowd_fence(body, size)
    return fitted(BARRIER, [body], size)


def _jersey(body: Sculpt, size: tuple[float, float, float], material: int, colour: Colour, rng: np.random.Generator) -> None:
    length, width, height = size
    half = length / 2
    profile = np.array(
        [(half, 0), (half, 0.08), (half * 0.55, 0.33), (half * 0.3, 1), (-half * 0.3, 1), (-half * 0.55, 0.33), (-half, 0.08), (-half, 0)]
    )
    profile[:, 1] *= height
    ends = np.array([-width / 2, width / 2])
    rings = np.stack([np.column_stack([profile[:, 0], np.full(8, y), profile[:, 1]]) for y in ends])
    body.loft(rings, material, colour)
    for ring in rings:
        body.fan(ring[[0, 1, 2, 5, 6, 7]], material, colour)
        body.fan(ring[[2, 3, 4, 5]], material, colour)
    if material == PLASTIC:
        body.boxes(
            [[0, share * width, height * 0.62] for share in (-0.3, 0.3)],
            (half * 1.0, width * 0.2, height * 0.12),
            PLASTIC,
            tuple(0.6 * c for c in colour),
        )
        if rng.random() < 0.4:
            body.boxes([[0, 0, height * 0.85]], (half * 0.76, width * 0.5, 0.12), RETRO, WHITE)
    elif rng.random() < 0.35:
        body.boxes([[0, share * width, height * 0.88] for share in (-0.4, 0.4)], (half * 0.8, 0.1, 0.1), RETRO, AMBER)


def _boards(body: Sculpt, size: tuple[float, float, float], rng: np.random.Generator) -> None:
    """Striped boards on two A-shaped stands."""
    length, width, height = size
    stripes, boards = 8, 2 if rng.random() < 0.6 else 1
    edges = np.linspace(-width / 2, width / 2, stripes + 1)
    colour = ORANGE if rng.random() < 0.7 else RED
    for board in range(boards):
        z = height * (0.86 - 0.34 * board)
        lean, tall = 0.25 * length * (height - z) / height, 0.2 if boards == 2 else 0.3
        for face in (1, -1):
            rows = np.stack(
                [
                    np.column_stack([np.full(stripes + 1, face * (lean + dx)), edges + slant, np.full(stripes + 1, z + dz)])
                    for dx, dz, slant in ((0.02, -tall / 2, -0.05), (0.008, tall / 2, 0.05))
                ]
            )
            body.loft(rows, RETRO, np.where(np.arange(stripes)[None, :, None] % 2, WHITE, colour))
    for y in (-0.42 * width, 0.42 * width):
        body.tubes([[0, y, height], [0, y, height]], [[length / 2 - 0.03, y, 0.02], [-length / 2 + 0.03, y, 0.02]], 0.025, METAL, GALVANISED, sides=4)
        body.boxes([[0, y, 0.02]], (length, 0.06, 0.04), METAL, DARK)
    if rng.random() < 0.35:
        body.boxes([[0, 0.42 * width, height + 0.09]], (0.08, 0.17, 0.18), LAMP, AMBER)


def _crowd_fence(body: Sculpt, size: tuple[float, float, float]) -> None:
    """A frame with upright bars: a beam goes through between them."""
    length, width, height = size
    low, half = 0.2, width / 2
    starts = [[0, -half, height], [0, -half, low], [0, -half, 0.03], [0, half, 0.03]]
    ends = [[0, half, height], [0, half, low], [0, -half, height], [0, half, height]]
    body.tubes(starts, ends, 0.02, METAL, GALVANISED, sides=4)
    y = np.linspace(-half, half, 18)[1:-1]
    lean = np.where(np.arange(len(y)) % 2, 0.008, -0.008)
    foot, zero = np.full(len(y), low), np.zeros(len(y))
    left, right = np.column_stack([lean, y - 0.008, foot]), np.column_stack([-lean, y + 0.008, foot])
    up = np.column_stack([zero, zero, np.full(len(y), height - low)])
    body.quads(np.stack([left, right, right + up, left + up], axis=1), METAL, GALVANISED)
    body.boxes([[0, s * width * 0.38, 0.02] for s in (1, -1)], (length, 0.05, 0.03), METAL, GALVANISED)


BARRIERS: dict[str, tuple[float, Callable[[np.random.Generator], Shape]]] = {
    "jersey": (0.34, _concrete),
    "plastic": (0.32, _plastic),
    "boards": (0.16, _striped),
    "crowd": (0.18, _crowd),
}
"""Share and maker of every sort."""
