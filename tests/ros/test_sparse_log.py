"""What goes on and on is told now and then."""

from __future__ import annotations

from ros_nodes.sparse_log import HOPELESS, QUIET_S, SAY_S, FailureLog, StateLog


def test_failures_are_told_in_full_once_and_then_counted() -> None:
    log = FailureLog()
    assert log.failed("no memory", "RuntimeError", "trace", 0.0) == "no memory\ntrace"
    assert [log.failed("no memory", "RuntimeError", "trace", 0.1 * step) for step in range(1, 8)] == [""] * 7
    assert log.failed("no memory", "RuntimeError", "trace", SAY_S) == "no memory (8 failures since the last line)"
    log.succeeded()
    assert log.failed("no memory", "RuntimeError", "trace", 2 * SAY_S) == "no memory" and log.in_a_row == 1
    assert log.failed("bad", "ValueError", "elsewhere", 3 * SAY_S) == "bad\nelsewhere"


def test_many_failures_in_a_row_call_for_a_restart() -> None:
    log = FailureLog()
    told = [log.failed("no memory", "RuntimeError", "trace", 0.01 * step) for step in range(HOPELESS + 5)]
    assert told[HOPELESS - 1] == f"no memory ({HOPELESS - 1} failures since the last line); {HOPELESS} failures in a row: the node needs a restart"
    assert sum(map(bool, told)) == 2


def test_a_sensor_that_flips_is_told_as_a_sum() -> None:
    log = StateLog()
    lines: list[str] = []
    assert log.look({"FRONT": ("missing", "nothing received yet"), "TOP": ("ok", "")}, 0.0) == []
    assert log.look({"FRONT": ("ok", ""), "TOP": ("ok", "")}, 1.0) == ["FRONT: missing -> ok"]
    for step in range(1, 31):  # every fifth of a second
        states = {"FRONT": ("frozen", "the same content") if step % 2 else ("ok", ""), "TOP": ("missing", "nothing new") if step == 3 else ("ok", "")}
        lines += log.look(states, 1.0 + 0.2 * step)
    assert lines == ["TOP: ok -> missing: nothing new", f"FRONT: ok -> frozen: the same content (25 changes in {QUIET_S:.0f} s)",
                     "TOP: missing -> ok"]
