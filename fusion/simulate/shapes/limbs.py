"""A person as joints and limbs, for walkers and riders alike, all phases of a gait at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import BLACK, BROWN, DARK, WHITE, Colour, clothing, hair, skin, trousers
from fusion.simulate.shapes.sculpt import Sculpt

CLOTH, SKIN, PLASTIC, RETRO = int(Material.CLOTH), int(Material.SKIN), int(Material.PLASTIC), int(Material.RETRO)


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Clothes and build of one person.

    Attributes:
        height_m: standing, without hat.
        girth: factor on widths.
        top, legs, skin, hair, shoes: colours.
        bare_arms, bare_legs: short sleeves, shorts.
        vest: colour of a vest with reflective stripes, or None.
        head: "hair", "long", "cap", "hardhat", "helmet", "hood".
        hat: its colour.
        coat: a coat or skirt that hangs over the thighs.
        backpack: its colour, or None.
        bag: colour of a hand-bag, or None.
    """

    height_m: float
    girth: float
    top: Colour
    legs: Colour
    skin: Colour
    hair: Colour
    shoes: Colour = DARK
    bare_arms: bool = False
    bare_legs: bool = False
    vest: Colour | None = None
    head: str = "hair"
    hat: Colour = BLACK
    coat: bool = False
    backpack: Colour | None = None
    bag: Colour | None = None


