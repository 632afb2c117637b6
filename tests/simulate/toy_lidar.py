"""Worlds and sensors small enough to work out by hand what a LiDAR sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fusion.simulate.actor import Actor, Track
from fusion.simulate.lidar.returns import Receiver
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh
from fusion.simulate.point_classes import thing_classes
from fusion.simulate.primitives import box, quad
from fusion.simulate.rig import LidarMount
from fusion.simulate.scenery import Scenery, Weather

WHITE = (0.9, 0.9, 0.9)
EXACT = Receiver(threshold=1e-9, random_loss=0.0, speckled=False, shiny_loss=0.0, object_spread=0.0, range_noise_m=0.0, ring_bias_m=0.0,
                 ring_gain=0.0, quantum_m=0.0, beam_rad=0.0)
FEW = LidarMount(position_m=(0.0, 0.0, 2.0), elevations_deg=(-10.0, 0.0), azimuth_steps=360, start_deg=90.0, range_m=(0.4, 200.0))
TILTED = replace(FEW, yaw_deg=25.0, pitch_deg=18.0, roll_deg=-7.0)
STRAIGHT = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[1000.0, 2000, 0, 0, 0, 0], [1200, 2000, 0, 0, 0, 0]]))


def scenery_of(static: Mesh, actors: Sequence[Actor] = (), ego: Track | None = None, body: Mesh | None = None, **air: float) -> Scenery:
    """By day; `air` is of the weather."""
    light = np.ones(3)
    weather = Weather(name="day", to_sun=np.array([0.0, 0, 1]), sun_rgb=light, ambient_rgb=light, zenith_rgb=light, horizon_rgb=light, **air)
    return Scenery(static=static, static_classes=thing_classes(static), actors=tuple(actors), ego=ego or Track.at_rest(0, 0, 0, 0),
                   ego_body=body or Mesh.empty(), weather=weather, duration_s=10.0, drivable=np.zeros((1, 1), np.uint8))


def wall(x: float, y: float = 0.0, material: Material = Material.PLASTER) -> Mesh:
    """Its near side is the plane at `x`."""
    return box((1.0, 400.0, 60.0), material, WHITE, centre=(x + 0.5, y, 0.0))


def ground() -> Mesh:
    """600 m across, at z = 0."""
    return quad(np.array([[-300.0, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]]), Material.CONCRETE, WHITE)


def car(track: Track) -> Actor:
    """A box of 4 x 2 x 2 m."""
    return Actor(category="vehicle.car", size_lwh=np.array([4.0, 2.0, 2.0]), meshes=(box((4, 2, 2), Material.PLASTER, WHITE),), track=track)
