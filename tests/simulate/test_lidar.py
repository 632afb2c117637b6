"""A sweep of the simulated LiDAR: where its points lie, on worlds small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_lidar import EXACT, FEW, STRAIGHT, TILTED, WHITE, car, ground, scenery_of, wall

from fusion.geometry.transforms import invert, transform_points
from fusion.simulate.actor import Actor, Track
from fusion.simulate.lidar.casting import EGO, NOTHING, STATIC, RayCaster
from fusion.simulate.lidar.firing import Firing
from fusion.simulate.lidar.seen import seen_at
from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box
from fusion.simulate.rig import LidarMount, Rig


def test_a_wall_gives_its_distance_and_ring() -> None:
    sweep = LidarSimulator(scenery_of(wall(10.0)), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    assert sweep.points.shape == (720, 5) and sweep.points.dtype == np.float32
    ahead = sweep.points[180:182]  # from the left, a quarter of a turn on: LiDAR axes are x right, y forward
    np.testing.assert_array_equal(ahead[:, 4], [0, 1])
    np.testing.assert_allclose(ahead[:, :3], [[0, 10, -10 * np.tan(np.radians(10))], [0.0698, 10, 0]], atol=2e-4)
    assert (sweep.source[180:182] == STATIC).all()


def test_no_return_is_a_point_where_the_sensor_was() -> None:
    sweep = LidarSimulator(scenery_of(Mesh.empty(), ego=STRAIGHT), FEW, EXACT).sweep(2.0, np.random.default_rng(0))
    assert (sweep.source == NOTHING).all()
    np.testing.assert_allclose(sweep.points[:, 1].reshape(360, 2)[[0, 180], 0], [-1.0, -0.5], atol=1e-4)  # 20 m/s for 50 and 25 ms
    np.testing.assert_allclose(sweep.points[:, [0, 2]], 0.0, atol=1e-4)


@pytest.mark.parametrize("mount", [replace(FEW, pitch_deg=2.65, roll_deg=0.17), TILTED])
def test_a_tilted_mount_sees_the_same_flat_ground(mount: LidarMount) -> None:
    sweep = LidarSimulator(scenery_of(ground()), mount, EXACT).sweep(1.0, np.random.default_rng(0))
    points = sweep.points[sweep.source == STATIC]
    assert len(points) > 300
    np.testing.assert_allclose(transform_points(mount.ego_T_lidar, points[:, :3])[:, 2], 0.0, atol=1e-3)
    elevation = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    np.testing.assert_allclose(elevation, np.array([-10.0, 0.0])[points[:, 4].astype(int)], atol=1e-3)


def test_a_nose_down_lidar_sees_the_ground_nearer_ahead_than_behind() -> None:
    sweep = LidarSimulator(scenery_of(ground()), replace(FEW, pitch_deg=2.0), EXACT).sweep(1.0, np.random.default_rng(0))
    ranges = np.linalg.norm(sweep.points[:, :3], axis=1).reshape(360, 2)[[90, 270], 0]
    np.testing.assert_allclose(ranges, 2.0 / np.sin(np.radians([12.0, 8.0])), rtol=1e-4)


@pytest.mark.parametrize("yaw", [0.0, 0.7])
def test_a_moving_ego_leaves_walls_straight(yaw: float) -> None:
    """Global coordinates of kilometres and a turning ego: points lie on the wall to a millimetre."""
    ego = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[1000.0, 2000, 0, 0, 0, 0], [1200, 2000, 0, 10 * yaw, 0.01, 0.02]]))
    scenery = scenery_of(wall(1060.0, 2000.0), ego=ego)
    for mount in (FEW, TILTED):
        sweep = LidarSimulator(scenery, mount, EXACT).sweep(2.0, np.random.default_rng(0))
        hit = sweep.source == STATIC
        points = transform_points(ego.matrix(2.0) @ mount.ego_T_lidar, sweep.points[hit, :3])
        assert hit.sum() > 100
        np.testing.assert_allclose(points[:, 0], 1060.0, atol=1e-3)


@pytest.mark.parametrize("mount", [FEW, replace(TILTED, elevations_deg=(-20.0, -10.0, 0.0, 10.0, 20.0))])
@pytest.mark.parametrize("bearing_deg", [0.0, 90.0, 178.0, -91.0])
def test_points_of_a_moving_actor_lie_on_it_as_posed_when_seen(bearing_deg: float, mount: LidarMount) -> None:
    at = 1000 + 12 * np.cos(np.radians(bearing_deg)), 2000 + 12 * np.sin(np.radians(bearing_deg))
    mover = car(Track(times_s=np.array([0.0, 10.0]), poses=np.array([[*at, 1, 0.3, 0, 0], [at[0] + 100, at[1] + 30, 1, 0.3, 0, 0]])))
    ego = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[1000.0, 2000, 0, 0, 0, 0], [1100, 2000, 0, 0, 0, 0]]))
    scenery = scenery_of(Mesh.empty(), [mover], ego=ego)
    sweep = LidarSimulator(scenery, mount, EXACT).sweep(1.0, np.random.default_rng(0))
    on_car = sweep.source == 0
    assert on_car.sum() >= 10
    seen = seen_at(scenery, Rig(cameras=(), lidar=mount), 1.0)[0]
    points = transform_points(invert(mover.track.matrix(seen)) @ ego.matrix(1.0) @ mount.ego_T_lidar, sweep.points[on_car, :3])
    assert (np.abs(points) <= np.array([2, 1, 1]) + 1e-3).all()
    assert np.abs(np.abs(points) - [2, 1, 1]).min(axis=1).max() < 1e-3  # on its faces, not inside


def test_no_beam_misses_a_mover_because_the_mount_is_tilted() -> None:
    """A pole that moves by a hair has the returns of one that stands."""
    sources = []
    for way in (0.0, 1e-5):
        track = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[6.0, 6, 4, 0, 0, 0], [6.0 + way, 6, 4, 0, 0, 0]]))
        pole = Actor(category="vehicle.car", size_lwh=np.array([0.5, 0.5, 8.0]), meshes=(box((0.5, 0.5, 8), Material.PLASTER, WHITE),), track=track)
        mount = replace(TILTED, elevations_deg=tuple(np.linspace(-30, 30, 24)))
        sources.append(LidarSimulator(scenery_of(Mesh.empty(), [pole]), mount, EXACT).sweep(1.0, np.random.default_rng(0)).source)
    assert (sources[0] == 0).sum() > 50
    np.testing.assert_array_equal(*sources)


def test_a_standing_and_a_moving_actor_hide_what_is_behind() -> None:
    moving = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[10.0, 0, 2, 0, 0, 0], [10.0, 0.01, 2, 0, 0, 0]]))
    sweep = LidarSimulator(scenery_of(wall(30.0), [car(Track.at_rest(-10, 0, 2, 0)), car(moving)]), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    ring = sweep.source.reshape(360, 2)[:, 1]
    assert ring[90] == 1 and ring[270] == 0 and ring[45] == STATIC and ring[180] == NOTHING


def test_the_ego_car_is_seen_at_the_same_place_however_it_moves() -> None:
    body = box((0.5, 0.5, 0.2), Material.PAINT, WHITE, centre=(1.0, 0.0, 1.8))
    at_rest = LidarSimulator(scenery_of(Mesh.empty(), body=body), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    moving = LidarSimulator(scenery_of(Mesh.empty(), body=body, ego=STRAIGHT), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    hit = at_rest.source == EGO
    assert hit.sum() > 10 and (moving.source == at_rest.source).all()
    # Measured in the sensor as it was; nuScenes' compensation then moves these points like any other: back by the way since.
    back = 20.0 * np.repeat(Firing.of(FEW).before_s, 2)[hit]
    np.testing.assert_allclose(moving.points[hit, 1], at_rest.points[hit, 1] - back, atol=1e-3)


def test_same_seed_same_bytes() -> None:
    scenery = scenery_of(join([wall(10.0), box((300, 300, 0.2), Material.ASPHALT, WHITE)]), ego=Track.at_rest(0, 0, 0, 0), rain_mm_h=10.0)
    sweeps = [LidarSimulator(scenery, LidarMount()).sweep(1.0, np.random.default_rng(seed)).points.tobytes() for seed in (3, 3, 4)]
    assert sweeps[0] == sweeps[1] != sweeps[2]


def test_a_caster_refuses_what_is_not_finite_and_takes_nothing() -> None:
    mesh = Mesh.of(np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]]), np.array([[0, 1, 2]]), Material.PAINT, WHITE)
    with pytest.raises(ValueError, match="finite vertices"):
        RayCaster([(mesh, 0)])
    assert (RayCaster([]).cast(np.zeros((2, 3)), np.ones((2, 3)), 10.0).source == NOTHING).all()
    with pytest.raises(ValueError, match="azimuth steps"):
        Firing.of(replace(FEW, azimuth_steps=0))
