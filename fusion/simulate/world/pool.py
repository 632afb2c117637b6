"""Pools of shapes, so that like things share one mesh."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fusion.simulate.mesh import Mesh
from fusion.simulate.shapes.bus import make_bendy_bus
from fusion.simulate.shapes.catalogue import make_clutter, make_shape
from fusion.simulate.shapes.shape import Shape
from fusion.simulate.world.draw import maybe
from fusion.simulate.world.plants import tree

_POOL = {"vehicle.car": 16, "human.pedestrian.adult": 8, "vehicle.truck": 6, "vehicle.trailer": 6}
_TREES = ("tree_round", "tree_cone", "tree_column", "tree_young", "palm")


@dataclass
class Pool:
    """Shapes and clutter made once and used again; how many different ones there are depends on the kind."""

    rng: np.random.Generator
    shapes: dict[tuple[str, str, str], list[Shape]] = field(default_factory=dict)
    bendy: list[tuple[Shape, Shape]] = field(default_factory=list)
    clutter: dict[str, list[Mesh]] = field(default_factory=dict)

    def shape(self, category: str, state: str = "", sort: str = "") -> Shape:
        """One shape of a category.

        Args:
            category: nuScenes category.
            state: "moves" for one with a rider or a gait, "rests" for one without a rider or a person who stands, "sits"; "" for any.
            sort: one of the catalogue's sorts of it; "" for any.
        """
        known = self.shapes.setdefault((category, state, sort), [])
        if len(known) >= _POOL.get(category, 4):
            return known[int(self.rng.integers(len(known)))]
        for _ in range(12):
            shape = make_shape(category, self.rng, sort)
            if _is_in(shape, state):
                break
        known.append(shape)
        return shape

    def bendy_bus(self) -> tuple[Shape, Shape]:
        """The front and the rear section of an articulated bus."""
        if len(self.bendy) < 2:
            self.bendy.append(make_bendy_bus(self.rng))
            return self.bendy[-1]
        return self.bendy[int(self.rng.integers(2))]

    def thing(self, kind: str) -> Mesh:
        """One piece of clutter."""
        known = self.clutter.setdefault(kind, [])
        if len(known) < 3:
            known.append(make_clutter(kind, self.rng))
            return known[-1]
        return known[int(self.rng.integers(len(known)))]

    def tree(self) -> Mesh:
        """One tree."""
        known = self.clutter.setdefault("#tree", [])
        if len(known) < 12:
            known.append(tree(self.rng) if maybe(self.rng, 0.65) else make_clutter(_TREES[int(self.rng.integers(len(_TREES)))], self.rng))
            return known[-1]
        return known[int(self.rng.integers(len(known)))]


def _is_in(shape: Shape, state: str) -> bool:
    if not state or shape.category in ("human.pedestrian.wheelchair", "human.pedestrian.stroller"):
        return True
    if shape.category.startswith("human"):
        sits = shape.resting == "pedestrian.sitting_lying_down"
        return {"moves": len(shape.meshes) > 1, "rests": len(shape.meshes) == 1 and not sits, "sits": sits}[state]
    rider = {"moves": "cycle.with_rider"}.get(state, "cycle.without_rider")
    return not shape.resting.startswith("cycle") or shape.resting == rider
