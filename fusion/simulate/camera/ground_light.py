"""A map of the ground around the ego car: how much sky the cars above it hide, and how much light lamps throw on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.camera.faces import EGO, FIRST_ACTOR, STATIC, Faces, Posed
from fusion.simulate.camera.kernel import fast_kernel
from fusion.simulate.materials import Material
from fusion.simulate.scenery import Scenery

SIDE = 512
CELL_M = 0.25
_STREET_RANGE_M, _STREET_MIN_HEIGHT_M = 18.0, 2.5


@dataclass(frozen=True, kw_only=True)
class GroundLight:
    """Attributes: `cells` `(SIDE, SIDE, 5)` float32, row is y and column is x: hidden share of the sky, height (origin frame) of what hides
    it, and linear RGB light of lamps; `low_xy` `(2,)` float32 origin-frame corner of cell 0, 0, metres."""

    cells: np.ndarray
    low_xy: np.ndarray


class GroundLights:
    """Maps of one scene."""

    def __init__(self, scenery: Scenery, faces: Faces) -> None:
        self._lamps = _street_lamps(faces) if scenery.weather.name == "night" else np.zeros((0, 6))
        self._night = scenery.weather.name == "night"
        self._sizes = np.array([actor.size_lwh for actor in scenery.actors], np.float64).reshape(-1, 3)
        self._motor = np.array([actor.category.startswith("vehicle") and "bicycle" not in actor.category for actor in scenery.actors], bool)

    def at(self, posed: Posed, awake: np.ndarray) -> GroundLight:
        """The map around the ego car; `awake` `(A,)` bool: who has the lights on."""
        middle = posed.origin_T_owner[EGO, :2, 3]
        low = np.floor(middle / CELL_M) * CELL_M - SIDE * CELL_M / 2
        cells = np.zeros((SIDE, SIDE, 5), np.float32)
        matrices = posed.origin_T_owner[FIRST_ACTOR:]
        strength = np.where(self._motor, 0.8, 0.55)
        for index in np.flatnonzero((np.abs(matrices[:, :2, 3] - middle) < SIDE * CELL_M / 2 + 5.0).all(axis=1)):
            _hide(cells, low, matrices[index], self._sizes[index], strength[index])
            if self._night and self._motor[index] and awake[index]:
                _beam(cells, low, matrices[index], self._sizes[index, 0] / 2)
        _hide(cells, low, posed.origin_T_owner[EGO] @ _shift(1.4, 0.8), np.array([4.2, 1.8, 1.5]), 0.8)
        if self._night:
            _beam(cells, low, posed.origin_T_owner[EGO], 3.4)
            for lamp in self._lamps:
                _pool(cells, low, lamp)
        return GroundLight(cells=cells, low_xy=low.astype(np.float32))


def _shift(x: float, z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 3], matrix[2, 3] = x, z
    return matrix


def _street_lamps(faces: Faces) -> np.ndarray:
    """`(N, 6)` x, y, height above the lowest face nearby, RGB of the standing world's lamps."""
    mine = np.flatnonzero((faces.owner == STATIC) & (faces.material == Material.LAMP))
    if not len(mine):
        return np.zeros((0, 6))
    centre = faces.corners[mine].astype(np.float64).mean(axis=1)
    edge = faces.corners[mine].astype(np.float64)
    area = np.linalg.norm(np.cross(edge[:, 1] - edge[:, 0], edge[:, 2] - edge[:, 0]), axis=1) / 2
    _, group = np.unique(np.floor(centre / 1.5).astype(np.int64), axis=0, return_inverse=True)
    group = group.reshape(-1)
    ground = faces.corners[(faces.owner == STATIC) & (faces.material == Material.ASPHALT)]
    lamps = []
    for index in range(group.max() + 1):
        member = group == index
        at = np.average(centre[member], axis=0, weights=area[member] + 1e-9)
        if len(ground):
            road = ground[np.argmin(np.abs(ground[:, 0, :2] - at[:2]).sum(axis=1)), 0, 2]
        else:
            road = 0.0
        if at[2] - road > _STREET_MIN_HEIGHT_M:
            colour = faces.albedo[mine[member]].mean(axis=0) * min(1.0, float(area[member].sum()) / 0.15)
            lamps.append([*at[:2], at[2] - road, *colour])
    return np.array(lamps, np.float64).reshape(-1, 6)


