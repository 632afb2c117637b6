"""Paint on the road: lane lines, edges, stop lines, crosswalks, parking bays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.world.land import REACH_M, Land
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.plan import PARKING_M, Junction, Plan, Street
from fusion.simulate.world.routes import STOP_M
from fusion.simulate.world.warp import Warp

_WHITE = (0.62, 0.62, 0.6)
_YELLOW = (0.6, 0.42, 0.06)
_LIFT_M = 0.015


def markings(plan: Plan, warp: Warp, land: Land, lots: list[Lot], z_at: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> Mesh:
    """All paint near the ego's way; `z_at` gives the height of the ground's triangles at `(N, 2)` places."""
    bands: list[tuple[np.ndarray, tuple[float, float, float]]] = []
    for street in plan.streets:
        bands += _lane_lines(plan, street, warp, rng)
    for junction in plan.junctions:
        bands += _junction(plan, junction, warp, rng)
    for lot in lots:
        if lot.kind in ("parking", "shop") and rng.random() < 0.7:
            bands += _bays(lot)
    parts = []
    for band, colour in bands:  # (N, 2, 2): left and right edge
        close = land.frame.read(land.way_m, band.mean(axis=1)) < min(75.0, REACH_M - 10)
        if not close.any():
            continue
        band = band[max(int(close.argmax()) - 1, 0):len(close) - int(close[::-1].argmax()) + 1]
        if len(band) < 2:
            continue
        points = band.reshape(-1, 2)
        i = 2 * np.arange(len(band) - 1)
        faces = np.concatenate([np.column_stack([i, i + 2, i + 3]), np.column_stack([i, i + 3, i + 1])])
        parts.append(Mesh.of(np.column_stack([points, np.zeros(len(points))]), faces, Material.MARKING, colour))
    paint = join(parts)
    if not len(paint.faces):
        return paint
    vertices = paint.vertices.copy()
    vertices[:, 2] = z_at(vertices[:, :2].astype(np.float64)) + _LIFT_M
    worn = rng.uniform(0.7, 1.05, (len(paint.faces), 1)).astype(np.float32)
    return Mesh(vertices=vertices, faces=paint.faces, material=paint.material, albedo=paint.albedo * worn)


def _band(street: Street, warp: Warp, a: float, b: float, across: float, width: float) -> np.ndarray:
    along = np.linspace(a, b, max(2, int(abs(b - a) / 1.2) + 1))
    return np.stack([warp.xy(street.uv(along, across - width / 2)), warp.xy(street.uv(along, across + width / 2))], axis=1)


def _lane_lines(plan: Plan, street: Street, warp: Warp, rng: np.random.Generator) -> list[tuple[np.ndarray, tuple[float, float, float]]]:
    out = []
    centre = _YELLOW if rng.random() < 0.6 else _WHITE
    dash, gap = float(rng.uniform(2, 4)), float(rng.uniform(3, 8))
    has_edge, double = rng.random() < 0.6, rng.random() < 0.6
    for a, b in plan.stretches(street, STOP_M + 0.4, 330.0):
        if street.median_m == 0:
            for across in ((-0.14, 0.14) if double else (0.0,)):
                out.append((_band(street, warp, a, b, across, 0.12), centre))
        for direction in (-1, 1):
            count = street.lanes[int(direction > 0)]
            right = -direction if street.axis == 0 else direction
            for lane in range(1, count):
                across = right * (street.median_m / 2 + lane * street.lane_m)
                for start in np.arange(a + 1, b - dash, dash + gap):
                    out.append((_band(street, warp, float(start), float(start) + dash, across, 0.12), _WHITE))
            if has_edge or street.parking[int(right > 0)]:
                out.append((_band(street, warp, a, b, right * (street.median_m / 2 + count * street.lane_m + 0.05), 0.12), _WHITE))
            if street.parking[int(right > 0)] and has_edge:
                for start in np.arange(a + 8, b - 6, 6.3):
                    edge = right * (street.edge_m(int(right)) - 0.3 - PARKING_M / 2)
                    out.append((_band(street, warp, float(start), float(start) + 0.12, edge, PARKING_M), _WHITE))
    return out


def _junction(plan: Plan, junction: Junction, warp: Warp, rng: np.random.Generator) -> list[tuple[np.ndarray, tuple[float, float, float]]]:
    out = []
    for axis, street, other, arms in ((0, plan.streets[junction.u], plan.streets[junction.v], junction.arms[:2]),
                                      (1, plan.streets[junction.v], plan.streets[junction.u], junction.arms[2:])):
        for sign, there in zip((-1, 1), arms, strict=True):
            if not there:
                continue
            begin = other.at + sign * (other.edge_m(sign) + 1.6)
            style = rng.random()
            lo, hi = -street.edge_m(-1) + 0.4, street.edge_m(1) - 0.4
            if style < 0.6:
                for across in np.arange(lo + 0.3, hi, 1.15):
                    if abs(across) < street.median_m / 2:
                        continue
                    out.append((_band(street, warp, begin, begin + sign * 3.0, float(across), 0.5), _WHITE))
            elif style < 0.85:
                for at in (begin, begin + sign * 2.9):
                    out.append((_band(street, warp, at, at + sign * 0.25, (lo + hi) / 2, hi - lo), _WHITE))
            direction = -sign
            right = -direction if axis == 0 else direction
            width = street.lanes[int(direction > 0)] * street.lane_m
            stop = other.at + sign * (other.edge_m(sign) + STOP_M - 0.6)
            out.append((_band(street, warp, stop, stop + sign * 0.45, right * (street.median_m / 2 + width / 2), width - 0.3), _WHITE))
    return out


def _bays(lot: Lot) -> list[tuple[np.ndarray, tuple[float, float, float]]]:
    out = []
    for x in np.arange(-lot.width_m / 2 + 1.3, lot.width_m / 2 - 1, 2.75):
        if lot.drive_m is None or abs(x - lot.drive_m) > 3.8:
            corners = lot.corners(float(x) - 0.06, float(x) + 0.06, 1.6, 6.4)
            out.append((np.stack([corners[[0, 3]], corners[[1, 2]]], axis=1), _WHITE))
    return out
