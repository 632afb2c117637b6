"""The scene while it is put up: what already stands where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from fusion.geometry.transforms import pose_from_angles
from fusion.simulate.actor import Actor, Track
from fusion.simulate.mesh import Mesh
from fusion.simulate.shapes.shape import Shape
from fusion.simulate.world.combination import Combination
from fusion.simulate.world.draw import span
from fusion.simulate.world.land import REACH_M, Land
from fusion.simulate.world.pool import Pool

STANDS, DRIVEN, WALKED = 1, 2, 4
"""Bits of what ground is taken by: something that stands there, the sweep of a vehicle, the way of a person."""

STAND_M = 88.0
"""Labelled things stand so near to the ego's way."""


@dataclass
class Site:
    """Everything placed so far.

    Attributes:
        land: the ground.
        pool: of shapes.
        rng: for everything that is placed.
        taken: `(H, W)` uint8 over the land's frame, bits `STANDS`, `DRIVEN`, `WALKED`.
        meshes: standing things, in the global frame.
        actors: labelled things that stand.
        groups: a number for each of them; things of one group may touch each other.
    """

    land: Land
    pool: Pool
    rng: np.random.Generator
    taken: np.ndarray = field(init=False)
    meshes: list[Mesh] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taken = np.zeros(self.land.frame.shape, np.uint8)

    def near(self, xy: np.ndarray) -> float:
        """Distance from the ego's way, metres."""
        return float(self.land.frame.pick(self.land.way_m, xy))

    def free(self, xy: np.ndarray, yaw: float, length: float, width: float, bits: int = STANDS | DRIVEN | WALKED) -> bool:
        """Whether nothing that counts takes ground in a rectangle."""
        corners = np.round(self.land.frame.pixels(footprint(xy, yaw, length, width))).astype(np.int32)
        lo, hi = np.maximum(corners.min(axis=0), 0), corners.max(axis=0) + 1
        window = self.taken[lo[1]:hi[1], lo[0]:hi[0]]
        if window.size == 0 or not (window & bits).any():
            return True
        mask = np.zeros(window.shape, np.uint8)
        cv2.fillConvexPoly(mask, corners - lo, bits)  # type: ignore[call-overload]
        return not bool((mask & window).any())

    def take(self, xy: np.ndarray, yaw: float, length: float, width: float, bit: int = STANDS) -> None:
        """Mark a rectangle as taken."""
        p = self.land.frame.pixels(footprint(xy, yaw, length, width))
        lo = np.maximum(np.floor(p.min(axis=0)).astype(int) - 1, 0)
        hi = np.maximum(np.ceil(p.max(axis=0)).astype(int) + 2, 0)
        window = self.taken[lo[1]:hi[1], lo[0]:hi[0]]
        if window.size:
            mask = np.zeros(window.shape, np.uint8)
            cv2.fillConvexPoly(mask, np.round((p - lo) * 16).astype(np.int32), bit, shift=4)  # type: ignore[call-overload]
            window |= mask

    def put(self, mesh: Mesh, xy: np.ndarray, yaw: float, clear_m: float | None = None, rise_m: float = 0.0) -> bool:
        """Set a mesh on the ground (origin at its foot). With `clear_m` only where its footprint, grown by that much, is free."""
        if self.near(xy) > REACH_M:
            return False
        if clear_m is not None:
            low, high = mesh.bounds
            size, middle = high - low, (low + high)[:2] / 2
            cos, sin = np.cos(yaw), np.sin(yaw)
            at = xy + [cos * middle[0] - sin * middle[1], sin * middle[0] + cos * middle[1]]
            if not self.free(at, yaw, size[0] + 2 * clear_m, size[1] + 2 * clear_m):
                return False
            self.take(at, yaw, float(size[0]), float(size[1]))
        z = float(self.land.height(np.asarray(xy)))
        self.meshes.append(mesh.moved(pose_from_angles((xy[0], xy[1], z + rise_m), yaw=yaw)))
        return True

    def tree(self, xy: np.ndarray) -> bool:
        """A tree where what it has below 2.3 m has room; higher up its crown may hang over anything."""
        mesh = self.pool.tree()
        low = mesh.vertices[mesh.vertices[:, 2] < 2.3, :2]
        side = 2 * max(float(np.hypot(*low.T).max()), 0.25)
        if self.near(xy) > REACH_M or not self.free(xy, 0.0, side + 0.3, side + 0.3):
            return False
        self.take(xy, 0.0, side, side)
        return self.put(mesh, xy, span(self.rng, 0, 6.28))

    def stand(self, category: str, xy: np.ndarray, yaw: float, clear_m: float | None = 0.2, shape: Shape | None = None, state: str = "rests") -> bool:
        """Place a labelled thing that does not move, if there is room (`clear_m` around it, None for anywhere); vehicles count as parked."""
        if self.near(xy) > STAND_M:
            return False
        shape = shape or self.pool.shape(category, state)
        length, width = (float(side) for side in shape.size_lwh[:2])
        if clear_m is not None and not self.free(xy, yaw, length + 2 * clear_m, width + 2 * clear_m):
            return False
        self._add(shape, xy, yaw, len(self.actors))
        return True

    def stand_together(self, wholes: Sequence[tuple[Combination, np.ndarray, float]], clear_m: float = 0.1) -> list[bool]:
        """Place what stands in a row (middle, heading of each): all that have room among what stood before. They may touch one another."""
        room = 2 * clear_m
        fits = [self.near(xy) <= STAND_M and self.free(xy, yaw, whole.length_m + room, whole.width_m + room) for whole, xy, yaw in wholes]
        group = len(self.actors)
        for (whole, xy, yaw), fit in zip(wholes, fits, strict=True):
            for shape, place, heading in whole.places(xy, yaw) if fit else ():
                self._add(shape, place, heading, group)
        return fits

    def find(self, whole: Combination, draw: Callable[[], tuple[np.ndarray, float]], clear_m: float = 0.35, tries: int = 8) -> bool:
        """Place something at the first of a few drawn places (middle, heading) that has room for it, so that long things find theirs, too."""
        return any(self.stand_together([(whole, *draw())], clear_m)[0] for _ in range(tries))

    def _add(self, shape: Shape, xy: np.ndarray, yaw: float, group: int) -> None:
        length, width, height = (float(side) for side in shape.size_lwh)
        self.take(xy, yaw, length, width)
        pitch, roll = self.land.tilt(np.asarray(xy), np.asarray(yaw), max(length * 0.6, 0.3), max(width * 0.8, 0.3))
        upright = shape.category.startswith("human")
        track = Track(times_s=np.zeros(1), poses=np.array([[xy[0], xy[1], float(self.land.height(np.asarray(xy))) + height / 2, yaw,
                                                            0.0 if upright else float(pitch), 0.0 if upright else float(roll)]]))
        self.actors.append(actor_of(shape, track, "vehicle.parked" if shape.moving == "vehicle.moving" else None))
        self.groups.append(group)

    def cone(self, xy: np.ndarray) -> bool:
        """A traffic cone."""
        return self.stand("movable_object.trafficcone", xy, span(self.rng, -3.1, 3.1), 0.02)

    def any_yaw(self) -> float:
        """A heading."""
        return span(self.rng, -np.pi, np.pi)


def footprint(xy: np.ndarray, yaw: float, length: float, width: float) -> np.ndarray:
    """`(4, 2)` corners of an upright box seen from above."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    local = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (length / 2, width / 2)
    out: np.ndarray = local @ np.array([[cos, sin], [-sin, cos]]) + xy
    return out


def actor_of(shape: Shape, track: Track, resting: str | None = None) -> Actor:
    """A shape with a track; `resting` replaces the attribute that it has at rest."""
    actor = Actor(category=shape.category, size_lwh=np.asarray(shape.size_lwh, np.float64), meshes=shape.meshes, track=track, stride_m=shape.stride_m,
                  moving=shape.moving, resting=shape.resting)
    return actor if resting is None else replace(actor, resting=resting)
