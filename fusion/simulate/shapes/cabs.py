"""Cabs, frames and loads of lorries, shared by trucks and trailers."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import (
    AMBER,
    BLACK,
    BLUE,
    BROWN,
    CABIN,
    CHROME,
    DARK,
    GALVANISED,
    GLASS,
    GREY,
    HEAD_LAMP,
    RED,
    STEEL,
    TAIL_LAMP,
    WHITE,
    Colour,
    tint,
)
from fusion.simulate.shapes.sculpt import Sculpt

PAINT, PLASTIC, METAL, LAMP, RETRO, GLASS_M, WOOD, CLOTH, FENCE = (
    int(m)
    for m in (
        Material.PAINT,
        Material.PLASTIC,
        Material.METAL,
        Material.LAMP,
        Material.RETRO,
        Material.CAR_GLASS,
        Material.WOOD,
        Material.CLOTH,
        Material.FENCE,
    )
)


def cab_over(body: Sculpt, front_x: float, length: float, width: float, low: float, high: float, paint: Colour, slope: float = 0.22) -> None:
    """A cab above the engine: upright front, big windscreen, side windows. `low`, `high`: its sill and roof."""
    half, belt = width / 2, low + (high - low) * 0.46
    rear_x, waist_x = front_x - length, front_x - 0.02
    roof_x = front_x - slope
    outline = np.array([(front_x, low), (waist_x, belt), (roof_x, high - 0.06), (roof_x - 0.2, high)])
    inset = np.array([1.0, 1.0, 0.94, 0.88]) * half
    left = np.column_stack([outline[:, 0], inset, outline[:, 1]])
    right = left * [1, -1, 1]
    front = np.stack([left, right * [1, 0, 1] + [0.06, 0, 0], right], axis=1)
    front[:, 1, 0] = outline[:, 0] + 0.06
    body.loft(front, np.array([[PAINT] * 2, [GLASS_M] * 2, [PAINT] * 2]), np.array([[paint] * 2, [GLASS] * 2, [paint] * 2]))
    door = rear_x + length * 0.32
    pillar = front_x - slope * 0.5 - 0.12
    top = high - 0.06
    for s in (1, -1):
        y0, y1 = s * half, s * half * 0.94
        grid = np.array(
            [
                [[rear_x, y0, low], [rear_x, y0, belt], [rear_x, y1, top], [rear_x, y1 * 0.94, high]],
                [[door, y0, low], [door, y0, belt], [door, y1, top], [door, y1 * 0.94, high]],
                [[pillar + 0.06, y0, low], [pillar + 0.06, y0, belt], [pillar - 0.08, y1, top], [pillar - 0.08, y1 * 0.94, high]],
                [[front_x, y0, low], [waist_x, y0, belt], [roof_x, y1, top], [roof_x - 0.2, y1 * 0.94, high]],
            ]
        )
        material = np.full((3, 3), PAINT)
        colour = np.broadcast_to(np.array(paint), (3, 3, 3)).copy()
        material[1, 1], colour[1, 1] = GLASS_M, GLASS
        body.loft(grid, material, colour)
    roof = half * 0.885
    body.quads(
        [
            [[rear_x, roof, high], [roof_x - 0.2, roof, high], [roof_x - 0.2, -roof, high], [rear_x, -roof, high]],
            [[rear_x, half, low], [rear_x, -half, low], [rear_x, -roof, high], [rear_x, roof, high]],
            [[rear_x, half, low], [front_x, half, low], [front_x, -half, low], [rear_x, -half, low]],
        ],
        PAINT,
        np.array([paint, paint, DARK]),
    )
    body.box((rear_x + 0.2, -half * 0.85, low + 0.3), (rear_x + 0.45, half * 0.85, belt + (high - belt) * 0.55), CLOTH, CABIN)
    body.boxes([[front_x + 0.04, s * half * 0.78, low + 0.14] for s in (1, -1)], (0.06, half * 0.3, 0.16), LAMP, HEAD_LAMP)
    body.boxes([[front_x + 0.07, 0, low + (belt - low) * 0.55]], (0.03, half * 1.2, (belt - low) * 0.4), PLASTIC, BLACK)
    body.box((front_x - 0.2, -half, low - 0.28), (front_x + 0.1, half, low), PLASTIC, DARK)


def bonnet_cab(
    body: Sculpt, front_x: float, bonnet: float, length: float, width: float, low: float, high: float, paint: Colour, chrome: bool = True
) -> None:
    """A cab behind a long bonnet, as American lorries have it."""
    half = width / 2
    nose = half * 0.72
    hood_low, hood_high = low + (high - low) * 0.36, low + (high - low) * 0.46
    back = front_x - bonnet
    x = np.array([front_x, front_x - 0.1, back])
    ring = np.array([[nose, low], [nose, hood_low * 0.97], [nose * 0.8, hood_low], [-nose * 0.8, hood_low], [-nose, hood_low * 0.97], [-nose, low]])
    rings = np.stack(
        [
            np.column_stack([np.full(6, xi), ring[:, 0] * w, np.where(ring[:, 1] > low, ring[:, 1] + lift, low)])
            for xi, w, lift in zip(x, (0.9, 1.0, 1.12), (-0.08, 0.0, hood_high - hood_low), strict=True)
        ]
    )
    body.loft(rings, PAINT, paint)
    body.quads([rings[0][[1, 4, 5, 0]]], METAL if chrome else PLASTIC, CHROME if chrome else BLACK)
    body.fan(rings[0][1:5], PAINT, paint)
    body.boxes([[front_x - 0.55, s * half * 0.8, low + 0.2] for s in (1, -1)], (1.1, half * 0.36, 0.4), PAINT, paint)
    body.boxes([[front_x - 0.02, s * half * 0.78, low + 0.25] for s in (1, -1)], (0.1, half * 0.25, 0.2), LAMP, HEAD_LAMP)
    body.box((front_x - 0.15, -half, low - 0.25), (front_x + 0.12, half, low + 0.08), METAL, CHROME if chrome else DARK)
    cab_over(body, back, length, width * 0.94, low, high, paint, slope=0.3)


def frame(body: Sculpt, front_x: float, rear_x: float, z: float, width: float = 0.9) -> None:
    """Rails under a load, with a tail bar, lamps and a plate."""
    body.boxes([[(front_x + rear_x) / 2, s * width / 2, z] for s in (1, -1)], (front_x - rear_x, 0.09, 0.26), METAL, DARK)
    body.boxes([[front_x + (rear_x - front_x) * k, 0, z] for k in (0.25, 0.6)], (0.5, width, 0.24), METAL, DARK)


def tail(body: Sculpt, rear_x: float, width: float, z: float, bar_z: float = 0.5) -> None:
    """Under-run bar, rear lamps, plate, mud flaps."""
    half = width / 2
    body.box((rear_x, -half * 0.9, bar_z - 0.06), (rear_x + 0.1, half * 0.9, bar_z + 0.06), METAL, STEEL)
    body.boxes([[rear_x + 0.15, s * half * 0.55, (bar_z + z) / 2] for s in (1, -1)], (0.08, 0.08, max(z - bar_z, 0.05)), METAL, DARK)
    body.boxes([[rear_x - 0.01, s * half * 0.82, bar_z + 0.15] for s in (1, -1)], (0.04, 0.3, 0.12), LAMP, TAIL_LAMP)
    body.quads(
        [
            [
                [rear_x - 0.012, 0.16, bar_z - 0.05],
                [rear_x - 0.012, -0.16, bar_z - 0.05],
                [rear_x - 0.012, -0.16, bar_z + 0.11],
                [rear_x - 0.012, 0.16, bar_z + 0.11],
            ]
        ],
        RETRO,
        WHITE,
    )


def cargo_box(
    body: Sculpt,
    front_x: float,
    rear_x: float,
    width: float,
    low: float,
    high: float,
    colour: Colour,
    rng: np.random.Generator,
    material: int = PAINT,
    stripes: bool = True,
) -> None:
    """A closed box with edge rails, doors at the back, a stripe of reflectors and now and then a painted field."""
    half, middle = width / 2, (front_x + rear_x) / 2
    body.box((rear_x, -half, low), (front_x, half, high), material, colour)
    edge = 0.012
    if rng.random() < 0.55:
        logo = tint((RED, BLUE, DARK, AMBER, STEEL)[rng.integers(5)], rng, 0.3)
        size, centre = (front_x - rear_x) * rng.uniform(0.3, 0.85), middle + (front_x - rear_x) * rng.uniform(-0.05, 0.05)
        bottom, top = low + (high - low) * rng.uniform(0.15, 0.4), low + (high - low) * rng.uniform(0.55, 0.85)
        body.quads(
            [
                [
                    [centre - size / 2, s * (half + edge), bottom],
                    [centre + size / 2, s * (half + edge), bottom],
                    [centre + size / 2, s * (half + edge), top],
                    [centre - size / 2, s * (half + edge), top],
                ]
                for s in (1, -1)
            ],
            material,
            logo,
        )
    if stripes:
        body.quads(
            [
                [
                    [rear_x, s * (half + edge), low + 0.05],
                    [front_x, s * (half + edge), low + 0.05],
                    [front_x, s * (half + edge), low + 0.1],
                    [rear_x, s * (half + edge), low + 0.1],
                ]
                for s in (1, -1)
            ],
            RETRO,
            RED,
        )
    body.tubes(
        [[rear_x - 0.02, y * half, low + 0.1] for y in (0.3, -0.3)],
        [[rear_x - 0.02, y * half, high - 0.1] for y in (0.3, -0.3)],
        0.02,
        METAL,
        GALVANISED,
        sides=3,
    )
    body.quads(
        [
            [
                [rear_x - 0.006, 0.02, low + 0.06],
                [rear_x - 0.006, -0.02, low + 0.06],
                [rear_x - 0.006, -0.02, high - 0.06],
                [rear_x - 0.006, 0.02, high - 0.06],
            ]
        ],
        PLASTIC,
        GREY,
    )


def ribs(
    body: Sculpt, front_x: float, rear_x: float, half: float, low: float, high: float, count: int, colour: Colour, material: int = METAL
) -> None:
    """Upright ribs on both sides, as containers and dump bodies have them."""
    xs = np.linspace(rear_x + 0.1, front_x - 0.1, count)
    body.boxes([[x, s * (half + 0.02), (low + high) / 2] for x in xs for s in (1, -1)], (0.09, 0.06, high - low), material, colour)


def open_bed(body: Sculpt, front_x: float, rear_x: float, width: float, low: float, high: float, colour: Colour, material: int = PAINT) -> None:
    """Floor and four walls without a lid."""
    half, t = width / 2, 0.05
    body.box((rear_x, -half, low), (front_x, half, low + 0.08), WOOD, BROWN)
    body.boxes([[(front_x + rear_x) / 2, s * (half - t / 2), (low + high) / 2] for s in (1, -1)], (front_x - rear_x, t, high - low), material, colour)
    body.boxes([[x, 0, (low + high) / 2] for x in (rear_x + t / 2, front_x - t / 2)], (t, width, high - low), material, colour)


def pile(body: Sculpt, front_x: float, rear_x: float, half: float, low: float, rng: np.random.Generator, material: int | None = None) -> None:
    """A load: crates, pipes, sacks, or a heap of soil."""
    kind, length = rng.random(), front_x - rear_x
    if material is not None or kind < 0.25:
        xs = np.linspace(rear_x, front_x, 5)
        heap = low + np.array([0.0, 0.35, 0.5, 0.4, 0.0]) * rng.uniform(0.5, 1.2) + rng.uniform(0, 0.1, 5)
        rings = np.stack(
            [
                np.column_stack([np.full(5, x), half * np.array([1, 0.5, 0, -0.5, -1]), low + (z - low) * np.array([0.1, 0.8, 1, 0.75, 0.1])])
                for x, z in zip(xs, heap, strict=True)
            ]
        )
        body.loft(rings, int(Material.SOIL), tint(BROWN, rng, 0.3))
    elif kind < 0.65:
        count = int(rng.integers(2, 6))
        size = np.column_stack([rng.uniform(0.5, 1.0, count) * length / count, rng.uniform(0.8, 1.7, count) * half, rng.uniform(0.4, 1.3, count)])
        x = rear_x + (np.arange(count) + 0.5) * length / count
        colours = np.array([tint((BROWN, GREY, WHITE, BLUE)[rng.integers(4)], rng, 0.3) for _ in range(count)])
        body.boxes(
            np.column_stack([x, rng.uniform(-0.1, 0.1, count) * half, low + size[:, 2] / 2]),
            size,
            int(WOOD if rng.random() < 0.5 else PLASTIC),
            colours,
        )
    else:
        count = int(rng.integers(3, 7))
        y = np.linspace(-0.75, 0.75, count) * half
        radius = 0.7 * half / count
        body.tubes(
            [[rear_x, v, low + radius] for v in y],
            [[front_x, v, low + radius] for v in y],
            radius,
            PLASTIC if rng.random() < 0.4 else METAL,
            tint(GREY, rng, 0.4),
            sides=6,
        )
