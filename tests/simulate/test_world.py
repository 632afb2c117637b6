"""The simulated world: repeatable, on the ground, physically possible, and nothing inside anything else."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from fusion.geometry.boxes import box_corners
from fusion.geometry.iou import bev_iou
from fusion.simulate.point_classes import POINT_CLASSES
from fusion.simulate.scenery import Scenery
from fusion.simulate.world.build import build_scenery
from fusion.simulate.world.ego import EGO_LWH, REAR_AXLE_M
from fusion.simulate.world.plan import CHARACTERS, make_plan
from fusion.simulate.world.routes import STEP_M, drive_route, route_of
from fusion.simulate.world.traffic import simulate
from fusion.simulate.world.warp import Warp
from fusion.simulate.world.weather import make_weather

SEEDS = (3, 11)


@lru_cache
def scene(seed: int) -> Scenery:
    return build_scenery(seed, "day", 8.0)


def _ego_box(scenery: Scenery, t_s: float) -> np.ndarray:
    x, y, z, yaw = scenery.ego.at(t_s)[:4]
    return np.array([[x + REAR_AXLE_M * np.cos(yaw), y + REAR_AXLE_M * np.sin(yaw), z, *EGO_LWH, yaw]])


def test_the_same_seed_gives_the_same_scene_and_weather_changes_light_alone() -> None:
    first, second = scene(3), build_scenery(3, "night", 8.0)
    for name in ("vertices", "faces", "material", "albedo"):
        assert getattr(first.static, name).tobytes() == getattr(second.static, name).tobytes()
    assert first.ego.poses.tobytes() == second.ego.poses.tobytes()
    assert [a.track.poses.tobytes() for a in first.actors] == [a.track.poses.tobytes() for a in second.actors]
    assert [a.meshes[0].vertices.tobytes() for a in first.actors] == [a.meshes[0].vertices.tobytes() for a in second.actors]
    assert (first.drivable == second.drivable).all()
    assert second.weather.name == "night" and second.weather.sun_rgb.max() < first.weather.ambient_rgb.max()


def _coupled(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two `(7,)` boxes are in line, nose to tail, as a tractor and its trailer are, whose nose rests on the tractor."""
    (dx, dy), turn = b[:2] - a[:2], abs((b[6] - a[6] + np.pi) % (2 * np.pi) - np.pi)
    ahead, left = np.cos(a[6]) * dx + np.sin(a[6]) * dy, np.cos(a[6]) * dy - np.sin(a[6]) * dx
    return bool(turn < 0.25 and abs(left) < 1.0 and (a[3] + b[3]) / 2 - 1.6 < abs(ahead) < (a[3] + b[3]) / 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_ever_overlaps_but_tractors_and_their_trailers(seed: int) -> None:
    scenery = scene(seed)
    trailer = np.array([actor.category == "vehicle.trailer" for actor in scenery.actors])
    drawing = np.array([actor.category == "vehicle.truck" for actor in scenery.actors])
    for t in np.linspace(0, scenery.duration_s, 9):
        boxes = np.stack([actor.box(float(t)) for actor in scenery.actors])
        overlap = bev_iou(boxes, boxes)
        np.fill_diagonal(overlap, 0)
        for i, j in np.argwhere((overlap > 0.01) & trailer[:, None] & drawing[None]):
            if _coupled(boxes[i], boxes[j]):
                overlap[i, j] = overlap[j, i] = 0
        assert overlap.max() < 0.01
        assert bev_iou(boxes, _ego_box(scenery, float(t))).max() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_actors_stand_on_the_ground(seed: int) -> None:
    scenery = scene(seed)
    centre = scenery.static.vertices.mean(axis=0)
    caster = EmbreeScene()
    TriangleMesh(caster, (scenery.static.vertices - centre)[scenery.static.faces])
    for t in (0.0, scenery.duration_s):
        near = [a for a in scenery.actors if np.hypot(*(scenery.ego.at(t) - a.track.at(t))[:2]) < 70]
        start = np.array([a.track.at(t)[:3] for a in near]) - centre
        down = np.tile(np.array([0, 0, -1], np.float32), (len(near), 1))
        drop = caster.run(start.astype(np.float32), down, query="DISTANCE")
        for actor, way in zip(near, drop, strict=True):
            assert abs(way - actor.size_lwh[2] / 2) < 0.35 or actor.resting == "pedestrian.sitting_lying_down", actor.category


@pytest.mark.parametrize("seed", SEEDS)
def test_no_actor_is_in_a_wall(seed: int) -> None:
    scenery = scene(seed)
    corners = scenery.static.vertices[scenery.static.faces].astype(np.float64)
    tall = corners[np.ptp(corners[:, :, 2], axis=1) > 3.0]
    for t in (0.0, scenery.duration_s):
        for actor in scenery.actors:
            box = actor.box(t)
            cut = _cut(tall, box[2])
            places = np.concatenate([cut[:, 0] + f * (cut[:, 1] - cut[:, 0]) for f in np.linspace(0, 1, 9)]) - box[:2]
            along, left = np.abs(places @ [np.cos(box[6]), np.sin(box[6])]), np.abs(places @ [-np.sin(box[6]), np.cos(box[6])])
            assert not ((along < box[3] / 2 - 0.25) & (left < box[4] / 2 - 0.25)).any(), actor.category


def _cut(corners: np.ndarray, z: float) -> np.ndarray:
    """`(K, 2, 2)` segments x, y in which triangles `(F, 3, 3)` meet a height."""
    out = []
    for first in range(3):  # the corner that is alone on its side of the plane
        a, b, c = corners[:, first], corners[:, (first + 1) % 3], corners[:, (first + 2) % 3]
        alone = ((a[:, 2] < z) != (b[:, 2] < z)) & ((a[:, 2] < z) != (c[:, 2] < z))
        a, b, c = a[alone], b[alone], c[alone]
        out.append(np.stack([a + ((z - a[:, 2]) / (e[:, 2] - a[:, 2]))[:, None] * (e - a) for e in (b, c)], axis=1)[:, :, :2])
    return np.concatenate(out)


@pytest.mark.parametrize("seed", SEEDS)
def test_motion_is_physically_possible(seed: int) -> None:
    scenery = scene(seed)
    t = np.arange(0, scenery.duration_s + 1e-6, 0.1)
    for category, track in [("ego", scenery.ego), *((a.category, a.track) for a in scenery.actors)]:
        poses = track.at(t)
        speed = np.hypot(*np.diff(poses[:, :2], axis=0).T) / 0.1
        person = category.startswith("human")
        assert speed.max() < (2.2 if person else 21.0), category
        assert np.abs(np.diff(speed)).max() / 0.1 < (4.0 if person else 7.0), category
        assert np.abs(np.diff(poses[:, 3])).max() / 0.1 < (5.0 if person else 1.2), category
        if not person and speed.max() > 1:  # nobody drives sideways
            heading = np.arctan2(*np.diff(poses[:, :2], axis=0)[speed > 1].T[::-1])
            off = np.abs((heading - poses[:-1, 3][speed > 1] + np.pi) % (2 * np.pi) - np.pi)
            assert off.max() < 0.35, category


def test_a_scene_is_within_what_the_simulator_can_carry() -> None:
    for seed in SEEDS:
        scenery = scene(seed)
        assert 40_000 < len(scenery.static.faces) < 320_000
        assert np.isfinite(scenery.static.vertices).all()
        assert 0 < scenery.static.vertices[:, :2].min() and scenery.static.vertices.max() < 2000
        middle = scenery.static.vertices[scenery.static.faces].mean(axis=1)[:, None, :2]
        far = np.min([np.hypot(*(middle[:, 0] - p).T) for p in scenery.ego.poses[::20, :2]], axis=0)
        assert np.quantile(far, 0.999) < 160
        assert len(scenery.actors) > 30 and any(a.category == "vehicle.car" for a in scenery.actors)


def test_the_ego_and_the_traffic_drive_where_the_map_says_so() -> None:
    for seed in SEEDS:
        scenery = scene(seed)
        for t in np.linspace(0, scenery.duration_s, 5):
            corners = box_corners(_ego_box(scenery, float(t)))[0, :4, :2]
            column, row = ((corners - scenery.map_origin_xy) / scenery.map_m_per_px).astype(int).T
            assert (scenery.drivable[::-1][row, column] == 255).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_ground_is_driveable_where_the_map_says_so(seed: int) -> None:
    scenery = scene(seed)
    names = np.array(POINT_CLASSES)[scenery.static_classes]
    assert {"flat.driveable_surface", "flat.sidewalk", "flat.terrain", "static.manmade", "static.vegetation"} <= set(names)
    flat = np.char.startswith(names, "flat.")
    corners = scenery.static.vertices[scenery.static.faces[flat]].astype(np.float64)
    area = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]) / 2  # from above
    column, row = ((corners.mean(axis=1)[:, :2] - scenery.map_origin_xy) / scenery.map_m_per_px).astype(int).T
    driveable, road = scenery.drivable[::-1][row, column] == 255, names[flat] == "flat.driveable_surface"
    assert min(area[road].sum(), area[~road].sum()) > 3000
    assert np.average(driveable[road], weights=area[road]) > 0.97
    assert np.average(driveable[~road], weights=area[~road]) < 0.03


