"""One scene from one seed."""

from __future__ import annotations

import zlib

import numpy as np

from fusion.simulate.mesh import join
from fusion.simulate.point_classes import point_class, thing_classes
from fusion.simulate.scenery import Scenery, WeatherName
from fusion.simulate.world.cast_list import reserve, walkable, without_conflicts
from fusion.simulate.world.draw import choose, maybe
from fusion.simulate.world.ego import ego_body, ego_track
from fusion.simulate.world.grass import grass
from fusion.simulate.world.ground import make_ground
from fusion.simulate.world.junction_gear import junction_gear
from fusion.simulate.world.kerbsides import kerbsides
from fusion.simulate.world.land import Cover, make_land
from fusion.simulate.world.lots import make_lots
from fusion.simulate.world.markings import markings
from fusion.simulate.world.people import crossing_people, sidewalk_people
from fusion.simulate.world.plan import Character, make_plan
from fusion.simulate.world.pool import Pool
from fusion.simulate.world.settle import settle
from fusion.simulate.world.site import DRIVEN, Site
from fusion.simulate.world.vehicles import drive, ego_route
from fusion.simulate.world.warp import Warp
from fusion.simulate.world.weather import make_weather

_CHANCE: dict[Character, float] = {"downtown": 0.27, "residential": 0.18, "commercial": 0.15, "construction": 0.14, "park": 0.1, "industrial": 0.16}


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
    character = choose(rng, _CHANCE)
    plan = make_plan(character, rng)
    offset = rng.uniform(450, 1300, 2)
    warp = Warp.random(rng).shifted((float(offset[0]), float(offset[1])))
    pool = Pool(np.random.default_rng([seed, 2]))
    for _ in range(4):  # most scenes in which the ego hardly moves are drawn anew
        route, turn, wish = ego_route(plan, warp, rng)
        crossers = crossing_people(plan, warp, pool, route, duration_s, rng)
        times, ego_poses, vehicles = drive(plan, warp, pool, (route, wish), crossers, duration_s, rng)
        way = float(np.hypot(*np.diff(ego_poses[:, :2], axis=0).T).sum())
        if way > 2.0 * duration_s or maybe(rng, 0.3):
            break
    people = sidewalk_people(plan, warp, pool, ego_poses[:, :2], duration_s, rng)
    lots = make_lots(plan, warp, ego_poses[::5, :2], rng)
    land = make_land(plan, warp, ego_poses[::5, :2], [cover for lot in lots for cover in lot.covers()], rng)
    site = Site(land=land, pool=pool, rng=rng)
    reserve(site, vehicles, DRIVEN)
    settle(site, lots)
    people = walkable(site, crossers + people)
    junction_gear(plan, warp, site)
    kerbsides(plan, warp, site)
    ground = make_ground(land, rng)
    actors = without_conflicts(land, vehicles, people, site, times, ego_poses)
    things = [*site.meshes, grass(site)]
    paint = markings(plan, warp, land, lots, ground.z_at, rng)
    classes = [ground.classes, *map(thing_classes, things), np.full(len(paint.faces), point_class("flat.driveable_surface"), np.uint8)]
    drivable = np.isin(land.cover, (int(Cover.ROAD), int(Cover.LOT), int(Cover.DRIVE)))
    action = "standing" if way < 1 else {"straight": "straight on", "left": "turn left", "right": "turn right"}[turn]
    mask = np.ascontiguousarray(np.where(drivable, 255, 0).astype(np.uint8)[::-1])
    return Scenery(static=join([ground.mesh, *things, paint]), static_classes=np.concatenate(classes), actors=tuple(actors),
                   ego=ego_track(land, times, ego_poses, rng), ego_body=ego_body(), weather=light, duration_s=duration_s,
                   drivable=mask, map_origin_xy=land.frame.origin_xy, map_m_per_px=land.frame.m_per_px,
                   description=f"{character.capitalize()}, {action}, {len(actors)} objects, {weather}")
