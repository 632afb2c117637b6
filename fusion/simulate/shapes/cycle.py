"""Bicycles and motorcycles, with and without riders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import BLACK, CHROME, DARK, GREY, HEAD_LAMP, RED, STEEL, TAIL_LAMP, TYRE, WHITE, car_paint, clothing
from fusion.simulate.shapes.limbs import Pose, add_person, random_looks
from fusion.simulate.shapes.sculpt import Sculpt, circle
from fusion.simulate.shapes.shape import Shape, fitted, spread

METAL, PLASTIC, RUBBER, LAMP, RETRO, CLOTH = (
    int(m) for m in (Material.METAL, Material.PLASTIC, Material.RUBBER, Material.LAMP, Material.RETRO, Material.CLOTH)
)
PEDAL_PHASES = 4
WITH_RIDER, WITHOUT_RIDER = "cycle.with_rider", "cycle.without_rider"


def thin_wheel(body: Sculpt, x: float, radius_m: float, tube_m: float, sides: int = 12, spokes: int = 6) -> None:
    """A bicycle's wheel: a thin tyre, a few spokes, a hub."""
    ring = circle(sides)
    centre = np.array([x, 0.0, radius_m])
    profile = [(radius_m, 0.0), (radius_m - tube_m, tube_m / 2), (radius_m - tube_m * 1.8, 0.0), (radius_m - tube_m, -tube_m / 2)]
    rings = np.stack([np.column_stack([ring[:, 0] * r, np.full(sides, y), ring[:, 1] * r]) for r, y in (*profile, profile[0])]) + centre
    body.loft(rings, RUBBER, TYRE, closed=True)
    rim = circle(spokes) * (radius_m - tube_m)
    ends = centre + np.column_stack([rim[:, 0], np.zeros(spokes), rim[:, 1]])
    blade = np.column_stack([-rim[:, 1], np.zeros(spokes), rim[:, 0]]) / radius_m * 0.006
    body.quads(
        np.stack([np.tile(centre, (spokes, 1)) - blade, ends - blade, ends + blade, np.tile(centre, (spokes, 1)) + blade], axis=1), METAL, GREY
    )


def make_bicycle(rng: np.random.Generator) -> Shape:
    """A bicycle; about half have a rider."""
    rider = bool(rng.random() < 0.5)
    size = (
        spread(rng, 1.70, 0.14, 1.35, 2.0),
        spread(rng, 0.60, 0.1, 0.45, 0.85),
        spread(rng, 1.62, 0.09, 1.4, 1.85) if rider else spread(rng, 1.0, 0.07, 0.85, 1.2),
    )
    colour = car_paint(rng)[1] if rng.random() < 0.8 else clothing(rng)
    looks = random_looks(rng, 1.72)
    draw = rng.random(5)
    helmet = draw[0] < 0.55
    looks = replace(looks, head="helmet" if helmet else looks.head, hat=clothing(rng), coat=False, bag=None)
    phases = []
    for step in range(PEDAL_PHASES if rider else 1):
        body = Sculpt()
        _bicycle(body, colour, draw, step / PEDAL_PHASES)
        if rider:
            crank = 2 * np.pi * (step / PEDAL_PHASES + np.array([0.0, 0.5]))
            add_person(body, looks, _cyclist(crank, upright=draw[1] < 0.6))
        phases.append(body)
    attribute = WITH_RIDER if rider else WITHOUT_RIDER
    return fitted("vehicle.bicycle", phases, size, stride_m=5.0 if rider else 0.0, attributes=(attribute, attribute))


