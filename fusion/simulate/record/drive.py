"""What is asked of a simulation, and what follows from it for each scene: name, weather, mounts and stamps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from fusion.errors import UserError
from fusion.simulate.record.tokens import generator
from fusion.simulate.rig import CameraMount, LidarMount, Rig
from fusion.simulate.scenery import WeatherName

KEYFRAME_S = 0.5
"""nuScenes annotates at 2 Hz."""

START_US = 1_577_836_800_000_000
"""Stamp of the start of scene 0, microseconds; nothing happened then."""

WeatherChoice = Literal["mixed", "day", "night", "rain", "fog"]
MIXED: dict[WeatherName, float] = {"day": 0.63, "rain": 0.17, "night": 0.14, "fog": 0.06}
"""Shares of the weathers in a mixed set; rain and night about as in nuScenes."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything that decides the bytes.

    Attributes:
        scenes: how many.
        seed: >= 0.
        weather: of every scene, or "mixed".
        rig: sensors, images at full size.
        exact_rig: mount them exactly so; otherwise each scene is another car whose mounts differ a little, as real cars do.
        sweeps: also record the LiDAR's sweeps between keyframes.
        lidarseg: also say of each point of a keyframe what it lies on.
        image_scale: of the images' sides.
        duration_s: of each scene.
        every: record every N-th keyframe only.
    """

    scenes: int
    seed: int
    rig: Rig
    weather: WeatherChoice = "mixed"
    exact_rig: bool = False
    sweeps: bool = False
    lidarseg: bool = False
    image_scale: float = 1.0
    duration_s: float = 20.0
    every: int = 1

    def __post_init__(self) -> None:
        for name, least, most in (("scenes", 1, 9999), ("seed", 0, 2**63 - 1), ("every", 1, 1000), ("duration_s", KEYFRAME_S, 600)):
            if not least <= getattr(self, name) <= most:
                raise UserError(f"--{name.removesuffix('_s')} {getattr(self, name)}: expected {least} to {most}")
        if not 0.01 <= self.image_scale <= 2:
            raise UserError(f"--image-scale {self.image_scale}: expected 0.01 to 2")
        if self.weather not in get_args(WeatherChoice):
            raise UserError(f"--weather {self.weather}: expected one of {', '.join(get_args(WeatherChoice))}")
        if self.sweeps and self.rig.lidar is None:
            raise UserError("--sweeps: the rig has no LiDAR, and only its sweeps are recorded between keyframes; leave --sweeps away")
        if self.lidarseg and self.rig.lidar is None:
            raise UserError("--lidarseg: the rig has no LiDAR, whose points it labels; leave --lidarseg away")

    def name(self, index: int) -> str:
        """Scene name."""
        return f"sim-{self.seed}-{index:04d}"

    def weather_of(self, index: int) -> WeatherName:
        """Weather of one scene."""
        if self.weather != "mixed":
            return self.weather
        draw = generator(self.seed, index, "weather").random()
        names = list(MIXED)
        return names[int(np.searchsorted(np.cumsum([MIXED[name] for name in names])[:-1], draw, side="right"))]

    def rig_of(self, index: int) -> Rig:
        """Mounts of one scene, images scaled."""
        rig = self.rig if self.exact_rig else vary(self.rig, generator(self.seed, index, "rig"))
        return rig.scaled(self.image_scale)

    def keyframes_s(self) -> list[float]:
        """Stamps of the keyframes, seconds from the start; the first comes after half a second, so that it has sweeps before it."""
        count = int(self.duration_s / KEYFRAME_S + 1e-9)
        return [KEYFRAME_S * (i + 1) for i in range(0, count, self.every)]

    def sweeps_before_s(self, keyframe_s: float) -> list[float]:
        """Stamps of the sweeps in the half second before a keyframe."""
        if not self.sweeps or self.rig.lidar is None:
            return []
        rate = self.rig.lidar.rate_hz
        turns = int(KEYFRAME_S * rate - 1e-6)
        return [keyframe_s - i / rate for i in range(turns, 0, -1) if keyframe_s - (i + 1) / rate > -1e-6]

    def stamp_us(self, index: int, t_s: float) -> int:
        """Microseconds of a time of one scene; scenes follow one another with a minute between them."""
        return START_US + 1_000_000 * index * (math.ceil(self.duration_s) + 60) + round(1e6 * t_s)

    def split(self, names: list[str]) -> dict[str, list[str]]:
        """`sim_train` and `sim_val` of some of the scenes: the last tenth of all that were asked for is for validation."""
        held_back = {self.name(i) for i in range(self.scenes - max(1, self.scenes // 10), self.scenes)} if self.scenes > 1 else set()
        return {"sim_train": [n for n in names if n not in held_back], "sim_val": [n for n in names if n in held_back]}


def vary(rig: Rig, rng: np.random.Generator) -> Rig:
    """Another car of the same make: centimetres and tenths of a degree off, a LiDAR's tilt more, focal lengths and principal points too;
    each sensor is another one of its make."""
    cameras = tuple(_vary_camera(camera, rng) for camera in rig.cameras)
    return Rig(cameras=cameras, lidar=None if rig.lidar is None else _vary_lidar(rig.lidar, rng))


def _off(rng: np.random.Generator, sigma: float, size: int) -> np.ndarray:
    """Normal, cut at two sigma."""
    return np.clip(rng.normal(0, sigma, size), -2 * sigma, 2 * sigma)


def _moved(position_m: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float, float]:
    x, y, z = np.round(np.asarray(position_m) + _off(rng, 0.01, 3), 4).tolist()
    return x, y, z


def _vary_camera(camera: CameraMount, rng: np.random.Generator) -> CameraMount:
    yaw, pitch, roll = np.round(np.array([camera.yaw_deg, camera.pitch_deg, camera.roll_deg]) + _off(rng, 0.35, 3), 4).tolist()
    u, v = np.round(np.asarray(camera.centre_px) + _off(rng, 0.005, 2) * camera.size_wh[0], 3).tolist()
    focal = round(float(camera.focal_px * (1 + _off(rng, 0.004, 1)[0])), 3)
    return replace(camera, position_m=_moved(camera.position_m, rng), yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll, focal_px=focal,
                   centre_px=(u, v), individual=int(rng.integers(2**31)))


def _vary_lidar(lidar: LidarMount, rng: np.random.Generator) -> LidarMount:
    angles = np.array([lidar.yaw_deg, lidar.pitch_deg, lidar.roll_deg]) + _off(rng, 1.0, 3) * (0.35, 0.5, 0.2)
    yaw, pitch, roll = np.round(angles, 4).tolist()
    return replace(lidar, position_m=_moved(lidar.position_m, rng), yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll,
                   individual=int(rng.integers(2**31)))
