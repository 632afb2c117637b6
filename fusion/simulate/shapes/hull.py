"""Bodies of cars, vans and buses: a lofted hull with wheel-arches and, on it, a glazed upper part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.shapes.colours import CABIN, DARK, GLASS, Colour
from fusion.simulate.shapes.sculpt import Sculpt

LEFT_SILL, LEFT_DOOR, LEFT_TOP, RIGHT_TOP, RIGHT_DOOR, RIGHT_SILL = range(6)
"""Cells across a hull."""

GLASS_MATERIAL = int(Material.CAR_GLASS)


@dataclass(frozen=True, kw_only=True)
class Hull:
    """The lower body; x from the rear to the front.

    Attributes:
        top_xz: `(N, 2)` bonnet, belt and boot line, x ascending.
        half_width_m: at the waist.
        bottom_m, waist_m: height of the sill and of the widest line.
        arches: x of each axle with the radius of the opening; its centre is `axle_m` high.
        nose_m, tail_m: length over which the plan narrows at the ends, to `nose_share`, `tail_share` of the width.
        shoulder_share: width of the top line.
        crown_m: how much the top is vaulted.
    """

    top_xz: np.ndarray
    half_width_m: float
    bottom_m: float
    waist_m: float
    arches: tuple[tuple[float, float], ...]
    axle_m: float
    nose_m: float = 0.45
    tail_m: float = 0.3
    nose_share: float = 0.8
    tail_share: float = 0.88
    shoulder_share: float = 0.93
    crown_m: float = 0.025

    def stations(self) -> np.ndarray:
        """`(S,)` x of the cross-sections."""
        front, rear = self.top_xz[-1, 0], self.top_xz[0, 0]
        xs = [*self.top_xz[:, 0], front - self.nose_m * 0.4, front - self.nose_m, rear + self.tail_m]
        for x, radius in self.arches:
            xs += [x + radius * share for share in (-1.0, -0.78, 0.0, 0.78, 1.0)]
        ordered = np.unique(np.clip(xs, rear, front))
        keep = np.concatenate([[True], np.diff(ordered) > 0.05])
        keep[-1] = True
        kept: np.ndarray = ordered[keep]
        return kept

    def rings(self) -> tuple[np.ndarray, np.ndarray]:
        """`(S,)` x and `(S, 7, 3)` points from the left sill over the top to the right sill."""
        xs = self.stations()
        top = np.interp(xs, self.top_xz[:, 0], self.top_xz[:, 1])
        low = np.full(len(xs), self.bottom_m)
        for x, radius in self.arches:
            reach = radius**2 - (xs - x) ** 2
            low = np.where(reach > radius**2 * 1e-6, np.maximum(low, self.axle_m + np.sqrt(np.maximum(reach, 0))), low)
        low = np.minimum(low, top - 0.05)
        middle = np.maximum(np.minimum(self.waist_m, top - 0.04), low + 0.02)
        ahead = np.clip((xs - (self.top_xz[-1, 0] - self.nose_m)) / self.nose_m, 0, 1) ** 2
        behind = np.clip(((self.top_xz[0, 0] + self.tail_m) - xs) / self.tail_m, 0, 1) ** 2
        half = self.half_width_m * (1 - (1 - self.nose_share) * ahead) * (1 - (1 - self.tail_share) * behind)
        y = np.stack([half * 0.96, half, half * self.shoulder_share, np.zeros_like(half)], axis=1)
        z = np.stack([low, middle, top, top + self.crown_m], axis=1)
        mirrored = [0, 1, 2, 3, 2, 1, 0]
        signs = np.array([1, 1, 1, 0, -1, -1, -1])
        return xs, np.stack([np.repeat(xs[:, None], 7, axis=1), y[:, mirrored] * signs, z[:, mirrored]], axis=2)


def skin(rings: np.ndarray, paint: tuple[int, Colour]) -> tuple[np.ndarray, np.ndarray]:
    """Material `(R-1, K-1)` and colour `(R-1, K-1, 3)` of one paint, to be changed cell by cell."""
    cells = rings.shape[0] - 1, rings.shape[1] - 1
    return np.full(cells, paint[0], np.uint8), np.broadcast_to(np.array(paint[1], np.float32), (*cells, 3)).copy()


def dress(material: np.ndarray, colour: np.ndarray, where: tuple, what: tuple[int, Colour]) -> None:
    """Give cells another material and colour, in place."""
    material[where], colour[where] = what


def end_cap(body: Sculpt, ring: np.ndarray, looks: list[list[tuple[int, Colour]]], share: float = 0.6, skirt: float = 0.45) -> None:
    """Close a hull's end: three rows from the bottom up, each of outer, middle, outer fields; the middle is `share` of the width."""
    low, mid, top = ring[0], ring[1], ring[2]
    rows = np.stack([low, low + skirt * (mid - low), mid, top])
    across = np.array([1.0, share, -share, -1.0])
    points = np.repeat(rows[:, None], 4, axis=1)
    points[..., 1] = rows[:, None, 1] * across
    material = np.array([[cell[0] for cell in (row[0], row[1], row[0])] for row in looks])
    colour = np.array([[cell[1] for cell in (row[0], row[1], row[0])] for row in looks])
    body.loft(points, material, colour)
    body.fan(ring[2:5], looks[2][1][0], looks[2][1][1])


