"""A spinning LiDAR in a scenery: one sweep of points, as nuScenes' files hold them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.geometry.transforms import invert
from fusion.simulate.lidar.casting import EGO, NOTHING, STATIC, Hits, RayCaster
from fusion.simulate.lidar.firing import Firing, poses_at
from fusion.simulate.lidar.movers import Movers, Posed, moves
from fusion.simulate.lidar.returns import PASS_THROUGH, Receiver
from fusion.simulate.lidar.width import PARTS, edges, parts_of, strongest
from fusion.simulate.point_classes import point_class
from fusion.simulate.rig import LidarMount
from fusion.simulate.scenery import Scenery

_ROUNDS = 3
"""How often a beam may go on through something porous."""
_STEP_M = 0.02
"""A beam goes on this far behind what it passed, so that it does not meet the same face again."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One turn. P beams: those of every step, lowest ring first.

    Attributes:
        points: `(P, 5)` float32 x, y, z, intensity in 0..255, ring, in the LiDAR frame at the sweep's stamp, compensated for the ego's motion
            only. A beam without return is kept, as in nuScenes: at the place where the sensor was when it fired.
        source: `(P,)` int32, what each point lies on: an index into the scenery's actors, `STATIC`, `EGO`, `IN_AIR` or `NOTHING`.
        label: `(P,)` uint8, the same as an index into `POINT_CLASSES`; a drop in the air and a beam without return are noise.
    """

    points: np.ndarray
    source: np.ndarray
    label: np.ndarray


class LidarSimulator:
    """Casts sweeps in one scenery.

    Args:
        scenery: its static meshes and standing actors are put into a search tree here, which takes about a second; each shape that moves gets
            one of its own when it is first met, so that a sweep only has to move rays.
        mount: the sensor.
        receiver: what it detects.
    """

    def __init__(self, scenery: Scenery, mount: LidarMount, receiver: Receiver | None = None) -> None:
        self.scenery, self.mount, self.receiver = scenery, mount, receiver or Receiver()
        self._firing = Firing.of(mount)
        self._movers = Movers(scenery, mount, self._firing)
        # Embree computes in float32: its frame starts in the middle of the ego's way, not kilometres away.
        self._origin_m = np.round(scenery.ego.poses[:, :3].mean(axis=0))
        to_local = np.eye(4)
        to_local[:3, 3] = -self._origin_m
        standing = [(actor.mesh_at(0.0).moved(to_local @ actor.track.matrix(0.0)), index)
                    for index, actor in enumerate(scenery.actors) if not moves(actor)]
        self._standing = RayCaster([(scenery.static.moved(to_local), STATIC), *standing])
        # The ego car turns with the sensor: what beams meet of it is the same in every sweep.
        aim = self._firing.directions_ego.reshape(-1, 3)
        self._on_ego = RayCaster([(scenery.ego_body, EGO)]).cast(np.broadcast_to(np.asarray(mount.position_m), aim.shape), aim, mount.range_m[1])
        # By source, which counts from the end where it is negative: -1 is `STATIC`, whose faces say it themselves.
        names = [*(actor.category for actor in scenery.actors), "noise", "noise", "vehicle.ego", "static.other"]
        self._label = np.array([point_class(name) for name in names], np.uint8)
        # Constants of the sensor and of each object, the same in every sweep.
        rings, sensor = len(mount.elevations_deg), np.random.default_rng([11, mount.individual])
        self._ring_bias_m = sensor.normal(0.0, self.receiver.ring_bias_m, rings)
        self._idle_intensity = sensor.integers(2, 31, rings).astype(np.float64)
        looks_down = np.asarray(mount.elevations_deg) < 0
        self._ring_gain = np.exp(np.where(looks_down, sensor.normal(0.0, self.receiver.ring_gain, rings), 0.0))
        objects = np.random.default_rng([13, zlib.crc32(np.ascontiguousarray(scenery.ego.poses).tobytes())])
        self._gain = np.append(np.exp(objects.normal(0.0, self.receiver.object_spread, len(scenery.actors))), 1.0)

    def sweep(self, t_s: float, rng: np.random.Generator) -> Sweep:
        """The turn that ends at a time (the stamp), seconds from the start of the scene."""
        steps, rings = self._firing.azimuth_rad.shape
        ego_m, global_R_ego = poses_at(self.scenery.ego, t_s - self._firing.before_s)
        sensor_m = ego_m + global_R_ego @ np.asarray(self.mount.position_m) - self._origin_m
        directions = np.einsum("sij,srj->sri", global_R_ego, self._firing.directions_ego).reshape(-1, 3)
        origins_m = np.repeat(sensor_m, rings, axis=0)
        movers = self._movers.posed(t_s)
        hits = self._on_ego.take(np.arange(len(origins_m)))
        going = np.flatnonzero(hits.source == NOTHING)
        hits.put(going, self._hits(origins_m[going], directions[going], going // rings, movers, rng))
        ring = np.tile(np.arange(rings), steps)
        gain = self._gain[np.maximum(hits.source, STATIC)]
        if self.receiver.beam_rad > 0:
            gain *= self._widen(hits, origins_m, directions, movers, rng)
        range_m, brightness, source = self._received(hits, gain, ring, rng)
        lost = source == NOTHING
        lidar_T_global = invert(self.scenery.ego.matrix(t_s) @ self.mount.ego_T_lidar)
        points = np.empty((steps * rings, 5), np.float32)
        points[:, :3] = (origins_m + directions * range_m[:, None] + self._origin_m) @ lidar_T_global[:3, :3].T + lidar_T_global[:3, 3]
        points[:, 3] = np.where(lost, self._idle_intensity[ring], self.receiver.intensity(brightness * self._ring_gain[ring], hits.material))
        points[:, 4] = ring
        label = self._label[source]
        standing = source == STATIC
        label[standing] = self.scenery.static_classes[hits.face[standing]]  # the standing world's faces come first in its ray caster
        return Sweep(points=points, source=source, label=label)

    def _hits(self, origins_m: np.ndarray, directions: np.ndarray, step: np.ndarray, movers: Sequence[Posed], rng: np.random.Generator) -> Hits:
        """What each of N beams meets and does not pass, except the own car; `step` `(N,)` of the turn ascends, distances count from the sensor."""
        hits = Hits.none(len(origins_m))
        going, gone_m = np.arange(len(origins_m)), np.zeros(len(origins_m))
        for last in [False] * _ROUNDS + [True]:
            aim = directions[going]
            starts_m = origins_m[going] + aim * gone_m[:, None]
            found = self._standing.cast(starts_m, aim, self.mount.range_m[1] - gone_m)
            for mover in movers:
                mover.cast_into(found, starts_m, aim, step[going], self._origin_m)
            found.distance_m[:] += gone_m.astype(np.float32)
            hits.put(going, found)
            passes = rng.random(len(going)) < np.where(found.source == NOTHING, 0.0, PASS_THROUGH[found.material])
            if last or not passes.any():
                break
            going, gone_m = going[passes], found.distance_m[passes].astype(np.float64) + _STEP_M
        return hits

    def _widen(self, hits: Hits, origins_m: np.ndarray, directions: np.ndarray, movers: Sequence[Posed], rng: np.random.Generator) -> np.ndarray:
        """Cast the beams at edges in parts and overwrite what they meet; share of the surface's brightness that each beam gets, `(N,)`."""
        rings, receiver = len(self.mount.elevations_deg), self.receiver
        rows = edges(hits, rings)
        aim = parts_of(directions[rows], receiver.beam_rad).reshape(-1, 3)
        parts = self._hits(np.repeat(origins_m[rows], PARTS, axis=0), aim, np.repeat(rows // rings, PARTS), movers, rng)
        brightness = receiver.brightness(parts.material, parts.cos_incidence, self._gain[np.maximum(parts.source, STATIC)], self.scenery.weather)
        found, part = strongest(parts, brightness, receiver.pulse_m)
        hits.put(rows, found)
        share = np.ones(len(hits.source))
        share[rows] = part
        return share

    def _received(self, hits: Hits, gain: np.ndarray, ring: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Range (0 where nothing returns), brightness and source of every beam."""
        receiver, weather = self.receiver, self.scenery.weather
        true_m, source, brightness = receiver.echo(hits, gain, weather, rng)
        noisy_m = true_m + self._ring_bias_m[ring] + rng.normal(0.0, receiver.range_noise_m, len(true_m))
        range_m = np.round(noisy_m / receiver.quantum_m) * receiver.quantum_m if receiver.quantum_m else noisy_m
        nearest_m, farthest_m = self.mount.range_m
        lost = (source == NOTHING) | ~(range_m >= nearest_m) | (range_m > farthest_m)
        return np.where(lost, 0.0, range_m), brightness, np.where(lost, NOTHING, source).astype(np.int32)
