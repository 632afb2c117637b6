"""A world of eleven boxes and simulators that take a millisecond, so that whole data sets are made in a test.

The ego drives along x at 5 m/s. Each of the ten classes stands once beside its way; the car also drives. A bicycle stands in a rack.
"""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import numpy as np

from fusion.geometry.boxes import box_corners
from fusion.geometry.projection import project
from fusion.geometry.transforms import invert, transform_points
from fusion.simulate.actor import Actor, Track
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh
from fusion.simulate.point_classes import point_class
from fusion.simulate.primitives import box
from fusion.simulate.record.parts import Parts
from fusion.simulate.rig import CameraMount, LidarMount, Rig
from fusion.simulate.scenery import Scenery, Weather, WeatherName

THINGS = (("vehicle.car", (4.5, 1.9, 1.6), "vehicle.moving", "vehicle.parked"), ("vehicle.truck", (7, 2.5, 3), "vehicle.moving", "vehicle.parked"),
          ("vehicle.bus.rigid", (11, 2.9, 3.4), "vehicle.moving", "vehicle.stopped"), ("vehicle.trailer", (9, 2.8, 3.5), "", "vehicle.parked"),
          ("vehicle.construction", (6, 2.7, 3.1), "", "vehicle.parked"), ("human.pedestrian.adult", (.7, .7, 1.8), "", "pedestrian.standing"),
          ("vehicle.motorcycle", (2.1, .8, 1.5), "cycle.with_rider", "cycle.without_rider"),
          ("vehicle.bicycle", (1.7, .6, 1.3), "cycle.with_rider", "cycle.without_rider"), ("movable_object.trafficcone", (.4, .4, 1), "", ""),
          ("movable_object.barrier", (.5, 2.5, 1), "", ""), ("static_object.bicycle_rack", (6, 2, 1.4), "", ""),
          ("vehicle.bicycle", (1.7, .6, 1.3), "", "cycle.without_rider"))


def build_scenery(seed: int, weather: WeatherName, duration_s: float) -> Scenery:
    """The world; the seed moves it along."""
    actors = []
    start = 100.0 + seed % 7
    for row, (category, size, moving, resting) in enumerate(THINGS):
        x, y = start + 8 + 4 * min(row, 10), 112.0 if row % 2 and row < 11 else 88.0  # the last stands in the rack
        track = Track.at_rest(x, y, size[2] / 2, 0.3 * row)
        if category == "vehicle.car":
            ends = [[x, y, size[2] / 2, 0, 0, 0], [x + 8 * duration_s, y, size[2] / 2, 0, 0, 0]]
            track = Track(times_s=np.array([0.0, duration_s]), poses=np.array(ends))
        shape = box(size, Material.PAINT, (0.5, 0.5, 0.5))
        actors.append(Actor(category=category, size_lwh=np.array(size, float), meshes=(shape,), track=track, moving=moving, resting=resting))
    way = np.array([[start, 100.0, 0, 0, 0, 0], [start + 5 * duration_s, 100.0, 0, 0, 0, 0]])
    light = np.ones(3)
    return Scenery(static=Mesh.empty(), static_classes=np.zeros(0, np.uint8), actors=tuple(actors),
                   ego=Track(times_s=np.array([0.0, duration_s]), poses=way), ego_body=Mesh.empty(),
                   weather=Weather(name=weather, to_sun=np.array([0.0, 0, 1]), sun_rgb=light, ambient_rgb=light, zenith_rgb=light, horizon_rgb=light),
                   duration_s=duration_s, drivable=np.full((40, 300), 255, np.uint8), map_origin_xy=(90.0, 90.0), map_m_per_px=0.5,
                   description="a row of boxes")


def seen_at(scenery: Scenery, rig: Rig, t_s: float) -> np.ndarray:
    """The beam passes all of them in the middle of the turn."""
    return np.full(len(scenery.actors), t_s - (0.0 if rig.lidar is None else 0.025))


class ToyLidar:
    """Every box returns noise-free points of its inside; the pedestrian returns none after 2 s, and none at 1 s."""

    def __init__(self, scenery: Scenery, mount: LidarMount) -> None:
        self.scenery, self.mount = scenery, mount

    def sweep(self, t_s: float, rng: np.random.Generator) -> SimpleNamespace:
        lidar_T_global = invert(self.scenery.ego.matrix(t_s) @ self.mount.ego_T_lidar)
        clouds, labels = [], []
        for actor in self.scenery.actors:
            if actor.category != "human.pedestrian.adult" or not (t_s == 1 or t_s > 2):
                inside = rng.uniform(-0.45, 0.45, (20, 3)) * actor.size_lwh
                clouds.append(transform_points(lidar_T_global @ actor.track.matrix(t_s - 0.025), inside))
                labels.append(np.full(20, point_class(actor.category), np.uint8))
        xyz = np.concatenate(clouds)
        return SimpleNamespace(points=np.column_stack([xyz, np.full(len(xyz), 30), np.arange(len(xyz)) % 32]).astype(np.float32),
                               label=np.concatenate(labels))


class ToyCamera:
    """A grey picture; a box covers its corners' rectangle, and nothing hides it but the picture's edge."""

    def __init__(self, scenery: Scenery) -> None:
        self.scenery = scenery

    def render(self, mount: CameraMount, t_s: float, rng: np.random.Generator) -> SimpleNamespace:
        cam_T_global = invert(self.scenery.ego.matrix(t_s) @ mount.ego_T_cam)
        corners = box_corners(np.array([actor.box(t_s) for actor in self.scenery.actors]))
        uv = project(transform_points(cam_T_global, corners), mount.intrinsics)[0]
        inside = np.clip(uv, 0, mount.size_wh)
        area = np.nan_to_num(np.prod(inside.max(axis=1) - inside.min(axis=1), axis=-1)).astype(np.int64)
        image = np.full((mount.size_wh[1], mount.size_wh[0], 3), 128, np.uint8)
        image[:4] = rng.integers(0, 255, (1, 1, 3))
        return SimpleNamespace(image=image, visible_px=area // 2, alone_px=area)


class FullDiskCamera(ToyCamera):
    """The disk is full from 2 s on."""

    def render(self, mount: CameraMount, t_s: float, rng: np.random.Generator) -> SimpleNamespace:
        if t_s > 1.9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().render(mount, t_s, rng)


class BrokenCamera(ToyCamera):
    """Fails in foggy scenes."""

    def render(self, mount: CameraMount, t_s: float, rng: np.random.Generator) -> SimpleNamespace:
        if self.scenery.weather.name == "fog":
            raise ZeroDivisionError("fog")
        return super().render(mount, t_s, rng)


class Stumbling:
    """A camera maker that interrupts at the n-th scene; it counts in a file, as scenes share nothing."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, scenery: Scenery) -> ToyCamera:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return ToyCamera(scenery)


TOY = Parts(build_scenery=build_scenery, lidar=ToyLidar, camera=ToyCamera, seen_at=seen_at)
