"""Construction vehicles: excavators, wheel loaders, rollers, scissor lifts, telehandlers, backhoes."""

from __future__ import annotations

import numpy as np

from fusion.geometry.transforms import rotation_z
from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import AMBER, BLACK, CABIN, DARK, GLASS, GREY, ORANGE, RED, STEEL, WHITE, YELLOW, Colour, srgb, tint
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

PAINT, METAL, PLASTIC, GLASS_M, CLOTH, LAMP, RETRO = (
    int(m) for m in (Material.PAINT, Material.METAL, Material.PLASTIC, Material.CAR_GLASS, Material.CLOTH, Material.LAMP, Material.RETRO)
)
_LIVERIES = (YELLOW, YELLOW, srgb("e8a200"), ORANGE, srgb("4a7a3a"), WHITE)


def make_machine(rng: np.random.Generator) -> Shape:
    """A construction vehicle of any kind."""
    draw, colour = rng.random(), tint(_LIVERIES[rng.integers(len(_LIVERIES))], rng)
    body = Sculpt()
    if draw < 0.36:
        size = spread(rng, 7.5, 1.3, 4.5, 10.5), spread(rng, 2.98, 0.25, 2.3, 3.5), spread(rng, 3.3, 0.4, 2.6, 4.8)
        _excavator(body, colour, rng)
    elif draw < 0.63:
        size = spread(rng, 7.2, 0.9, 5.2, 9.0), spread(rng, 2.82, 0.2, 2.3, 3.2), spread(rng, 3.3, 0.2, 2.8, 3.7)
        _loader(body, colour, backhoe=bool(rng.random() < 0.4))
    elif draw < 0.77:
        size = spread(rng, 5.2, 0.6, 3.8, 6.2), spread(rng, 2.45, 0.15, 2.0, 2.8), spread(rng, 3.05, 0.15, 2.6, 3.3)
        _roller(body, colour)
    elif draw < 0.86:
        size = spread(rng, 3.0, 0.5, 2.2, 4.2), spread(rng, 1.7, 0.3, 1.2, 2.3), spread(rng, 2.6, 0.3, 2.1, 3.4)
        _scissor_lift(body, colour)
    else:
        size = spread(rng, 6.6, 0.7, 5.2, 8.2), spread(rng, 2.6, 0.15, 2.3, 2.9), spread(rng, 2.75, 0.2, 2.4, 3.2)
        _telehandler(body, colour)
    return fitted("vehicle.construction", [body], (size[0], size[1] * 1.06, size[2] * 1.02), attributes=("vehicle.moving", "vehicle.parked"))


def _cabin(body: Sculpt, low: tuple[float, float, float], high: tuple[float, float, float], colour: Colour) -> None:
    """A glazed box on four posts with a roof and a seat."""
    x0, y0, z0 = low
    x1, y1, z1 = high
    sill = z0 + (z1 - z0) * 0.35
    body.box(low, (x1, y1, sill), PAINT, colour)
    inset = 0.08
    corners = np.array([[x0, y0], [x1, y0], [x1 - inset, y1], [x0, y1]])
    top = np.array([[x0 + inset, y0 + inset / 2], [x1 - 2 * inset, y0 + inset / 2], [x1 - 2 * inset, y1 - inset / 2], [x0 + inset, y1 - inset / 2]])
    a, b = np.column_stack([corners, np.full(4, sill)]), np.column_stack([top, np.full(4, z1 - 0.08)])
    nxt = [1, 2, 3, 0]
    body.quads(np.stack([a, a[nxt], b[nxt], b], axis=1), GLASS_M, GLASS)
    body.tubes(a, b, 0.05, METAL, BLACK, sides=4)
    body.box((x0, y0, z1 - 0.1), (x1 - inset, y1, z1), PAINT, colour)
    body.box((x0 + 0.2, (y0 + y1) / 2 - 0.22, sill - 0.1), (x0 + 0.4, (y0 + y1) / 2 + 0.22, sill + (z1 - sill) * 0.55), CLOTH, CABIN)
    body.boxes([[x0 + 0.3, (y0 + y1) / 2, z1 + 0.06]], (0.14, 0.14, 0.12), LAMP, AMBER)


def _tracks(body: Sculpt, half_length: float, half_width: float, wide: float, tall: float) -> None:
    outline = np.array(
        [
            (-half_length, tall * 0.45),
            (-half_length + 0.15, tall * 0.1),
            (-half_length + 0.4, 0),
            (half_length - 0.4, 0),
            (half_length - 0.15, tall * 0.1),
            (half_length, tall * 0.45),
            (half_length - 0.15, tall * 0.9),
            (half_length - 0.4, tall),
            (-half_length + 0.4, tall),
            (-half_length + 0.15, tall * 0.9),
        ]
    )
    for s in (1, -1):
        edges = sorted((s * half_width, s * (half_width - wide)))
        body.prism(outline, (edges[0], edges[1]), METAL, DARK)
        body.boxes([[x, s * (half_width - 0.02), tall * 0.5] for x in np.linspace(-0.6, 0.6, 4) * half_length], (0.3, 0.06, 0.3), METAL, STEEL)


