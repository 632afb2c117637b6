"""What a maker of shapes gives back, and how a sculpture becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.simulate.mesh import Mesh, join
from fusion.simulate.shapes.sculpt import Sculpt


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One object without a place.

    Attributes:
        category: nuScenes' category.
        size_lwh: `(3,)` length, width, height of its box, metres: tight around the meshes, door mirrors apart.
        meshes: the body in the box's frame (origin at the gravity centre, x forward); several are phases of a gait.
        stride_m: way after which the phases repeat; 0 with one mesh.
        moving, resting: nuScenes' attribute in motion and at rest; "" for none.
    """

    category: str
    size_lwh: np.ndarray
    meshes: tuple[Mesh, ...]
    stride_m: float = 0.0
    moving: str = ""
    resting: str = ""


def fitted(
    category: str,
    phases: Sequence[Sculpt],
    size_lwh: tuple[float, float, float] | np.ndarray | None = None,
    outside: Sculpt | None = None,
    stride_m: float = 0.0,
    attributes: tuple[str, str] = ("", ""),
    loose_lw: tuple[float, float] = (0.0, 0.0),
) -> Shape:
    """Stretch a body to `size_lwh` (None keeps it) and put its origin at the centre; `outside` (mirrors) goes along but does not count.

    Phases share one box, and each stands on its bottom; the box is longer and wider by `loose_lw`, as annotators leave room around limbs.
    """
    bounds = np.stack([phase.bounds() for phase in phases])
    low, high = bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)
    size = high - low if size_lwh is None else np.asarray(size_lwh, np.float64)
    scale = size / (high - low)
    meshes = []
    for phase, (own_low, _) in zip(phases, bounds, strict=True):
        down = np.array([0.0, 0.0, own_low[2] - low[2]])
        shift = -((low + high) / 2 + down) * scale
        mesh = phase.mesh(scale, shift)
        meshes.append(mesh if outside is None else join([mesh, outside.mesh(scale, shift)]))
    return Shape(
        category=category, size_lwh=size + [*loose_lw, 0.0], meshes=tuple(meshes), stride_m=stride_m, moving=attributes[0], resting=attributes[1]
    )


def spread(rng: np.random.Generator, mean: float, std: float, low: float, high: float) -> float:
    """A normal figure within bounds."""
    return float(np.clip(rng.normal(mean, std), low, high))