@fast_kernel
def _hide(cells: np.ndarray, low: np.ndarray, m: np.ndarray, size: np.ndarray, strength: float) -> None:
    """A box hides the sky from the ground below and half a metre around it."""
    reach = 0.5 * np.sqrt(size[0] * size[0] + size[1] * size[1]) + 0.7
    norm = np.sqrt(m[0, 0] * m[0, 0] + m[1, 0] * m[1, 0]) + 1e-9
    cos, sin = m[0, 0] / norm, m[1, 0] / norm
    for row in range(max(0, int((m[1, 3] - reach - low[1]) / CELL_M)), min(SIDE, int((m[1, 3] + reach - low[1]) / CELL_M) + 1)):
        dy = low[1] + (row + 0.5) * CELL_M - m[1, 3]
        for column in range(max(0, int((m[0, 3] - reach - low[0]) / CELL_M)), min(SIDE, int((m[0, 3] + reach - low[0]) / CELL_M) + 1)):
            dx = low[0] + (column + 0.5) * CELL_M - m[0, 3]
            along, across = abs(cos * dx + sin * dy) - 0.46 * size[0], abs(cos * dy - sin * dx) - 0.46 * size[1]
            outside = np.sqrt(max(along, 0.0) ** 2 + max(across, 0.0) ** 2)
            inside = min(0.0, max(along, across))
            share = strength * min(1.0, max(0.0, 0.62 - 1.1 * outside - 0.9 * inside))
            if share > cells[row, column, 0]:
                cells[row, column, 0] = share
                cells[row, column, 1] = m[2, 3] - 0.5 * size[2]


@fast_kernel
def _beam(cells: np.ndarray, low: np.ndarray, m: np.ndarray, front: float) -> None:
    """Headlights ahead and tail lights behind of a car whose frame's x is forward; `front` is where its lamps are."""
    reach = 40.0
    norm = np.sqrt(m[0, 0] * m[0, 0] + m[1, 0] * m[1, 0]) + 1e-9
    cos, sin = m[0, 0] / norm, m[1, 0] / norm
    for row in range(max(0, int((m[1, 3] - reach - low[1]) / CELL_M)), min(SIDE, int((m[1, 3] + reach - low[1]) / CELL_M) + 1)):
        dy = low[1] + (row + 0.5) * CELL_M - m[1, 3]
        for column in range(max(0, int((m[0, 3] - reach - low[0]) / CELL_M)), min(SIDE, int((m[0, 3] + reach - low[0]) / CELL_M) + 1)):
            dx = low[0] + (column + 0.5) * CELL_M - m[0, 3]
            along, across = cos * dx + sin * dy, cos * dy - sin * dx
            ahead, behind = along - front, -along - front
            if ahead > 0.0:
                angle = across / (ahead + 1.5)
                light = np.exp(-5.0 * angle * angle) * min(1.0, ahead / 3.0) / (1.0 + (ahead / 9.0) ** 2) * max(0.0, 1.0 - ahead / 38.0)
                cells[row, column, 2] += 0.55 * light
                cells[row, column, 3] += 0.52 * light
                cells[row, column, 4] += 0.46 * light
            elif behind > 0.0:
                light = 0.10 / (1.0 + (behind * behind + across * across) / 1.5)
                if light > 0.004:
                    cells[row, column, 2] += light
                    cells[row, column, 3] += 0.1 * light


@fast_kernel
def _pool(cells: np.ndarray, low: np.ndarray, lamp: np.ndarray) -> None:
    """The pool of light below a street lamp."""
    for row in range(max(0, int((lamp[1] - _STREET_RANGE_M - low[1]) / CELL_M)),
                     min(SIDE, int((lamp[1] + _STREET_RANGE_M - low[1]) / CELL_M) + 1)):
        dy = low[1] + (row + 0.5) * CELL_M - lamp[1]
        for column in range(max(0, int((lamp[0] - _STREET_RANGE_M - low[0]) / CELL_M)),
                            min(SIDE, int((lamp[0] + _STREET_RANGE_M - low[0]) / CELL_M) + 1)):
            dx = low[0] + (column + 0.5) * CELL_M - lamp[0]
            away = (dx * dx + dy * dy) / (lamp[2] * lamp[2])
            edge = max(0.0, 1.0 - np.sqrt(dx * dx + dy * dy) / _STREET_RANGE_M)
            light = 0.35 * edge / (1.0 + away) ** 1.5
            for c in range(3):
                cells[row, column, 2 + c] += light * lamp[3 + c]
