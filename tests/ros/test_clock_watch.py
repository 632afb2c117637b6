"""Simulated time beside a steady clock that is made up."""

from __future__ import annotations

from ros_nodes.clock_watch import LOST_S, PATIENCE_S, ClockWatch
from ros_nodes.conversion import ERROR, OK, WARN


def test_simulated_time_that_does_not_pass() -> None:
    watch = ClockWatch()
    assert watch.look(None, 0.0) == (OK, "") and watch.look(0, 100.0) == (OK, "") and watch.look(0, 100 + PATIENCE_S - 0.1) == (OK, "")
    level, text = watch.look(0, 103.0)
    assert level == WARN and text.startswith("use_sim_time is set, and nothing came on /clock for 3 s: start what publishes it")
    assert watch.look(0, 100 + LOST_S)[0] == ERROR and watch.look(0, 100 + LOST_S, promised=True)[0] == WARN
    assert watch.look(5, 107.0) == (OK, "") and watch.look(5, 108.9) == (OK, "")
    assert watch.look(5, 200.0) == (WARN, "time stands still for 93 s: nothing new on /clock; it is paused, or its publisher has ended")
    assert watch.look(6, 200.1) == (OK, "") and watch.look(None, 300.0) == (OK, "") and watch.look(6, 301.0) == (OK, "")
