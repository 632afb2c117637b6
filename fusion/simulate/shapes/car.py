"""Passenger cars: sedans, hatchbacks, SUVs, estates, minivans, passenger vans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import AMBER, BLACK, CABIN, CHROME, DARK, HEAD_LAMP, TAIL_LAMP, WHITE, YELLOW, Colour, car_paint, tint
from fusion.simulate.shapes.hull import Greenhouse, Hull, dress, end_cap, seats, skin, underbody
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

PLASTIC, LAMP = int(Material.PLASTIC), int(Material.LAMP)


@dataclass(frozen=True, kw_only=True)
class CarStyle:
    """One kind of car. Lengths along it are shares of its length from the front bumper, heights shares of its height.

    Attributes:
        share: how common it is.
        mean_lwh, std_lwh: its size, metres.
        top: share of length, share of height: the line from the bonnet's edge to the tail.
        belt: where the glazed part begins and ends; `roof`: where its roof does.
        roof_drop: how much lower the roof's rear is.
        panes: from, to share of each side window.
        axles: share of length of the wheels; `wheel_m`: their radius.
        clearance: height of the sill.
        rails: whether some have rails on the roof.
        seat_rows: shares of length.
    """

    share: float
    mean_lwh: tuple[float, float, float]
    std_lwh: tuple[float, float, float]
    top: tuple[tuple[float, float], ...]
    belt: tuple[float, float]
    roof: tuple[float, float]
    roof_drop: float
    panes: tuple[tuple[float, float], ...]
    axles: tuple[float, float]
    wheel_m: float
    clearance: float
    roof_width: float = 0.74
    rails: bool = False
    seat_rows: tuple[float, ...] = (0.47, 0.68)


STYLES: dict[str, CarStyle] = {
    "sedan": CarStyle(
        share=0.26,
        mean_lwh=(4.74, 1.91, 1.52),
        std_lwh=(0.22, 0.08, 0.05),
        top=((0, 0.40), (0.025, 0.48), (0.15, 0.58), (0.28, 0.635), (0.83, 0.67), (0.97, 0.67), (1, 0.6)),
        belt=(0.265, 0.875),
        roof=(0.43, 0.69),
        roof_drop=0.02,
        panes=((0.06, 0.44), (0.48, 0.82)),
        axles=(0.19, 0.775),
        wheel_m=0.33,
        clearance=0.15,
    ),
    "hatchback": CarStyle(
        share=0.10,
        mean_lwh=(4.10, 1.83, 1.54),
        std_lwh=(0.25, 0.07, 0.05),
        top=((0, 0.40), (0.03, 0.49), (0.14, 0.58), (0.255, 0.63), (0.96, 0.65), (1, 0.56)),
        belt=(0.235, 0.985),
        roof=(0.41, 0.86),
        roof_drop=0.05,
        panes=((0.06, 0.42), (0.46, 0.8)),
        axles=(0.19, 0.815),
        wheel_m=0.315,
        clearance=0.15,
        seat_rows=(0.48, 0.72),
    ),
    "suv": CarStyle(
        share=0.38,
        mean_lwh=(4.62, 1.97, 1.83),
        std_lwh=(0.30, 0.10, 0.10),
        top=((0, 0.41), (0.025, 0.54), (0.14, 0.61), (0.255, 0.64), (0.97, 0.66), (1, 0.6)),
        belt=(0.245, 0.98),
        roof=(0.38, 0.9),
        roof_drop=0.03,
        panes=((0.05, 0.35), (0.385, 0.65), (0.69, 0.92)),
        axles=(0.185, 0.79),
        wheel_m=0.375,
        clearance=0.15,
        rails=True,
        seat_rows=(0.46, 0.66),
    ),
    "estate": CarStyle(
        share=0.07,
        mean_lwh=(4.68, 1.91, 1.58),
        std_lwh=(0.18, 0.07, 0.06),
        top=((0, 0.41), (0.025, 0.49), (0.15, 0.58), (0.28, 0.63), (0.97, 0.65), (1, 0.58)),
        belt=(0.265, 0.985),
        roof=(0.42, 0.91),
        roof_drop=0.03,
        panes=((0.05, 0.35), (0.38, 0.63), (0.66, 0.92)),
        axles=(0.19, 0.78),
        wheel_m=0.33,
        clearance=0.14,
    ),
    "minivan": CarStyle(
        share=0.14,
        mean_lwh=(4.86, 2.00, 1.85),
        std_lwh=(0.25, 0.07, 0.07),
        top=((0, 0.36), (0.03, 0.47), (0.12, 0.56), (0.185, 0.59), (0.97, 0.6), (1, 0.5)),
        belt=(0.165, 0.985),
        roof=(0.36, 0.94),
        roof_drop=0.02,
        panes=((0.05, 0.14), (0.16, 0.37), (0.4, 0.66), (0.69, 0.94)),
        axles=(0.175, 0.79),
        wheel_m=0.335,
        clearance=0.12,
        seat_rows=(0.42, 0.62, 0.82),
    ),
    "van": CarStyle(
        share=0.05,
        mean_lwh=(5.05, 2.03, 2.05),
        std_lwh=(0.25, 0.08, 0.10),
        top=((0, 0.33), (0.03, 0.45), (0.12, 0.52), (0.15, 0.535), (0.985, 0.54), (1, 0.5)),
        belt=(0.115, 0.99),
        roof=(0.26, 0.97),
        roof_drop=0.01,
        panes=((0.04, 0.1), (0.13, 0.32), (0.35, 0.64), (0.67, 0.95)),
        axles=(0.17, 0.77),
        wheel_m=0.34,
        clearance=0.12,
        roof_width=0.8,
        seat_rows=(0.36, 0.56, 0.76),
    ),
}


def make_car(rng: np.random.Generator) -> Shape:
    """A passenger car of any kind."""
    names = list(STYLES)
    shares = np.cumsum([STYLES[name].share for name in names])
    style = STYLES[names[int(np.searchsorted(shares, rng.random() * shares[-1]))]]
    size = np.array([spread(rng, m, s, m - 2.2 * s, m + 2.2 * s) for m, s in zip(style.mean_lwh, style.std_lwh, strict=True)])
    body, mirrors = car_body(style, size, car_paint(rng), rng)
    return fitted("vehicle.car", [body], size, outside=mirrors, attributes=("vehicle.moving", "vehicle.parked"))


def car_body(style: CarStyle, size_lwh: np.ndarray, paint: tuple[int, Colour], rng: np.random.Generator) -> tuple[Sculpt, Sculpt]:
    """The car standing on z = 0, x forward, and its mirrors."""
    length, width, height = (float(v) for v in size_lwh)
    body, half = Sculpt(), width / 2
    jitter = rng.normal(0, 0.008, 6)

    def at(share: float) -> float:
        return length * (0.5 - share)

    top = np.array([[at(share), height * level] for share, level in style.top])[::-1]
    top[1:-1, 1] += height * jitter[0]
    wheel = style.wheel_m * (1 + jitter[1] * 3)
    axles = [at(share + float(shift)) for share, shift in zip(style.axles, jitter[2:4], strict=True)]
    bottom = height * style.clearance * (1 + jitter[4] * 8)
    hull = Hull(
        top_xz=top,
        half_width_m=half,
        bottom_m=bottom,
        waist_m=height * 0.45,
        arches=tuple((x, wheel + 0.07) for x in axles),
        axle_m=wheel,
        nose_m=0.09 * length * (1 + jitter[5] * 20),
        tail_m=0.06 * length,
    )
    xs, rings = hull.rings()
    material, colour = skin(rings, paint)
    trim = (PLASTIC, BLACK if rng.random() < 0.75 else tint(DARK, rng))
    belt_x = at(style.belt[0]), at(style.belt[1])
    middle = (xs[:-1] + xs[1:]) / 2
    inside = (middle < belt_x[0]) & (middle > belt_x[1])
    dress(material, colour, (inside, slice(2, 4)), (int(Material.CLOTH), CABIN))
    for door in (1, 4):
        dress(material, colour, (-1, door), (LAMP, HEAD_LAMP))
        dress(material, colour, (0, door), (LAMP, TAIL_LAMP))
    body.loft(rings, material, colour)
    grille = (PLASTIC, BLACK) if rng.random() < 0.7 else (int(Material.METAL), CHROME)
    end_cap(body, rings[-1], [[paint, (PLASTIC, BLACK)], [paint, paint], [(LAMP, HEAD_LAMP), grille]], share=0.55)
    end_cap(body, rings[0], [[(PLASTIC, DARK), (PLASTIC, DARK)], [paint, paint], [(LAMP, TAIL_LAMP), paint]], share=0.62)

    roof_z = height, height * (1 - style.roof_drop)
    belt_z = tuple(float(np.interp(x, top[:, 0], top[:, 1])) for x in belt_x)
    roof_paint = GLASS_ROOF if rng.random() < 0.15 else paint
    Greenhouse(
        belt_x=belt_x,
        belt_z=(belt_z[0], belt_z[1]),
        roof_x=(at(style.roof[0]), at(style.roof[1])),
        roof_z=roof_z,
        belt_half_m=half * 0.91,
        roof_half_m=half * style.roof_width,
        panes=style.panes,
        sill=0.87,
    ).add(body, paint, trim, roof_paint)
    seats(body, [at(share) for share in style.seat_rows], half * 0.86, belt_z[0] - 0.1, belt_z[0] + (height - belt_z[0]) * 0.55)
    inner = half - 0.27
    underbody(body, (at(0.94), -inner, bottom + 0.01), (at(0.06), inner, bottom + 0.28))
    rim = BLACK if rng.random() < 0.25 else tint(CHROME, rng)
    add_wheels(body, axles, half * 0.975, wheel, 0.23, rim)
    _plates(body, length, height, rng)
    if style.rails and rng.random() < 0.5:
        body.boxes([[at(0.6), side * half * style.roof_width * 0.9, height - 0.01] for side in (1, -1)], (length * 0.36, 0.04, 0.05), PLASTIC, DARK)
    mirrors = Sculpt()
    place = belt_x[0] - 0.1 * length
    mirrors.boxes([[place, side * (half + 0.07), belt_z[0] + 0.1] for side in (1, -1)], (0.12, 0.2, 0.15), paint[0], paint[1])
    return body, mirrors


GLASS_ROOF: tuple[int, Colour] = (int(Material.CAR_GLASS), BLACK)


def _plates(body: Sculpt, length: float, height: float, rng: np.random.Generator) -> None:
    """Number plates, front and rear, the rear one with a lamp strip now and then."""
    wide, tall = (0.31, 0.155) if rng.random() < 0.6 else (0.5, 0.11)
    colour = YELLOW if rng.random() < 0.1 else WHITE
    corners = np.array([[0, wide / 2, -tall / 2], [0, -wide / 2, -tall / 2], [0, -wide / 2, tall / 2], [0, wide / 2, tall / 2]])
    rear = corners + [-length / 2 - 0.006, 0, height * (0.36 if rng.random() < 0.5 else 0.5)]
    plates = [rear] if rng.random() < 0.25 else [rear, corners + [length / 2 + 0.006, 0, height * 0.3]]
    body.quads(plates, int(Material.RETRO), colour)
    if rng.random() < 0.4:
        low = height * 0.27
        body.quads(
            [
                [
                    [length / 2 - 0.05, s * 0.8, low],
                    [length / 2 - 0.05, s * 0.6, low],
                    [length / 2, s * 0.6, low + 0.08],
                    [length / 2 - 0.05, s * 0.8, low + 0.08],
                ]
                for s in (1, -1)
            ],
            LAMP,
            AMBER,
        )
