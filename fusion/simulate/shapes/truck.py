"""Trucks of any kind; here the light ones: pickups, delivery vans, step vans."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.cabs import cab_over, cargo_box, frame, pile, tail
from fusion.simulate.shapes.colours import (
    BLACK,
    CABIN,
    CHROME,
    DARK,
    GALVANISED,
    GREY,
    HEAD_LAMP,
    STEEL,
    TAIL_LAMP,
    WHITE,
    car_paint,
    tint,
    truck_paint,
)
from fusion.simulate.shapes.hull import Greenhouse, Hull, dress, end_cap, seats, skin, underbody
from fusion.simulate.shapes.lorry import Made, box_truck, heavy_truck, mirrors, open_truck, tractor
from fusion.simulate.shapes.sculpt import HOLE, Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

PAINT, PLASTIC, METAL, LAMP, RETRO, CLOTH = (
    int(m) for m in (Material.PAINT, Material.PLASTIC, Material.METAL, Material.LAMP, Material.RETRO, Material.CLOTH)
)


def make_truck(rng: np.random.Generator, sort: str = "") -> Shape:
    """A truck of any kind, or of one of the sorts in `TRUCKS`."""
    kinds = TRUCKS[sort] if sort else KINDS
    shares = np.cumsum([share for share, _ in kinds])
    maker = kinds[int(np.searchsorted(shares, rng.random() * shares[-1]))][1]
    body, outside, size = maker(rng)
    return fitted("vehicle.truck", [body], size, outside=outside, attributes=("vehicle.moving", "vehicle.parked"))


def pickup(rng: np.random.Generator) -> Made:
    """An open bed behind a car's cabin."""
    size = spread(rng, 5.65, 0.3, 5.0, 6.3), spread(rng, 2.08, 0.1, 1.9, 2.3), spread(rng, 1.9, 0.08, 1.72, 2.1)
    length, width, height = size
    paint, body, half = car_paint(rng), Sculpt(), width / 2
    crew = rng.random() < 0.65
    bed_front = -0.02 * length if not crew else -0.1 * length
    cab_rear = bed_front + 0.02
    deck, wheel = 0.64 * height, 0.4
    top = np.array(
        [[-length / 2, deck], [bed_front, deck], [length * 0.2, deck], [length * 0.28, deck], [length * 0.47, deck - 0.1], [length / 2, deck - 0.3]]
    )
    axles = [-length * 0.29, length * 0.31]
    hull = Hull(
        top_xz=top,
        half_width_m=half,
        bottom_m=0.42,
        waist_m=0.52 * height,
        arches=tuple((x, wheel + 0.09) for x in axles),
        axle_m=wheel,
        nose_share=0.85,
        tail_share=0.97,
        crown_m=0.02,
        shoulder_share=0.95,
    )
    xs, rings = hull.rings()
    material, colour = skin(rings, paint)
    middle = (xs[:-1] + xs[1:]) / 2
    dress(material, colour, (middle < bed_front, slice(2, 4)), (HOLE, BLACK))
    dress(material, colour, ((middle > bed_front) & (middle < length * 0.2), slice(2, 4)), (CLOTH, CABIN))
    for door in (1, 4):
        dress(material, colour, (-1, door), (LAMP, HEAD_LAMP))
        dress(material, colour, (0, door), (LAMP, TAIL_LAMP))
    body.loft(rings, material, colour)
    end_cap(body, rings[-1], [[(METAL, CHROME), (PLASTIC, BLACK)], [paint, (PLASTIC, BLACK)], [(LAMP, HEAD_LAMP), (PLASTIC, BLACK)]])
    end_cap(body, rings[0], [[(METAL, CHROME), (METAL, CHROME)], [paint, paint], [paint, paint]], share=0.8)
    inside, floor = half * 0.84, 0.42 * height
    rear, front = -length / 2 + 0.05, bed_front
    body.quads(
        [
            [[rear, inside, floor], [front, inside, floor], [front, -inside, floor], [rear, -inside, floor]],
            [[rear, inside, floor], [front, inside, floor], [front, inside, deck], [rear, inside, deck]],
            [[rear, -inside, floor], [front, -inside, floor], [front, -inside, deck], [rear, -inside, deck]],
            [[rear, inside, floor], [rear, -inside, floor], [rear, -inside, deck], [rear, inside, deck]],
            [[front, half * 0.95, floor], [front, -half * 0.95, floor], [front, -half * 0.95, deck], [front, half * 0.95, deck]],
            [[rear, inside, deck], [front, inside, deck], [front, half * 0.95, deck], [rear, half * 0.95, deck]],
            [[rear, -inside, deck], [front, -inside, deck], [front, -half * 0.95, deck], [rear, -half * 0.95, deck]],
        ],
        PLASTIC,
        DARK,
    )
    Greenhouse(
        belt_x=(length * 0.21, cab_rear),
        belt_z=(deck, deck),
        roof_x=(length * 0.1, cab_rear + 0.25),
        roof_z=(height, height),
        belt_half_m=half * 0.92,
        roof_half_m=half * 0.78,
        panes=((0.06, 0.46), (0.52, 0.9)) if crew else ((0.08, 0.85),),
    ).add(body, paint, (PLASTIC, BLACK))
    seats(body, [length * 0.07] + ([-0.04 * length] if crew else []), half * 0.85, deck - 0.1, deck + 0.4)
    underbody(body, (-length * 0.45, -half + 0.32, 0.4), (length * 0.45, half - 0.32, 0.62))
    add_wheels(body, axles, half * 0.97, wheel, 0.28, tint(CHROME, rng))
    load = rng.random()
    if load < 0.3:
        pile(body, front - 0.1, rear + 0.1, inside * 0.9, floor, rng)
        return body, mirrors(length * 0.17, half, deck + 0.12, tall=0.2), (length, width, height if load > 0.1 else max(height, body.bounds()[1, 2]))
    if load < 0.45:
        Greenhouse(
            belt_x=(cab_rear, -length / 2 + 0.05),
            belt_z=(deck, deck),
            roof_x=(cab_rear, -length / 2 + 0.2),
            roof_z=(height - 0.02, height - 0.05),
            belt_half_m=half * 0.9,
            roof_half_m=half * 0.76,
            panes=((0.1, 0.9),),
        ).add(body, paint, (PLASTIC, BLACK))
    return body, mirrors(length * 0.17, half, deck + 0.12, tall=0.2), size


