"""The simulators that a recording is made with, as one value: tests put small ones in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fusion.simulate.rig import CameraMount, LidarMount, Rig
from fusion.simulate.scenery import Scenery, WeatherName


class SweepLike(Protocol):
    """One turn of the LiDAR."""

    @property
    def points(self) -> np.ndarray:
        """`(P, 5)` float32 x y z (metres, LiDAR frame at the stamp), intensity 0..255, ring."""
        ...

    @property
    def label(self) -> np.ndarray:
        """`(P,)` uint8 what each point lies on: an index into `POINT_CLASSES`."""
        ...


class PictureLike(Protocol):
    """One image, and how much of each actor it shows."""

    @property
    def image(self) -> np.ndarray:
        """`(H, W, 3)` uint8 RGB."""
        ...

    @property
    def visible_px(self) -> np.ndarray:
        """`(A,)` int64 pixels of each actor in the image."""
        ...

    @property
    def alone_px(self) -> np.ndarray:
        """`(A,)` int64 pixels each actor would have if nothing else stood there."""
        ...


class LidarLike(Protocol):
    """Casts sweeps of one scene."""

    def sweep(self, t_s: float, rng: np.random.Generator, /) -> SweepLike:
        """The turn that ends at `t_s`."""
        ...


class CameraLike(Protocol):
    """Renders images of one scene."""

    def render(self, mount: CameraMount, t_s: float, rng: np.random.Generator, /) -> PictureLike:
        """The image whose shutter opens at `t_s`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Functions or classes of modules' top level, so that worker processes find them.

    Attributes:
        build_scenery: seed, weather, duration in seconds -> scenery.
        lidar: scenery, mount -> LiDAR.
        camera: scenery -> camera.
        seen_at: scenery, rig, stamp in seconds -> `(A,)` seconds at which the LiDAR passes each actor in the turn that ends then.
    """

    build_scenery: Callable[[int, WeatherName, float], Scenery]
    lidar: Callable[[Scenery, LidarMount], LidarLike]
    camera: Callable[[Scenery], CameraLike]
    seen_at: Callable[[Scenery, Rig, float], np.ndarray]


def real_parts() -> Parts:
    """The simulator's own; imported here because they are heavy."""
    from fusion.simulate.camera.simulator import CameraSimulator
    from fusion.simulate.lidar.seen import seen_at
    from fusion.simulate.lidar.simulator import LidarSimulator
    from fusion.simulate.world.build import build_scenery

    return Parts(build_scenery=build_scenery, lidar=LidarSimulator, camera=CameraSimulator, seen_at=seen_at)