def _bicycle(body: Sculpt, colour: tuple[float, float, float], draw: np.ndarray, phase: float) -> None:
    r = 0.34
    for x in (0.52, -0.52):
        thin_wheel(body, x, r, 0.045)
    crank, seat, head, low_head = np.array([-0.08, 0, 0.3]), np.array([-0.26, 0, 0.82]), np.array([0.36, 0, 0.84]), np.array([0.39, 0, 0.68])
    if draw[2] < 0.3:
        head = np.array([0.34, 0, 0.88])
    hubs = np.array([[0.52, 0, r], [-0.52, 0, r]])
    top = np.array([-0.2, 0, 0.62]) if draw[2] < 0.3 else seat * [1, 1, 0.97]
    side = np.array([0, 0.05, 0])
    starts = [crank, crank, top, low_head + side, low_head - side, hubs[1] + side, hubs[1] - side, hubs[1] + side, hubs[1] - side, low_head]
    ends = [seat, low_head, head, hubs[0] + side, hubs[0] - side, crank, crank, seat * [1, 1, 0.95], seat * [1, 1, 0.95], head + [-0.02, 0, 0.18]]
    body.tubes(starts, ends, np.array([0.02, 0.024, 0.02, 0.014, 0.014, 0.012, 0.012, 0.011, 0.011, 0.018]), METAL, colour, sides=4)
    bar = head + [-0.02, 0, 0.18]
    body.tubes([bar + [0, 0.28, 0.02], bar + [0, -0.28, 0.02]], [bar + [-0.12, 0.3, 0.0], bar + [-0.12, -0.3, 0.0]], 0.016, RUBBER, BLACK, sides=4)
    body.tubes([bar + [0, 0.28, 0.02]], [bar + [0, -0.28, 0.02]], 0.014, METAL, STEEL, sides=4)
    body.frustum((-0.28, 0, 0.93), (0.27, 0.16, 0.06), (0.24, 0.1), CLOTH, BLACK)
    body.tubes([seat], [seat + [-0.02, 0, 0.1]], 0.014, METAL, STEEL, sides=4)
    angle = 2 * np.pi * phase
    pedal = 0.17 * np.array([np.sin(angle), 0, np.cos(angle)])
    for sign in (1, -1):
        body.boxes(crank + sign * pedal + [0, sign * 0.14, 0], (0.1, 0.09, 0.02), PLASTIC, BLACK)
    if draw[3] < 0.35:
        body.box((-0.85, -0.07, 0.7), (-0.35, 0.07, 0.73), METAL, DARK)
        if draw[4] < 0.5:
            body.boxes([[-0.58, s * 0.13, 0.54] for s in (1, -1)], (0.34, 0.12, 0.3), CLOTH, colour)
    elif draw[3] < 0.55:
        body.box((0.37, -0.17, 0.76), (0.66, 0.17, 0.99), PLASTIC, BLACK)
    body.boxes([[-0.72, 0, 0.62]], (0.02, 0.06, 0.06), RETRO, RED)


def _cyclist(crank: np.ndarray, upright: bool) -> Pose:
    side = np.array([1.0, -1.0])
    hip = np.array([-0.27, 0.0, 1.0])
    shoulder = hip + ([0.13, 0, 0.5] if upright else [0.32, 0, 0.4])
    ankles = np.column_stack([-0.08 + 0.17 * np.sin(crank) - 0.04, side * 0.13, 0.3 + 0.17 * np.cos(crank) + 0.12])
    knees = _two_bones(np.tile(hip, (2, 1)) + np.column_stack([np.zeros(2), side * 0.09, np.zeros(2)]), ankles, 0.43, 0.43, np.array([1.0, 0, 0.3]))
    hands = np.column_stack([np.full(2, 0.3), side * 0.28, np.full(2, 1.05)])
    elbows = (np.tile(shoulder, (2, 1)) + hands) / 2 + np.column_stack([np.full(2, -0.03), side * 0.13, np.full(2, -0.09)])
    return Pose(
        hip=hip, shoulder=shoulder, knees=knees, ankles=ankles, elbows=elbows, hands=hands, toes=np.tile([1.0, 0.0, 0.0], (2, 1)), lean_rad=0.15
    )


def _two_bones(start: np.ndarray, end: np.ndarray, upper_m: float, lower_m: float, towards: np.ndarray) -> np.ndarray:
    """`(N, 3)` joints between two bones that span from start to end, bent `towards`."""
    way = end - start
    gap = np.linalg.norm(way, axis=1, keepdims=True)
    unit = way / gap
    reach = np.minimum(gap, (upper_m + lower_m) * 0.999)
    along = (upper_m**2 - lower_m**2 + reach**2) / (2 * reach)
    bend = towards - (unit @ towards)[:, None] * unit
    bend /= np.linalg.norm(bend, axis=1, keepdims=True)
    joints: np.ndarray = start + unit * along * gap / reach + bend * np.sqrt(np.maximum(upper_m**2 - along**2, 0))
    return joints


