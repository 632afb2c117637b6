"""Pedestrians: adults, children, construction workers, police officers; wheelchairs and strollers, which nuScenes names apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import BLACK, DARK, GREY, LIME, ORANGE, STEEL, WHITE, YELLOW, clothing, srgb
from fusion.simulate.shapes.limbs import CLOTH, Looks, Pose, add_person, random_looks, seated, standing, walking
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape, fitted, spread
from fusion.simulate.shapes.wheels import add_wheels

PHASES = 6
METAL, PLASTIC = int(Material.METAL), int(Material.PLASTIC)
_NAVY = srgb("151d33")


def make_person(kind: str, rng: np.random.Generator) -> Shape:
    """A pedestrian; `kind` is "adult", "child", "construction_worker" or "police_officer"."""
    height = spread(rng, 1.24, 0.16, 0.95, 1.55) if kind == "child" else spread(rng, 1.745, 0.085, 1.52, 2.0)
    looks = random_looks(rng, height)
    if kind == "construction_worker":
        vest = (LIME, ORANGE)[rng.integers(2)]
        looks = replace(
            looks,
            vest=vest,
            head="hardhat" if rng.random() < 0.85 else "cap",
            hat=(WHITE, YELLOW, ORANGE)[rng.integers(3)],
            coat=False,
            bag=None,
            legs=vest if rng.random() < 0.25 else looks.legs,
            bare_legs=False,
            backpack=None,
        )
    elif kind == "police_officer":
        looks = replace(
            looks,
            top=_NAVY,
            legs=_NAVY if rng.random() < 0.7 else BLACK,
            head="cap",
            hat=_NAVY,
            vest=LIME if rng.random() < 0.4 else None,
            bare_legs=False,
            coat=False,
            bag=None,
            backpack=None,
        )
    pose_draw, carry = rng.random(2)
    category = f"human.pedestrian.{kind}"
    if kind in ("adult", "child") and pose_draw < 0.055:
        return _sitting(category, looks, rng)
    stride = float(np.clip(1.4 * height / 1.75 * rng.normal(1.0, 0.06), 0.6, 1.7))
    phases = []
    resting = standing(looks, rng)
    stands = pose_draw > 0.72
    for step in range(1 if stands else PHASES):
        pose = resting if stands else walking(looks, step / PHASES, stride)
        body = Sculpt()
        add_person(body, looks, pose)
        _carried(body, looks, pose, kind, carry, np.random.default_rng(int(carry * 2**32)))
        phases.append(body)
    loose = rng.uniform(0.0, 0.08, 2)
    attributes = "pedestrian.moving", "pedestrian.standing"
    return fitted(category, phases, stride_m=0.0 if stands else stride, attributes=attributes, loose_lw=(float(loose[0]), float(loose[1])))


def _carried(body: Sculpt, looks: Looks, pose: Pose, kind: str, draw: float, rng: np.random.Generator) -> None:
    """Bags, umbrellas, tools. The generator is the same in every phase."""
    h = looks.height_m / 1.75
    if looks.bag is not None:
        body.boxes(pose.hands[0] + [0, 0.02, -0.22 * h], (0.3 * h, 0.1 * h, 0.28 * h), CLOTH, looks.bag)
    if kind == "adult" and draw < 0.05:
        top = np.array([0.15 * h, 0.0, looks.height_m + 0.22])
        canopy = [[*top[:2], top[2] - 0.2, 0.5, 0.5], [*top[:2], top[2] - 0.06, 0.3, 0.3], [*top[:2], top[2], 0.02, 0.02]]
        body.column(canopy, CLOTH, clothing(rng), lid=False)
        body.tubes([[0.15 * h, 0, 1.1 * h]], [top], 0.012, METAL, GREY, sides=3)
    elif kind == "construction_worker" and draw < 0.15:
        foot = pose.hands[1] + [0.15, 0, 0]
        body.tubes([foot * [1, 1, 0]], [foot * [1, 1, 0] + [0.05, 0, 1.4 * h]], 0.018, int(Material.WOOD), srgb("a87f4f"), sides=4)
        body.boxes(foot * [1, 1, 0] + [0, 0, 0.14], (0.04, 0.22, 0.28), METAL, STEEL)


def make_stroller(rng: np.random.Generator) -> Shape:
    """A stroller without whoever pushes it."""
    body, colour = Sculpt(), clothing(rng)
    turn = np.array([[np.cos(0.5), 0, np.sin(0.5)], [0, 1, 0], [-np.sin(0.5), 0, np.cos(0.5)]])
    body.boxes([0.72, 0, 0.6], (0.62, 0.4, 0.28), CLOTH, colour, turn)
    body.boxes([0.55, 0, 0.88], (0.36, 0.4, 0.25), CLOTH, colour)
    body.tubes(
        [[0.3, s, 1.02] for s in (0.2, -0.2)] + [[0.5, s, 0.85] for s in (0.2, -0.2)],
        [[0.9, s, 0.14] for s in (0.2, -0.2)] + [[0.45, s, 0.1] for s in (0.2, -0.2)],
        0.014,
        METAL,
        DARK,
        sides=3,
    )
    add_wheels(body, [0.45, 0.92], 0.27, 0.1, 0.05, GREY, sides=6)
    size = spread(rng, 0.95, 0.08, 0.8, 1.15), spread(rng, 0.56, 0.04, 0.48, 0.66), spread(rng, 1.04, 0.05, 0.92, 1.15)
    return fitted("human.pedestrian.stroller", [body], size, attributes=("pedestrian.moving", "pedestrian.standing"))


def _sitting(category: str, looks: Looks, rng: np.random.Generator) -> Shape:
    body = Sculpt()
    looks = replace(looks, coat=False)
    add_person(body, looks, seated(looks, spread(rng, 0.42, 0.04, 0.3, 0.5)))
    attribute = "pedestrian.sitting_lying_down"
    return fitted(category, [body], attributes=(attribute, attribute))


def make_wheelchair(rng: np.random.Generator) -> Shape:
    """Somebody in a wheelchair."""
    body = Sculpt()
    looks = replace(random_looks(rng, spread(rng, 1.72, 0.09, 1.5, 1.95)), coat=False)
    pose = seated(looks, 0.5)
    add_person(body, looks, replace(pose, ankles=pose.ankles + [0.05, 0, 0.1]))
    body.box((-0.22, -0.22, 0.44), (0.25, 0.22, 0.5), CLOTH, BLACK)
    body.box((-0.26, -0.22, 0.48), (-0.2, 0.22, 0.98), CLOTH, BLACK)
    body.tubes(
        [[-0.25, s, 0.95] for s in (0.24, -0.24)] + [[-0.2, s, 0.7] for s in (0.25, -0.25)],
        [[-0.38, s, 0.98] for s in (0.24, -0.24)] + [[0.3, s, 0.68] for s in (0.25, -0.25)],
        0.016,
        METAL,
        STEEL,
        sides=4,
    )
    add_wheels(body, [-0.05], 0.33, 0.3, 0.04, GREY, sides=10, rim_share=0.9)
    add_wheels(body, [0.35], 0.24, 0.1, 0.05, GREY, sides=6)
    return fitted("human.pedestrian.wheelchair", [body], attributes=("pedestrian.moving", "pedestrian.sitting_lying_down"))
