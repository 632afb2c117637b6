"""What comes back of a beam: losses, intensity, drops, porous things, the beam's width."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_lidar import EXACT, FEW, TILTED, WHITE, scenery_of, wall

from fusion.simulate.actor import Actor, Track
from fusion.simulate.lidar.casting import NOTHING, STATIC, Hits
from fusion.simulate.lidar.firing import Firing
from fusion.simulate.lidar.returns import Receiver, drops
from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.lidar.width import parts_of, strongest
from fusion.simulate.materials import MATERIALS, Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box, quad
from fusion.simulate.rig import LidarMount
from fusion.simulate.scenery import Weather


def test_porous_things_let_some_beams_through() -> None:
    fence = quad(np.array([[10.0, -200, -30], [10, 200, -30], [10, 200, 30], [10, -200, 30]]), Material.FENCE, WHITE)
    sweep = LidarSimulator(scenery_of(join([fence, wall(30.0)])), LidarMount(), EXACT).sweep(1.0, np.random.default_rng(0))
    right, forward = sweep.points[sweep.source == STATIC, :2].T
    through = float(np.mean(forward[np.abs(right) < 0.5 * forward] > 20))
    assert through == pytest.approx(MATERIALS[Material.FENCE].pass_through, abs=0.03)


def test_loss_grows_with_distance_grazing_and_darkness() -> None:
    receiver = Receiver()
    weather = scenery_of(Mesh.empty()).weather
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


def test_rough_ground_darkens_where_beams_graze_it_and_no_sooner() -> None:
    surface, cos = MATERIALS[Material.ASPHALT], np.array([1.0, 0.5, 0.25, 0.125, 0.0625])
    seen = Receiver().brightness(np.full(5, Material.ASPHALT), cos, np.ones(5), scenery_of(Mesh.empty()).weather)
    assert surface.grazing == 0.25
    np.testing.assert_allclose(seen, surface.reflectivity * np.array([1, 1, 1, 0.5, 0.25]) ** surface.falloff, rtol=1e-5)
    wall = Receiver().brightness(np.full(5, Material.PLASTER), cos, np.ones(5), scenery_of(Mesh.empty()).weather)
    np.testing.assert_allclose(wall, MATERIALS[Material.PLASTER].reflectivity * cos ** MATERIALS[Material.PLASTER].falloff, rtol=1e-5)


def test_air_returns_only_in_rain_and_fog_and_only_near() -> None:
    weather = scenery_of(Mesh.empty()).weather
    beyond = np.full(20_000, 50.0)
    rng = np.random.default_rng(0)
    assert np.isinf(drops(beyond, weather, rng)).all()
    rain = drops(beyond, replace(weather, rain_mm_h=10.0), rng)
    fog = drops(beyond, replace(weather, extinction_per_m=0.03), rng)
    assert 0.002 < np.isfinite(rain).mean() < 0.05 < np.isfinite(fog).mean() < 0.3
    assert np.percentile(rain[np.isfinite(rain)], 95) < 25
    assert np.isinf(drops(np.full(1000, 0.01), replace(weather, rain_mm_h=10.0), rng)).mean() > 0.99


def test_intensity_is_whole_and_reflectors_stand_out() -> None:
    sweep = LidarSimulator(scenery_of(join([wall(10.0), wall(-11.0, 0.0, Material.RETRO)])), FEW).sweep(1.0, np.random.default_rng(0))
    hit = sweep.source == STATIC
    intensity, forward = sweep.points[hit, 3], sweep.points[hit, 1]
    np.testing.assert_array_equal(intensity, np.round(intensity))
    assert intensity.min() >= 0 and intensity.max() <= 255
    assert intensity[forward > 0].max() <= 100 <= np.median(intensity[forward < 0])


def test_dark_returns_report_more_than_nothing_and_mirrors_more_than_paper() -> None:
    material = np.array([Material.ASPHALT, Material.ASPHALT, Material.PLASTER, Material.PAINT, Material.RETRO])
    reported = Receiver(intensity_floor=2.5).intensity(np.array([1e-4, 0.06, 1.8, 1.8, 9.0]), material)
    np.testing.assert_array_equal(reported, [2, 6, 100, 180, 255])


@pytest.mark.parametrize("behind", [Mesh.empty(), wall(14.0)])
def test_a_wide_beam_meets_thin_bars_more_often(behind: Mesh) -> None:
    """Bars of 3 cm 10 m away, in steps of 5.8 cm: a line meets every other one, a beam of 3 mrad (parts of it spread over 1.9 cm) nearly all."""
    bars = [box((0.03, 0.03, 60.0), Material.PLASTER, WHITE, centre=(10 * np.cos(a), 10 * np.sin(a), 0.0)) for a in np.linspace(-0.5, 0.5, 60)]
    rack = Actor(category="vehicle.bicycle", size_lwh=np.array([10.0, 10, 60]), meshes=(join(bars),), track=Track.at_rest(0, 0, 0, 0))
    mount = replace(FEW, azimuth_steps=1084, elevations_deg=tuple(np.linspace(-20, 10, 32)))
    line, wide = (LidarSimulator(scenery_of(behind, [rack]), mount, replace(EXACT, beam_rad=width)).sweep(1.0, np.random.default_rng(0))
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
                 material=np.full(10, Material.PLASTER, np.uint8), source=np.repeat([4, 4, 4, 7, 7, NOTHING], [1, 1, 1, 1, 1, 5]).astype(np.int32),
                 face=np.arange(10, dtype=np.int32))
    hits, share = strongest(parts, np.full(10, 0.4), pulse_m=0.8)
    assert hits.source.tolist() == [4, NOTHING] and hits.face[0] == 0 and np.isinf(hits.distance_m[1])
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
        sweep = LidarSimulator(scenery_of(wall(10.0)), mount, noisy).sweep(1.0, np.random.default_rng(0))
        return np.asarray(sweep.points[270:273, 1])

    np.testing.assert_array_equal(rings_m(3), rings_m(3))
    assert (np.abs(rings_m(3) - rings_m(4)) > 1e-4).all()


def test_rings_that_look_down_report_one_surface_each_in_its_own_way_and_upper_ones_alike() -> None:
    def reported(individual: int) -> np.ndarray:
        mount = replace(FEW, individual=individual, elevations_deg=(-3.0, -2.0, -1.0, 1.0, 2.0, 3.0))
        receiver = replace(EXACT, ring_gain=0.5)
        sweep = LidarSimulator(scenery_of(wall(10.0)), mount, receiver).sweep(1.0, np.random.default_rng(0))
        return np.asarray(sweep.points[540:546, 3])  # straight ahead

    np.testing.assert_array_equal(reported(3), reported(3))
    assert (np.abs(reported(3) - reported(4))[:3] >= 1).all()
    for individual in (3, 4):
        assert np.ptp(reported(individual)[:3]) > 3 and np.ptp(reported(individual)[3:]) <= 1
