"""Whose time a stamp is of, case by case: three sensors whose stamps are as old as they arrive late, 10 ms."""

from __future__ import annotations

import pytest

from fusion.sensors.cadence import Cadences
from fusion.sensors.running_clock import CLOCK_STEP_NS, RunningClock
from fusion.sensors.time_base import StampTime, Step, TimeBases

MS = 1_000_000
NOW = 10_000 * MS


def bases(**stamps_ms: int) -> TimeBases:
    """The last stamp of each, relative to its arrival at `NOW`."""
    cadences = Cadences(("A", "B", "LIDAR"), 500 * MS)
    for name, late_ms in stamps_ms.items():
        cadences.note(name, NOW + late_ms * MS, NOW)
    return TimeBases(cadences, jump_ns=1000 * MS)


def judged(times: TimeBases, name: str, stamp_ms: int, *, opens: bool = True, latest_ms: int | None = -10) -> StampTime:
    """A stamp, counted from `NOW`, that arrives 50 ms after it."""
    return times.judge(name, NOW + stamp_ms * MS, NOW + 50 * MS, opens=opens, latest_ns=None if latest_ms is None else NOW + latest_ms * MS)


@pytest.mark.parametrize(("stamp_ms", "step"), [(40, Step.ONWARD), (-10, Step.REPEATED), (-11, Step.OUT_OF_ORDER), (-1010, Step.OUT_OF_ORDER)])
def test_one_time_with_steps_of_less_than_a_jump(stamp_ms: int, step: Step) -> None:
    times = bases(A=-10, B=-10, LIDAR=-10)
    assert judged(times, "LIDAR", stamp_ms) == StampTime(step=step) and "LIDAR" not in times


@pytest.mark.parametrize("stamp_ms", [-5000, 5000])
def test_a_sensor_that_opens_bundles_and_jumps_alone_is_apart_until_it_is_back(stamp_ms: int) -> None:
    times = bases(A=-10, B=-10, LIDAR=-10)
    assert judged(times, "LIDAR", stamp_ms) == StampTime(step=Step.JUMP, apart=True, strayed=True) and "LIDAR" in times
    assert not times.followed("LIDAR", 5000 * MS, NOW) and times.followed("LIDAR", 10 * MS, NOW)
    again = bases(A=-10, B=-10)  # the collector has forgotten its readings
    assert judged(again, "LIDAR", stamp_ms) == StampTime(step=Step.ONWARD, apart=True, strayed=True)
    assert judged(again, "LIDAR", stamp_ms + 50) == StampTime(step=Step.ONWARD, apart=True)
    assert judged(again, "LIDAR", 40) == StampTime(step=Step.ONWARD) and "LIDAR" not in again


def test_a_sensor_that_follows_the_others_back_leads_bundles_there() -> None:
    times = bases(A=-5000, B=-5000, LIDAR=-10)
    assert judged(times, "LIDAR", -4960) == StampTime(step=Step.JUMP, leads=True) and "LIDAR" not in times
    assert judged(bases(A=-10, LIDAR=-10), "LIDAR", -4960) == StampTime(step=Step.JUMP, leads=True)  # one other cannot tell who is right
    assert judged(bases(A=-5000, B=-5000), "LIDAR", -4960, latest_ms=None) == StampTime(step=Step.ONWARD)


def test_a_sensor_that_opens_none_jumps_back_for_itself() -> None:
    times = bases(A=-10, B=-10, LIDAR=-10)
    assert judged(times, "A", -5000, opens=False) == StampTime(step=Step.JUMP) and "A" in times
    times.rejoin("A")
    assert "A" not in times and judged(times, "B", 5000, opens=False) == StampTime(step=Step.ONWARD)
    judged(times, "A", -5000, opens=False)
    times.clear()
    assert "A" not in times


def test_a_clock_steps_back_only_by_more_than_one_that_is_disciplined() -> None:
    clock = RunningClock()
    assert [clock.follow(NOW), clock.follow(NOW - CLOCK_STEP_NS)] == [False, False] and clock.now_ns == NOW
    assert clock.follow(NOW - CLOCK_STEP_NS - 1) and clock.now_ns == NOW - CLOCK_STEP_NS - 1
    clock.clear()
    assert clock.now_ns is None and not clock.follow(0)
