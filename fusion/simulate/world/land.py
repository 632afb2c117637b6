"""What the ground is where: roads with rounded corners, sidewalks, lots, as rasters; and how high it lies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np

from fusion.simulate.world.plan import Plan, Street
from fusion.simulate.world.raster import Frame, distance_m
from fusion.simulate.world.warp import Warp

REACH_M = 112.0
"""How far from the ego's way the world goes."""

M_PER_PX = 0.2


class Cover(IntEnum):
    """What the ground is covered with."""

    GRASS = 0
    ROAD = 1
    WALK = 2
    LOT = 3
    DRIVE = 4
    SOIL = 5
    PLAZA = 6
    MEDIAN = 7


@dataclass(frozen=True, kw_only=True)
class Land:
    """Rasters of one scene, all over `frame`.

    Attributes:
        cover: `(H, W)` uint8, values of `Cover`.
        road_m: `(H, W)` signed distance to the nearest kerb, negative on the road.
        way_m: `(H, W)` distance to the ego's way.
        low_kerb: `(H, W)` 1 where the kerb is lowered to the road.
        hills: rows of amplitude (m), wave vector x, y (rad/m), phase.
        kerb_m: height of kerbs.
    """

    frame: Frame
    cover: np.ndarray
    road_m: np.ndarray
    way_m: np.ndarray
    low_kerb: np.ndarray
    hills: np.ndarray
    lots: np.ndarray
    kerb_m: float

    def height(self, xy: np.ndarray) -> np.ndarray:
        """Height of the ground at `(..., 2)` places, metres; the same for everything that stands or drives on it."""
        xy = np.asarray(xy, np.float64)
        edge = self.frame.read(self.road_m, xy)
        low = self.frame.read(self.low_kerb, xy)
        rise = np.clip(edge / 0.15, 0, 1)
        crown = 0.022 * np.clip(-edge, 0, 6.0) + 0.02 * np.clip(edge, 0, 4.0)
        aside = np.clip((edge - 3.5) / 22, 0, 1)
        out: np.ndarray = (_waves(self.hills, xy) + crown + self.kerb_m * (1 - low) * rise + _waves(self.lots, xy) * aside * aside * (3 - 2 * aside)
                + 0.004 * np.sin(xy[..., 0] * 1.9) * np.sin(xy[..., 1] * 1.7 + 0.4) + 20.0)
        return out

    def tilt(self, xy: np.ndarray, yaw: np.ndarray, length_m: float, width_m: float) -> tuple[np.ndarray, np.ndarray]:
        """Pitch (nose down positive) and roll of a body whose wheels stand `length_m` and `width_m` apart, `(...)` radians."""
        ahead = np.stack([np.cos(yaw), np.sin(yaw)], -1) * length_m / 2
        left = np.stack([-np.sin(yaw), np.cos(yaw)], -1) * width_m / 2
        pitch = -np.arctan2(self.height(xy + ahead) - self.height(xy - ahead), length_m)
        roll = np.arctan2(self.height(xy + left) - self.height(xy - left), width_m)
        return pitch, roll


