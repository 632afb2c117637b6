"""The shadow map: what the sun sees, around the ego car."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np

from fusion.simulate.camera.faces import FIRST_ACTOR, Faces, Posed
from fusion.simulate.camera.raster import View, draw
from fusion.simulate.scenery import Scenery

SIDE_PX = 2048
_REACH_M = 90.0
_ACTORS_M = 60.0
_STEP_M = 16.0
_NOBODY = np.zeros((0, 0), np.int32)


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """Attributes: `nearness` `(S, S)` float32, the lit surface's height towards the sun, metres; `(0, 0)` without a sun;
    `map_T_origin` `(3, 4)` float32 to column, row and that height."""

    nearness: np.ndarray
    map_T_origin: np.ndarray


class ShadowMaps:
    """Shadow maps of one scene; the standing world's part is kept as long as the ego car stays near."""

    def __init__(self, scenery: Scenery, faces: Faces) -> None:
        self._faces = faces
        weather = scenery.weather
        self._casts = float(np.max(weather.sun_rgb)) > 0.08 * float(np.max(weather.ambient_rgb)) and weather.to_sun[2] > 0.03
        z = -np.asarray(weather.to_sun, np.float64) / np.linalg.norm(weather.to_sun)
        x = np.cross(z, [0.0, 0.0, 1.0] if abs(z[2]) < 0.99 else [1.0, 0.0, 0.0])
        x /= np.linalg.norm(x)
        self._light_R_origin = np.stack([x, np.cross(z, x), z])
        self._kept: OrderedDict[tuple[int, int, int], tuple[View, np.ndarray]] = OrderedDict()
        self._lock = Lock()

    def at(self, posed: Posed, centre: np.ndarray, planes: np.ndarray, radius_m: np.ndarray) -> Shadow:
        """The map around a point of the origin frame with everybody whose shadow may be seen; the same whatever was asked before.

        Args:
            posed: the actors.
            centre: `(3,)` metres.
            planes: `(P, 4)` of the camera's view (`View.planes`).
            radius_m: `(A,)` of balls that hold each actor.
        """
        if not self._casts:
            return Shadow(nearness=np.zeros((0, 0), np.float32), map_T_origin=np.zeros((3, 4), np.float32))
        cell = (round(float(centre[0]) / _STEP_M), round(float(centre[1]) / _STEP_M), round(float(centre[2]) / _STEP_M))
        with self._lock:
            if cell not in self._kept:
                self._kept[cell] = self._standing(cell)
                if len(self._kept) > 2:
                    self._kept.popitem(last=False)
            view, standing = self._kept[cell]
        nearness = standing.copy()
        at = posed.origin_T_owner[FIRST_ACTOR:, :3, 3]
        close = (np.abs(at - centre) < _ACTORS_M).all(axis=1)
        shadow = np.minimum(3 * radius_m / -self._light_R_origin[2, 2], 25.0)[:, None] * self._light_R_origin[2]
        reach = np.maximum(at @ planes[:, :3].T, (at + shadow) @ planes[:, :3].T) + planes[:, 3] + radius_m[:, None]
        close &= (reach >= 0).all(axis=1)
        draw(self._faces.corners, self._faces.hole, posed.ranges[close], view.view_T_origin @ posed.origin_T_owner[FIRST_ACTOR:][close], view,
             nearness, _NOBODY)
        fx, fy, cx, cy = view.lens
        to_pixel = np.array([[fx, 0, 0, cx], [0, fy, 0, cy], [0, 0, -1, 0]])
        return Shadow(nearness=nearness, map_T_origin=(to_pixel @ view.view_T_origin).astype(np.float32))

    def _standing(self, cell: tuple[int, int, int]) -> tuple[View, np.ndarray]:
        matrix = np.eye(4)
        matrix[:3, :3] = self._light_R_origin
        matrix[:3, 3] = -self._light_R_origin @ (np.array(cell) * _STEP_M)
        scale = SIDE_PX / (2 * _REACH_M)
        middle = (SIDE_PX - 1) / 2
        view = View(view_T_origin=matrix, lens=(scale, scale, middle, middle), size_wh=(SIDE_PX, SIDE_PX), parallel=True)
        nearness = np.full((SIDE_PX, SIDE_PX), -np.inf, np.float32)
        ranges = self._faces.chunks_in_view(view.planes())
        draw(self._faces.corners, self._faces.hole, ranges, np.broadcast_to(matrix, (len(ranges), 4, 4)), view, nearness, _NOBODY)
        return view, nearness