def make_motorcycle(rng: np.random.Generator) -> Shape:
    """A motorcycle or scooter; about half have a rider."""
    rider, scooter = bool(rng.random() < 0.5), bool(rng.random() < 0.4)
    size = (
        spread(rng, 1.9 if scooter else 2.2, 0.14, 1.6, 2.6),
        spread(rng, 0.77, 0.09, 0.6, 1.0),
        spread(rng, 1.66, 0.09, 1.45, 1.9) if rider else spread(rng, 1.27, 0.1, 1.05, 1.5),
    )
    material, colour = car_paint(rng)
    looks = replace(random_looks(rng, 1.75), head="helmet", hat=clothing(rng) if rng.random() < 0.6 else BLACK, coat=False, bag=None, bare_legs=False)
    draw = rng.random(4)
    body = Sculpt()
    (_scooter if scooter else _motorbike)(body, material, colour, draw)
    if rider:
        add_person(body, looks, _biker(scooter))
        if draw[2] < 0.08:
            pillion = replace(random_looks(np.random.default_rng(int(draw[3] * 2**32)), 1.68), head="helmet", coat=False, bag=None)
            pose = _biker(True)
            back = np.array([-0.36, 0, 0.08])
            add_person(
                body,
                pillion,
                replace(
                    pose,
                    hip=pose.hip + back,
                    shoulder=pose.shoulder + back,
                    knees=pose.knees + back,
                    ankles=pose.ankles + back,
                    elbows=pose.elbows + back,
                    hands=pose.hands + [-0.45, 0, -0.1],
                ),
            )
    attribute = WITH_RIDER if rider else WITHOUT_RIDER
    return fitted("vehicle.motorcycle", [body], size, attributes=(attribute, attribute))


def _fat_wheels(body: Sculpt, xs: tuple[float, float], radius_m: float, width_m: float) -> None:
    for x in xs:
        ring = circle(11)
        profile = ((radius_m * 0.62, width_m / 2), (radius_m, width_m / 3), (radius_m, -width_m / 3), (radius_m * 0.62, -width_m / 2))
        rings = np.stack([np.column_stack([ring[:, 0] * r, np.full(11, y), ring[:, 1] * r]) for r, y in profile]) + [x, 0, radius_m]
        body.loft(rings, RUBBER, TYRE, closed=True)
        rim = rings[0][[0, 2, 4, 5, 7, 9]] * [1, 0, 1]
        body.fan(rim, METAL, STEEL)


def _motorbike(body: Sculpt, material: int, colour: tuple[float, float, float], draw: np.ndarray) -> None:
    _fat_wheels(body, (0.75, -0.72), 0.32, 0.15)
    body.frustum((0.03, 0, 0.46), (0.46, 0.36, 0.44), (0.62, 0.28), METAL, STEEL)
    body.box((-0.62, -0.1, 0.62), (0.3, 0.1, 0.76), METAL, DARK)
    body.frustum((0.2, 0, 0.83), (0.55, 0.28, 0.22), (0.38, 0.2), material, colour)
    body.frustum((-0.35, 0, 0.8), (0.7, 0.24, 0.13), (0.68, 0.2), CLOTH, BLACK)
    body.frustum((-0.72, 0, 0.82), (0.32, 0.2, 0.14), (0.25, 0.12), material, colour, (-0.03, 0))
    side = np.array([0, 0.09, 0])
    hub, head = np.array([0.75, 0, 0.32]), np.array([0.46, 0, 0.98])
    body.tubes(
        [hub + side, hub - side, [-0.72, 0.1, 0.32], [-0.72, -0.1, 0.32], [0.15, -0.17, 0.3], head + [0, 0.38, 0.06]],
        [head + side, head - side, [-0.1, 0.1, 0.42], [-0.1, -0.1, 0.42], [-0.75, -0.2, 0.42], head + [0, -0.38, 0.06]],
        np.array([0.035, 0.035, 0.03, 0.03, 0.05, 0.02]),
        METAL,
        CHROME,
        sides=5,
    )
    body.balls([[0.58, 0, 0.92]], (0.1, 0.1, 0.11), LAMP, HEAD_LAMP, rings=2)
    if draw[0] < 0.55:
        body.frustum((0.52, 0, 0.92), (0.36, 0.4, 0.42), (0.16, 0.28), material, colour, (-0.03, 0))
        body.quads([[[0.62, 0.16, 1.1], [0.62, -0.16, 1.1], [0.45, -0.12, 1.33], [0.45, 0.12, 1.33]]], int(Material.CAR_GLASS), DARK)
    if draw[1] < 0.3:
        body.box((-0.98, -0.2, 0.88), (-0.62, 0.2, 1.18), PLASTIC, BLACK)
        body.boxes([[-0.68, s * 0.28, 0.65] for s in (1, -1)], (0.45, 0.18, 0.36), PLASTIC, DARK)
    body.boxes([[0.74, 0, 0.68]], (0.4, 0.16, 0.04), material, colour)
    _rear_end(body, -0.92)
    body.boxes([[0.42, s * 0.37, 1.2] for s in (1, -1)], (0.03, 0.14, 0.09), PLASTIC, BLACK)


