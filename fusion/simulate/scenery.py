"""What one scene consists of: the standing world, the actors in it, the ego's way and the weather."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fusion.simulate.actor import Actor, Track
from fusion.simulate.mesh import Mesh
from fusion.types.checks import check_shape

WeatherName = Literal["day", "night", "rain", "fog"]


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Light and air.

    Attributes:
        name: kind of weather.
        to_sun: `(3,)` unit vector towards the sun (or the moon), global frame.
        sun_rgb, ambient_rgb: `(3,)` linear light of the sun and of the sky on a white surface.
        zenith_rgb, horizon_rgb: `(3,)` linear colour of the sky.
        extinction_per_m: loss of light in the air: a camera's haze and a LiDAR's two-way loss.
        rain_mm_h: rate of rain: drops, wet ground, LiDAR returns from drops.
        exposure: the cameras' gain.
        clouds: how much of the sky is covered, 0 to 1.
    """

    name: WeatherName
    to_sun: np.ndarray
    sun_rgb: np.ndarray
    ambient_rgb: np.ndarray
    zenith_rgb: np.ndarray
    horizon_rgb: np.ndarray
    extinction_per_m: float = 0.0005
    rain_mm_h: float = 0.0
    exposure: float = 1.0
    clouds: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Scenery:
    """One scene, in a global frame of metres with z up; coordinates are positive, as on nuScenes' maps.

    Attributes:
        static: everything without a label, ground included.
        static_classes: `(F,)` uint8, what each face of `static` is: an index into `POINT_CLASSES`.
        actors: everything with a label, moving or not.
        ego: track of the ego frame (on the ground below the rear axle, x forward); poses carry pitch and roll.
        ego_body: the ego car as its own sensors see it (roof edge, bonnet), in the ego frame.
        weather: light and air.
        duration_s: length of the scene.
        drivable: `(H, W)` uint8 map mask, 255 where a car may drive, row 0 at the largest y (north up).
        map_origin_xy: global x, y of the mask's south-west corner, metres.
        map_m_per_px: size of a mask pixel, metres.
        description: one line for the scene table.
    """

    static: Mesh
    static_classes: np.ndarray
    actors: tuple[Actor, ...]
    ego: Track
    ego_body: Mesh
    weather: Weather
    duration_s: float
    drivable: np.ndarray
    map_origin_xy: tuple[float, float] = (0.0, 0.0)
    map_m_per_px: float = 0.1
    description: str = ""

    def __post_init__(self) -> None:
        check_shape("static_classes", self.static_classes, (len(self.static.faces),), {})
