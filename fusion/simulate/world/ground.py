"""The ground as triangles: fine along kerbs and near the ego's way, coarse far off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import Delaunay

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh
from fusion.simulate.point_classes import point_class
from fusion.simulate.world.land import REACH_M, Cover, Land

_LOOK: dict[Cover, tuple[Material, tuple[float, float, float], str]] = {
    Cover.GRASS: (Material.GRASS, (0.10, 0.15, 0.05), "flat.terrain"),
    Cover.ROAD: (Material.ASPHALT, (0.09, 0.09, 0.095), "flat.driveable_surface"),
    Cover.WALK: (Material.CONCRETE, (0.34, 0.33, 0.30), "flat.sidewalk"),
    Cover.LOT: (Material.ASPHALT, (0.11, 0.11, 0.11), "flat.driveable_surface"),
    Cover.DRIVE: (Material.CONCRETE, (0.25, 0.25, 0.24), "flat.driveable_surface"),
    Cover.SOIL: (Material.SOIL, (0.22, 0.16, 0.10), "flat.terrain"),
    Cover.PLAZA: (Material.CONCRETE, (0.36, 0.31, 0.27), "flat.sidewalk"),
    Cover.MEDIAN: (Material.CONCRETE, (0.28, 0.28, 0.26), "flat.other"),
}
"""Material, linear RGB colour, and what nuScenes-lidarseg calls it."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The ground of one scene.

    Attributes:
        mesh: triangles over everything within reach of the ego's way, 1-2 m near roads.
        classes: `(F,)` uint8, what each of its faces is: an index into `POINT_CLASSES`. Kerbs are of the sidewalk.
        z_at: height of the triangles at `(N, 2)` places, metres.
    """

    mesh: Mesh
    classes: np.ndarray
    z_at: Callable[[np.ndarray], np.ndarray]


def make_ground(land: Land, rng: np.random.Generator) -> Ground:
    """Cover the land with triangles."""
    kerb = _contour(land, land.road_m, 1.0)
    slope = _gradient(land, kerb, land.road_m)
    pairs = np.concatenate([kerb - 0.02 * slope, kerb + 0.16 * slope])
    border = np.concatenate([_sides(land, kind) for kind in (Cover.WALK, Cover.LOT, Cover.SOIL, Cover.PLAZA, Cover.DRIVE)])
    border = border[np.abs(land.frame.read(land.road_m, border)) > 0.6]
    border = border[_first_in_cell(border, 0.35)]
    spread = _grid(land, rng)
    used = np.zeros(land.frame.shape, np.uint8)
    cells = np.round(land.frame.pixels(np.concatenate([pairs, border]))).astype(int)
    used[np.clip(cells[:, 1], 0, used.shape[0] - 1), np.clip(cells[:, 0], 0, used.shape[1] - 1)] = 1
    used = np.asarray(cv2.dilate(used, np.ones((5, 5), np.uint8)), np.uint8)
    spread = spread[land.frame.pick(used, spread) == 0]
    xy = np.concatenate([pairs, border, spread])
    xy = xy[land.frame.read(land.way_m, xy) < REACH_M]
    centre = xy.mean(axis=0)
    net = Delaunay(xy - centre)
    faces = net.simplices
    middle = xy[faces].mean(axis=1)
    longest = np.max([np.hypot(*(xy[faces[:, i]] - xy[faces[:, (i + 1) % 3]]).T) for i in range(3)], axis=0)
    keep = (land.frame.read(land.way_m, middle) < REACH_M) & (longest < 14)
    faces, middle = faces[keep], middle[keep]
    cover = land.frame.pick(land.cover, middle)
    edge = land.frame.read(land.road_m, middle)
    cover = np.where((edge < 0.0) & (cover != Cover.MEDIAN), int(Cover.ROAD), cover)
    cover = np.where((edge > 0.0) & (cover == Cover.ROAD), int(Cover.WALK), cover)
    cover = np.where((edge >= 0.0) & (edge < 0.2) & (cover == Cover.GRASS), int(Cover.WALK), cover)
    rough = np.array([0.02, 0.009, 0.006, 0.01, 0.006, 0.035, 0.006, 0.01])[land.frame.pick(land.cover, xy)]
    z = land.height(xy) + rng.normal(0, 1, len(xy)) * rough
    materials = np.array([int(_LOOK[c][0]) for c in Cover], np.uint8)[cover]
    albedo = np.array([_LOOK[c][1] for c in Cover], np.float32)[cover]
    patch = 1 + 0.16 * np.sin(middle[:, 0] * 0.11 + 1.3 * np.sin(middle[:, 1] * 0.05)) * np.sin(middle[:, 1] * 0.09)
    albedo = albedo * (patch * rng.uniform(0.93, 1.07, len(faces)))[:, None].astype(np.float32)

    def z_at(places: np.ndarray) -> np.ndarray:
        face = net.find_simplex(places - centre)
        local = np.einsum("nij,nj->ni", net.transform[face, :2], places - centre - net.transform[face, 2])
        share = np.column_stack([local, 1 - local.sum(axis=1)])
        inside: np.ndarray = np.where(face >= 0, (z[net.simplices[face]] * share).sum(axis=1), land.height(places))
        return inside

    mesh = Mesh(vertices=np.column_stack([xy, z]).astype(np.float32), faces=faces.astype(np.int32), material=materials,
                albedo=np.clip(albedo, 0, 1).astype(np.float32))
    return Ground(mesh=mesh, classes=np.array([point_class(_LOOK[c][2]) for c in Cover], np.uint8)[cover], z_at=z_at)


def _contour(land: Land, field: np.ndarray, spacing_m: float) -> np.ndarray:
    """`(N, 2)` points on the zero line of a raster, `spacing_m` apart near the ego's way and three times that far off."""
    lines, _ = cv2.findContours((field < 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    out = []
    for line in lines:
        points = line[:, 0].astype(np.float64)
        if len(points) < 8:
            continue
        xy = (points + 0.5) * land.frame.m_per_px + land.frame.origin_xy
        far = land.frame.read(land.way_m, xy)
        step = np.where(far < 45, spacing_m, 3 * spacing_m)
        turn = np.floor(np.cumsum(land.frame.m_per_px * 1.1 / step))
        out.append(xy[np.concatenate([[True], np.diff(turn) > 0])])
    points = np.concatenate(out) if out else np.zeros((0, 2))
    if field is land.road_m:
        for _ in range(2):
            points = points - _gradient(land, points, land.road_m) * land.frame.read(land.road_m, points)[:, None]
    return points


def _sides(land: Land, kind: Cover) -> np.ndarray:
    """`(N, 2)` points in pairs, one just inside and one just outside of a kind of cover, so that its edge is drawn sharply."""
    field = cv2.GaussianBlur((land.cover == kind).astype(np.float32), (0, 0), 1.5) - 0.5
    edge = _contour(land, -field, 1.4)
    edge = edge[land.frame.read(land.way_m, edge) < 75]
    slope = _gradient(land, edge, field)
    return np.concatenate([edge + 0.05 * slope, edge - 0.12 * slope])


def _first_in_cell(xy: np.ndarray, cell_m: float) -> np.ndarray:
    """Indices of the first point in each square cell."""
    cells = np.floor(xy / cell_m).astype(np.int64)
    first: np.ndarray = np.sort(np.unique(cells[:, 0] * 1_000_003 + cells[:, 1], return_index=True)[1])
    return first


def _gradient(land: Land, xy: np.ndarray, field: np.ndarray) -> np.ndarray:
    """`(N, 2)` unit direction in which a raster rises."""
    h = 0.3
    parts = [land.frame.read(field, xy + d) - land.frame.read(field, xy - d) for d in (np.array([h, 0]), np.array([0, h]))]
    out = np.stack(parts, axis=-1)
    unit: np.ndarray = out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-6)
    return unit


def _grid(land: Land, rng: np.random.Generator) -> np.ndarray:
    """Jittered points, dense where the ego drives."""
    origin = np.array(land.frame.origin_xy)
    size = np.array(land.frame.shape[::-1]) * land.frame.m_per_px
    out = []
    for spacing in (1.5, 2.6, 4.5):
        count = (size / spacing).astype(int)
        xy = np.stack(np.meshgrid(np.arange(count[0]), np.arange(count[1])), axis=-1).reshape(-1, 2) * spacing
        xy = xy + rng.uniform(0.2, 0.8, xy.shape) * spacing + origin
        way = land.frame.read(land.way_m, xy)
        edge = land.frame.read(land.road_m, xy)
        fine = (way < 28) & (edge < 7) & (edge > -12)
        middle = ~fine & (way < 60) & (edge < 25)
        choose = fine if spacing == 1.5 else middle if spacing == 2.6 else ~fine & ~middle
        out.append(xy[choose])
    return np.concatenate(out)
