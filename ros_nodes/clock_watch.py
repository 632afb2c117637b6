"""Whether simulated time passes: a node that waits for a clock that nobody moves looks well and never answers."""

from __future__ import annotations

from ros_nodes.conversion import ERROR, OK, WARN

PATIENCE_S, LOST_S = 2.0, 6.0
"""Time may stand still for so long without a word; one that never began is an error after the second."""


class ClockWatch:
    """Follows simulated time beside a steady clock."""

    def __init__(self) -> None:
        self._time_ns: int | None = None
        self._moved_s = 0.0

    def look(self, time_ns: int | None, steady_s: float, *, promised: bool = False) -> tuple[int, str]:
        """Level and text of what is wrong, `OK` and "" where nothing is.

        Args:
            time_ns: the simulated time, 0 before the first message of /clock; None where time is not simulated, or does not matter now.
            steady_s: now, by a clock that always moves.
            promised: /clock has a publisher: one that has not begun yet is no error.
        """
        if time_ns is None or time_ns != self._time_ns:
            self._time_ns, self._moved_s = time_ns, steady_s
        still_s = steady_s - self._moved_s
        if time_ns is None or still_s < PATIENCE_S:
            return OK, ""
        if time_ns > 0:
            return WARN, f"time stands still for {still_s:.0f} s: nothing new on /clock; it is paused, or its publisher has ended"
        return (WARN if promised or still_s < LOST_S else ERROR,
                f"use_sim_time is set, and nothing came on /clock for {still_s:.0f} s: start what publishes it (a simulator, player_node,"
                " ros2 bag play --clock), or set use_sim_time to false")
