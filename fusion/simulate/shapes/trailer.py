"""Trailers of lorries: boxes, containers on a chassis, tankers, flats with loads."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.cabs import cargo_box, frame, open_bed, pile, ribs, tail
from fusion.simulate.shapes.colours import BLUE, BROWN, CHROME, DARK, GREEN, GREY, RED, STEEL, WHITE, srgb, tint, truck_paint
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

METAL, PAINT, PLASTIC, WOOD = int(Material.METAL), int(Material.PAINT), int(Material.PLASTIC), int(Material.WOOD)
_CONTAINERS = (BLUE, RED, GREEN, srgb("7b3b22"), GREY, srgb("c9651f"), WHITE, srgb("1d3b4f"))


def make_trailer(rng: np.random.Generator) -> Shape:
    """A semi-trailer or, seldom, a small one."""
    draw = rng.random()
    size = spread(rng, 12.8, 1.9, 8.5, 16.2), spread(rng, 2.97, 0.2, 2.5, 3.4), spread(rng, 4.1, 0.18, 3.5, 4.5)
    body = Sculpt()
    if draw < 0.48:
        _box_trailer(body, size, rng)
    elif draw < 0.72:
        _container(body, size, rng)
    elif draw < 0.82:
        size = size[0], size[1], spread(rng, 3.55, 0.15, 3.2, 3.9)
        _tanker(body, size, rng)
    elif draw < 0.94:
        size = size[0], size[1], spread(rng, 3.5, 0.5, 2.2, 4.2)
        _flat(body, size, rng)
    else:
        size = spread(rng, 5.2, 1.0, 3.5, 7.5), spread(rng, 2.2, 0.2, 1.8, 2.6), spread(rng, 2.4, 0.3, 1.8, 3.0)
        _small(body, size, rng)
    return fitted("vehicle.trailer", [body], size, attributes=("vehicle.moving", "vehicle.parked"))


def _running_gear(body: Sculpt, size: tuple[float, float, float], low: float, rng: np.random.Generator) -> None:
    length, width, _ = size
    rear = -length / 2
    frame(body, length / 2 - 0.3, rear + 0.2, low - 0.14, 1.0)
    tail(body, rear + 0.02, width, low)
    axles = [rear + 1.1, rear + 2.35] if rng.random() < 0.7 else [rear + 1.0, rear + 2.25, rear + 3.5]
    slide = rng.uniform(0, 0.12) * length
    add_wheels(body, [x + slide for x in axles], width / 2 * 0.96, 0.5, 0.55, STEEL if rng.random() < 0.6 else CHROME)
    leg = length / 2 - 2.6
    body.boxes(
        [[leg, s * width * 0.3, low / 2 + 0.03] for s in (1, -1)] + [[leg, s * width * 0.3, 0.03] for s in (1, -1)],
        [[0.12, 0.12, low - 0.1]] * 2 + [[0.28, 0.28, 0.06]] * 2,
        METAL,
        DARK,
    )
    if rng.random() < 0.35:
        body.boxes([[0.0, s * (width / 2 - 0.06), low - 0.4] for s in (1, -1)], (length * 0.42, 0.04, 0.7), PLASTIC, tint(GREY, rng))


def _box_trailer(body: Sculpt, size: tuple[float, float, float], rng: np.random.Generator) -> None:
    length, width, height = size
    colour = tint(WHITE, rng, 0.05) if rng.random() < 0.65 else truck_paint(rng)
    cargo_box(body, length / 2, -length / 2, width, 1.2, height, colour, rng)
    if rng.random() < 0.4:
        ribs(body, length / 2, -length / 2, width / 2, 1.25, height - 0.05, 9, tint(colour, rng))
    if rng.random() < 0.3:
        body.box((length / 2, -width * 0.36, height - 1.9), (length / 2 + 0.5, width * 0.36, height - 0.3), PLASTIC, tint(WHITE, rng))
    _running_gear(body, size, 1.2, rng)


def _container(body: Sculpt, size: tuple[float, float, float], rng: np.random.Generator) -> None:
    length, width, height = size
    colour = tint(_CONTAINERS[rng.integers(len(_CONTAINERS))], rng)
    rear, front = -length / 2 + 0.1, length / 2 - (0.1 if rng.random() < 0.6 else 0.35 * length)
    if rng.random() < 0.15:
        _running_gear(body, size, 1.15, rng)
        body.box((rear, -width / 2, 1.1), (length / 2, width / 2, 1.2), METAL, DARK)
        body.box((length / 2 - 0.05, -width / 2, 1.2), (length / 2, width / 2, height), METAL, DARK)
        return
    count = int(np.clip((front - rear) / 0.42, 12, 34))
    xs = np.linspace(rear, front, count)
    deep = np.where(np.arange(count) % 2 == 0, 0.0, 0.045)
    rings = np.stack(
        [
            np.column_stack([np.full(4, x), np.array([1, 1, -1, -1]) * (width / 2 - d), [1.2, height, height, 1.2]])
            for x, d in zip(xs, deep, strict=True)
        ]
    )
    body.loft(rings, PAINT, colour)
    body.quads([rings[0], rings[-1]], PAINT, colour)
    body.tubes(
        [[rear - 0.03, y * width, 1.3] for y in (0.1, 0.25, -0.1, -0.25)],
        [[rear - 0.03, y * width, height - 0.1] for y in (0.1, 0.25, -0.1, -0.25)],
        0.02,
        METAL,
        GREY,
        sides=3,
    )
    corners = [[x, s * width / 2, z] for x in (rear, front) for s in (1, -1) for z in (1.26, height - 0.06)]
    body.boxes(corners, (0.16, 0.12, 0.12), METAL, DARK)
    body.box((-length / 2, -0.55, 0.95), (length / 2, 0.55, 1.18), METAL, DARK)
    _running_gear(body, size, 1.15, rng)


def _tanker(body: Sculpt, size: tuple[float, float, float], rng: np.random.Generator) -> None:
    length, width, height = size
    radius = (height - 1.0) / 2
    z, angle = 1.0 + radius, np.linspace(0, 2 * np.pi, 15)
    half = min(width / 2, radius * 1.15)
    xs = [length / 2, length / 2 - 0.12, length / 2 - 0.4, 0.05, -length / 2 + 0.5, -length / 2 + 0.2, -length / 2 + 0.08]
    shares = [0.55, 0.85, 1, 1, 1, 0.85, 0.55]
    rings = np.stack(
        [np.column_stack([np.full(15, x), np.cos(angle) * half * s, z + np.sin(angle) * radius * 0.96 * s]) for x, s in zip(xs, shares, strict=True)]
    )
    colour = tint(CHROME if rng.random() < 0.55 else truck_paint(rng), rng)
    body.loft(rings, METAL, colour)
    body.fan(rings[0][:-1], METAL, colour)
    body.fan(rings[-1][:-1], METAL, colour)
    body.boxes([[x, 0, height - 0.05] for x in (-length * 0.25, 0, length * 0.25)], (0.6, 0.6, 0.2), METAL, STEEL)
    body.box((-length * 0.35, -0.5, height - 0.1), (length * 0.35, 0.5, height - 0.06), METAL, STEEL)
    body.boxes([[x, s * width * 0.47, 1.0] for x in (-length * 0.05,) for s in (1, -1)], (length * 0.3, 0.12, 0.3), METAL, STEEL)
    _running_gear(body, size, 1.1, rng)


def _flat(body: Sculpt, size: tuple[float, float, float], rng: np.random.Generator) -> None:
    length, width, height = size
    body.box((-length / 2, -width / 2, 1.1), (length / 2, width / 2, 1.3), WOOD, tint(BROWN, rng))
    body.box((length / 2 - 0.08, -width / 2, 1.3), (length / 2, width / 2, max(height - 0.3, 2.0)), METAL, STEEL)
    if height < 2.6:
        open_bed(body, length / 2 - 0.1, -length / 2, width, 1.3, height, truck_paint(rng), METAL)
    elif rng.random() < 0.5:
        count = int(rng.integers(3, 7))
        spans = np.sort(rng.uniform(0.04, 0.9, (count, 2)), axis=0)
        x = length * (spans.mean(axis=1) - 0.5)
        sizes = np.column_stack(
            [np.full(count, length / count * 0.8), rng.uniform(0.7, 1.0, count) * width, rng.uniform(0.5, 1.0, count) * (height - 1.3)]
        )
        body.boxes(
            np.column_stack([x, np.zeros(count), 1.3 + sizes[:, 2] / 2]),
            sizes,
            int(Material.CLOTH) if rng.random() < 0.5 else WOOD,
            tint(GREY, rng, 0.4),
        )
    else:
        pile(body, length / 2 - 0.3, -length / 2 + 0.3, width * 0.48, 1.3, rng)
        body.boxes(
            [[x, s * width * 0.49, (1.3 + height) / 2] for x in np.linspace(-0.4, 0.4, 4) * length for s in (1, -1)],
            (0.08, 0.06, height - 1.3),
            METAL,
            DARK,
        )
    _running_gear(body, size, 1.1, rng)


def _small(body: Sculpt, size: tuple[float, float, float], rng: np.random.Generator) -> None:
    """Behind a car or a van: closed, or open with a load."""
    length, width, height = size
    front, rear = length / 2 - 1.1, -length / 2
    if rng.random() < 0.6:
        cargo_box(body, front, rear, width * 0.86, 0.5, height, tint(WHITE if rng.random() < 0.6 else truck_paint(rng), rng), rng, stripes=False)
    else:
        open_bed(body, front, rear, width * 0.86, 0.55, 1.0, truck_paint(rng), METAL)
        pile(body, front - 0.1, rear + 0.1, width * 0.4, 0.63, rng)
    body.tubes(
        [[front, s * width * 0.35, 0.5] for s in (1, -1)] + [[length / 2 - 0.25, 0, 0]],
        [[length / 2, 0, 0.5]] * 2 + [[length / 2 - 0.25, 0, 0.55]],
        0.045,
        METAL,
        DARK,
        sides=4,
    )
    axle = (front + rear) / 2
    add_wheels(body, [axle - 0.4, axle + 0.4] if length > 4.8 else [axle], width / 2, 0.34, 0.22, GREY)
    body.boxes([[axle, s * width * 0.46, 0.74] for s in (1, -1)], (1.7 if length > 4.8 else 0.9, width * 0.08, 0.05), METAL, DARK)
    tail(body, rear, width * 0.86, 0.55, 0.5)
