"""Shipping containers, on a chassis or on the ground."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import BLUE, DARK, GREEN, GREY, RED, WHITE, Colour, srgb, tint
from fusion.simulate.shapes.sculpt import Sculpt

METAL, PAINT = int(Material.METAL), int(Material.PAINT)
CONTAINER_PAINTS = (BLUE, RED, GREEN, srgb("7b3b22"), GREY, srgb("c9651f"), WHITE, srgb("1d3b4f"))


def container(body: Sculpt, front: float, rear: float, width: float, low: float, high: float, colour: Colour) -> None:
    """A box of corrugated steel along x, doors at its rear."""
    count = int(np.clip((front - rear) / 0.42, 12, 34))
    xs = np.linspace(rear, front, count)
    deep = np.where(np.arange(count) % 2 == 0, 0.0, 0.045)
    rings = np.stack(
        [np.column_stack([np.full(4, x), np.array([1, 1, -1, -1]) * (width / 2 - d), [low, high, high, low]]) for x, d in zip(xs, deep, strict=True)]
    )
    body.loft(rings, PAINT, colour)
    body.quads([rings[0], rings[-1]], PAINT, colour)
    bars = [y * width for y in (0.1, 0.25, -0.1, -0.25)]
    body.tubes([[rear - 0.03, y, low + 0.1] for y in bars], [[rear - 0.03, y, high - 0.1] for y in bars], 0.02, METAL, GREY, sides=3)
    corners = [[x, s * width / 2, z] for x in (rear, front) for s in (1, -1) for z in (low + 0.06, high - 0.06)]
    body.boxes(corners, (0.16, 0.12, 0.12), METAL, DARK)


def containers(body: Sculpt, rng: np.random.Generator) -> None:
    """A container of 20 or 40 feet on the ground, now and then with another on top."""
    half = 3.03 if rng.random() < 0.45 else 6.1
    for level in range(2 if rng.random() < 0.3 else 1):
        container(body, half, -half, 2.44, 0.02 + 2.6 * level, 2.6 * (level + 1), tint(CONTAINER_PAINTS[rng.integers(len(CONTAINER_PAINTS))], rng))