def _scooter(body: Sculpt, material: int, colour: tuple[float, float, float], draw: np.ndarray) -> None:
    _fat_wheels(body, (0.64, -0.6), 0.25, 0.13)
    body.frustum((-0.48, 0, 0.58), (0.78, 0.34, 0.34), (0.74, 0.28), material, colour)
    body.frustum((-0.36, 0, 0.8), (0.74, 0.28, 0.1), (0.7, 0.24), CLOTH, BLACK)
    body.box((-0.2, -0.2, 0.27), (0.42, 0.2, 0.34), material, colour)
    body.prism([(0.38, 0.3), (0.48, 0.3), (0.38, 1.0), (0.28, 1.0)], (-0.2, 0.2), material, colour)
    body.boxes([[0.64, 0, 0.52]], (0.36, 0.15, 0.06), material, colour)
    body.tubes([[0.64, 0.07, 0.25], [0.32, 0.36, 1.06]], [[0.4, 0.05, 0.8], [0.32, -0.36, 1.06]], np.array([0.03, 0.02]), METAL, STEEL, sides=5)
    body.frustum((0.38, 0, 1.05), (0.2, 0.3, 0.16), (0.12, 0.2), material, colour)
    body.balls([[0.47, 0, 1.02]], (0.05, 0.08, 0.06), LAMP, HEAD_LAMP, rings=2)
    body.boxes([[0.32, s * 0.35, 1.24] for s in (1, -1)], (0.03, 0.12, 0.1), PLASTIC, BLACK)
    if draw[1] < 0.4:
        body.box((-1.05, -0.2, 0.8), (-0.7, 0.2, 1.1), PLASTIC, colour if draw[1] < 0.2 else BLACK)
    _rear_end(body, -0.9)


def _rear_end(body: Sculpt, x: float) -> None:
    body.boxes([[x, 0, 0.74]], (0.04, 0.2, 0.07), LAMP, TAIL_LAMP)
    body.quads([[[x - 0.02, 0.1, 0.48], [x - 0.02, -0.1, 0.48], [x, -0.1, 0.64], [x, 0.1, 0.64]]], RETRO, WHITE)


def _biker(scooter: bool) -> Pose:
    side = np.array([1.0, -1.0])
    hip = np.array([-0.3, 0.0, 0.94])
    shoulder = hip + ([0.05, 0, 0.5] if scooter else [0.24, 0, 0.44])
    ankles = np.column_stack([np.full(2, 0.2 if scooter else -0.12), side * 0.2, np.full(2, 0.42 if scooter else 0.4)])
    hips = hip + np.column_stack([np.zeros(2), side * 0.09, np.zeros(2)])
    knees = _two_bones(hips, ankles, 0.43, 0.42, np.array([1.0, 0, 0.6])) + np.column_stack([np.zeros(2), side * 0.08, np.zeros(2)])
    hands = np.column_stack([np.full(2, 0.3 if scooter else 0.42), side * 0.33, np.full(2, 1.07)])
    elbows = (np.tile(shoulder, (2, 1)) + hands) / 2 + np.column_stack([np.full(2, -0.04), side * 0.13, np.full(2, -0.1)])
    return Pose(
        hip=hip, shoulder=shoulder, knees=knees, ankles=ankles, elbows=elbows, hands=hands, toes=np.tile([1.0, 0.0, 0.0], (2, 1)), lean_rad=0.1
    )
