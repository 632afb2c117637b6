"""One scene from one seed."""

from __future__ import annotations

import zlib

import numpy as np

from fusion.geometry.iou import bev_iou
from fusion.simulate.actor import Actor, Track
from fusion.simulate.mesh import join
from fusion.simulate.scenery import Scenery, WeatherName
from fusion.simulate.world.ego import EGO_LWH, ego_body, ego_track
from fusion.simulate.world.ground import ground_mesh
from fusion.simulate.world.land import Cover, Land, make_land
from fusion.simulate.world.lots import make_lots
from fusion.simulate.world.markings import markings
from fusion.simulate.world.movers import Mover, crossing_people, drive, ego_route, sidewalk_people
from fusion.simulate.world.plan import CHARACTERS, Character, make_plan
from fusion.simulate.world.settle import settle
from fusion.simulate.world.site import Pool, Site, actor_of
from fusion.simulate.world.street_side import grass, kerbsides
from fusion.simulate.world.warp import Warp
from fusion.simulate.world.weather import make_weather

_CHANCE: dict[Character, float] = {"downtown": 0.3, "residential": 0.2, "commercial": 0.15, "construction": 0.13, "park": 0.12, "industrial": 0.1}


def build_scenery(seed: int, weather: WeatherName, duration_s: float = 20.0) -> Scenery:
    """A street quarter with traffic in it.

    Args:
        seed: the same seed, weather and duration give the same scene, byte for byte; the weather changes light alone.
        weather: "day", "night", "rain" or "fog".
        duration_s: length of the scene.

    Raises:
        ValueError: a duration that is not positive, or an unknown weather.
    """
    if not duration_s > 0:
        raise ValueError(f"duration_s: expected a positive number of seconds, got {duration_s}")
    light = make_weather(weather, np.random.default_rng([seed, 1, zlib.crc32(weather.encode())]))
    rng = np.random.default_rng([seed, 0])
    chance = np.array([_CHANCE[c] for c in CHARACTERS])
    character = CHARACTERS[int(rng.choice(len(CHARACTERS), p=chance / chance.sum()))]
    plan = make_plan(character, rng)
    offset = rng.uniform(450, 1300, 2)
    warp = Warp.random(rng).shifted((float(offset[0]), float(offset[1])))
    pool = Pool(np.random.default_rng([seed, 2]))
    route, turn, wish = ego_route(plan, warp, rng)
    crossers = crossing_people(plan, warp, pool, route, duration_s, rng)
    times, ego_poses, vehicles = drive(plan, warp, pool, (route, wish), crossers, duration_s, rng)
    people = sidewalk_people(plan, warp, pool, ego_poses[:, :2], duration_s, rng)
    lots = make_lots(plan, warp, ego_poses[::5, :2], rng)
    land = make_land(plan, warp, ego_poses[::5, :2], [cover for lot in lots for cover in lot.covers()], rng)
    site = Site(land=land, pool=pool, rng=rng)
    settle(site, lots)
    kerbsides(plan, warp, site, lots)
    ground, z_at = ground_mesh(land, rng)
    actors = _without_conflicts(_moving(land, site, vehicles, crossers + people), site.actors, times, ego_poses)
    static = join([ground, *site.meshes, grass(site), markings(plan, warp, land, lots, z_at, rng)])
    drivable = np.isin(land.cover, (int(Cover.ROAD), int(Cover.LOT), int(Cover.DRIVE)))
    way = float(np.hypot(*np.diff(ego_poses[:, :2], axis=0).T).sum())
    action = "standing" if way < 1 else {"straight": "straight on", "left": "turn left", "right": "turn right"}[turn]
    return Scenery(static=static, actors=tuple(actors), ego=ego_track(land, times, ego_poses, rng), ego_body=ego_body(), weather=light, duration_s=duration_s,
                   drivable=np.ascontiguousarray(np.where(drivable, 255, 0).astype(np.uint8)[::-1]), map_origin_xy=land.frame.origin_xy,
                   map_m_per_px=land.frame.m_per_px, description=f"{character.capitalize()}, {action}, {len(actors)} objects, {weather}")


def _moving(land: Land, site: Site, vehicles: list[Mover], people: list[Mover]) -> list[tuple[Actor, int]]:
    """Movers with height and tilt, and their groups; people who would walk into something are left out."""
    out = []
    for mover in vehicles:
        length, width, height = mover.shape.size_lwh
        xy, yaw = mover.poses[:, :2], mover.poses[:, 2]
        pitch, roll = land.tilt(xy, yaw, float(length) * 0.6, float(width) * 0.8)
        out.append((actor_of(mover.shape, Track(times_s=mover.times_s, poses=np.column_stack([xy, land.height(xy) + height / 2, yaw, pitch, roll])),
                             "vehicle.stopped" if mover.shape.moving == "vehicle.moving" else None), mover.group))
    for mover in people:
        keep = mover.times_s >= -1e-6
        times, poses = mover.times_s[keep], mover.poses[keep]
        xy = poses[:, :2]
        if site.near(xy[len(xy) // 2]) > 75 or land.frame.pick(site.taken, xy).any():
            continue
        z = land.height(xy) + mover.shape.size_lwh[2] / 2
        out.append((actor_of(mover.shape, Track(times_s=times, poses=np.column_stack([xy, z, poses[:, 2], np.zeros((len(xy), 2))]))), mover.group))
    return out


def _without_conflicts(moving: list[tuple[Actor, int]], standing: list[Actor], times_s: np.ndarray, ego_poses: np.ndarray) -> list[Actor]:
    """Drop actors until no two boxes, nor the ego's, ever overlap: standing ones first, then people, then vehicles."""
    actors = [actor for actor, _ in moving] + standing
    groups = [group for _, group in moving] + [-1 - k for k in range(len(standing))]
    rank = [2 if actor.category.startswith("vehicle") else 1 for actor, _ in moving] + [0] * len(standing)
    gone = np.zeros(len(actors), bool)
    boxes = np.empty((len(actors), 7))
    for step in range(0, len(times_s), 2):
        t = float(times_s[step])
        for i, actor in enumerate(actors):
            if step == 0 or rank[i] > 0:
                boxes[i] = actor.box(t)
        grown = boxes.copy()
        grown[:, 3:5] += 0.06
        x, y, yaw = ego_poses[step]
        ego = np.array([[x, y, 0, EGO_LWH[0] + 0.4, EGO_LWH[1] + 0.3, 2, yaw]])
        gone |= bev_iou(grown, ego)[:, 0] > 0
        alive = np.nonzero(~gone)[0]
        fast = np.array([i for i in alive if rank[i] > 0], int)
        if step == 0:
            fast = alive
        for i, j in np.argwhere(bev_iou(grown[fast], grown[alive]) > 0):
            a, b = int(fast[i]), int(alive[j])
            if a != b and not gone[a] and not gone[b] and groups[a] != groups[b]:
                gone[a if (rank[a], -a) < (rank[b], -b) else b] = True
    lost = {groups[i] for i in np.nonzero(gone)[0]}
    return [actor for i, actor in enumerate(actors) if groups[i] not in lost]
