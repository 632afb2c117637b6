"""Vehicles of one or more bodies in line: a tractor and its semi-trailer, a car and its small trailer, the sections of an articulated bus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.shapes.shape import Shape
from fusion.simulate.world.draw import choose, span
from fusion.simulate.world.pool import Pool


@dataclass(frozen=True, kw_only=True)
class Combination:
    """Attributes: `bodies`, front first; each one's nose lies `overlap_m` ahead of the tail of the one before it (negative: behind)."""

    bodies: tuple[Shape, ...]
    overlap_m: float = 0.0

    @property
    def length_m(self) -> float:
        """From the first nose to the last tail."""
        return sum(float(body.size_lwh[0]) for body in self.bodies) - self.overlap_m * (len(self.bodies) - 1)

    @property
    def width_m(self) -> float:
        """Of the widest body."""
        return max(float(body.size_lwh[1]) for body in self.bodies)

    def shifts(self) -> list[float]:
        """How far ahead of the whole's middle each body has its own, metres."""
        out, nose = [], self.length_m / 2
        for body in self.bodies:
            length = float(body.size_lwh[0])
            out.append(nose - length / 2)
            nose -= length - self.overlap_m
        return out

    def places(self, xy: np.ndarray, yaw: float) -> list[tuple[Shape, np.ndarray, float]]:
        """Its bodies, straight behind one another, with the whole's middle at a place."""
        ahead = np.array([np.cos(yaw), np.sin(yaw)])
        return [(body, xy + shift * ahead, yaw) for body, shift in zip(self.bodies, self.shifts(), strict=True)]


def semi(pool: Pool, rng: np.random.Generator) -> Combination:
    """A tractor with a full-size trailer whose nose rests on the tractor's frame."""
    tractor, trailer = pool.shape("vehicle.truck", sort="tractor"), pool.shape("vehicle.trailer", sort="semi")
    return Combination(bodies=(tractor, trailer), overlap_m=span(rng, 0.7, 1.3))


def towed(pool: Pool, rng: np.random.Generator) -> Combination:
    """A car, a pickup or a van with a small trailer at its bumper."""
    front = pool.shape("vehicle.car") if choose(rng, {"car": 0.45, "light": 0.55}) == "car" else pool.shape("vehicle.truck", sort="light")
    return Combination(bodies=(front, pool.shape("vehicle.trailer", sort=choose(rng, {"light": 0.75, "site": 0.25}))), overlap_m=span(rng, -0.1, 0.0))


def bendy_bus(pool: Pool) -> Combination:
    """An articulated bus: nuScenes labels each section by itself."""
    return Combination(bodies=pool.bendy_bus())