def make_land(plan: Plan, warp: Warp, ego_xy: np.ndarray, extra: list[tuple[np.ndarray, Cover]], rng: np.random.Generator) -> Land:
    """Paint the plan.

    Args:
        plan: streets and blocks.
        warp: from the plan to the ground.
        ego_xy: `(N, 2)` the ego's way.
        extra: polygons `(N, 2)` on the ground and what covers them (lots, driveways, yards), painted between blocks and streets.
        rng: for hills.
    """
    lo, hi = ego_xy.min(axis=0) - REACH_M - 4, ego_xy.max(axis=0) + REACH_M + 4
    lo = np.floor(lo)
    size = np.ceil((hi - lo) / M_PER_PX).astype(int)
    frame = Frame(origin_xy=(float(lo[0]), float(lo[1])), shape=(int(size[1]), int(size[0])), m_per_px=M_PER_PX)
    cover = np.zeros(frame.shape, np.uint8)
    for polygon, kind in extra:
        if kind != Cover.DRIVE:
            frame.fill(cover, [polygon], int(kind))
    road = np.zeros(frame.shape, np.uint8)
    for street in plan.streets:
        frame.fill(cover, [_strip(street, warp, -street.outer_m(-1), street.outer_m(1))], int(Cover.WALK))
    for street in plan.streets:
        if street.verge_m > 0:
            frame.fill(cover, [_strip(street, warp, -street.edge_m(-1) - street.verge_m, -street.edge_m(-1)),
                               _strip(street, warp, street.edge_m(1), street.edge_m(1) + street.verge_m)], int(Cover.GRASS))
    for street in plan.streets:
        frame.fill(road, [_strip(street, warp, -street.edge_m(-1), street.edge_m(1))], 1)
    road = _rounded(road, 5.0 / M_PER_PX)
    for street in plan.streets:
        if street.median_m > 0:
            for a, b in plan.stretches(street, 9.0, 520.0):
                half = street.median_m / 2 - 0.25
                frame.fill(road, [_strip(street, warp, -half, half, a, b)], 0)
                frame.fill(cover, [_strip(street, warp, -half, half, a, b)], int(Cover.MEDIAN))
    low = np.zeros(frame.shape, np.uint8)
    for polygon, kind in extra:
        if kind == Cover.DRIVE:
            frame.fill(cover, [polygon], int(kind))
            frame.fill(low, [polygon], 1)
    cover[road > 0] = int(Cover.ROAD)
    way = np.ones(frame.shape, np.uint8)
    cv2.polylines(way, [np.round(frame.pixels(ego_xy)).astype(np.int32)], False, 0, 1)  # type: ignore[call-overload]
    return Land(frame=frame, cover=cover, road_m=distance_m(road > 0, M_PER_PX),
                way_m=cv2.distanceTransform(way, cv2.DIST_L2, 5) * np.float32(M_PER_PX),
                low_kerb=cv2.GaussianBlur(low.astype(np.float32), (0, 0), 2.5), hills=_random_waves(rng, 4, (70, 240), 1.7),
                lots=_random_waves(rng, 3, (30, 90), 0.7), kerb_m=float(rng.uniform(0.09, 0.16)))


def _strip(street: Street, warp: Warp, across_lo: float, across_hi: float, a: float | None = None, b: float | None = None) -> np.ndarray:
    """A band along a street on the ground, `(N, 2)`."""
    a, b = max(street.lo, -520.0) if a is None else a, min(street.hi, 560.0) if b is None else b
    along = np.linspace(a, b, max(2, int((b - a) / 3)))
    return warp.xy(np.concatenate([street.uv(along, across_lo), street.uv(along[::-1], across_hi)]))


def _rounded(road: np.ndarray, radius_px: float) -> np.ndarray:
    """Fill inner corners with arcs (a morphological closing by distance transforms)."""
    grown = (cv2.distanceTransform(1 - road, cv2.DIST_L2, 5) < radius_px).astype(np.uint8)
    closed: np.ndarray = ((cv2.distanceTransform(grown, cv2.DIST_L2, 5) > radius_px) | (road > 0)).astype(np.uint8)
    return closed


def _random_waves(rng: np.random.Generator, count: int, length_m: tuple[float, float], amplitude_m: float) -> np.ndarray:
    length = rng.uniform(*length_m, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    k = 2 * np.pi / length
    amplitude = rng.uniform(0.2, 1.0, count) * amplitude_m * length / length_m[1]
    return np.column_stack([amplitude, k * np.cos(angle), k * np.sin(angle), rng.uniform(0, 2 * np.pi, count)])


def _waves(rows: np.ndarray, xy: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.zeros(xy.shape[:-1])
    for amplitude, kx, ky, phase in rows:
        out = out + amplitude * np.sin(kx * xy[..., 0] + ky * xy[..., 1] + phase)
    return out
