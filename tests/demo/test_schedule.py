"""The story of the demo on any rig and any length."""

from __future__ import annotations

import pytest

from fusion.demo.schedule import demo_states, schedule
from fusion.errors import UserError

RIG = ("CAM_FRONT", "CAM_BACK", "LIDAR_TOP")


def test_a_camera_dies_then_lidar_then_both_come_back() -> None:
    phases = schedule(demo_states(RIG), 32)
    assert [(p.start, p.stop, p.state.lost) for p in phases] == [
        (0, 8, ()), (8, 16, ("CAM_FRONT",)), (16, 24, ("CAM_FRONT", "LIDAR_TOP")), (24, 32, ())]


@pytest.mark.parametrize("keyframes", [4, 5, 7, 41])
def test_phases_cover_every_keyframe_once(keyframes: int) -> None:
    phases = schedule(demo_states(RIG), keyframes)
    assert [i for p in phases for i in range(p.start, p.stop)] == list(range(keyframes))
    assert all(p.start < p.stop for p in phases)


def test_every_phase_is_a_state_that_is_scored() -> None:
    states = demo_states(RIG)
    assert {p.state for p in schedule(states, 8)} <= set(states)
    assert len({s.name for s in states}) == len(states) == 5


def test_a_story_that_cannot_happen_is_refused() -> None:
    with pytest.raises(UserError, match="needs a LiDAR and at least two cameras"):
        demo_states(("CAM_FRONT", "LIDAR_TOP"))
    with pytest.raises(UserError, match="3 keyframes: the demo needs at least 4"):
        schedule(demo_states(RIG), 3)