def panel_van(rng: np.random.Generator) -> Made:
    """A one-box delivery van without rear windows."""
    size = spread(rng, 5.8, 0.5, 4.9, 7.0), spread(rng, 2.15, 0.12, 1.95, 2.4), spread(rng, 2.5, 0.25, 2.0, 2.85)
    length, width, height = size
    paint, body, half, wheel = (PAINT, truck_paint(rng)), Sculpt(), width / 2, 0.35
    belt = min(1.25, height * 0.55)
    nose, screen = length / 2 - 0.95, length / 2 - 1.75
    top = np.array([[-length / 2, belt], [nose - 0.02, belt], [nose, belt - 0.03], [length / 2 - 0.1, 0.95], [length / 2, 0.75]])
    axles = [-length * 0.5 + 1.15, length / 2 - 0.95]
    hull = Hull(
        top_xz=top,
        half_width_m=half,
        bottom_m=0.32,
        waist_m=0.8,
        arches=tuple((x, wheel + 0.08) for x in axles),
        axle_m=wheel,
        tail_m=0.15,
        tail_share=0.97,
        shoulder_share=0.97,
        nose_share=0.82,
    )
    xs, rings = hull.rings()
    material, colour = skin(rings, paint)
    middle = (xs[:-1] + xs[1:]) / 2
    dress(material, colour, (middle < nose, slice(2, 4)), (CLOTH, CABIN))
    for door in (1, 4):
        dress(material, colour, (-1, door), (LAMP, HEAD_LAMP))
    body.loft(rings, material, colour)
    dark = (PLASTIC, BLACK)
    end_cap(body, rings[-1], [[dark, dark], [(PLASTIC, DARK), dark], [(LAMP, HEAD_LAMP), dark]])
    end_cap(body, rings[0], [[dark, dark], [paint, paint], [(LAMP, TAIL_LAMP), paint]], share=0.86)
    span = nose + 0.05 + length / 2
    seat_end, pane_end = (nose - screen + 1.0) / span, (nose - screen + 0.95) / span
    rear_panes: tuple[tuple[float, float], ...] = ((0.55, 0.92),) if rng.random() < 0.2 else ()
    Greenhouse(
        belt_x=(nose + 0.05, -length / 2 + 0.01),
        belt_z=(belt, belt),
        roof_x=(screen, -length / 2 + 0.08),
        roof_z=(height, height),
        belt_half_m=half * 0.96,
        roof_half_m=half * 0.82,
        panes=((0.06, pane_end), *rear_panes),
        rear=bool(rng.random() < 0.35),
        narrowing=0.97,
        sill=0.6 if height > 2.3 else 0.8,
    ).add(body, paint, paint if rng.random() < 0.8 else dark)
    bulkhead = nose - seat_end * span
    body.quads(
        [
            [
                [bulkhead, half * 0.95, belt],
                [bulkhead, -half * 0.95, belt],
                [bulkhead, -half * 0.8, height - 0.1],
                [bulkhead, half * 0.8, height - 0.1],
            ]
        ],
        PLASTIC,
        GREY,
    )
    seats(body, [bulkhead + 0.35], half * 0.85, belt - 0.2, belt + 0.45)
    underbody(body, (-length * 0.46, -half + 0.28, 0.3), (length * 0.46, half - 0.28, 0.6))
    add_wheels(body, axles, half * 0.97, wheel, 0.24, tint(STEEL, rng))
    body.quads(
        [[[-length / 2 - 0.01, 0.26, 0.7], [-length / 2 - 0.01, -0.26, 0.7], [-length / 2 - 0.01, -0.26, 0.82], [-length / 2 - 0.01, 0.26, 0.82]]],
        RETRO,
        WHITE,
    )
    if rng.random() < 0.2:
        body.boxes([[x, 0, height + 0.06] for x in (-length * 0.3, 0.0)], (0.05, width * 0.75, 0.12), METAL, GALVANISED)
        body.boxes([[-length * 0.12, 0.3, height + 0.14]], (length * 0.5, 0.4, 0.06), METAL, GALVANISED)
    return body, mirrors(nose - 0.35, half, belt + 0.2, paint[1] if rng.random() < 0.2 else BLACK, 0.28), size


