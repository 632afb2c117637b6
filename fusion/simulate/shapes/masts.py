"""Poles and what hangs on them: signs, lamps, traffic lights, bollards, meters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import (
    AMBER,
    BLACK,
    BLUE,
    BROWN,
    DARK,
    GALVANISED,
    GREEN,
    GREY,
    HEAD_LAMP,
    ORANGE,
    RED,
    STEEL,
    WHITE,
    YELLOW,
    srgb,
    tint,
)
from fusion.simulate.shapes.sculpt import Sculpt, circle

METAL, PLASTIC, RETRO, LAMP, CONCRETE, WOOD = (
    int(m) for m in (Material.METAL, Material.PLASTIC, Material.RETRO, Material.LAMP, Material.CONCRETE, Material.WOOD)
)
_POLES = (GALVANISED, STEEL, DARK, srgb("2f4136"), BROWN)


def _plate(body: Sculpt, outline_yz: np.ndarray, x: float, front: tuple[int, tuple[float, float, float]]) -> None:
    """A sign's face towards +x and its grey back."""
    n = len(outline_yz)
    body.fan(np.column_stack([np.full(n, x + 0.012), outline_yz]), *front)
    body.fan(np.column_stack([np.full(n, x), outline_yz]), METAL, GREY)


def sign_post(body: Sculpt, rng: np.random.Generator) -> None:
    """A pole with a small plate: parking rules, street names."""
    high = rng.uniform(2.0, 3.2)
    body.tubes([[0, 0, 0]], [[0, 0, high]], rng.uniform(0.025, 0.04), METAL, GALVANISED, sides=6)
    for _ in range(int(rng.integers(1, 4))):
        wide, tall, z = rng.uniform(0.25, 0.7), rng.uniform(0.2, 0.6), high - rng.uniform(0.15, 0.9)
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [wide / 2, tall / 2] + [0, z]
        _plate(body, square, 0.05, (RETRO, tint((WHITE, GREEN, BLUE, YELLOW)[rng.integers(4)], rng)))


def traffic_sign(body: Sculpt, rng: np.random.Generator) -> None:
    """A round, three-, four- or eight-cornered sign."""
    high, size = rng.uniform(2.1, 3.0), rng.uniform(0.28, 0.45)
    body.tubes([[0, 0, 0]], [[0, 0, high + 0.2]], 0.035, METAL, GALVANISED, sides=6)
    sides, turn = ((12, 0.0), (8, np.pi / 8), (3, np.pi / 2), (4, 0.0), (4, np.pi / 4))[rng.integers(5)]
    angle = turn + circle(sides)[:, 0] * 0 + np.arange(sides) * 2 * np.pi / sides
    outline = np.column_stack([np.cos(angle), np.sin(angle)]) * size + [0, high]
    rim = RED if rng.random() < 0.6 else BLUE
    _plate(body, outline, 0.05, (RETRO, rim))
    if sides != 8:
        body.fan(np.column_stack([np.full(sides, 0.068), (outline - [0, high]) * 0.75 + [0, high]]), RETRO, WHITE if rng.random() < 0.7 else YELLOW)


def big_sign(body: Sculpt, rng: np.random.Generator) -> None:
    """A board on two legs: directions, advertising, building sites."""
    wide, tall, low = rng.uniform(1.2, 3.6), rng.uniform(0.8, 2.2), rng.uniform(0.6, 2.2)
    legs = [[0, s * wide * 0.35, 0] for s in (1, -1)]
    body.tubes(legs, np.array(legs) + [0, 0, low + tall], 0.06, METAL, GALVANISED, sides=6)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [wide / 2, tall / 2] + [0, low + tall / 2]
    _plate(body, square, 0.08, (RETRO if rng.random() < 0.5 else PLASTIC, tint((WHITE, GREEN, BLUE, ORANGE, RED)[rng.integers(5)], rng)))
    body.boxes([[0.1, rng.uniform(-0.2, 0.2) * wide, low + tall * k] for k in (0.3, 0.55, 0.8)], (0.01, wide * 0.5, tall * 0.1), PLASTIC, BLACK)


def street_lamp(body: Sculpt, rng: np.random.Generator) -> None:
    """A lamp on an arm, or an old-style lantern."""
    colour = tint(_POLES[rng.integers(len(_POLES))], rng)
    if rng.random() < 0.3:
        high = rng.uniform(3.0, 4.5)
        body.tubes([[0, 0, 0], [0, 0, 0.8]], [[0, 0, 0.8], [0, 0, high]], np.array([0.14, 0.07]), METAL, colour, np.array([0.09, 0.05]), sides=8)
        body.frustum((0, 0, high + 0.25), (0.22, 0.22, 0.5), (0.4, 0.4), LAMP, HEAD_LAMP)
        body.frustum((0, 0, high + 0.57), (0.46, 0.46, 0.14), (0.1, 0.1), METAL, colour)
        return
    high, reach = rng.uniform(5.5, 10.5), rng.uniform(0.8, 2.6)
    body.tubes(
        [[0, 0, 0], [0, 0, 1.1], [0, 0, high - 0.4]],
        [[0, 0, 1.1], [0, 0, high - 0.4], [reach, 0, high]],
        np.array([0.13, 0.1, 0.045]),
        METAL,
        colour,
        np.array([0.12, 0.06, 0.035]),
        sides=7,
    )
    body.box((reach - 0.1, -0.12, high - 0.06), (reach + 0.5, 0.12, high + 0.06), METAL, colour)
    body.quads(
        [[[reach, -0.09, high - 0.07], [reach + 0.45, -0.09, high - 0.07], [reach + 0.45, 0.09, high - 0.07], [reach, 0.09, high - 0.07]]],
        LAMP,
        HEAD_LAMP,
    )
    if rng.random() < 0.2:
        body.boxes([[0, 0.4, high * 0.5]], (0.02, 0.6, 1.3), PLASTIC, tint((RED, BLUE, GREEN)[rng.integers(3)], rng))


