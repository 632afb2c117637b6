"""Every shape by name: what has a label (`make_shape`) and what only looks as if it had (`make_clutter`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from fusion.simulate.mesh import Mesh
from fusion.simulate.shapes.bus import make_bendy_bus, make_bus
from fusion.simulate.shapes.car import make_car
from fusion.simulate.shapes.cycle import make_bicycle, make_motorcycle
from fusion.simulate.shapes.furniture import FURNITURE
from fusion.simulate.shapes.heaps import HEAPS
from fusion.simulate.shapes.machine import make_machine
from fusion.simulate.shapes.masts import MASTS
from fusion.simulate.shapes.person import make_person
from fusion.simulate.shapes.plants import PLANTS
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape
from fusion.simulate.shapes.small import make_barrier, make_cone
from fusion.simulate.shapes.trailer import make_trailer
from fusion.simulate.shapes.truck import make_truck

_MAKERS: dict[str, Callable[[np.random.Generator], Shape]] = {
    "vehicle.car": make_car,
    "vehicle.truck": make_truck,
    "vehicle.bus.rigid": make_bus,
    "vehicle.bus.bendy": make_bendy_bus,
    "vehicle.trailer": make_trailer,
    "vehicle.construction": make_machine,
    "vehicle.motorcycle": make_motorcycle,
    "vehicle.bicycle": make_bicycle,
    "human.pedestrian.adult": partial(make_person, "adult"),
    "human.pedestrian.child": partial(make_person, "child"),
    "human.pedestrian.construction_worker": partial(make_person, "construction_worker"),
    "human.pedestrian.police_officer": partial(make_person, "police_officer"),
    "movable_object.trafficcone": make_cone,
    "movable_object.barrier": make_barrier,
}
_CLUTTER: dict[str, Callable[[Sculpt, np.random.Generator], None]] = {**FURNITURE, **MASTS, **HEAPS, **PLANTS}

CATEGORIES: tuple[str, ...] = tuple(_MAKERS)
"""nuScenes categories that have shapes: all that its ten detection classes consist of."""

CLUTTER: tuple[str, ...] = tuple(_CLUTTER)
"""Names of things without a label."""


def make_shape(category: str, rng: np.random.Generator) -> Shape:
    """A random object of a nuScenes category.

    Raises:
        ValueError: the category has no shapes.
    """
    if category not in _MAKERS:
        raise ValueError(f"category: expected one of {', '.join(CATEGORIES)}, got {category!r}")
    return _MAKERS[category](rng)


def make_clutter(kind: str, rng: np.random.Generator) -> Mesh:
    """A random thing without a label, standing on z = 0 below its centre.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in _CLUTTER:
        raise ValueError(f"kind: expected one of {', '.join(CLUTTER)}, got {kind!r}")
    body = Sculpt()
    _CLUTTER[kind](body, rng)
    return body.mesh(scale=np.exp(rng.normal(0.0, 0.06, 3)))