def step_van(rng: np.random.Generator) -> Made:
    """A parcel van: a tall box with a stub nose."""
    size = spread(rng, 7.0, 0.6, 5.8, 8.2), spread(rng, 2.45, 0.12, 2.2, 2.7), spread(rng, 2.95, 0.2, 2.5, 3.3)
    length, width, height = size
    body, paint = Sculpt(), truck_paint(rng) if rng.random() < 0.6 else tint((0.07, 0.04, 0.02), rng)
    nose = 0.7
    cargo_box(body, length / 2 - nose - 0.75, -length / 2, width, 0.6, height, paint, rng, stripes=False)
    cab_over(body, length / 2 - nose, 0.85, width * 0.97, 0.6, height - 0.05, paint, slope=0.3)
    body.frustum((length / 2 - nose / 2 - 0.03, 0, 0.95), (nose - 0.05, width * 0.82, 0.7), (nose * 0.8, width * 0.7), PAINT, paint, (-0.08, 0))
    body.boxes([[length / 2 - 0.06, s * width * 0.33, 0.85] for s in (1, -1)], (0.06, 0.2, 0.2), LAMP, HEAD_LAMP)
    body.boxes([[length / 2 - 0.05, 0, 0.9], [length / 2 - 0.06, 0, 0.55]], [[0.04, width * 0.4, 0.3], [0.12, width * 0.85, 0.16]], PLASTIC, BLACK)
    frame(body, length / 2 - nose, -length / 2 + 0.2, 0.55)
    tail(body, -length / 2 + 0.02, width, 0.7)
    add_wheels(body, [-length * 0.26, length * 0.33], width / 2 * 0.97, 0.4, 0.28, STEEL)
    return body, mirrors(length / 2 - nose - 0.2, width / 2, 1.75), size


Kind = tuple[float, Callable[[np.random.Generator], Made]]
KINDS: tuple[Kind, ...] = (
    (0.20, pickup),
    (0.17, panel_van),
    (0.09, step_van),
    (0.26, box_truck),
    (0.12, open_truck),
    (0.09, heavy_truck),
    (0.07, tractor),
)

"""Shares and makers."""

TRUCKS: dict[str, tuple[Kind, ...]] = {
    "light": KINDS[:2],
    "box": ((1.0, box_truck),),
    "tractor": ((1.0, tractor),),
}
"""Sorts: what fits into a parking bay, what stands in rows, what draws semi-trailers."""
