"""The rhythm of sensors, learnt from their last readings: period, delay, and whether one has fallen silent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from statistics import median_low

LAG_READINGS = 4
"""Readings whose delay counts: few, so that a sensor which is in time again is trusted soon."""

JITTER_NS = 5_000_000
"""A reading later than its predecessors by this much is overdue."""

SILENT_PERIODS = 2.5
"""One lost reading and some jitter are no silence."""


class Cadence:
    """The last readings of one sensor.

    Attributes:
        stamp_ns: the newest stamp, or None before the first reading.
        arrived_ns: when that reading arrived, or None.
        step_ns: shortest distance of stamps (a camera that a LiDAR triggers at 3 of 5 turns has two), or None before the second.
        period_ns: median distance of arrivals, or None before the second.
        pace: newest distance of stamps as a share of the shortest before it, where it is shorter than all; else 1.
        lags_ns: shortest and longest delay from stamp to arrival of the last few readings, or None. Only their differences have a
            meaning where stamps and arrivals are of different clocks.
    """

    def __init__(self, length: int) -> None:
        self._stamps: deque[int] = deque(maxlen=length)
        self._arrivals: deque[int] = deque(maxlen=length)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._stamps.clear()
        self._arrivals.clear()
        self.stamp_ns: int | None = None
        self.arrived_ns: int | None = None
        self.step_ns: int | None = None
        self.period_ns: int | None = None
        self.pace = 1.0
        self.lags_ns: tuple[int, int] | None = None

    def note(self, stamp_ns: int, now_ns: int) -> None:
        """Note a reading that arrived."""
        self._stamps.append(stamp_ns)
        self._arrivals.append(now_ns)
        self.stamp_ns, self.arrived_ns = stamp_ns, now_ns
        steps, periods = _steps(self._stamps), _steps(self._arrivals)
        if steps:
            shortest_ns, newest_ns = self.step_ns, self._stamps[-1] - self._stamps[-2]
            self.pace = 1.0 if shortest_ns is None else min(1.0, newest_ns / shortest_ns)
            self.step_ns, self.period_ns = max(1, steps[0]), periods[(len(periods) - 1) // 2]
        lags = [self._arrivals[i] - self._stamps[i] for i in range(-min(LAG_READINGS, len(self._stamps)), 0)]
        self.lags_ns = min(lags), max(lags)

    @property
    def lag_ns(self) -> int | None:
        """Delay of the newest reading; None before the first."""
        return None if self.stamp_ns is None or self.arrived_ns is None else self.arrived_ns - self.stamp_ns

    def arrivals_after(self, time_ns: int | None) -> int:
        """How many of the readings known arrived after a time (all for None)."""
        return sum(time_ns is None or arrived > time_ns for arrived in self._arrivals)

    def wait_until_ns(self, target_ns: int, *, by_ns: int, max_gap_ns: int, ahead_ns: int, pace: float = 1.0) -> int | None:
        """How long it is worth waiting for a reading closer to a stamp than all so far, as far as the rhythm tells.

        Where the sensor has nothing for this stamp, all the time there is, if a reading can come in time. Where it has something, a
        better one that must have been taken already, and is on its way, is waited for until it is overdue; one that is still to be
        taken would cost more time than it is closer.

        Args:
            target_ns: the stamp.
            by_ns: a reading that arrives later than this is not waited for.
            max_gap_ns: a reading farther from the stamp than this is of no use.
            ahead_ns: one taken this long after the stamp counts as taken already.
            pace: of the sensor that gave the stamp. Where it came sooner than ever, the others that were triggered with it may too.

        Returns:
            The time until which to wait, at most `by_ns`; None for not at all.
        """
        if self.stamp_ns is None or self.lags_ns is None:
            return by_ns
        gap_ns = target_ns - self.stamp_ns
        if gap_ns <= 0:  # stamps increase: nothing comes closer after a reading at the stamp or behind it
            return None
        usable = gap_ns <= max_gap_ns
        if self.step_ns is None:
            return None if usable else by_ns
        step_ns = max(1, int(pace * self.step_ns))
        earliest_ns = 1 if usable else max(1, gap_ns - max_gap_ns)  # after the newest reading, as is the next
        latest_ns = gap_ns + (min(ahead_ns, gap_ns - 1) if usable else max_gap_ns)
        first, last = -(-earliest_ns // step_ns), latest_ns // step_ns
        shortest_ns, longest_ns = self.lags_ns
        if first > last or self.stamp_ns + first * step_ns + shortest_ns > by_ns:
            return None
        return min(by_ns, self.stamp_ns + last * step_ns + longest_ns + JITTER_NS) if usable else by_ns

    @property
    def rate_hz(self) -> float:
        """Mean arrivals per second; 0 before the second reading."""
        span_ns = self._arrivals[-1] - self._arrivals[0] if self._arrivals else 0
        return 1e9 * (len(self._arrivals) - 1) / span_ns if span_ns > 0 else 0.0


class Cadences:
    """The rhythm of several sensors, and which of them are silent while others speak.

    Silence that all share (a pause, the time before the start) is held against nobody: it counts from the first reading after it.

    Args:
        names: the sensors.
        patience_ns: silence up to this long is none; 2.5 periods of a slow sensor are none either.
        length: readings to remember of each.
    """

    def __init__(self, names: Iterable[str], patience_ns: int, length: int = 8) -> None:
        self._patience_ns = patience_ns
        self._of = {name: Cadence(length) for name in names}
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        for cadence in self._of.values():
            cadence.clear()
        self._heard_ns: int | None = None
        self._awake_ns: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The sensors."""
        return tuple(self._of)

    def __getitem__(self, name: str) -> Cadence:
        return self._of[name]

    def note(self, name: str, stamp_ns: int, now_ns: int) -> None:
        """Note a reading that arrived."""
        quiet_ns = None if self._heard_ns is None else now_ns - self._heard_ns
        if quiet_ns is None or (quiet_ns > self._patience_ns and quiet_ns > max(self.patience_ns(each) for each in self._of)):
            self._awake_ns = now_ns
        self._heard_ns = now_ns
        self._of[name].note(stamp_ns, now_ns)

    def wake(self, now_ns: int) -> None:
        """Count all silence from now on."""
        self._heard_ns = self._awake_ns = now_ns

    def patience_ns(self, name: str) -> int:
        """How long this sensor may give nothing without being silent."""
        return max(self._patience_ns, int(SILENT_PERIODS * (self._of[name].period_ns or 0)))

    def silent_at_ns(self, name: str) -> int | None:
        """When the sensor will be silent if it gives nothing more; None while none has given anything."""
        if self._awake_ns is None:
            return None
        arrived_ns = self._of[name].arrived_ns
        return (self._awake_ns if arrived_ns is None else max(arrived_ns, self._awake_ns)) + self.patience_ns(name)

    def silent(self, name: str, now_ns: int) -> bool:
        """Whether the sensor gives nothing while others do, or did when it last should have."""
        silent_at_ns = self.silent_at_ns(name)
        return silent_at_ns is not None and now_ns >= silent_at_ns

    def successor(self, before: str, now_ns: int, tolerance_ns: int, *, astray: bool = False) -> str | None:
        """The first sensor, in the order of the names, that can set the pace instead of one that is silent, or astray; None where none can.

        It gave two readings since then: one that comes just before each reading of a slow sensor does not replace it. And its delay
        is as usual as that of the others, to `tolerance_ns`: with a clock that is far off, or readings that come late, it would
        set times that no other reading belongs to.
        """
        since_ns = None if astray else self._of[before].arrived_ns
        lags = {name: cadence.lags_ns[0] for name, cadence in self._of.items() if cadence.lags_ns is not None and name != before}
        ready = [name for name in lags if not self.silent(name, now_ns) and self._of[name].arrivals_after(since_ns) >= 2]
        usual_ns = median_low(lags.values()) if lags else 0
        in_step = [name for name in ready if abs(lags[name] - usual_ns) <= tolerance_ns]
        return next(iter(in_step or ready), None)


def _steps(times: deque[int]) -> list[int]:
    return sorted(after - before for before, after in pairwise(times))
