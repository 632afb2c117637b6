"""Simulated photographs, with what of every actor they show."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from threading import local

import numpy as np

from fusion.geometry.transforms import invert
from fusion.simulate.camera.faces import EGO, FIRST_ACTOR, Faces, Posed
from fusion.simulate.camera.ground_light import GroundLights
from fusion.simulate.camera.lens import Development, blur, develop, merge, meter
from fusion.simulate.camera.raindrops import add_rain
from fusion.simulate.camera.raster import View, count_owners, coverage, draw
from fusion.simulate.camera.shade import shade
from fusion.simulate.camera.shadow import ShadowMaps
from fusion.simulate.camera.texture import surface
from fusion.simulate.camera.wet import reflect
from fusion.simulate.rig import CameraMount
from fusion.simulate.scenery import Scenery

_SMALL_PX = 500_000
"""Images of fewer pixels get four samples a pixel."""

_MEAN_GREY = {"day": 120.0, "night": 56.0, "rain": 116.0, "fog": 122.0}
"""What the exposure meter wants a photograph's mean grey value to be, before the vignette: nuScenes' own."""

_WARMTH = np.array([1.01, 1.0, 0.97])
"""White balance of nuScenes' cameras: grey is a little warm."""

_SHUTTER_S = {"day": 0.0018, "night": 0.008, "rain": 0.003, "fog": 0.0025}
_NOISE = {"day": 0.9, "night": 2.6, "rain": 1.3, "fog": 1.1}
_LAMPS = {"day": 0.25, "night": 1.0, "rain": 0.6, "fog": 0.6}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One photograph.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        visible_px: `(A,)` int64 pixels that show each actor.
        alone_px: `(A,)` int64 pixels of the image that each actor would cover if nothing else stood there.
    """

    image: np.ndarray
    visible_px: np.ndarray
    alone_px: np.ndarray


class CameraSimulator:
    """Renders a scene through pinhole cameras; safe to call from several threads, and the same whatever was rendered before."""

    def __init__(self, scenery: Scenery) -> None:
        self._scenery = scenery
        self._faces = Faces.of(scenery)
        self._shadows = ShadowMaps(scenery, self._faces)
        self._grounds = GroundLights(scenery, self._faces)
        self._radius_m = np.array([_radius(actor.meshes[0].vertices) for actor in scenery.actors], np.float64)
        self._half_height = np.zeros(FIRST_ACTOR + len(scenery.actors), np.float32)
        self._half_height[FIRST_ACTOR:] = [actor.size_lwh[2] / 2 for actor in scenery.actors]
        self._never_parked = np.array([actor.resting not in ("", "vehicle.parked") for actor in scenery.actors], bool)
        self._scratch = local()

    def render(self, mount: CameraMount, t_s: float, rng: np.random.Generator) -> Picture:
        """Take a photograph.

        Args:
            mount: the camera.
            t_s: shutter time, seconds from the start of the scene; everybody is posed at this time.
            rng: exposure, noise, rain.
        """
        samples = _samples(mount)
        scenery, faces = self._scenery, self._faces
        posed = Posed.at(scenery, faces, t_s)
        origin_T_cam = posed.origin_T_owner[EGO] @ mount.ego_T_cam
        view = _view(mount, samples, origin_T_cam)
        nearness, face, image = self._buffers(view.size_wh)
        visible_px, alone_px = self._visibility(view, posed, nearness, face)
        surface(faces, posed, view, nearness, face, samples, image)
        way_m = faces.tracks.at(t_s + 0.02) - faces.tracks.at(t_s - 0.02)
        awake = self._never_parked | (np.hypot(way_m[:, 0], way_m[:, 1]) > 0.3 * 0.04)
        lamps_on = np.ones(FIRST_ACTOR + len(scenery.actors), np.float32)
        lamps_on[FIRST_ACTOR:] = awake
        shadow = self._shadows.at(posed, posed.origin_T_owner[EGO, :3, 3], view.planes(), self._radius_m)
        shade(faces, posed, view, scenery.weather, shadow, self._grounds.at(posed, awake), self._half_height,
              lamps_on * np.float32(_LAMPS[scenery.weather.name]), nearness, face, samples, image)
        if scenery.weather.rain_mm_h > 0:
            reflect(view, scenery.weather.horizon_rgb, nearness, image)
        drift_m, turn_rad = self._motion(mount, origin_T_cam, way_m[:, :3], t_s)
        image, nearness, face = merge(image, nearness, face, samples)
        lens = (mount.focal_px, mount.focal_px, *mount.centre_px)
        image = blur(image, nearness, face, faces.owner, lens, drift_m, turn_rad)
        photograph = develop(image, self._development(mount, image, rng))
        if scenery.weather.rain_mm_h > 0:
            photograph = add_rain(photograph, scenery.weather.rain_mm_h, rng)
        share = samples * samples
        return Picture(image=photograph, visible_px=-(-visible_px // share), alone_px=-(-alone_px // share))

    def _buffers(self, size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Empty nearness, face and light buffers; kept per thread, because fresh memory of this size costs as much as drawing."""
        kept: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = self._scratch.__dict__.setdefault("buffers", {})
        if size_wh not in kept:
            kept.clear()
            shape = size_wh[::-1]
            kept[size_wh] = (np.empty(shape, np.float32), np.empty(shape, np.int32), np.empty((*shape, 4), np.float32))
        nearness, face, image = kept[size_wh]
        nearness.fill(0.0)
        face.fill(-1)
        return nearness, face, image

    def _visibility(self, view: View, posed: Posed, nearness: np.ndarray, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw everything; samples that show each actor, and that it would cover alone, both `(A,)` int64."""
        faces, count = self._faces, len(self._scenery.actors)
        planes = view.planes()
        where = posed.origin_T_owner[FIRST_ACTOR:]
        reach = where[:, :3, 3] @ planes[:, :3].T + planes[:, 3] + self._radius_m[:, None]
        seen = np.flatnonzero((reach >= 0).all(axis=1))
        standing = faces.chunks_in_view(planes)
        ranges = np.concatenate([np.array([faces.ego_range], np.int64), posed.ranges[seen], standing])
        matrices = view.view_T_origin @ np.concatenate([posed.origin_T_owner[EGO:FIRST_ACTOR], where[seen],
                                                        np.tile(np.eye(4), (len(standing), 1, 1))])
        alone_px = np.zeros(count, np.int64)
        alone_px[seen] = coverage(faces.corners, posed.ranges[seen], matrices[1:1 + len(seen)], view, face)
        face.fill(-1)
        draw(faces.corners, faces.hole, ranges, matrices, view, nearness, face)
        return count_owners(face, faces.owner, FIRST_ACTOR + count)[FIRST_ACTOR:], alone_px

    def _motion(self, mount: CameraMount, origin_T_cam: np.ndarray, way_m: np.ndarray, t_s: float) -> tuple[np.ndarray, np.ndarray]:
        """How far each owner moves relative to the camera while the shutter is open, and how the camera turns, in its axes.

        `way_m` `(A, 3)` is what the actors move in the 0.04 s around the shutter time."""
        share = _SHUTTER_S[self._scenery.weather.name] / 0.04
        before, after = (invert(self._scenery.ego.matrix(t_s + dt) @ mount.ego_T_cam) for dt in (-0.02, 0.02))
        turned = (before[:3, :3] @ after[:3, :3].T - np.eye(3)) * share
        turn_rad = np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0], turned[1, 0] - turned[0, 1]]) / 2
        own = invert(after)[:3, 3] - invert(before)[:3, 3]
        way = np.concatenate([-own[None], np.zeros((1, 3)), way_m - own])
        return way * share @ origin_T_cam[:3, :3], turn_rad

    def _development(self, mount: CameraMount, image: np.ndarray, rng: np.random.Generator) -> Development:
        """Exposure by a meter that corrects most of what it sees, with each camera's own bias and tint."""
        weather = self._scenery.weather
        camera = np.random.default_rng([zlib.crc32(mount.name.encode()), mount.individual])
        bias, tint = camera.normal(0.0, 0.06), camera.normal(0.0, 0.015, 3)
        night = weather.name == "night"
        gain = meter(image, _MEAN_GREY[weather.name]) ** 0.92 * weather.exposure ** 0.08 * np.exp(bias + rng.normal(0.0, 0.04))
        # White balance takes out most of the colour of what lights the ground.
        lit = weather.sun_rgb * max(float(weather.to_sun[2]), 0.1) + weather.ambient_rgb
        balance = (lit.mean() / lit) ** (0.5 if night else 0.85) * _WARMTH
        return Development(gain_rgb=gain * balance * np.exp(tint), glare=0.03 if not night else 0.05, vignette=0.38,
                           noise=_NOISE[weather.name] * np.sqrt(min(1.0, max(0.05, mount.size_wh[0] / 1600))), saturation=1.05,
                           softness=0.48 if _samples(mount) == 1 else 0.05, seed=int(rng.integers(2**31)))


def _samples(mount: CameraMount) -> int:
    return 2 if mount.size_wh[0] * mount.size_wh[1] < _SMALL_PX else 1


def _view(mount: CameraMount, samples: int, origin_T_cam: np.ndarray) -> View:
    fine = mount.scaled(samples)
    return View(view_T_origin=invert(origin_T_cam), lens=(fine.focal_px, fine.focal_px, *fine.centre_px), size_wh=fine.size_wh)


def _radius(vertices: np.ndarray) -> float:
    """Of a ball around the origin that holds every vertex, with room for a gait."""
    return float(np.linalg.norm(vertices, axis=1).max(initial=0.0)) + 0.5