def _beam(body: Sculpt, points: list[tuple[float, float]], depths: list[float], y: tuple[float, float], colour: Colour) -> None:
    """A box girder in the x, z plane along `points`, as deep as `depths` there."""
    line = np.array(points)
    way = np.gradient(line, axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    normal = np.column_stack([-way[:, 1], way[:, 0]])
    up, down = line + normal * np.array(depths)[:, None] / 2, line - normal * np.array(depths)[:, None] / 2
    n = len(line)
    rings = np.stack([np.column_stack([np.full(n, 0.0)] * 3)] * 4, axis=1)
    for k, (edge, side) in enumerate(((up, y[0]), (up, y[1]), (down, y[1]), (down, y[0]))):
        rings[:, k] = np.column_stack([edge[:, 0], np.full(n, side), edge[:, 1]])
    body.loft(rings, PAINT, colour, closed=True)
    body.fan(rings[0], PAINT, colour)
    body.fan(rings[-1], PAINT, colour)


def _bucket(body: Sculpt, at: tuple[float, float], size: float, half: float, facing: int) -> None:
    """A scoop with its mouth to the front (1) or the rear (-1)."""
    x, z = at
    outline = np.array([(0.5, -0.5), (0.1, -0.5), (-0.35, -0.35), (-0.5, 0.05), (-0.4, 0.5), (0.0, 0.5)]) * size * [facing, 1] + [x, z]
    rings = np.stack([np.column_stack([outline[:, 0], np.full(6, y), outline[:, 1]]) for y in (half, -half)])
    body.loft(rings, METAL, STEEL)
    body.fan(rings[0], METAL, STEEL)
    body.fan(rings[1], METAL, STEEL)


def _excavator(body: Sculpt, colour: Colour, rng: np.random.Generator) -> None:
    _tracks(body, 2.0, 1.4, 0.55, 0.85)
    body.box((-0.9, -0.9, 0.4), (0.9, 0.9, 0.75), METAL, DARK)
    body.tubes([[0, 0, 0.75]], [[0, 0, 1.0]], 0.6, METAL, BLACK, sides=10)
    upper = Sculpt()
    upper.box((-2.1, -1.35, 1.0), (1.0, 1.35, 1.2), METAL, DARK)
    upper.box((-1.3, -1.35, 1.2), (0.5, 0.2, 1.95), PAINT, colour)
    upper.frustum((-1.75, 0, 1.65), (0.9, 2.7, 0.95), (0.6, 2.5), PAINT, colour, (0.1, 0))
    upper.box((-1.3, 0.2, 1.2), (-0.6, 1.35, 2.0), PAINT, colour)
    _cabin(upper, (-0.55, 0.35, 1.15), (1.05, 1.35, 2.9), colour)
    raised = rng.random() < 0.5
    boom = [(0.7, 1.5), (1.9, 3.0), (3.9, 2.7)] if raised else [(0.7, 1.5), (1.8, 2.6), (3.9, 2.0)]
    end = boom[-1]
    _beam(upper, boom, [0.5, 0.6, 0.35], (-0.45, -0.1), colour)
    stick = [(end[0] - 0.3, end[1] + 0.3), end, (end[0] - 0.5, 0.75)]
    _beam(upper, stick, [0.35, 0.45, 0.25], (-0.42, -0.14), colour)
    _bucket(upper, (stick[-1][0] - 0.05, 0.5), 0.9, 0.45, -1)
    upper.tubes(
        [[0.8, -0.28, 1.2], [boom[1][0], -0.28, boom[1][1] + 0.4]],
        [[boom[1][0], -0.28, boom[1][1] - 0.3], [stick[0][0], -0.28, stick[0][1]]],
        0.08,
        METAL,
        STEEL,
        sides=5,
    )
    upper.quads([[[-2.11, 0.5, 1.5], [-2.11, -0.5, 1.5], [-2.11, -0.5, 1.7], [-2.11, 0.5, 1.7]]], RETRO, RED)
    body.put(upper.mesh(), rotation_z(float(rng.normal(0, 0.12))))


def _loader(body: Sculpt, colour: Colour, backhoe: bool) -> None:
    add_wheels(body, [1.3, -1.4], 1.25, 0.7, 0.5, colour, sides=11, rim_share=0.55)
    body.box((-2.3, -0.6, 0.75), (1.9, 0.6, 1.15), METAL, DARK)
    body.frustum((-1.75, 0, 1.6), (1.6, 1.7, 0.95), (1.4, 1.5), PAINT, colour)
    body.box((-2.5, -0.9, 0.8), (-2.2, 0.9, 1.5), METAL, BLACK)
    _cabin(body, (-0.9, -0.7, 1.3), (0.6, 0.7, 3.2), colour)
    body.boxes([[x, s * 1.0, 1.48] for x in (1.3, -1.4) for s in (1, -1)], (1.3, 0.5, 0.06), PLASTIC, DARK)
    for s in (1, -1):
        edges = sorted((s * 0.55, s * 0.4))
        _beam(body, [(0.9, 1.7), (2.2, 1.3), (3.0, 0.6)], [0.3, 0.4, 0.3], (edges[0], edges[1]), colour)
    body.tubes([[0.9, 0, 1.2]], [[2.5, 0, 1.3]], 0.08, METAL, STEEL, sides=5)
    _bucket(body, (3.3, 0.62), 1.15, 1.28, 1)
    if backhoe:
        _beam(body, [(-2.3, 0.9), (-3.2, 2.6), (-3.5, 2.9)], [0.4, 0.35, 0.3], (-0.15, 0.15), colour)
        _beam(body, [(-3.4, 2.9), (-3.9, 1.1)], [0.3, 0.25], (-0.12, 0.12), colour)
        _bucket(body, (-3.8, 0.8), 0.7, 0.35, 1)


def _drum(body: Sculpt, x: float, half: float, radius: float) -> None:
    body.tubes([[x, -half, radius]], [[x, half, radius]], radius, METAL, GREY, sides=14, capped=True)


def _roller(body: Sculpt, colour: Colour) -> None:
    _drum(body, 1.6, 1.0, 0.72)
    body.boxes([[1.6, s * 1.08, 0.78] for s in (1, -1)], (1.7, 0.1, 0.3), METAL, colour)
    body.boxes([[x, 0, 0.85] for x in (2.45, 0.75)], (0.12, 2.2, 0.3), METAL, colour)
    add_wheels(body, [-1.35], 1.05, 0.7, 0.5, colour, sides=11, rim_share=0.5)
    body.frustum((-1.5, 0, 1.25), (2.0, 1.3, 0.9), (1.6, 1.2), PAINT, colour)
    body.box((-0.6, -0.5, 0.6), (0.8, 0.5, 1.0), METAL, DARK)
    _cabin(body, (-0.6, -0.75, 1.05), (0.75, 0.75, 2.95), colour)


def _scissor_lift(body: Sculpt, colour: Colour) -> None:
    add_wheels(body, [0.9, -0.9], 0.75, 0.28, 0.22, GREY, sides=8)
    body.box((-1.25, -0.55, 0.22), (1.25, 0.55, 0.75), PAINT, colour)
    levels = np.linspace(0.8, 1.5, 4)
    starts = [[e * 1.1, s * 0.4, low] for low in levels[:-1] for e in (1, -1) for s in (1, -1)]
    ends = [[-e * 1.1, s * 0.4, high] for high in levels[1:] for e in (1, -1) for s in (1, -1)]
    body.tubes(starts, ends, 0.05, METAL, STEEL, sides=4)
    body.box((-1.25, -0.65, 1.5), (1.25, 0.65, 1.62), PAINT, colour)
    posts = [[x, y, 1.62] for x in (-1.22, 0, 1.22) for y in (-0.62, 0.62)]
    body.tubes(posts, np.array(posts) + [0, 0, 1.05], 0.025, METAL, colour, sides=4)
    rails = [([-1.22, y, z], [1.22, y, z]) for y in (-0.62, 0.62) for z in (2.15, 2.67)] + [
        ([x, -0.62, z], [x, 0.62, z]) for x in (-1.22, 1.22) for z in (2.15, 2.67)
    ]
    body.tubes([r[0] for r in rails], [r[1] for r in rails], 0.022, METAL, colour, sides=4)
    body.box((1.0, 0.3, 2.2), (1.2, 0.6, 2.5), PLASTIC, BLACK)


def _telehandler(body: Sculpt, colour: Colour) -> None:
    add_wheels(body, [1.5, -1.5], 1.2, 0.62, 0.42, colour, sides=11, rim_share=0.55)
    body.box((-2.3, -0.5, 0.6), (2.1, 0.5, 1.1), METAL, DARK)
    body.box((-1.3, -1.15, 0.75), (0.9, -0.4, 1.5), PAINT, colour)
    _cabin(body, (-0.7, 0.35, 0.9), (0.8, 1.15, 2.5), colour)
    _beam(body, [(-2.3, 1.9), (0.5, 1.75), (2.9, 1.25), (3.2, 0.7)], [0.5, 0.45, 0.35, 0.3], (-0.25, 0.2), colour)
    body.frustum((-2.0, 0, 1.25), (0.9, 1.7, 0.8), (0.7, 1.5), PAINT, colour)
    body.boxes([[3.25, 0, 0.5]], (0.12, 1.3, 0.7), METAL, BLACK)
    body.boxes([[3.85, s * 0.4, 0.2] for s in (1, -1)], (1.2, 0.13, 0.06), METAL, STEEL)
