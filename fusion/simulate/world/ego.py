"""The ego car: its track from its way through traffic, and the parts of its body that its own sensors see."""

from __future__ import annotations

import numpy as np

from fusion.simulate.actor import Track
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box, extruded
from fusion.simulate.world.land import Land

EGO_LWH = (4.08, 1.73, 1.56)
REAR_AXLE_M = 1.25
"""The rear axle is so far behind the box's centre."""


def ego_track(land: Land, times_s: np.ndarray, poses: np.ndarray, rng: np.random.Generator) -> Track:
    """The ego frame's track.

    Args:
        land: gives height and tilt.
        times_s: `(T,)`.
        poses: `(T, 3)` x, y, yaw of the box's centre.
        rng: for the body's motion on its springs.
    """
    yaw = poses[:, 2]
    xy = poses[:, :2] - REAR_AXLE_M * np.column_stack([np.cos(yaw), np.sin(yaw)])
    pitch, roll = land.tilt(poses[:, :2], yaw, 2.6, 1.5)
    speed = np.hypot(*np.gradient(poses[:, :2], times_s, axis=0).T) if len(times_s) > 1 else np.zeros(1)
    thrust = np.gradient(speed, times_s) if len(times_s) > 1 else np.zeros(1)
    turn = np.gradient(yaw, times_s) * speed if len(times_s) > 1 else np.zeros(1)
    shake = np.clip(speed / 6, 0.05, 1)
    pitch = pitch + np.radians(0.25) * shake * _wobble(times_s, rng) - np.radians(0.35) * _smooth(thrust, 5) / 2
    roll = roll + np.radians(0.25) * shake * _wobble(times_s, rng) + np.radians(0.6) * _smooth(turn, 5) / 2
    return Track(times_s=times_s, poses=np.column_stack([xy, land.height(xy), yaw, pitch, roll]))


def _wobble(times_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A few slow waves of about unit spread."""
    out: np.ndarray = np.zeros(len(times_s))
    for rate in (0.7, 1.3, 1.9):
        out = out + np.sin(2 * np.pi * rate * rng.uniform(0.8, 1.2) * times_s + rng.uniform(0, 6.3)) * rng.uniform(0.4, 1.0)
    return out


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    out: np.ndarray = np.convolve(np.pad(values, width // 2, mode="edge"), np.ones(width) / width, "valid")[:len(values)]
    return out


def ego_body() -> Mesh:
    """Roof, bonnet, and on the roof its bars, the cameras' housings and the LiDAR's stand, in the ego frame (rear axle, x forward).

    Measured where sweeps of scenes 0523 and 0103 meet their own car (x, z medians in strips along it). The plate that the LiDAR stands on reaches
    back below its lowest rings, so near that they see nothing there (`LidarMount.range_m`).
    """
    dark, white = (0.03, 0.03, 0.03), (0.6, 0.6, 0.6)
    outline = np.array([[-0.72, 0.9], [-0.62, 1.2], [-0.17, 1.455], [-0.05, 1.48], [0.1, 1.497], [0.4, 1.515], [1.2, 1.505],
                        [1.45, 1.48], [1.75, 1.43], [1.85, 1.365], [2.02, 1.325], [2.75, 0.98], [2.7, 0.9]])
    cabin = extruded(outline, 1.62, Material.PAINT, white, top_width_m=1.02)
    bonnet = extruded(np.array([[2.6, 0.6], [2.65, 1.06], [2.8, 1.03], [3.1, 0.72], [3.15, 0.6]]), 1.3, Material.PAINT, white)
    lower = box((3.85, 1.72, 0.6), Material.PAINT, white, (1.2, 0, 0.62))
    bars = [box((0.06, 1.04, 0.03), Material.METAL, dark, (x, 0, 1.52)) for x in (0.35, 1.45)]
    foot = box((0.26, 0.26, 0.2), Material.METAL, dark, (0.95, 0, 1.62))
    plate = extruded(np.array([[0.3, 1.5], [0.45, 1.57], [0.54, 1.625], [0.85, 1.625], [0.85, 1.5]]), 0.28, Material.METAL, dark)
    tongue = extruded(np.array([[0.46, 1.5], [0.46, 1.608], [0.55, 1.63], [0.85, 1.63], [0.85, 1.5]]), 0.14, Material.METAL, dark)
    behind = extruded(np.array([[0.07, 1.5], [0.07, 1.59], [0.235, 1.585], [0.29, 1.53], [0.3, 1.5]]), 0.12, Material.METAL, dark)
    ahead = box((0.17, 0.12, 0.06), Material.METAL, dark, (1.585, 0, 1.51))
    sides = [box((0.18, 0.1, 0.1), Material.METAL, dark, (1.0, y, 1.53)) for y in (-0.4, 0.4)]
    return join([cabin, bonnet, lower, *bars, foot, plate, tongue, behind, ahead, *sides])