def random_looks(rng: np.random.Generator, height_m: float) -> Looks:
    """Anyone in the street."""
    draw = rng.random(8)
    head = "hair" if draw[0] < 0.45 else "long" if draw[0] < 0.72 else "cap" if draw[0] < 0.88 else "hood"
    return Looks(
        height_m=height_m,
        girth=float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3)),
        top=clothing(rng),
        legs=trousers(rng),
        skin=skin(rng),
        hair=hair(rng),
        shoes=(BLACK, DARK, WHITE, BROWN)[rng.integers(4)],
        bare_arms=bool(draw[1] < 0.3),
        bare_legs=bool(draw[2] < 0.15),
        head=head,
        hat=clothing(rng),
        coat=bool(draw[3] < 0.25),
        backpack=clothing(rng) if draw[4] < 0.2 else None,
        bag=clothing(rng) if draw[5] < 0.18 else None,
    )


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Joints in metres, x forward, y left, z up; sides left, right.

    Attributes:
        hip, shoulder: `(3,)` middle of the hips and of the shoulders.
        knees, ankles, elbows, hands: `(2, 3)`.
        toes: `(2, 3)` direction of the feet, unit.
        lean_rad: how far the head leans forward.
    """

    hip: np.ndarray
    shoulder: np.ndarray
    knees: np.ndarray
    ankles: np.ndarray
    elbows: np.ndarray
    hands: np.ndarray
    toes: np.ndarray
    lean_rad: float = 0.0


def add_person(body: Sculpt, looks: Looks, pose: Pose) -> None:
    """Limbs, trunk, head and what is worn, at one pose."""
    h, g = looks.height_m / 1.75, looks.girth
    across = np.array([0.0, 1.0, 0.0])
    sides = np.array([[1.0], [-1.0]])
    hips = pose.hip + sides * across * 0.09 * h * (0.6 + 0.4 * g)
    arms = pose.shoulder + sides * across * 0.185 * h * (0.5 + 0.5 * g) + [0, 0, -0.03 * h]
    calf = looks.skin if looks.bare_legs else looks.legs
    sleeve, forearm = looks.top, looks.skin if looks.bare_arms else looks.top
    starts = np.concatenate([hips, pose.knees, arms, pose.elbows])
    ends = np.concatenate([pose.knees, pose.ankles, pose.elbows, pose.hands])
    r0 = np.repeat(np.array([0.088 * g, 0.062 * g, 0.056 * g, 0.043 * g]), 2) * h
    r1 = np.repeat(np.array([0.064 * g, 0.048, 0.044 * g, 0.034]), 2) * h
    colour = np.repeat(np.array([looks.legs, calf, sleeve, forearm]), 2, axis=0)
    bare = np.repeat([CLOTH, SKIN if looks.bare_legs else CLOTH, CLOTH, SKIN if looks.bare_arms else CLOTH], 2)
    body.tubes(starts, ends, r0, bare, colour, r1, sides=5)
    _feet(body, pose, looks, h)
    body.balls(pose.hands, (0.035 * h, 0.03 * h, 0.05 * h), SKIN, looks.skin, rings=1, sides=4)
    _trunk(body, looks, pose, h, g)
    _head(body, looks, pose, h)


def _feet(body: Sculpt, pose: Pose, looks: Looks, h: float) -> None:
    toes = pose.toes
    up = np.cross(toes, [0.0, 1.0, 0.0])
    turn = np.stack([toes, np.tile([0.0, 1.0, 0.0], (2, 1)), up], axis=2)
    body.boxes(pose.ankles + toes * 0.055 * h - up * 0.035 * h, (0.25 * h, 0.09 * h, 0.08 * h), PLASTIC, looks.shoes, turn)


def _trunk(body: Sculpt, looks: Looks, pose: Pose, h: float, g: float) -> None:
    """Ellipses from the seat to the neck, along the line from hip to shoulder."""
    along = pose.shoulder - pose.hip
    levels = np.array([-0.22, 0.02, 0.35, 0.75, 0.98, 1.12])
    half_x = np.array([0.095, 0.115, 0.105, 0.12, 0.095, 0.05]) * h * g
    half_y = np.array([0.14, 0.165, 0.148, 0.185, 0.18, 0.055]) * h * (0.4 + 0.6 * g)
    if looks.coat:
        levels[0], half_x[0], half_y[0] = -0.85, 0.15 * h * g, 0.20 * h * g
    centres = pose.hip + levels[:, None] * along
    if looks.coat:
        centres[0, :2] = pose.hip[:2]
    colours = np.array([looks.legs if not looks.coat else looks.top] + [looks.top] * 4)
    materials = np.full(5, CLOTH)
    if looks.vest is not None:
        colours[1:4] = looks.vest
    rows = np.column_stack([centres, half_x, half_y])
    body.column(rows, np.repeat(materials, 8), np.repeat(colours, 8, axis=0), lid=False)
    if looks.vest is not None:
        for low, high in ((0.28, 0.4), (0.55, 0.66)):
            band = np.stack([pose.hip + low * along, pose.hip + high * along])
            wide = np.interp([low, high], levels, half_x) + 0.008, np.interp([low, high], levels, half_y) + 0.008
            body.column(np.column_stack([band, *wide]), RETRO, WHITE, lid=False)
    if looks.backpack is not None:
        flat = along / np.linalg.norm(along)
        back = np.array([-flat[2], 0.0, flat[0]])
        turn = np.stack([-back, [0.0, 1.0, 0.0], flat], axis=1)
        body.boxes(pose.hip + 0.6 * along + back * (0.19 * h * g), (0.15 * h, 0.28 * h, 0.4 * h), CLOTH, looks.backpack, turn)


def _head(body: Sculpt, looks: Looks, pose: Pose, h: float) -> None:
    lean = np.array([np.sin(pose.lean_rad), 0.0, np.cos(pose.lean_rad)])
    along = (pose.shoulder - pose.hip) / np.linalg.norm(pose.shoulder - pose.hip)
    centre = pose.shoulder + along * 0.09 * h + lean * 0.09 * h + [0.025 * h, 0, 0]
    body.balls(centre, (0.095 * h, 0.075 * h, 0.12 * h), SKIN, looks.skin)
    above = centre + [-0.02 * h, 0, 0.03 * h]
    if looks.head in ("cap", "hardhat", "helmet"):
        size = {"cap": (0.1, 0.085, 0.095), "hardhat": (0.125, 0.11, 0.11), "helmet": (0.125, 0.105, 0.13)}[looks.head]
        material = CLOTH if looks.head == "cap" else PLASTIC
        body.balls(above + [0.01 * h, 0, 0], np.array(size) * h, material, looks.hat)
        if looks.head != "helmet":
            body.boxes(above + [0.11 * h, 0, 0.0], (0.1 * h, 0.13 * h, 0.015), material, looks.hat)
    elif looks.head == "hood":
        body.balls(above, (0.115 * h, 0.1 * h, 0.13 * h), CLOTH, looks.top)
    else:
        body.balls(above, (0.098 * h, 0.084 * h, 0.1 * h), CLOTH, looks.hair)
        if looks.head == "long":
            body.boxes(centre + [-0.075 * h, 0, -0.09 * h], (0.06 * h, 0.15 * h, 0.22 * h), CLOTH, looks.hair)


def standing(looks: Looks, rng: np.random.Generator) -> Pose:
    """Upright, arms down or with one hand up (a phone), feet a little apart."""
    h = looks.height_m / 1.75
    shift = rng.normal(0, 0.04, 8) * h
    sides = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    hip, shoulder = np.array([0.0, 0, 0.92]) * h, np.array([0.0, 0, 1.42]) * h
    ankles = sides * (0.11 + abs(shift[0])) * h + np.array([[shift[1], 0, 0.08 * h], [shift[2], 0, 0.08 * h]])
    knees = (ankles + hip) / 2 + [0.03 * h, 0, 0]
    out = 0.26 * looks.girth**0.5
    elbows = sides * out * h + [-0.03 * h, 0, 1.13 * h]
    hands = sides * (out + 0.01) * h + [0.05 * h, 0, 0.88 * h]
    for side in (0, 1):
        if rng.random() < 0.25:
            hands[side] = sides[side] * 0.1 * h + [0.27 * h, 0, (1.15 + shift[3]) * h]
            elbows[side, 0] = 0.0
    return Pose(
        hip=hip,
        shoulder=shoulder,
        knees=knees,
        ankles=ankles,
        elbows=elbows,
        hands=hands,
        toes=np.tile([1.0, 0.0, 0.0], (2, 1)),
        lean_rad=float(rng.normal(0.1, 0.1)),
    )


def walking(looks: Looks, phase: float, stride_m: float) -> Pose:
    """One moment of a walk: `phase` in [0, 1) of a whole stride (two steps)."""
    h = looks.height_m / 1.75
    turn = 2 * np.pi * (phase + np.array([0.0, 0.5]))
    reach = stride_m / 4 * 0.86
    swing = np.maximum(np.cos(turn), 0.0)
    side = np.array([1.0, -1.0])
    forward, lift = np.sin(turn) * reach, 0.09 * h * swing**2
    drop = 0.025 * h * np.abs(np.sin(turn[0]))
    hip, shoulder = np.array([0.0, 0.0, 0.92 * h - drop]), np.array([0.03 * h, 0.0, 1.42 * h - drop])
    ankles = np.column_stack([forward, side * 0.085 * h, 0.08 * h + lift + np.maximum(-np.sin(turn), 0) * 0.05 * h])
    knees = (ankles + hip) / 2 + np.column_stack([0.045 * h + 0.1 * h * swing, side * 0.035 * h, 0.02 * h * swing])
    pitch = np.where(forward > 0, 0.25, -0.5) * np.abs(np.sin(turn))
    toes = np.column_stack([np.cos(pitch), np.zeros(2), np.sin(pitch)])
    arm = -np.sin(turn) * 0.42
    out = 0.25 * looks.girth**0.5
    upper, fore = 0.29 * h, 0.26 * h
    top = shoulder + [0.0, 0.0, -0.03 * h]
    elbows = np.column_stack([top[0] + np.sin(arm) * upper, side * out * h, top[2] - np.cos(arm) * upper])
    bent = arm + 0.45
    hands = elbows + np.column_stack([np.sin(bent) * fore, -side * 0.01 * h, -np.cos(bent) * fore])
    return Pose(hip=hip, shoulder=shoulder, knees=knees, ankles=ankles, elbows=elbows, hands=hands, toes=toes, lean_rad=0.05)


def seated(looks: Looks, seat_z: float) -> Pose:
    """On a bench or in a wheelchair, shins down."""
    h = looks.height_m / 1.75
    sides = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    hip, shoulder = np.array([0.0, 0, seat_z + 0.08]), np.array([-0.05 * h, 0, seat_z + 0.08 + 0.5 * h])
    knees = sides * 0.1 * h + [0.42 * h, 0, seat_z + 0.05]
    ankles = sides * 0.1 * h + [0.45 * h, 0, 0.08 * h]
    elbows = sides * 0.25 * h + [0.02, 0, seat_z + 0.3 * h]
    hands = sides * 0.12 * h + [0.27 * h, 0, seat_z + 0.17 * h]
    return Pose(
        hip=hip, shoulder=shoulder, knees=knees, ankles=ankles, elbows=elbows, hands=hands, toes=np.tile([1.0, 0.0, 0.0], (2, 1)), lean_rad=0.15
    )
