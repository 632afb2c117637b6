"""Measuring sweeps: exact on small worlds, and simulated sweeps like real ones within generous bounds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_lidar import EXACT, WHITE, scenery_of

from fusion.geometry.boxes import points_in_boxes
from fusion.simulate.actor import Actor, Track
from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.materials import Material
from fusion.simulate.measure.beams import beams_of, box_shares
from fusion.simulate.measure.frames import Frame, frames_of_root, frames_of_scenery
from fusion.simulate.measure.statistics import BOX_RANGE_M, RANGE_M, measure
from fusion.simulate.primitives import box
from fusion.simulate.rig import LidarMount, nuscenes_rig
from fusion.simulate.scenery import Scenery
from fusion.simulate.world.ego import ego_body
from fusion.types import DETECTION_CLASSES

CAR = DETECTION_CLASSES.index("car")


def _street() -> Scenery:
    """A wall 30 m ahead, a car 15 m ahead of a car at 10 m/s, another behind at rest, no ground."""
    mesh = box((4.0, 2.0, 2.0), Material.PLASTER, WHITE)
    cars = [Actor(category="vehicle.car", size_lwh=np.array([4.0, 2.0, 2.0]), meshes=(mesh,), track=track) for track in (
        Track(times_s=np.array([0.0, 10.0]), poses=np.array([[116.0, 50, 1.5, 0, 0, 0], [216, 50, 1.5, 0, 0, 0]])), Track.at_rest(100, 50, 1.5, 1.5))]
    return scenery_of(box((1.0, 200.0, 40.0), Material.BRICK, WHITE, (141.0, 50, 0)), cars,
                      ego=Track(times_s=np.array([0.0, 10.0]), poses=np.array([[100.0, 50, 0, 0, 0, 0], [200, 50, 0, 0, 0, 0]])))


def _frame() -> Frame:
    scenery = _street()
    return next(frames_of_scenery(scenery, LidarSimulator(scenery, LidarMount(), EXACT), [1.0], np.random.default_rng(0)))


def test_a_sweep_reads_back_as_beams() -> None:
    frame = _frame()
    beams = beams_of(frame.points)
    assert beams.range_m.shape == (1084, 32)
    np.testing.assert_allclose(beams.origin_m[[0, 542]], [[0, -0.5, 0], [0, -0.25, 0]], atol=0.01)  # 10 m/s for 50 and 25 ms
    elevation = np.degrees(np.arcsin(beams.direction[..., 2]))
    np.testing.assert_allclose(elevation[:, [0, 31]], np.broadcast_to([-30.67, 10.67], (1084, 2)), atol=0.05)
    met = beams.range_m > 0
    back = beams.origin_m[:, None] + beams.direction * beams.range_m[..., None]
    np.testing.assert_allclose(back[met], frame.points[:, :3].reshape(1084, 32, 3)[met], atol=1e-4)


def test_beams_at_a_box_are_told_apart() -> None:
    frame = _frame()
    beams = beams_of(frame.points)
    returned, passed, silent, front = box_shares(beams, frame.boxes[0])
    assert returned > 50 and (passed, front) == (0, 0) and silent <= 2
    assert abs(returned - int(points_in_boxes(frame.points, frame.boxes[:1] + [0, 0, 0, 0.01, 0.01, 0.01, 0]).sum())) <= 4
    behind = frame.boxes[0] + np.array([0, 8.0, 0, 0, 0, 0, 0])  # hidden by the car
    assert box_shares(beams, behind)[3] > 20 and box_shares(beams, behind)[0] == 0
    before = frame.boxes[0] - np.array([0, 8.0, 0, 0, 0, 0, 0])  # nothing there: beams pass to the car and the wall
    assert box_shares(beams, before)[1] > 50 and box_shares(beams, before)[0] == 0


def test_statistics_of_a_small_world() -> None:
    statistics = measure([_frame(), _frame()])
    assert statistics.frames == 2 and statistics.sweep.beams == 1084 * 32
    assert statistics.box.count[CAR].tolist() == [0.0, 2.0, 0.0, 0.0, 0.0]  # one 15 m ahead, one 11 m behind
    assert statistics.box.returned[CAR, 1] > 0.98
    assert statistics.sweep.range_counts[RANGE_M.searchsorted(30):].sum() == pytest.approx(
        (beams_of(_frame().points).range_m >= 30).sum())
    assert np.isnan(statistics.box.returned[CAR, 3])
    with pytest.raises(ValueError, match="at least one"):
        measure([])


def test_points_that_are_no_whole_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="whole steps of 32 rings"):
        beams_of(np.zeros((33, 5), np.float32))


def test_simulated_sweeps_have_the_statistics_of_real_ones(scene0523: Path) -> None:
    """One world against one scene, so bounds are wide; what the sensor decides (intensity, lower rings, loss on cars by distance) is tighter."""
    from fusion.simulate.world.build import build_scenery

    real = measure(frames_of_root(scene0523, "v1.0-mini", every=8))
    frames = []
    for seed in (5,):
        scenery = build_scenery(seed, "day", 8.0)
        simulator = LidarSimulator(scenery, LidarMount(pitch_deg=2.65, roll_deg=0.17))  # as in the real scene
        frames += list(frames_of_scenery(scenery, simulator, np.linspace(1, 7, 8).tolist(), np.random.default_rng(seed)))
    simulated = measure(frames)
    for name, low, high in (("beams", 0.98, 1.02), ("silent", 0.4, 2.0), ("own", 0.6, 1.8), ("roughness_m", 0.6, 1.8)):
        ratio = getattr(simulated.sweep, name) / getattr(real.sweep, name)
        assert low < ratio < high, f"{name}: simulated is {ratio:.2f} times real"
    ratio = simulated.sweep.range_counts[1:8] / real.sweep.range_counts[1:8]
    assert (ratio > 0.33).all() and (ratio < 3.0).all(), f"returns by range: simulated is {ratio.round(2)} times real"
    off = np.abs(simulated.sweep.ring_silent - real.sweep.ring_silent)
    assert off[:18].max() < 0.2 and off[18:].max() < 0.4, f"silent beams by ring: {off.round(2)} off"
    difference = 0.5 * np.abs(simulated.sweep.intensity_share - real.sweep.intensity_share).sum()
    assert difference < 0.2, f"intensity: {difference:.2f} of all returns lie in other bins"
    least, most = (simulated.sweep.intensity_share[bin_] / real.sweep.intensity_share[bin_] for bin_ in (0, -1))
    assert least < 2.5 and 0.25 < most < 4.0, f"intensity: simulated is {least:.2f} and {most:.2f} times real below 2 and above 100"
    shares = [side.sweep.height_counts / side.sweep.height_counts.sum() for side in (real, simulated)]
    difference = 0.5 * np.abs(shares[0] - shares[1]).sum()
    assert difference < 0.35, f"heights: {difference:.2f} of all returns lie in other bins"
    for name, bins, factor in (("car", [1, 2, 3], 4.0), ("pedestrian", [1, 2, 3], 4.0), ("truck", [1, 2, 3], 6.0)):
        points = [side.box.points[DETECTION_CLASSES.index(name), bins] for side in (real, simulated)]
        ratio = ((points[1] + 1) / (points[0] + 1))[np.isfinite(points).all(axis=0)]  # of two or three points, one more or less is chance
        assert (len(ratio) or name == "truck") and (ratio > 1 / factor).all() and (ratio < factor).all(), f"{name}: points per box {points}"
    returned = simulated.box.returned[CAR, 1:], real.box.returned[CAR, 1:]
    assert np.abs(returned[0] - returned[1]).max() < 0.2, f"open beams returned by cars from {BOX_RANGE_M[1:-1]} m: {returned}"


def test_the_lowest_beams_straight_behind_end_on_the_own_car_too_near_to_be_reported(scene0523: Path) -> None:
    """Real and simulated alike: ring 0 silent within 8 degrees of straight back, ring 2 on the LiDAR's own stand, ring 4 on the roof."""
    ground = box((300.0, 300.0, 0.2), Material.ASPHALT, WHITE, (0.0, 0.0, -0.1))
    scenery = scenery_of(ground, body=ego_body())
    mount = LidarMount(pitch_deg=2.65, roll_deg=0.17)
    simulated = next(frames_of_scenery(scenery, LidarSimulator(scenery, mount), [1.0], np.random.default_rng(0)))
    for frame in (next(frames_of_root(scene0523, "v1.0-mini", every=40)), simulated):
        beams = beams_of(frame.points)
        behind = np.abs(np.arctan2(beams.direction[:, 0, 0], -beams.direction[:, 0, 1])) < np.radians(8.0)
        range_m = beams.range_m[behind]
        assert behind.sum() > 40 and (range_m[:, 0] == 0).mean() > 0.9
        assert np.median(range_m[:, 2]) == pytest.approx(0.54, abs=0.05) and 0.7 < np.median(range_m[:, 4]) < 0.9
        assert range_m[range_m > 0].min() > 0.45


def test_simulated_images_are_as_bright_as_real_ones(scene0523: Path) -> None:
    """The meter's aim, and that images differ from one another not much more than real ones."""
    from fusion.simulate.camera.simulator import CameraSimulator
    from fusion.simulate.world.build import build_scenery

    camera = CameraSimulator(build_scenery(5, "day", 8.0))
    rng = np.random.default_rng(0)
    grey = [camera.render(mount, t_s, rng).image.mean() for t_s in (1.0, 6.0) for mount in nuscenes_rig().scaled(0.05).cameras]
    files = sorted(scene0523.glob("samples/CAM_*/*.jpg"))[::12]
    real = [cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8).mean() for path in files]
    assert abs(np.mean(grey) - np.mean(real)) < 25, f"mean grey {np.mean(grey):.0f}, real {np.mean(real):.0f}"
    assert np.std(grey) < 4 * max(np.std(real), 5.0), f"spread of mean grey {np.std(grey):.0f}, real {np.std(real):.0f}"
