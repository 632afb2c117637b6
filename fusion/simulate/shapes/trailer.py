"""Semi-trailers: boxes, containers on a chassis, tankers, flats with loads."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.cabs import cargo_box, frame, open_bed, pile, ribs, tail
from fusion.simulate.shapes.colours import BROWN, CHROME, DARK, GREY, STEEL, WHITE, tint, truck_paint
from fusion.simulate.shapes.container import CONTAINER_PAINTS, container
from fusion.simulate.shapes.light_trailer import ATTRIBUTES, make_light_trailer, make_site_trailer
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

METAL, PAINT, PLASTIC, WOOD = int(Material.METAL), int(Material.PAINT), int(Material.PLASTIC), int(Material.WOOD)
_LENGTHS_M, _LENGTH_SHARES = (8.5, 12.2, 14.6, 16.2), (0.08, 0.17, 0.4, 0.35)
"""Trailers of 28, 40, 48 and 53 feet."""


def make_trailer(rng: np.random.Generator) -> Shape:
    """A semi-trailer or, seldom, a small one."""
    if rng.random() < 0.8:
        return make_semi_trailer(rng)
    return make_light_trailer(rng) if rng.random() < 0.6 else make_site_trailer(rng)


def make_semi_trailer(rng: np.random.Generator) -> Shape:
    """What a tractor draws: a box, a container, a tank or a flat of one of the lengths that are built."""
    length = _LENGTHS_M[int(np.searchsorted(np.cumsum(_LENGTH_SHARES), rng.random()))] + spread(rng, 0.0, 0.12, -0.3, 0.3)
    size = length, spread(rng, 2.76, 0.13, 2.5, 3.1), spread(rng, 4.08, 0.16, 3.6, 4.4)
    body, draw = Sculpt(), rng.random()
    if draw < 0.5:
        _box_trailer(body, size, rng)
    elif draw < 0.76:
        _container(body, size, rng)
    elif draw < 0.86:
        size = size[0], size[1], spread(rng, 3.55, 0.15, 3.2, 3.9)
        _tanker(body, size, rng)
    else:
        size = size[0], size[1], spread(rng, 3.5, 0.5, 2.2, 4.2)
        _flat(body, size, rng)
    return fitted("vehicle.trailer", [body], size, attributes=ATTRIBUTES)


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
    colour = tint(CONTAINER_PAINTS[rng.integers(len(CONTAINER_PAINTS))], rng)
    rear, front = -length / 2 + 0.1, length / 2 - (0.1 if rng.random() < 0.6 else 0.35 * length)
    if rng.random() < 0.15:
        _running_gear(body, size, 1.15, rng)
        body.box((rear, -width / 2, 1.1), (length / 2, width / 2, 1.2), METAL, DARK)
        body.box((length / 2 - 0.05, -width / 2, 1.2), (length / 2, width / 2, height), METAL, DARK)
        return
    container(body, front, rear, width, 1.2, height, colour)
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