@dataclass(frozen=True, kw_only=True)
class Greenhouse:
    """The glazed upper part, from the front (share 0) to the rear (share 1).

    Attributes:
        belt_x, belt_z: where it meets the hull, front and rear.
        roof_x, roof_z: its roof, front and rear.
        belt_half_m, roof_half_m: half widths.
        panes: from, to share of each side window.
        sill: height share of the roof rail's lower edge.
        screen, rear: whether the front and rear are glass.
    """

    belt_x: tuple[float, float]
    belt_z: tuple[float, float]
    roof_x: tuple[float, float]
    roof_z: tuple[float, float]
    belt_half_m: float
    roof_half_m: float
    panes: tuple[tuple[float, float], ...]
    sill: float = 0.86
    screen: bool = True
    rear: bool = True
    crown_m: float = 0.035
    narrowing: float = 0.93

    def add(self, body: Sculpt, paint: tuple[int, Colour], trim: tuple[int, Colour], roof: tuple[int, Colour] | None = None) -> None:
        """Sculpt it: roof and rails in `paint`, pillars in `trim`."""
        cuts = np.unique([0.0, 1.0, *[edge for pane in self.panes for edge in pane]])
        belt = np.column_stack([np.interp(cuts, (0, 1), self.belt_x), np.interp(cuts, (0, 1), self.belt_z)])
        top = np.column_stack([np.interp(cuts, (0, 1), self.roof_x), np.interp(cuts, (0, 1), self.roof_z)])
        taper = np.interp(cuts, (0, 0.3, 0.7, 1), (self.narrowing, 1, 1, self.narrowing))
        upper = belt + (top - belt) * self.sill
        half_upper = self.belt_half_m + (self.roof_half_m - self.belt_half_m) * self.sill * 0.8
        x = np.stack([belt[:, 0], upper[:, 0], top[:, 0], top[:, 0]], axis=1)
        z = np.stack([belt[:, 1], upper[:, 1], top[:, 1] - self.crown_m, top[:, 1]], axis=1)
        y = taper[:, None] * np.array([self.belt_half_m, half_upper, self.roof_half_m, 0.0])
        mirrored, signs = [0, 1, 2, 3, 2, 1, 0], np.array([1, 1, 1, 0, -1, -1, -1])
        rings = np.stack([x[:, mirrored], y[:, mirrored] * signs, z[:, mirrored]], axis=2)
        material, colour = skin(rings, paint)
        if roof is not None:
            dress(material, colour, (slice(None), slice(2, 4)), roof)
        middle = (cuts[:-1] + cuts[1:]) / 2
        for side in (0, 5):
            dress(material, colour, (slice(1, -1), side), trim)
            for low, high in self.panes:
                dress(material, colour, ((middle > low) & (middle < high), side), (GLASS_MATERIAL, GLASS))
        body.loft(rings, material, colour)
        for ring, glazed, bulge in ((rings[0], self.screen, 0.06), (rings[-1], self.rear, -0.015)):
            pane = np.stack([ring[[0, 0, 6]], ring[[1, 1, 5]], ring[2:5]])
            pane[:2, 1, 1] = 0.0
            pane[0, 1, 0] += bulge
            pane[1, 1, 0] += bulge / 2
            material, colour = skin(pane, paint)
            if glazed:
                dress(material, colour, (0,), (GLASS_MATERIAL, GLASS))
            body.loft(pane, material, colour)


def seats(body: Sculpt, rows_x: list[float], half_width_m: float, low_m: float, high_m: float) -> None:
    """Backs of seats, seen through the glass."""
    for row, x in enumerate(rows_x):
        if row == 0:
            body.boxes(
                [[x, side * half_width_m * 0.5, (low_m + high_m) / 2] for side in (1, -1)],
                (0.16, half_width_m * 0.55, high_m - low_m),
                int(Material.CLOTH),
                CABIN,
            )
        else:
            body.box((x - 0.1, -half_width_m * 0.85, low_m), (x + 0.1, half_width_m * 0.85, high_m), int(Material.CLOTH), CABIN)


def underbody(body: Sculpt, low: tuple[float, float, float], high: tuple[float, float, float]) -> None:
    """The dark floor pan between the wheels."""
    body.box(low, high, int(Material.PLASTIC), DARK)
