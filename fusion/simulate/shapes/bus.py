"""Buses: city buses, coaches, shuttles, and articulated ones."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import (
    AMBER,
    BLACK,
    BLUE,
    CABIN,
    DARK,
    GLASS,
    GREEN,
    GREY,
    HEAD_LAMP,
    ORANGE,
    RED,
    STEEL,
    TAIL_LAMP,
    WHITE,
    YELLOW,
    Colour,
    clothing,
    tint,
)
from fusion.simulate.shapes.hull import GLASS_MATERIAL, Hull, dress, skin
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

PAINT, PLASTIC, LAMP, RETRO, CLOTH = (int(m) for m in (Material.PAINT, Material.PLASTIC, Material.LAMP, Material.RETRO, Material.CLOTH))
_LIVERIES: tuple[tuple[Colour, Colour], ...] = (
    (WHITE, BLUE),
    (WHITE, GREEN),
    (RED, WHITE),
    (WHITE, RED),
    (YELLOW, BLACK),
    (GREEN, WHITE),
    (BLUE, YELLOW),
    (GREY, DARK),
    (WHITE, ORANGE),
)


def make_bus(rng: np.random.Generator) -> Shape:
    """A rigid bus."""
    draw = rng.random()
    if draw < 0.16:
        size = spread(rng, 7.6, 0.6, 6.5, 9.0), spread(rng, 2.5, 0.12, 2.2, 2.75), spread(rng, 2.95, 0.15, 2.7, 3.3)
    else:
        size = spread(rng, 11.9, 0.7, 10.0, 13.8), spread(rng, 3.02, 0.13, 2.7, 3.3), spread(rng, 3.57, 0.22, 3.1, 4.1)
    body, outside = Sculpt(), Sculpt()
    _coachwork(body, outside, size[0] / 2, -size[0] / 2, size[1], size[2], rng, _LIVERIES[rng.integers(len(_LIVERIES))])
    return fitted("vehicle.bus.rigid", [body], size, outside=outside, attributes=("vehicle.moving", "vehicle.parked"))


def make_bendy_bus(rng: np.random.Generator) -> tuple[Shape, Shape]:
    """The front section of an articulated bus, half of the bellows at its tail, and the rear section with the other half."""
    length, width, height = spread(rng, 17.8, 0.6, 16.5, 19.0), spread(rng, 2.95, 0.1, 2.7, 3.2), spread(rng, 3.4, 0.15, 3.1, 3.7)
    livery, joint = _LIVERIES[rng.integers(len(_LIVERIES))], spread(rng, 0.57, 0.015, 0.54, 0.6) * length
    sections = []
    for leading, whole in ((True, joint), (False, length - joint)):
        body, outside, half, bellows = Sculpt(), Sculpt(), whole / 2, 0.6
        front, rear = (half, -half + bellows) if leading else (half - bellows, -half)
        _coachwork(body, outside, front, rear, width, height, rng, livery, leading=leading)
        low, high = (-half, rear + 0.05) if leading else (front - 0.05, half)
        body.box((low, -width * 0.44, 0.4), (high, width * 0.44, height - 0.25), CLOTH, DARK)
        attributes = "vehicle.moving", "vehicle.parked"
        sections.append(fitted("vehicle.bus.bendy", [body], (whole, width, height), outside=outside if leading else None, attributes=attributes))
    return sections[0], sections[1]


def make_bendy_section(rng: np.random.Generator) -> Shape:
    """The front or the rear section of an articulated bus."""
    return make_bendy_bus(rng)[int(rng.integers(2))]


def _coachwork(
    body: Sculpt,
    outside: Sculpt,
    front: float,
    rear: float,
    width: float,
    height: float,
    rng: np.random.Generator,
    livery: tuple[Colour, Colour],
    leading: bool = True,
) -> None:
    """One rigid part: hull to the belt, a band of windows, a rounded roof."""
    main, second = tint(livery[0], rng), tint(livery[1], rng)
    half, length = width / 2, front - rear
    wheel, belt, head = 0.48, height * 0.42, height * 0.8
    axles = [front - length * 0.22, rear + length * 0.26] if leading else [rear + length * 0.45]
    hull = Hull(
        top_xz=np.array([[rear, belt], [(front + rear) / 2, belt], [front, belt]]),
        half_width_m=half,
        bottom_m=0.3,
        waist_m=0.85,
        arches=tuple((x, wheel + 0.1) for x in axles),
        axle_m=wheel,
        nose_m=0.4,
        tail_m=0.2,
        nose_share=0.93,
        tail_share=0.97,
        shoulder_share=1.0,
        crown_m=0.0,
    )
    _, rings = hull.rings()
    material, colour = skin(rings, (PAINT, main))
    for sill in (0, 5):
        dress(material, colour, (slice(None), sill), (PAINT, second))
    dress(material, colour, (slice(None), slice(2, 4)), (CLOTH, CABIN))
    body.loft(rings, material, colour)
    _windows(body, front, rear, half, belt, head, height, main, second, rng)
    z = np.array([0.3, 0.75, belt])
    for x, lamps, lamp_colour in ((front + 0.0, True, HEAD_LAMP), (rear, False, TAIL_LAMP)):
        outer, inner = half * (0.93 if lamps else 0.97), 0.7 if lamps else 0.87
        grid = np.array([[[x, y * outer, level] for y in (1.0, inner, -inner, -1.0)] for level in z])
        looks = np.full((2, 3), PAINT)
        colours = np.broadcast_to(np.array(main), (2, 3, 3)).copy()
        looks[0, [0, 2]], colours[0, [0, 2]] = LAMP, lamp_colour
        colours[0, 1] = second
        if not lamps:
            colours[0, [0, 2]] = main
            looks[0, [0, 2]] = PAINT
            looks[1, [0, 2]], colours[1, [0, 2]] = LAMP, lamp_colour
        body.loft(grid, looks, colours)
        body.boxes([[x, 0, 0.36]], (0.12, outer * 1.9, 0.16), PLASTIC, DARK)
    body.quads([[[rear - 0.02, 0.26, 0.6], [rear - 0.02, -0.26, 0.6], [rear - 0.02, -0.26, 0.72], [rear - 0.02, 0.26, 0.72]]], RETRO, WHITE)
    add_wheels(body, axles, half * 0.965, wheel, 0.32, STEEL, sides=10)
    body.box((rear + 0.3, -half + 0.4, 0.32), (front - 0.3, half - 0.4, 0.6), PLASTIC, DARK)
    rows = np.arange(rear + 1.2, front - 2.2, 1.55)
    taken = np.array([clothing(rng) if rng.random() < 0.4 else CABIN for _ in range(2 * len(rows))])
    corners = np.array([[0.0, -0.3 * half, -0.3], [0.0, 0.3 * half, -0.3], [-0.12, 0.3 * half, 0.35], [-0.12, -0.3 * half, 0.35]])
    body.quads([corners + [x, s * half * 0.55, belt + 0.2] for x in rows for s in (1, -1)], CLOTH, taken)
    if leading:
        outside.boxes([[front - 0.1, s * (half + 0.1), height * 0.62] for s in (1, -1)], (0.14, 0.22, 0.45), PLASTIC, BLACK)
        body.boxes([[front - 0.02, 0, height * 0.89]], (0.06, half * 1.3, 0.26), LAMP, tint(AMBER, rng))


def _windows(
    body: Sculpt,
    front: float,
    rear: float,
    half: float,
    belt: float,
    head: float,
    height: float,
    main: Colour,
    second: Colour,
    rng: np.random.Generator,
) -> None:
    """Panes between posts, cornice, roof, windscreen, doors on the right, a pod on the roof."""
    posts = max(4, round((front - rear) / 1.6))
    cuts = np.linspace(rear, front - 0.12, posts + 1)
    cuts = np.unique(np.concatenate([cuts, cuts[1:-1] + 0.1]))
    profile = np.array(
        [
            (half, belt),
            (half * 0.985, head),
            (half * 0.95, height - 0.1),
            (half * 0.78, height),
            (0, height + 0.03),
            (-half * 0.78, height),
            (-half * 0.95, height - 0.1),
            (-half * 0.985, head),
            (-half, belt),
        ]
    )
    rings = np.stack([np.column_stack([np.full(9, x), profile]) for x in cuts])
    rings[-1, :, 1] *= 0.955
    rings[-1, 2:7, 0] -= 0.06
    wide = np.diff(cuts) > 0.15
    for side in (slice(0, 2), slice(7, 9)):
        material, colour = skin(rings[:, side], (PLASTIC, BLACK))
        dress(material, colour, (wide,), (GLASS_MATERIAL, GLASS))
        body.loft(rings[:, side], material, colour)
    roof = rings[[0, 1, -2, -1], 1:8]
    body.loft(roof, *skin(roof, (PAINT, main)))
    nose = rings[-1]
    outer = half * 0.93
    sill = np.array([[front, outer, belt - 0.35], [front + 0.03, 0, belt - 0.35], [front, -outer, belt - 0.35]])
    low = np.array([[front, outer, belt], [front + 0.04, 0, belt], [front, -outer, belt]])
    screen = np.stack([sill, low, [nose[1], (nose[1] + nose[7]) / 2 + [0.1, 0, 0], nose[7]], nose[[2, 4, 6]]])
    body.loft(screen, np.array([[GLASS_MATERIAL] * 2] * 2 + [[PAINT] * 2]), np.array([[GLASS] * 2] * 2 + [[second] * 2]))
    back = rings[0]
    window = rng.random() < 0.6
    body.quads(
        [back[[0, 1, 7, 8]], back[[1, 2, 6, 7]], back[[2, 3, 5, 6]]],
        np.array([GLASS_MATERIAL if window else PAINT, PAINT, PAINT]),
        np.array([GLASS if window else main, main, main]),
    )
    for share in (0.06, 0.52):
        x = front - share * (front - rear) - 0.2
        body.quads(
            [[[x, -half - 0.008, 0.42], [x - 1.1, -half - 0.008, 0.42], [x - 1.1, -half - 0.008, head], [x, -half - 0.008, head]]],
            GLASS_MATERIAL,
            GLASS,
        )
    if rng.random() < 0.6:
        middle = (front + rear) / 2 + rng.uniform(-0.2, 0.2) * (front - rear)
        body.frustum((middle, 0, height + 0.12), (2.4, half * 1.3, 0.26), (2.1, half * 1.1), PLASTIC, tint(WHITE, rng))
