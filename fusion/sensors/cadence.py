"""The rhythm of sensors, learnt from their last readings: period, delay, and whether one has fallen silent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from statistics import median_low

CLOCK_STEP_NS = 10_000_000
"""The caller's clock may step back by this much (it is being disciplined) without a reset."""

LAG_READINGS = 4
"""Readings whose delay counts: few, so that a sensor which is in time again is trusted soon."""

SILENT_PERIODS = 2.5
"""One lost reading and some jitter are no silence."""


class Cadence:
    """The last readings of one sensor.

    Attributes:
        stamp_ns: the newest stamp, or None before the first reading.
        arrived_ns: when that reading arrived, or None.
        period_ns: median distance of stamps, or None before the second reading.
        arrival_period_ns: median distance of arrivals (another than `period_ns` in a replay at another rate), or None.
        lag_ns: shortest delay from stamp to arrival of the last few readings, or None. Means nothing by itself where stamps and
            arrivals are of different clocks.
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
        self.period_ns: int | None = None
        self.arrival_period_ns: int | None = None
        self.lag_ns: int | None = None

    def note(self, stamp_ns: int, now_ns: int) -> None:
        """Note a reading that arrived."""
        self._stamps.append(stamp_ns)
        self._arrivals.append(now_ns)
        self.stamp_ns, self.arrived_ns = stamp_ns, now_ns
        self.period_ns, self.arrival_period_ns = _median_step(self._stamps), _median_step(self._arrivals)
        last = range(max(0, len(self._stamps) - LAG_READINGS), len(self._stamps))
        self.lag_ns = min(self._arrivals[i] - self._stamps[i] for i in last)

    def arrivals_after(self, time_ns: int | None) -> int:
        """How many of the readings known arrived after a time (all for None)."""
        return sum(time_ns is None or arrived > time_ns for arrived in self._arrivals)

    def betters(self, target_ns: int, by_ns: int, max_gap_ns: int) -> bool:
        """Whether a reading still to come would be closer to a stamp than all so far, and in time, as far as the rhythm tells.

        Args:
            target_ns: the stamp.
            by_ns: when the reading must have arrived.
            max_gap_ns: a reading farther from the stamp than this is of no use.
        """
        if self.stamp_ns is None or self.lag_ns is None:
            return True
        gap_ns = target_ns - self.stamp_ns
        if gap_ns <= 0:  # stamps increase: nothing comes closer after a reading at the stamp or behind it
            return False
        if self.period_ns is None:
            return gap_ns > max_gap_ns
        closest = max(1, round(gap_ns / self.period_ns))
        steps = min(closest, (by_ns - self.lag_ns - self.stamp_ns) // self.period_ns)
        coming_gap_ns = abs(self.stamp_ns + steps * self.period_ns - target_ns)
        return steps >= 1 and coming_gap_ns < gap_ns and coming_gap_ns <= max_gap_ns

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

    def __getitem__(self, name: str) -> Cadence:
        return self._of[name]

    def note(self, name: str, stamp_ns: int, now_ns: int) -> None:
        """Note a reading that arrived."""
        quiet_ns = None if self._heard_ns is None else now_ns - self._heard_ns
        if quiet_ns is None or (quiet_ns > self._patience_ns and quiet_ns > max(self.patience_ns(each) for each in self._of)):
            self._awake_ns = now_ns
        self._heard_ns = now_ns
        self._of[name].note(stamp_ns, now_ns)

    def patience_ns(self, name: str) -> int:
        """How long this sensor may give nothing without being silent."""
        return max(self._patience_ns, int(SILENT_PERIODS * (self._of[name].arrival_period_ns or 0)))

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

    def successor(self, silent: str, now_ns: int, tolerance_ns: int) -> str | None:
        """The first sensor, in the order of the names, that can set the pace instead of one that is silent; None where none can.

        It gave two readings since then: one that comes just before each reading of a slow sensor does not replace it. And its delay
        is as usual as that of the others, to `tolerance_ns`: with a clock that is far off, or readings that come late, it would
        set times that no other reading belongs to.
        """
        since_ns = self._of[silent].arrived_ns
        lags = {name: cadence.lag_ns for name, cadence in self._of.items() if cadence.lag_ns is not None}
        ready = [name for name in lags if not self.silent(name, now_ns) and self._of[name].arrivals_after(since_ns) >= 2]
        usual_ns = median_low(lags.values()) if lags else 0
        in_step = [name for name in ready if abs(lags[name] - usual_ns) <= tolerance_ns]
        return next(iter(in_step or ready), None)


def _median_step(times: deque[int]) -> int | None:
    steps = sorted(after - before for before, after in pairwise(times))
    return steps[(len(steps) - 1) // 2] if steps else None