def test_attributes_tell_parked_from_stopped() -> None:
    resting = {a.resting for seed in SEEDS for a in scene(seed).actors if a.category == "vehicle.car"}
    assert resting == {"vehicle.parked", "vehicle.stopped"}


def test_a_follower_stops_behind_a_leader_who_stands() -> None:
    route = route_of(np.column_stack([np.linspace(0, 200, 400), np.zeros(400)]))
    plan = make_plan("downtown", np.random.default_rng(0))
    way = simulate(plan, [route, route], np.array([[2.0, 0.9], [2.0, 0.9]]), np.array([10.0, 90.0]), np.array([10.0, 0.0]), 0.0, 30.0,
                   np.zeros((0, 301, 2)))
    assert way[-1, 1] == 90.0
    assert 80.0 < way[-1, 0] < 86.0  # bumper to bumper 0-6 m
    assert (np.diff(way[:, 0]) >= 0).all()


def test_only_wide_roads_are_fast_and_who_drives_there_brakes_in_time() -> None:
    streets = [street for seed in range(12) for street in make_plan("commercial", np.random.default_rng(seed)).streets]
    assert {street.pace_mps for street in streets if max(street.lanes) < 2} == {12.5}
    assert {street.pace_mps for street in streets} == {12.5, 16.0, 20.0}
    route = route_of(np.column_stack([np.linspace(0, 700, 1400), np.zeros(1400)]))
    way = simulate(make_plan("downtown", np.random.default_rng(0)), [route, route], np.array([[9.0, 1.3], [2.0, 0.9]]), np.array([10.0, 500.0]),
                   np.array([20.0, 0.0]), 0.0, 45.0, np.zeros((0, 451, 2)))[:, 0]
    speed = np.diff(way) / 0.1
    assert 18.5 < speed.max() < 20.1 and np.abs(np.diff(speed)).max() / 0.1 < 5.1
    assert 480.0 < way[-1] < 489.0


