"""Small trailers: behind cars and vans, and what stands on one axle at work zones (sign boards, arrow boards, light towers, generators)."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.cabs import cargo_box, open_bed, pile, tail
from fusion.simulate.shapes.colours import AMBER, BLACK, DARK, GREY, ORANGE, STEEL, WHITE, YELLOW, Colour, tint, truck_paint
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

METAL, PLASTIC, PAINT, LAMP = int(Material.METAL), int(Material.PLASTIC), int(Material.PAINT), int(Material.LAMP)
ATTRIBUTES = "vehicle.moving", "vehicle.parked"
Size = tuple[float, float, float]


def make_light_trailer(rng: np.random.Generator) -> Shape:
    """Behind a car or a van: closed, or open with a load."""
    length, width, height = size = spread(rng, 5.2, 1.0, 3.5, 7.5), spread(rng, 2.2, 0.2, 1.8, 2.6), spread(rng, 2.4, 0.3, 1.8, 3.0)
    body, front, rear = Sculpt(), length / 2 - 1.1, -length / 2
    if rng.random() < 0.6:
        cargo_box(body, front, rear, width * 0.86, 0.5, height, tint(WHITE if rng.random() < 0.6 else truck_paint(rng), rng), rng, stripes=False)
    else:
        open_bed(body, front, rear, width * 0.86, 0.55, 1.0, truck_paint(rng), METAL)
        pile(body, front - 0.1, rear + 0.1, width * 0.4, 0.63, rng)
    axle = (front + rear) / 2
    _drawbar(body, front, size, DARK)
    add_wheels(body, [axle - 0.4, axle + 0.4] if length > 4.8 else [axle], width / 2, 0.34, 0.22, GREY)
    body.boxes([[axle, s * width * 0.46, 0.74] for s in (1, -1)], (1.7 if length > 4.8 else 0.9, width * 0.08, 0.05), METAL, DARK)
    tail(body, rear, width * 0.86, 0.55, 0.5)
    return fitted("vehicle.trailer", [body], size, attributes=ATTRIBUTES)


def make_site_trailer(rng: np.random.Generator) -> Shape:
    """A variable message sign, an arrow board, a light tower or a generator on one axle."""
    body, draw = Sculpt(), rng.random()
    paint = tint(ORANGE if rng.random() < 0.6 else (YELLOW, WHITE, GREY)[rng.integers(3)], rng)
    if draw < 0.4:
        size = spread(rng, 3.5, 0.25, 2.9, 4.1), spread(rng, 2.2, 0.2, 1.8, 2.7), spread(rng, 3.8, 0.25, 3.2, 4.3)
        _board(body, size, 1.75, paint)
        _message(body, size, rng)
    elif draw < 0.65:
        size = spread(rng, 3.0, 0.25, 2.5, 3.6), spread(rng, 2.35, 0.15, 2.0, 2.6), spread(rng, 3.3, 0.25, 2.8, 3.8)
        _board(body, size, 1.2, paint)
        _arrow(body, size, rng)
    elif draw < 0.82:
        size = spread(rng, 2.9, 0.25, 2.4, 3.5), spread(rng, 1.75, 0.15, 1.5, 2.1), spread(rng, 4.4, 1.2, 2.6, 7.0)
        _light_tower(body, size, paint)
    else:
        size = spread(rng, 3.6, 0.4, 2.8, 4.6), spread(rng, 1.8, 0.15, 1.5, 2.2), spread(rng, 1.9, 0.2, 1.6, 2.4)
        rear, front = -size[0] / 2, size[0] / 2 - 1.0
        _chassis(body, size, paint)
        body.box((rear, -size[1] * 0.42, 0.6), (front, size[1] * 0.42, size[2] - 0.12), PAINT, paint)
        body.boxes([[rear + 0.4, 0.2, size[2] - 0.06]], (0.12, 0.12, 0.12), METAL, DARK)
        body.boxes([[(rear + front) / 2, s * size[1] * 0.425, 1.05] for s in (1, -1)], ((front - rear) * 0.4, 0.02, 0.5), PLASTIC, BLACK)
    return fitted("vehicle.trailer", [body], size, attributes=ATTRIBUTES)


def _drawbar(body: Sculpt, front: float, size: Size, colour: Colour) -> None:
    tip = size[0] / 2
    starts = [[front, s * size[1] * 0.35, 0.5] for s in (1, -1)] + [[tip - 0.25, 0, 0]]
    body.tubes(starts, [[tip, 0, 0.5]] * 2 + [[tip - 0.25, 0, 0.55]], 0.045, METAL, colour, sides=4)


def _chassis(body: Sculpt, size: Size, paint: Colour) -> None:
    """A frame on one axle, legs at its corners, a drawbar in front."""
    length, width, _ = size
    front, rear = length / 2 - 1.0, -length / 2
    axle = (front + rear) / 2
    body.box((rear, -width * 0.36, 0.46), (front, width * 0.36, 0.6), METAL, paint)
    _drawbar(body, front, size, DARK)
    add_wheels(body, [axle], width / 2, 0.33, 0.22, GREY)
    body.boxes([[axle, s * width * 0.45, 0.72] for s in (1, -1)], (0.85, width * 0.09, 0.05), METAL, paint)
    body.boxes([[x, s * width * 0.4, 0.25] for x in (rear + 0.1, front - 0.1) for s in (1, -1)], (0.07, 0.07, 0.5), METAL, DARK)


def _board(body: Sculpt, size: Size, tall: float, paint: Colour) -> None:
    """A chassis with batteries and a board on a mast that looks backwards."""
    _, width, height = size
    middle = -0.5
    _chassis(body, size, paint)
    batteries, mast = [0.7, width * 0.6, 0.5], [0.14, 0.14, height - tall - 0.3]
    body.boxes([[middle + 0.5, 0, 0.85], [middle, 0, (height - tall) / 2 + 0.4]], [batteries, mast], METAL, paint)
    body.boxes([[middle, 0, height - tall / 2]], (0.2, width, tall), PLASTIC, DARK)
    body.boxes([[middle + 0.15, s * width * 0.3, height - tall / 2] for s in (1, -1)], (0.1, 0.06, tall * 0.9), METAL, STEEL)


def _message(body: Sculpt, size: Size, rng: np.random.Generator) -> None:
    """Three lines of lit letters, and a solar panel on top."""
    _, width, height = size
    for line in range(3):
        count = int(rng.integers(3, 8))
        y = (np.arange(count) - (count - 1) / 2) * width * 0.11
        letters = np.column_stack([np.full(count, -0.61), y, np.full(count, height - 0.35 - 0.5 * line)])
        body.boxes(letters, (0.02, width * 0.07, 0.32), LAMP, AMBER)
    body.boxes([[-0.4, 0, height - 0.02]], (0.75, width * 0.7, 0.04), PLASTIC, BLACK)


def _arrow(body: Sculpt, size: Size, rng: np.random.Generator) -> None:
    """Lamps in the shape of an arrow."""
    _, width, height = size
    way = 1.0 if rng.random() < 0.5 else -1.0
    places = [(s, 0.0) for s in (-0.36, -0.22, -0.08, 0.08, 0.22)] + [(0.36, 0.0), (0.25, 0.22), (0.25, -0.22), (0.12, 0.4), (0.12, -0.4)]
    lamps = [[-0.61, way * y * width, height - 0.6 + z] for y, z in places]
    body.boxes(lamps, (0.04, 0.13, 0.13), LAMP, AMBER)


def _light_tower(body: Sculpt, size: Size, paint: Colour) -> None:
    """An engine under a hood and four lamps on a mast."""
    length, width, height = size
    _chassis(body, size, paint)
    body.frustum((-0.45, 0, 0.95), (length * 0.55, width * 0.7, 0.7), (length * 0.5, width * 0.6), PAINT, paint)
    body.tubes([[-0.1, 0, 0.6]], [[-0.1, 0, height - 0.1]], 0.08, METAL, STEEL, 0.05, sides=6)
    body.boxes([[-0.1, 0, height - 0.35]], (0.08, width * 0.8, 0.08), METAL, STEEL)
    body.boxes([[-0.14, y * width, height - 0.2] for y in (-0.36, -0.12, 0.12, 0.36)], (0.16, 0.34, 0.4), LAMP, WHITE)
