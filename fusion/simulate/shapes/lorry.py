"""Heavy trucks: box trucks, flatbeds, dump and garbage trucks, tankers, concrete mixers, tractors."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.cabs import bonnet_cab, cab_over, cargo_box, frame, open_bed, pile, ribs, tail
from fusion.simulate.shapes.colours import AMBER, BLACK, CHROME, DARK, GALVANISED, GREEN, GREY, ORANGE, RED, STEEL, WHITE, Colour, tint, truck_paint
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import spread
from fusion.simulate.shapes.wheels import add_wheels

PAINT, PLASTIC, METAL, LAMP = int(Material.PAINT), int(Material.PLASTIC), int(Material.METAL), int(Material.LAMP)
Made = tuple[Sculpt, Sculpt, tuple[float, float, float]]
"""A body standing on z = 0, its mirrors, its size."""


def mirrors(x: float, half: float, z: float, colour: Colour = BLACK, tall: float = 0.35) -> Sculpt:
    """A pair of mirrors outside a cab."""
    pair = Sculpt()
    pair.boxes([[x, s * (half + 0.11), z] for s in (1, -1)], (0.09, 0.18, tall), PLASTIC, colour)
    return pair


def box_truck(rng: np.random.Generator) -> Made:
    """A cab with a closed box, small to large."""
    length = spread(rng, 7.9, 1.6, 5.6, 12.0)
    size = (
        length,
        min(2.35 + 0.08 * (length - 5.6), 2.65) + spread(rng, 0.08, 0.1, -0.1, 0.3),
        min(2.7 + 0.24 * (length - 5.6), 3.6) + spread(rng, 0, 0.15, -0.2, 0.3),
    )
    _, width, height = size
    body, paint, big = Sculpt(), truck_paint(rng), length > 7.2
    wheel = 0.48 if big else 0.4
    low, cab = 2 * wheel + 0.1, 1.6 if big else 1.45
    cab_high = min(height - 0.25, 2.75 if big else 2.25)
    if rng.random() < 0.45:
        bonnet = 0.9 if big else 0.75
        bonnet_cab(body, length / 2 - 0.12, bonnet, cab, width * 0.92, 0.55 if not big else 0.7, cab_high, paint, chrome=bool(rng.random() < 0.3))
        start = length / 2 - bonnet - cab - 0.2
    else:
        cab_over(body, length / 2 - 0.12, cab, width * 0.9, 0.6 if not big else 0.75, cab_high, paint)
        start = length / 2 - cab - 0.25
    box_colour = WHITE if rng.random() < 0.6 else truck_paint(rng)
    cargo_box(body, start, -length / 2 + 0.03, width, low, height, tint(box_colour, rng, 0.05), rng)
    if rng.random() < 0.3:
        body.frustum(
            (start + 0.25, 0, (cab_high + height) / 2), (0.5, width * 0.7, max(height - cab_high - 0.1, 0.2)), (0.3, width * 0.6), METAL, GREY
        )
    frame(body, length / 2 - 0.5, -length / 2 + 0.2, low - 0.14)
    tail(body, -length / 2 + 0.03, width, low)
    axles = [length / 2 - (1.0 if start > length / 2 - 2.2 else 0.85), -length / 2 + length * 0.25]
    if length > 8.8 and rng.random() < 0.4:
        axles.append(axles[1] + 1.25)
    add_wheels(body, axles, width / 2 * 0.97, wheel, 0.3 if not big else 0.5, STEEL)
    body.boxes([[0.0, s * width * 0.38, low - 0.35] for s in (1, -1)], (0.8, 0.4, 0.42), METAL, DARK)
    if rng.random() < 0.25:
        body.box((-length / 2 + 0.02, -width * 0.46, low - 0.1), (-length / 2 + 0.1, width * 0.46, low + 1.0), METAL, GALVANISED)
    return body, mirrors(length / 2 - 0.35, width * 0.46, cab_high - 0.6, tall=0.5), size


def open_truck(rng: np.random.Generator) -> Made:
    """A flatbed, a dropside or a dump truck, loaded or not."""
    length = spread(rng, 7.0, 1.1, 5.2, 9.5)
    dump = bool(rng.random() < 0.45)
    size = length, 2.42 + 0.05 * (length - 5.2) + spread(rng, 0.1, 0.1, -0.1, 0.3), (3.0 if dump else 2.55) + spread(rng, 0, 0.2, -0.4, 0.5)
    _, width, height = size
    body, paint, wheel = Sculpt(), truck_paint(rng), 0.45
    low, cab = 1.0, 1.55
    if rng.random() < 0.5:
        bonnet_cab(body, length / 2 - 0.12, 0.9, cab, width * 0.92, 0.65, min(height - 0.05, 2.6), paint, chrome=bool(rng.random() < 0.4))
        start = length / 2 - cab - 1.25
    else:
        cab_over(body, length / 2 - 0.12, cab, width * 0.92, 0.7, min(height - 0.05, 2.6), paint)
        start = length / 2 - cab - 0.3
    rear = -length / 2 + 0.05
    colour = truck_paint(rng)
    if dump:
        wall = low + spread(rng, 1.2, 0.2, 0.8, 1.6)
        open_bed(body, start, rear, width, low + 0.1, wall, colour, METAL)
        ribs(body, start, rear, width / 2 - 0.04, low + 0.1, wall, 5, colour)
        body.prism(
            [(start - 0.02, wall), (start + 0.9, height - 0.05), (start + 0.9, height), (start - 0.02, wall + 0.08)],
            (-width * 0.45, width * 0.45),
            METAL,
            colour,
        )
        if rng.random() < 0.6:
            pile(body, start - 0.1, rear + 0.1, width * 0.45, wall - 0.35, rng, int(Material.SOIL))
    else:
        wall = low + (0.5 if rng.random() < 0.5 else 0.1)
        open_bed(body, start, rear, width, low, wall, colour)
        body.box(
            (start - 0.06, -width * 0.45, low), (start, width * 0.45, min(height, 2.2)), int(Material.FENCE) if rng.random() < 0.5 else METAL, DARK
        )
        if rng.random() < 0.7:
            pile(body, start - 0.2, rear + 0.2, width * 0.45, low + 0.08, rng)
    frame(body, length / 2 - 0.5, rear + 0.1, low - 0.15)
    tail(body, rear - 0.03, width, low)
    axles = [length / 2 - 1.0, -length * 0.27] + ([-length * 0.27 + 1.2] if length > 7 and dump else [])
    add_wheels(body, axles, width / 2 * 0.97, wheel, 0.45, STEEL)
    body.boxes([[0.2, s * width * 0.38, low - 0.4] for s in (1, -1)], (0.8, 0.4, 0.4), METAL, DARK)
    body.boxes([[start + cab * 0.6, 0, min(height - 0.05, 2.6) + 0.04]], (0.15, 0.8, 0.1), LAMP, AMBER)
    return body, mirrors(length / 2 - 0.5, width * 0.46, 2.0, tall=0.45), size


def heavy_truck(rng: np.random.Generator) -> Made:
    """Garbage trucks, tankers, concrete mixers."""
    size = spread(rng, 9.2, 0.8, 7.6, 11.0), spread(rng, 2.85, 0.12, 2.6, 3.1), spread(rng, 3.55, 0.2, 3.1, 4.0)
    length, width, height = size
    body, kind, paint = Sculpt(), rng.random(), truck_paint(rng)
    paint = tint(GREEN, rng, 0.3) if kind < 0.5 and rng.random() < 0.4 else tint(ORANGE, rng) if rng.random() < 0.15 else paint
    cab, wheel, rear = 1.9, 0.5, -length / 2
    cab_over(body, length / 2 - 0.1, cab, width * 0.94, 0.75, 2.9, paint)
    start, low = length / 2 - cab - 0.4, 1.1
    if kind < 0.5:
        half = width / 2
        outline = [(start, low), (start, height - 0.25), (start - 0.3, height), (rear + 1.6, height), (rear + 1.4, low)]
        body.prism(outline, (-half * 0.96, half * 0.96), PAINT, paint)
        body.prism(
            [(rear + 1.45, low - 0.3), (rear + 1.6, height - 0.05), (rear + 0.5, height - 0.3), (rear, 1.7), (rear + 0.15, 0.75)],
            (-half, half),
            METAL,
            tuple(0.7 * c for c in paint),
        )
        ribs(body, start - 0.2, rear + 1.8, half * 0.94, low, height - 0.15, 4, paint)
        body.quads(
            [[[rear + 0.2, half * 0.8, 1.0], [rear + 0.2, -half * 0.8, 1.0], [rear + 0.28, -half * 0.8, 1.9], [rear + 0.28, half * 0.8, 1.9]]],
            PLASTIC,
            BLACK,
        )
        body.boxes([[rear + 0.45, s * half * 0.8, height - 0.2] for s in (1, -1)], (0.2, 0.2, 0.12), LAMP, AMBER)
    elif kind < 0.8:
        z = low + 0.9
        ring = np.array([(np.cos(a) * width * 0.48, z + np.sin(a) * 0.85) for a in np.linspace(0, 2 * np.pi, 13)])
        xs, shares = [start, start - 0.15, rear + 0.35, rear + 0.15], [0.6, 1.0, 1.0, 0.6]
        rings = np.stack([np.column_stack([np.full(13, x), ring[:, 0] * s, z + (ring[:, 1] - z) * s]) for x, s in zip(xs, shares, strict=True)])
        body.loft(rings, METAL, tint(CHROME if rng.random() < 0.5 else paint, rng))
        body.fan(rings[0][:-1], METAL, GREY)
        body.fan(rings[-1][:-1], METAL, GREY)
        body.boxes([[x, 0, z + 0.95] for x in (start - 1.2, rear + 1.5)], (0.5, 0.5, 0.22), METAL, STEEL)
        size = length, width, spread(rng, 3.1, 0.15, 2.9, 3.4)
    else:
        axis, z = np.array([0.93, 0.0, -0.36]), 2.35
        middle = np.array([(start + rear) / 2 - 0.1, 0.0, z])
        cuts = np.array([-2.5, -1.2, 0.3, 1.6, 2.3]) * (start - rear) / 6.0
        radii = np.array([0.45, 1.05, 1.2, 0.9, 0.5])
        angle = np.linspace(0, 2 * np.pi, 11)
        up = np.array([0.36, 0.0, 0.93])
        rings = np.stack(
            [middle + c * axis + r * (np.cos(angle)[:, None] * [0, 1, 0] + np.sin(angle)[:, None] * up) for c, r in zip(cuts, radii, strict=True)]
        )
        stripe = np.where(np.arange(10)[None, :, None] % 5 == 0, np.array(RED), np.array(WHITE)) * np.ones((4, 1, 1))
        body.loft(rings, PAINT, stripe)
        body.tubes([[rear + 0.8, 0, 3.2]], [[rear + 0.1, 0, 1.5]], 0.22, METAL, STEEL, sides=6)
        body.boxes([[rear + 0.8, s * 0.5, 2.0] for s in (1, -1)], (0.12, 0.12, 2.0), METAL, STEEL)
    frame(body, length / 2 - 0.5, rear + 0.4, low - 0.15)
    tail(body, rear + 0.05, width, low, 0.6)
    add_wheels(body, [length / 2 - 1.3, rear + 2.2, rear + 3.5], width / 2 * 0.97, wheel, 0.5, STEEL)
    return body, mirrors(length / 2 - 0.3, width * 0.47, 2.3, tall=0.5), size


def tractor(rng: np.random.Generator) -> Made:
    """A semi-tractor, with bonnet and sleeper or cab-over, without its trailer."""
    bonnet = bool(rng.random() < 0.65)
    size = (spread(rng, 7.4 if bonnet else 6.1, 0.5, 5.5, 8.6), spread(rng, 2.75, 0.1, 2.5, 3.0), spread(rng, 3.4, 0.3, 2.9, 4.0))
    length, width, height = size
    body, paint, rear = Sculpt(), truck_paint(rng), -length / 2
    cab = spread(rng, 2.3, 0.5, 1.6, 3.0)
    if bonnet:
        bonnet_cab(body, length / 2 - 0.12, 1.5, cab, width, 0.75, height - 0.35, paint)
        back = length / 2 - 1.62 - cab
    else:
        cab_over(body, length / 2 - 0.1, cab, width, 0.8, height - 0.35, paint)
        back = length / 2 - 0.1 - cab
    body.frustum((back + 0.8, 0, height - 0.2), (1.5, width * 0.85, 0.4), (0.6, width * 0.75), PAINT, paint, (-0.35, 0))
    frame(body, length / 2 - 0.5, rear + 0.1, 0.95)
    body.box((rear + 0.7, -0.5, 1.08), (rear + 1.7, 0.5, 1.22), METAL, BLACK)
    body.tubes(
        [[back - 0.15, s * width * 0.4, 0.9] for s in (1, -1)],
        [[back - 0.15, s * width * 0.4, height] for s in (1, -1)],
        0.08,
        METAL,
        CHROME,
        sides=6,
    )
    body.tubes(
        [[back + 0.2, s * width * 0.42, 0.65] for s in (1, -1)],
        [[back + 1.4, s * width * 0.42, 0.65] for s in (1, -1)],
        0.3,
        METAL,
        CHROME,
        sides=8,
        capped=True,
    )
    tail(body, rear, width * 0.9, 0.9, 0.7)
    body.boxes([[rear + 0.9, s * width * 0.37, 1.06] for s in (1, -1)], (2.2, 0.5, 0.04), PLASTIC, BLACK)
    add_wheels(body, [length / 2 - 1.05, rear + 0.6, rear + 1.85], width / 2 * 0.97, 0.5, 0.5, CHROME)
    return body, mirrors(back + cab - 0.2, width / 2, 2.2, tall=0.5), size
