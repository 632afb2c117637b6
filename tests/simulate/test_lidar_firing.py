"""When the beams of a turn fire, where to, and when they pass what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from toy_lidar import FEW, car, scenery_of

from fusion.simulate.actor import Track
from fusion.simulate.lidar.firing import Firing, poses_at
from fusion.simulate.lidar.seen import seen_at
from fusion.simulate.mesh import Mesh
from fusion.simulate.rig import Rig


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


def test_poses_at_agrees_with_a_tracks_matrix() -> None:
    track = Track(times_s=np.array([0.0, 1.0]), poses=np.array([[1.0, 2, 3, 0.1, 0.2, 0.3], [4.0, 5, 6, 1.1, -0.2, 0.5]]))
    where, rotation = poses_at(track, np.array([0.0, 0.4]))
    for row, t_s in enumerate((0.0, 0.4)):
        np.testing.assert_allclose(rotation[row], track.matrix(t_s)[:3, :3], atol=1e-12)
        np.testing.assert_allclose(where[row], track.matrix(t_s)[:3, 3], atol=1e-12)


def test_seen_at_follows_the_beam_and_is_the_stamp_without_lidar() -> None:
    actors = [car(Track.at_rest(*where, 0, 0)) for where in ((20, 0), (0, -20), (-20, 0), (0.001, 20))]
    scenery = scenery_of(Mesh.empty(), actors)
    np.testing.assert_allclose(seen_at(scenery, Rig(cameras=(), lidar=FEW), 3.0), [2.9625, 2.975, 2.9875, 2.95], atol=1e-5)
    np.testing.assert_array_equal(seen_at(scenery, Rig(cameras=(), lidar=None), 3.0), np.full(4, 3.0))
    assert seen_at(scenery_of(Mesh.empty()), Rig(cameras=(), lidar=FEW), 3.0).shape == (0,)