def _heads(body: Sculpt, centre: np.ndarray, rng: np.random.Generator) -> None:
    body.boxes(centre, (0.2, 0.3, 0.95), PLASTIC, BLACK if rng.random() < 0.6 else YELLOW)
    lit = rng.integers(3)
    colours = [tuple(c if k == lit else 0.15 * c for c in colour) for k, colour in enumerate((RED, AMBER, GREEN))]
    squares = np.array([[[0.105, y, z + dz] for y, z in ((-0.1, -0.1), (0.1, -0.1), (0.1, 0.1), (-0.1, 0.1))] for dz in (0.3, 0.0, -0.3)])
    for k in range(3):
        body.quads(squares[k] + centre, LAMP if k == lit else PLASTIC, colours[k])


def traffic_light(body: Sculpt, rng: np.random.Generator) -> None:
    """Signals on a pole, sometimes also on an arm over the road."""
    colour, high = tint(_POLES[rng.integers(len(_POLES))], rng), rng.uniform(2.8, 3.6)
    arm = rng.random() < 0.45
    top = rng.uniform(5.2, 6.5) if arm else high
    body.tubes([[0, 0, 0]], [[0, 0, top]], 0.1 if arm else 0.06, METAL, colour, 0.07 if arm else 0.05, sides=8)
    _heads(body, np.array([0.12, 0.2, high - 0.2]), rng)
    if arm:
        reach = rng.uniform(3.0, 7.0)
        body.tubes([[0, 0, top]], [[0, reach, top + 0.3]], 0.07, METAL, colour, 0.04, sides=6)
        for share in (0.55, 0.97):
            _heads(body, np.array([0.12, reach * share, top + 0.3 * share - 0.2]), rng)
    body.boxes([[0.1, -0.05, 1.1]], (0.1, 0.12, 0.18), PLASTIC, YELLOW)
    body.boxes([[0.02, 0.3, 2.5]], (0.15, 0.3, 0.35), PLASTIC, BLACK)


def utility_pole(body: Sculpt, rng: np.random.Generator) -> None:
    """A wooden pole with a cross-arm and a transformer."""
    high = rng.uniform(7.0, 10.0)
    body.tubes([[0, 0, 0]], [[0, 0, high]], 0.16, WOOD, tint(srgb("5d4a39"), rng), 0.11, sides=7)
    body.boxes([[0, 0, high - 0.5]], (0.12, 2.2, 0.14), WOOD, BROWN)
    if rng.random() < 0.5:
        body.tubes([[0.35, 0, high - 2.2]], [[0.35, 0, high - 1.3]], 0.25, METAL, GREY, sides=8, capped=True)


def bollard(body: Sculpt, rng: np.random.Generator) -> None:
    """A post of steel, concrete or plastic."""
    high, radius = rng.uniform(0.55, 1.2), rng.uniform(0.05, 0.16)
    material, colour = ((METAL, STEEL), (METAL, YELLOW), (CONCRETE, srgb("a5a29a")), (METAL, BLACK), (PLASTIC, WHITE))[rng.integers(5)]
    colour = tint(colour, rng)
    top = high * rng.uniform(0.8, 0.95)
    band = (RETRO, WHITE) if rng.random() < 0.4 else (material, colour)
    looks = [(material, colour), band, (material, colour)]
    sides = 8 if rng.random() < 0.7 else 4
    rows = [[0, 0, z, r, r] for z, r in ((0, radius), (high * 0.65, radius), (top, radius), (high, radius * rng.uniform(0.3, 0.9)))]
    body.column(rows, np.repeat([look[0] for look in looks], sides), np.repeat(np.array([look[1] for look in looks]), sides, axis=0), sides=sides)


def parking_meter(body: Sculpt, rng: np.random.Generator) -> None:
    """A single meter or a pay station."""
    colour = tint((STEEL, DARK, GREY, BLUE)[rng.integers(4)], rng)
    if rng.random() < 0.6:
        body.tubes([[0, 0, 0]], [[0, 0, 1.1]], 0.035, METAL, GALVANISED, sides=6)
        body.frustum((0, 0, 1.28), (0.12, 0.2, 0.36), (0.1, 0.16), METAL, colour)
        body.balls([[0, 0, 1.46]], (0.055, 0.085, 0.09), METAL, colour, rings=2)
    else:
        high = rng.uniform(1.4, 1.9)
        body.boxes([[0, 0, high / 2]], (0.28, 0.34, high), METAL, colour)
        body.quads([[[0.145, -0.12, high - 0.5], [0.145, 0.12, high - 0.5], [0.145, 0.12, high - 0.25], [0.145, -0.12, high - 0.25]]], PLASTIC, BLACK)
        body.boxes([[0.0, 0, high + 0.1]], (0.3, 0.36, 0.04), PLASTIC, BLACK)


MASTS: dict[str, Callable[[Sculpt, np.random.Generator], None]] = {
    "sign_post": sign_post,
    "traffic_sign": traffic_sign,
    "big_sign": big_sign,
    "street_lamp": street_lamp,
    "traffic_light": traffic_light,
    "utility_pole": utility_pole,
    "bollard": bollard,
    "parking_meter": parking_meter,
}
"""Makers by name."""
