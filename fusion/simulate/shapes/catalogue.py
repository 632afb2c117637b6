"""Every shape by name: what has a label (`make_shape`) and what only looks as if it had (`make_clutter`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from fusion.simulate.mesh import Mesh
from fusion.simulate.shapes.bus import make_bendy_section, make_bus
from fusion.simulate.shapes.car import make_car
from fusion.simulate.shapes.container import containers
from fusion.simulate.shapes.cycle import make_bicycle, make_motorcycle
from fusion.simulate.shapes.furniture import FURNITURE
from fusion.simulate.shapes.heaps import HEAPS
from fusion.simulate.shapes.light_trailer import make_light_trailer, make_site_trailer
from fusion.simulate.shapes.machine import make_machine
from fusion.simulate.shapes.masts import MASTS
from fusion.simulate.shapes.person import make_person, make_stroller, make_wheelchair
from fusion.simulate.shapes.plants import PLANTS
from fusion.simulate.shapes.sculpt import Sculpt
from fusion.simulate.shapes.shape import Shape
from fusion.simulate.shapes.small import BARRIERS, make_barrier, make_cone
from fusion.simulate.shapes.trailer import make_semi_trailer, make_trailer
from fusion.simulate.shapes.truck import TRUCKS, make_truck

_MAKERS: dict[str, Callable[[np.random.Generator], Shape]] = {
    "vehicle.car": make_car,
    "vehicle.truck": make_truck,
    "vehicle.bus.rigid": make_bus,
    "vehicle.bus.bendy": make_bendy_section,
    "vehicle.trailer": make_trailer,
    "vehicle.construction": make_machine,
    "vehicle.motorcycle": make_motorcycle,
    "vehicle.bicycle": make_bicycle,
    "human.pedestrian.adult": partial(make_person, "adult"),
    "human.pedestrian.child": partial(make_person, "child"),
    "human.pedestrian.construction_worker": partial(make_person, "construction_worker"),
    "human.pedestrian.police_officer": partial(make_person, "police_officer"),
    "human.pedestrian.wheelchair": make_wheelchair,
    "human.pedestrian.stroller": make_stroller,
    "movable_object.trafficcone": make_cone,
    "movable_object.barrier": make_barrier,
}
_SORTS: dict[tuple[str, str], Callable[[np.random.Generator], Shape]] = {
    ("vehicle.trailer", "semi"): make_semi_trailer,
    ("vehicle.trailer", "light"): make_light_trailer,
    ("vehicle.trailer", "site"): make_site_trailer,
    **{("vehicle.truck", sort): partial(make_truck, sort=sort) for sort in TRUCKS},
    **{("movable_object.barrier", sort): maker for sort, (_, maker) in BARRIERS.items()},
}
_CLUTTER: dict[str, Callable[[Sculpt, np.random.Generator], None]] = {**FURNITURE, **MASTS, **HEAPS, **PLANTS, "container": containers}

CATEGORIES: tuple[str, ...] = tuple(_MAKERS)
"""nuScenes categories that have shapes: all that its ten detection classes consist of, and two of people that belong to none of them."""

SORTS: tuple[tuple[str, str], ...] = tuple(_SORTS)
"""Categories with the sorts of them that may be asked for."""

CLUTTER: tuple[str, ...] = tuple(_CLUTTER)
"""Names of things without a label."""


def make_shape(category: str, rng: np.random.Generator, sort: str = "") -> Shape:
    """A random object of a nuScenes category; `sort` "" for any of that category's.

    Raises:
        ValueError: the category has no shapes, or not this sort of them.
    """
    if category not in _MAKERS:
        raise ValueError(f"category: expected one of {', '.join(CATEGORIES)}, got {category!r}")
    if not sort:
        return _MAKERS[category](rng)
    if (category, sort) not in _SORTS:
        raise ValueError(f"sort: expected one of {', '.join(s for c, s in SORTS if c == category)}, got {sort!r}")
    return _SORTS[category, sort](rng)


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
