"""The simulated LiDAR on worlds small enough to work out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from fusion.geometry.transforms import invert, transform_points
from fusion.simulate.actor import Actor, Track
from fusion.simulate.lidar.casting import EGO, NOTHING, STATIC, Hits, RayCaster
from fusion.simulate.lidar.firing import Firing, poses_at
from fusion.simulate.lidar.returns import Receiver, drops
from fusion.simulate.lidar.seen import seen_at
from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.lidar.width import parts_of, strongest
from fusion.simulate.materials import MATERIALS, Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box, quad
from fusion.simulate.rig import LidarMount, Rig
from fusion.simulate.scenery import Scenery, Weather

WHITE = (0.9, 0.9, 0.9)
EXACT = Receiver(threshold=1e-9, random_loss=0.0, speckled=False, shiny_loss=0.0, object_spread=0.0, range_noise_m=0.0, ring_bias_m=0.0,
                 quantum_m=0.0, beam_rad=0.0)
FEW = LidarMount(position_m=(0.0, 0.0, 2.0), elevations_deg=(-10.0, 0.0), azimuth_steps=360, start_deg=90.0, range_m=(0.4, 200.0))
TILTED = replace(FEW, yaw_deg=25.0, pitch_deg=18.0, roll_deg=-7.0)
STRAIGHT = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[1000.0, 2000, 0, 0, 0, 0], [1200, 2000, 0, 0, 0, 0]]))


def _scenery(static: Mesh, actors: Sequence[Actor] = (), ego: Track | None = None, body: Mesh | None = None, **air: float) -> Scenery:
    light = np.ones(3)
    weather = Weather(name="day", to_sun=np.array([0.0, 0, 1]), sun_rgb=light, ambient_rgb=light, zenith_rgb=light, horizon_rgb=light, **air)
    return Scenery(static=static, actors=tuple(actors), ego=ego or Track.at_rest(0, 0, 0, 0), ego_body=body or Mesh.empty(), weather=weather,
                   duration_s=10.0, drivable=np.zeros((1, 1), np.uint8))


def _wall(x: float, y: float = 0.0, material: Material = Material.PLASTER) -> Mesh:
    """Its near side is the plane at `x`."""
    return box((1.0, 400.0, 60.0), material, WHITE, centre=(x + 0.5, y, 0.0))


def _car(track: Track) -> Actor:
    return Actor(category="vehicle.car", size_lwh=np.array([4.0, 2.0, 2.0]), meshes=(box((4, 2, 2), Material.PLASTER, WHITE),), track=track)


def test_a_wall_gives_its_distance_and_ring() -> None:
    sweep = LidarSimulator(_scenery(_wall(10.0)), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    assert sweep.points.shape == (720, 5) and sweep.points.dtype == np.float32
    ahead = sweep.points[180:182]  # from the left, a quarter of a turn on: LiDAR axes are x right, y forward
    np.testing.assert_array_equal(ahead[:, 4], [0, 1])
    np.testing.assert_allclose(ahead[:, :3], [[0, 10, -10 * np.tan(np.radians(10))], [0.0698, 10, 0]], atol=2e-4)
    assert (sweep.source[180:182] == STATIC).all()


def test_beams_turn_clockwise_from_the_left_and_end_at_the_stamp() -> None:
    firing = Firing.of(FEW)
    assert (np.diff(firing.azimuth_rad[:, 0]) < 0).all()
    np.testing.assert_allclose(firing.azimuth_rad[[0, 90, 270], 0], np.radians([90, 0, -180]), atol=1e-12)
    np.testing.assert_allclose(firing.before_s[[0, 90, 270]], [0.05, 0.0375, 0.0125])
    np.testing.assert_allclose(firing.before_s, FEW.before_stamp_s(firing.azimuth_rad[:, 0]), atol=1e-12)


def test_rings_of_a_step_fire_in_pairs_from_the_lower_and_upper_half() -> None:
    azimuth = Firing.of(replace(FEW, elevations_deg=(-2.0, -1.0, 1.0, 2.0))).azimuth_rad[0]
    assert np.argsort(-azimuth).tolist() == [0, 2, 1, 3]


def test_runs_cover_the_steps_towards_a_direction_across_the_seam() -> None:
    firing = Firing.of(FEW)
    assert firing.runs_towards(0.0, np.radians(5)) == [(83, 97)]
    assert firing.runs_towards(np.radians(90), np.radians(5)) == [(0, 7), (353, 360)]
    assert firing.runs_towards(0.0, np.pi) == [(0, 360)]


def test_no_return_is_a_point_where_the_sensor_was() -> None:
    sweep = LidarSimulator(_scenery(Mesh.empty(), ego=STRAIGHT), FEW, EXACT).sweep(2.0, np.random.default_rng(0))
    assert (sweep.source == NOTHING).all()
    np.testing.assert_allclose(sweep.points[:, 1].reshape(360, 2)[[0, 180], 0], [-1.0, -0.5], atol=1e-4)  # 20 m/s for 50 and 25 ms
    np.testing.assert_allclose(sweep.points[:, [0, 2]], 0.0, atol=1e-4)


@pytest.mark.parametrize("mount", [replace(FEW, pitch_deg=2.65, roll_deg=0.17), TILTED])
def test_a_tilted_mount_sees_the_same_flat_ground(mount: LidarMount) -> None:
    ground = quad(np.array([[-300.0, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]]), Material.CONCRETE, WHITE)
    sweep = LidarSimulator(_scenery(ground), mount, EXACT).sweep(1.0, np.random.default_rng(0))
    points = sweep.points[sweep.source == STATIC]
    assert len(points) > 300
    np.testing.assert_allclose(transform_points(mount.ego_T_lidar, points[:, :3])[:, 2], 0.0, atol=1e-3)
    elevation = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    np.testing.assert_allclose(elevation, np.array([-10.0, 0.0])[points[:, 4].astype(int)], atol=1e-3)


def test_a_nose_down_lidar_sees_the_ground_nearer_ahead_than_behind() -> None:
    ground = quad(np.array([[-300.0, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]]), Material.CONCRETE, WHITE)
    sweep = LidarSimulator(_scenery(ground), replace(FEW, pitch_deg=2.0), EXACT).sweep(1.0, np.random.default_rng(0))
    ranges = np.linalg.norm(sweep.points[:, :3], axis=1).reshape(360, 2)[[90, 270], 0]
    np.testing.assert_allclose(ranges, 2.0 / np.sin(np.radians([12.0, 8.0])), rtol=1e-4)


@pytest.mark.parametrize("yaw", [0.0, 0.7])
def test_a_moving_ego_leaves_walls_straight(yaw: float) -> None:
    """Global coordinates of kilometres and a turning ego: points lie on the wall to a millimetre."""
    ego = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[1000.0, 2000, 0, 0, 0, 0], [1200, 2000, 0, 10 * yaw, 0.01, 0.02]]))
    scenery = _scenery(_wall(1060.0, 2000.0), ego=ego)
    for mount in (FEW, TILTED):
        sweep = LidarSimulator(scenery, mount, EXACT).sweep(2.0, np.random.default_rng(0))
        hit = sweep.source == STATIC
        points = transform_points(ego.matrix(2.0) @ mount.ego_T_lidar, sweep.points[hit, :3])
        assert hit.sum() > 100
        np.testing.assert_allclose(points[:, 0], 1060.0, atol=1e-3)


def test_poses_at_agrees_with_a_tracks_matrix() -> None:
    track = Track(times_s=np.array([0.0, 1.0]), poses=np.array([[1.0, 2, 3, 0.1, 0.2, 0.3], [4.0, 5, 6, 1.1, -0.2, 0.5]]))
    where, rotation = poses_at(track, np.array([0.0, 0.4]))
    for row, t_s in enumerate((0.0, 0.4)):
        np.testing.assert_allclose(rotation[row], track.matrix(t_s)[:3, :3], atol=1e-12)
        np.testing.assert_allclose(where[row], track.matrix(t_s)[:3, 3], atol=1e-12)


@pytest.mark.parametrize("mount", [FEW, replace(TILTED, elevations_deg=(-20.0, -10.0, 0.0, 10.0, 20.0))])
@pytest.mark.parametrize("bearing_deg", [0.0, 90.0, 178.0, -91.0])
def test_points_of_a_moving_actor_lie_on_it_as_posed_when_seen(bearing_deg: float, mount: LidarMount) -> None:
    at = 1000 + 12 * np.cos(np.radians(bearing_deg)), 2000 + 12 * np.sin(np.radians(bearing_deg))
    car = _car(Track(times_s=np.array([0.0, 10.0]), poses=np.array([[*at, 1, 0.3, 0, 0], [at[0] + 100, at[1] + 30, 1, 0.3, 0, 0]])))
    ego = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[1000.0, 2000, 0, 0, 0, 0], [1100, 2000, 0, 0, 0, 0]]))
    scenery = _scenery(Mesh.empty(), [car], ego=ego)
    sweep = LidarSimulator(scenery, mount, EXACT).sweep(1.0, np.random.default_rng(0))
    on_car = sweep.source == 0
    assert on_car.sum() >= 10
    seen = seen_at(scenery, Rig(cameras=(), lidar=mount), 1.0)[0]
    points = transform_points(invert(car.track.matrix(seen)) @ ego.matrix(1.0) @ mount.ego_T_lidar, sweep.points[on_car, :3])
    assert (np.abs(points) <= np.array([2, 1, 1]) + 1e-3).all()
    assert np.abs(np.abs(points) - [2, 1, 1]).min(axis=1).max() < 1e-3  # on its faces, not inside


def test_no_beam_misses_a_mover_because_the_mount_is_tilted() -> None:
    """A pole that moves by a hair has the returns of one that stands."""
    sources = []
    for way in (0.0, 1e-5):
        track = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[6.0, 6, 4, 0, 0, 0], [6.0 + way, 6, 4, 0, 0, 0]]))
        pole = Actor(category="vehicle.car", size_lwh=np.array([0.5, 0.5, 8.0]), meshes=(box((0.5, 0.5, 8), Material.PLASTER, WHITE),), track=track)
        mount = replace(TILTED, elevations_deg=tuple(np.linspace(-30, 30, 24)))
        sources.append(LidarSimulator(_scenery(Mesh.empty(), [pole]), mount, EXACT).sweep(1.0, np.random.default_rng(0)).source)
    assert (sources[0] == 0).sum() > 50
    np.testing.assert_array_equal(*sources)


def test_seen_at_follows_the_beam_and_is_the_stamp_without_lidar() -> None:
    actors = [_car(Track.at_rest(*where, 0, 0)) for where in ((20, 0), (0, -20), (-20, 0), (0.001, 20))]
    scenery = _scenery(Mesh.empty(), actors)
    np.testing.assert_allclose(seen_at(scenery, Rig(cameras=(), lidar=FEW), 3.0), [2.9625, 2.975, 2.9875, 2.95], atol=1e-5)
    np.testing.assert_array_equal(seen_at(scenery, Rig(cameras=(), lidar=None), 3.0), np.full(4, 3.0))
    assert seen_at(_scenery(Mesh.empty()), Rig(cameras=(), lidar=FEW), 3.0).shape == (0,)


def test_a_standing_and_a_moving_actor_hide_what_is_behind() -> None:
    moving = Track(times_s=np.array([0.0, 10.0]), poses=np.array([[10.0, 0, 2, 0, 0, 0], [10.0, 0.01, 2, 0, 0, 0]]))
    sweep = LidarSimulator(_scenery(_wall(30.0), [_car(Track.at_rest(-10, 0, 2, 0)), _car(moving)]), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    ring = sweep.source.reshape(360, 2)[:, 1]
    assert ring[90] == 1 and ring[270] == 0 and ring[45] == STATIC and ring[180] == NOTHING


def test_the_ego_car_is_seen_at_the_same_place_however_it_moves() -> None:
    body = box((0.5, 0.5, 0.2), Material.PAINT, WHITE, centre=(1.0, 0.0, 1.8))
    at_rest = LidarSimulator(_scenery(Mesh.empty(), body=body), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    moving = LidarSimulator(_scenery(Mesh.empty(), body=body, ego=STRAIGHT), FEW, EXACT).sweep(1.0, np.random.default_rng(0))
    hit = at_rest.source == EGO
    assert hit.sum() > 10 and (moving.source == at_rest.source).all()
    # Measured in the sensor as it was; nuScenes' compensation then moves these points like any other: back by the way since.
    back = 20.0 * np.repeat(Firing.of(FEW).before_s, 2)[hit]
    np.testing.assert_allclose(moving.points[hit, 1], at_rest.points[hit, 1] - back, atol=1e-3)


def test_same_seed_same_bytes() -> None:
    scenery = _scenery(join([_wall(10.0), box((300, 300, 0.2), Material.ASPHALT, WHITE)]), ego=Track.at_rest(0, 0, 0, 0), rain_mm_h=10.0)
    sweeps = [LidarSimulator(scenery, LidarMount()).sweep(1.0, np.random.default_rng(seed)).points.tobytes() for seed in (3, 3, 4)]
    assert sweeps[0] == sweeps[1] != sweeps[2]


def test_porous_things_let_some_beams_through() -> None:
    fence = quad(np.array([[10.0, -200, -30], [10, 200, -30], [10, 200, 30], [10, -200, 30]]), Material.FENCE, WHITE)
    sweep = LidarSimulator(_scenery(join([fence, _wall(30.0)])), LidarMount(), EXACT).sweep(1.0, np.random.default_rng(0))
    right, forward = sweep.points[sweep.source == STATIC, :2].T
    through = float(np.mean(forward[np.abs(right) < 0.5 * forward] > 20))
    assert through == pytest.approx(MATERIALS[Material.FENCE].pass_through, abs=0.03)


def test_loss_grows_with_distance_grazing_and_darkness() -> None:
    receiver = Receiver()
    weather = _scenery(Mesh.empty()).weather
    gain = np.ones(1)

    def chance(material: Material, cos: float, distance_m: float, air: Weather = weather) -> float:
        shine = receiver.brightness(np.array([material]), np.array([cos]), gain, air)
        return float(receiver.chance(shine, np.array([distance_m]), air)[0])

    assert chance(Material.PLASTER, 1.0, 20) > 0.98
    assert chance(Material.ASPHALT, 0.05, 45) < chance(Material.ASPHALT, 0.2, 45) < chance(Material.ASPHALT, 0.2, 10)
    assert chance(Material.DARK_PAINT, 0.5, 30) < chance(Material.PAINT, 0.5, 30)
    assert chance(Material.RETRO, 0.1, 90) > 0.9
    fog = replace(weather, extinction_per_m=0.03)
    assert chance(Material.PLASTER, 0.7, 60, fog) < 0.5 * chance(Material.PLASTER, 0.7, 60)


def test_air_returns_only_in_rain_and_fog_and_only_near() -> None:
    weather = _scenery(Mesh.empty()).weather
    beyond = np.full(20_000, 50.0)
    rng = np.random.default_rng(0)
    assert np.isinf(drops(beyond, weather, rng)).all()
    rain = drops(beyond, replace(weather, rain_mm_h=10.0), rng)
    fog = drops(beyond, replace(weather, extinction_per_m=0.03), rng)
    assert 0.002 < np.isfinite(rain).mean() < 0.05 < np.isfinite(fog).mean() < 0.3
    assert np.percentile(rain[np.isfinite(rain)], 95) < 25
    assert np.isinf(drops(np.full(1000, 0.01), replace(weather, rain_mm_h=10.0), rng)).mean() > 0.99


def test_intensity_is_whole_and_reflectors_stand_out() -> None:
    sweep = LidarSimulator(_scenery(join([_wall(10.0), _wall(-11.0, 0.0, Material.RETRO)])), FEW).sweep(1.0, np.random.default_rng(0))
    hit = sweep.source == STATIC
    intensity, forward = sweep.points[hit, 3], sweep.points[hit, 1]
    np.testing.assert_array_equal(intensity, np.round(intensity))
    assert intensity.min() >= 0 and intensity.max() <= 255
    assert intensity[forward > 0].max() <= 100 <= np.median(intensity[forward < 0])


def test_dark_returns_report_more_than_nothing_and_mirrors_more_than_paper() -> None:
    material = np.array([Material.ASPHALT, Material.ASPHALT, Material.PLASTER, Material.PAINT, Material.RETRO])
    reported = Receiver(intensity_floor=2.5).intensity(np.array([1e-4, 0.06, 1.8, 1.8, 9.0]), material)
    np.testing.assert_array_equal(reported, [2, 6, 100, 180, 255])


@pytest.mark.parametrize("behind", [Mesh.empty(), _wall(14.0)])
def test_a_wide_beam_meets_thin_bars_more_often(behind: Mesh) -> None:
    """Bars of 3 cm 10 m away, in steps of 5.8 cm: a line meets every other one, a beam of 3 mrad (parts of it spread over 1.9 cm) nearly all."""
    bars = [box((0.03, 0.03, 60.0), Material.PLASTER, WHITE, centre=(10 * np.cos(a), 10 * np.sin(a), 0.0)) for a in np.linspace(-0.5, 0.5, 60)]
    rack = Actor(category="vehicle.bicycle", size_lwh=np.array([10.0, 10, 60]), meshes=(join(bars),), track=Track.at_rest(0, 0, 0, 0))
    mount = replace(FEW, azimuth_steps=1084, elevations_deg=tuple(np.linspace(-20, 10, 32)))
    line, wide = (LidarSimulator(_scenery(behind, [rack]), mount, replace(EXACT, beam_rad=width)).sweep(1.0, np.random.default_rng(0))
                  for width in (0.0, 0.003))
    met = [(sweep.source == 0).sum() / 32 / 60 for sweep in (line, wide)]
    assert met[0] == pytest.approx(0.03 * 1.14 / 0.058, abs=0.07)  # a square bar is wider across its corners
    assert met[1] == pytest.approx((0.03 * 1.14 + 0.64 * 0.03) / 0.058, abs=0.07)
    assert not ((line.source == 0) & (wide.source != 0)).any()
    np.testing.assert_allclose(np.linalg.norm(wide.points[wide.source == 0, :2], axis=1), 10.0, atol=0.05)


@pytest.mark.parametrize(("behind_m", "reports"), [(0.5, 10.2), (20.0, 10.0)])
def test_things_that_share_a_beam_answer_as_one_within_a_pulse_and_else_the_stronger(behind_m: float, reports: float) -> None:
    """Three parts of a beam on a near wall and two on a far one: their mean, or the near one with three fifths of its light."""
    distance = np.array([10.0, 10, 10, 10 + behind_m, 10 + behind_m], np.float32)
    parts = Hits(distance_m=np.append(distance, np.full(5, np.inf, np.float32)), cos_incidence=np.ones(10, np.float32),
                 material=np.full(10, Material.PLASTER, np.uint8), source=np.repeat([4, 4, 4, 7, 7, NOTHING], [1, 1, 1, 1, 1, 5]).astype(np.int32))
    hits, share = strongest(parts, np.full(10, 0.4), pulse_m=0.8)
    assert hits.source.tolist() == [4, NOTHING] and np.isinf(hits.distance_m[1])
    assert hits.distance_m[0] == pytest.approx(reports, abs=0.02)
    np.testing.assert_allclose(share, [1.0 if behind_m < 0.8 else 0.6, 1.0])


def test_parts_of_a_beam_are_unit_vectors_within_its_width() -> None:
    aims = Firing.of(TILTED).directions_ego.reshape(-1, 3)
    parts = parts_of(aims, 0.003)
    np.testing.assert_allclose(np.linalg.norm(parts, axis=-1), 1.0, atol=1e-12)
    np.testing.assert_allclose(parts[:, 0], aims, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(parts[:, 1:] - aims[:, None], axis=-1), 0.003 * 0.32 * np.sqrt(2), rtol=1e-4)


def test_every_scene_has_another_sensor_and_each_scene_the_same_again() -> None:
    noisy = replace(EXACT, ring_bias_m=0.02)

    def rings_m(individual: int) -> np.ndarray:
        mount = replace(FEW, individual=individual, elevations_deg=(-1.0, 0.0, 1.0))
        sweep = LidarSimulator(_scenery(_wall(10.0)), mount, noisy).sweep(1.0, np.random.default_rng(0))
        return np.asarray(sweep.points[270:273, 1])

    np.testing.assert_array_equal(rings_m(3), rings_m(3))
    assert (np.abs(rings_m(3) - rings_m(4)) > 1e-4).all()


def test_a_caster_refuses_what_is_not_finite_and_takes_nothing() -> None:
    mesh = Mesh.of(np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]]), np.array([[0, 1, 2]]), Material.PAINT, WHITE)
    with pytest.raises(ValueError, match="finite vertices"):
        RayCaster([(mesh, 0)])
    assert (RayCaster([]).cast(np.zeros((2, 3)), np.ones((2, 3)), 10.0).source == NOTHING).all()
    with pytest.raises(ValueError, match="azimuth steps"):
        Firing.of(replace(FEW, azimuth_steps=0))
