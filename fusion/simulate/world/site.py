"""The scene while it is put up: what already stands where, and pools of shapes so that like things share one mesh."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from fusion.geometry.transforms import pose_from_angles
from fusion.simulate.actor import Actor, Track
from fusion.simulate.mesh import Mesh
from fusion.simulate.shapes.catalogue import make_clutter, make_shape
from fusion.simulate.shapes.shape import Shape
from fusion.simulate.world.land import Land

_POOL = {"vehicle.car": 16, "human.pedestrian.adult": 12, "vehicle.truck": 6}


@dataclass
class Pool:
    """Shapes and clutter made once and used again; how many different ones there are depends on the kind."""

    rng: np.random.Generator
    shapes: dict[str, list[Shape]] = field(default_factory=dict)
    clutter: dict[str, list[Mesh]] = field(default_factory=dict)

    def shape(self, category: str) -> Shape:
        """One shape of a category."""
        known = self.shapes.setdefault(category, [])
        if len(known) < _POOL.get(category, 4):
            known.append(make_shape(category, self.rng))
            return known[-1]
        return known[int(self.rng.integers(len(known)))]

    def thing(self, kind: str) -> Mesh:
        """One piece of clutter."""
        known = self.clutter.setdefault(kind, [])
        if len(known) < 3:
            known.append(make_clutter(kind, self.rng))
            return known[-1]
        return known[int(self.rng.integers(len(known)))]


@dataclass
class Site:
    """Everything placed so far.

    Attributes:
        land: the ground.
        pool: of shapes.
        rng: for everything that is placed.
        taken: `(H, W)` uint8 over the land's frame, 1 where something stands.
        meshes: standing things, in the global frame.
        actors: labelled things.
    """

    land: Land
    pool: Pool
    rng: np.random.Generator
    taken: np.ndarray = field(init=False)
    meshes: list[Mesh] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taken = np.zeros(self.land.frame.shape, np.uint8)

    def near(self, xy: np.ndarray) -> float:
        """Distance from the ego's way, metres."""
        return float(self.land.frame.pick(self.land.way_m, xy))

    def footprint(self, xy: np.ndarray, yaw: float, length: float, width: float) -> np.ndarray:
        """`(4, 2)` corners of an upright box seen from above."""
        cos, sin = np.cos(yaw), np.sin(yaw)
        local = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (length / 2, width / 2)
        out: np.ndarray = local @ np.array([[cos, sin], [-sin, cos]]) + xy
        return out

    def free(self, xy: np.ndarray, yaw: float, length: float, width: float) -> bool:
        """Whether nothing stands in a rectangle."""
        corners = np.round(self.land.frame.pixels(self.footprint(xy, yaw, length, width))).astype(np.int32)
        lo, hi = np.maximum(corners.min(axis=0), 0), corners.max(axis=0) + 1
        window = self.taken[lo[1]:hi[1], lo[0]:hi[0]]
        if window.size == 0 or not window.any():
            return True
        mask = np.zeros(window.shape, np.uint8)
        cv2.fillConvexPoly(mask, corners - lo, 1)
        return not bool((mask & window).any())

    def take(self, xy: np.ndarray, yaw: float, length: float, width: float) -> None:
        """Mark a rectangle as occupied."""
        self.land.frame.fill(self.taken, [self.footprint(xy, yaw, length, width)], 1)

    def put(self, mesh: Mesh, xy: np.ndarray, yaw: float, clear_m: float | None = None, rise_m: float = 0.0) -> bool:
        """Set a mesh on the ground (origin at its foot). With `clear_m` only where nothing stands in its footprint grown by that much."""
        if clear_m is not None:
            low, high = mesh.bounds
            size = high - low
            middle = (low + high)[:2] / 2
            cos, sin = np.cos(yaw), np.sin(yaw)
            at = xy + [cos * middle[0] - sin * middle[1], sin * middle[0] + cos * middle[1]]
            if not self.free(at, yaw, size[0] + 2 * clear_m, size[1] + 2 * clear_m):
                return False
            self.take(at, yaw, float(size[0]), float(size[1]))
        z = float(self.land.height(np.asarray(xy)))
        self.meshes.append(mesh.moved(pose_from_angles((xy[0], xy[1], z + rise_m), yaw=yaw)))
        return True

    def stand(self, category: str, xy: np.ndarray, yaw: float, resting: str | None = None, clear_m: float = 0.2, shape: Shape | None = None) -> bool:
        """Place a labelled thing that does not move, if there is room."""
        shape = shape or self.pool.shape(category)
        length, width, height = shape.size_lwh
        if not self.free(xy, yaw, length + 2 * clear_m, width + 2 * clear_m):
            return False
        self.take(xy, yaw, float(length), float(width))
        pitch, roll = self.land.tilt(np.asarray(xy), np.asarray(yaw), max(float(length) * 0.6, 0.3), max(float(width) * 0.8, 0.3))
        if category.startswith("human"):
            pitch, roll = np.zeros(()), np.zeros(())
        z = float(self.land.height(np.asarray(xy))) + height / 2
        track = Track(times_s=np.zeros(1), poses=np.array([[xy[0], xy[1], z, yaw, float(pitch), float(roll)]]))
        self.actors.append(actor_of(shape, track, resting))
        return True


def actor_of(shape: Shape, track: Track, resting: str | None = None) -> Actor:
    """A shape with a track; `resting` replaces the attribute it has at rest."""
    actor = Actor(category=shape.category, size_lwh=np.asarray(shape.size_lwh, np.float64), meshes=shape.meshes, track=track, stride_m=shape.stride_m,
                  moving=shape.moving, resting=shape.resting)
    return actor if resting is None else replace(actor, resting=resting)