def test_routes_are_smooth_and_stop_before_the_crossing() -> None:
    for k, character in enumerate(CHARACTERS):
        rng = np.random.default_rng(k)
        plan, warp = make_plan(character, rng), Warp.random(rng)
        route = drive_route(plan, warp, 0, 1, 0, -60.0, 300.0, rng, ["left", "right"])
        assert np.hypot(*np.diff(route.xy, axis=0).T).max() < 2 * STEP_M
        assert np.abs(np.diff(route.yaw)).max() / STEP_M < 0.25  # no bend tighter than 4 m
        assert (np.diff(route.stops[:, 0]) > 10).all()


def test_a_warp_keeps_lengths_and_directions_roughly() -> None:
    warp = dataclasses.replace(Warp.random(np.random.default_rng(1)), mirror=True)
    uv = np.random.default_rng(2).uniform(-200, 200, (50, 2))
    for along in np.eye(2):
        step = (warp.xy(uv + 1e-4 * along) - warp.xy(uv)) / 1e-4
        length = np.linalg.norm(step, axis=1)
        assert ((length > 0.95) & (length < 1.15)).all()
        np.testing.assert_allclose(step / length[:, None], warp.direction(uv, along), atol=1e-3)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="duration_s: expected a positive"):
        build_scenery(0, "day", 0.0)
    with pytest.raises(ValueError, match="weather: expected day"):
        make_weather("hail", np.random.default_rng(0))  # type: ignore[arg-type]
