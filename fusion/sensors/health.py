"""The state of every sensor, with its reason, from what arrived and what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock

from fusion.sensors.cadence import Cadences
from fusion.sensors.running_clock import RunningClock

WINDOW = 32
"""Readings that rates and the worst latency are of."""

OTHER_CLOCK_NS = 10_000_000_000
"""No reading is under way for longer: its stamp is of another clock."""


class SensorState(Enum):
    """What to think of a sensor now."""

    OK = "ok"
    LATE = "late"
    FROZEN = "frozen"
    MISSING = "missing"
    INVALID = "invalid"
    UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True, kw_only=True)
class SensorReport:
    """One sensor at one time.

    Attributes:
        rate_hz: readings per second, by arrival; 0 where missing.
        age_s: seconds since the last new reading arrived (a repeated one is not new); None before the first.
        skew_s: stamp of the last used reading minus its bundle's stamp, seconds; None before the first.
        latency_ms: from the stamp of the last reading to its arrival, milliseconds; negative for a stamp ahead of the clock; None where
            unknown.
        latency_worst_ms: the longest of the last `WINDOW` readings.
        state: see `SensorState`.
        reason: one line that says why the state is not ok; "" where it is.
        received: readings that arrived.
        dropped: readings of these that were frozen, rejected, or had the stamp of the one before.
    """

    rate_hz: float
    age_s: float | None
    skew_s: float | None
    latency_ms: float | None
    latency_worst_ms: float | None
    state: SensorState
    reason: str
    received: int
    dropped: int


@dataclass(slots=True)
class _Record:
    received: int = 0
    dropped: int = 0
    fingerprint: int | None = None
    repeats: int = 0
    fresh_ns: int | None = None  # arrival of the last reading with new content
    rejection: tuple[SensorState, str] | None = None
    left_out: int = 0  # bundles in a row
    unplaced: int = 0  # new readings since the last that was in a bundle
    skew_ns: int | None = None
    latencies_ns: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))
    heard_ns: int | None = None  # arrival of the last message, be it no new reading
    standing: int = 0  # messages in a row with new content under the stamp of the last reading


class HealthMonitor:
    """Follows sensors. All times are arguments of one clock; may be called from several threads.

    Args:
        names: all sensors.
        missing_after_ns: silence that makes a sensor missing (longer for one that is slow by nature: 2.5 of its periods).
        frozen_after: readings with the same content, each with a new stamp, that make a sensor frozen, not counting the first; 0: none does.
        late_after: bundles in a row without a sensor that make it late, where as many readings of it came that no bundle had: one that
            is slower than the bundles is in none between its readings, and well. As many readings in a row with a latency that is not
            allowed make it late too, though bundles may rest on it, as on a reference that all wait for.
        max_latency_ns: how long after its stamp a reading may arrive, and how far ahead of the clock its stamp may be.
    """

    def __init__(self, names: Sequence[str], *, missing_after_ns: int = 500_000_000, frozen_after: int = 1, late_after: int = 2,
                 max_latency_ns: int = 100_000_000) -> None:
        self._frozen_after, self._late_after, self._max_latency_ns = frozen_after, late_after, max_latency_ns
        self._records = {name: _Record() for name in names}
        self._cadences = Cadences(names, missing_after_ns, length=WINDOW)
        self._clock = RunningClock()
        self._lock = Lock()

    def received(self, name: str, stamp_ns: int, now_ns: int, fingerprint: int | None = None, *, latency_ns: int | None = None) -> bool:
        """Note a reading that arrived.

        Args:
            name: its sensor; ValueError for an unknown one, here and below.
            stamp_ns: the time it was taken.
            now_ns: the time it arrived.
            fingerprint: of its content (see `fingerprint`); None where it was not taken, or where there is nothing to compare (a cloud
                without points).
            latency_ns: from its stamp to its arrival, by the clock of the stamps, which need not be that of `now_ns`; None: unknown.

        Returns:
            Whether the reading may be used: False where it repeats the content of the last one under a new stamp (frozen).
        """
        with self._lock:
            record, cadence = self._record(name), self._cadences[name]
            record.received += 1
            self._follow_clock(now_ns)
            record.heard_ns = now_ns
            same = fingerprint is not None and fingerprint == record.fingerprint
            record.fingerprint = fingerprint
            if stamp_ns == cadence.stamp_ns:  # no new reading: the same message again, or a stamp that stands still
                record.dropped += 1
                record.standing = 0 if same or fingerprint is None else record.standing + 1
                return True
            record.standing = 0
            if latency_ns is not None:
                record.latencies_ns.append(latency_ns)
            if self._frozen(record) or self._cadences.silent(name, now_ns):
                record.left_out = record.unplaced = 0
            self._cadences.note(name, stamp_ns, now_ns)
            record.unplaced += 1
            record.repeats = record.repeats + 1 if same else 0
            if not same:
                record.fresh_ns = now_ns
            record.dropped += self._frozen(record)
            return not self._frozen(record)

    def rejected(self, name: str, state: SensorState, reason: str, now_ns: int) -> None:
        """Note that a reading could not be used, and why in one line; the state holds until a reading is used."""
        if state is SensorState.OK:
            raise ValueError("state: got OK for a rejected reading; expected what is wrong with it")
        with self._lock:
            record = self._record(name)
            self._follow_clock(now_ns)
            record.dropped += 1
            record.rejection = (state, reason)

    def used(self, name: str, skew_ns: int) -> None:
        """Note that an answer rests on a reading of this sensor."""
        with self._lock:
            record = self._record(name)
            record.skew_ns, record.rejection, record.left_out, record.unplaced = skew_ns, None, 0, 0

    def included(self, name: str) -> None:
        """Note that a bundle was closed with a reading of this sensor, whether or not it will be of use."""
        with self._lock:
            record = self._record(name)
            record.left_out = record.unplaced = 0

    def left_out(self, name: str) -> None:
        """Note that a bundle was closed without this sensor (`Bundle.missing`)."""
        with self._lock:
            self._record(name).left_out += 1

    def report(self, now_ns: int) -> dict[str, SensorReport]:
        """Every sensor's state, in the order of `names`."""
        with self._lock:
            self._follow_clock(now_ns)
            return {name: self._report(name, record, now_ns) for name, record in self._records.items()}

    def worth_waiting_for(self, now_ns: int) -> tuple[str, ...]:
        """Sensors neither silent nor frozen, for `Collector.expect`.

        Silence that all sensors share is held against none: after a start or a pause, one counts as silent when the others have
        spoken for `missing_after_ns` without it.
        """
        with self._lock:
            self._follow_clock(now_ns)
            return tuple(name for name, record in self._records.items()
                         if not self._frozen(record) and not self._cadences.silent(name, now_ns))

    def _record(self, name: str) -> _Record:
        if name not in self._records:
            raise ValueError(f"sensor {name!r}: not watched; expected one of {list(self._records)}")
        return self._records[name]

    def _follow_clock(self, now_ns: int) -> None:
        """Forget all times where the caller's clock stepped back."""
        if self._clock.follow(now_ns):
            self._cadences.clear()
            for record in self._records.values():
                record.fresh_ns = record.heard_ns = None
                record.standing = 0
                record.latencies_ns.clear()

    def _frozen(self, record: _Record) -> bool:
        return 0 < self._frozen_after <= record.repeats

    def _standing(self, record: _Record, name: str, now_ns: int) -> bool:
        """Whether messages with new content still come, all with one stamp."""
        return (record.standing >= self._late_after and record.heard_ns is not None
                and now_ns - record.heard_ns < self._cadences.patience_ns(name))

    def _lateness(self, record: _Record) -> str:
        """Why the latency of its readings is not allowed; "" where that of one of the last few is."""
        last_ns = list(record.latencies_ns)[-self._late_after:]
        if len(last_ns) < self._late_after or min(map(abs, last_ns)) <= self._max_latency_ns or min(last_ns) < 0 < max(last_ns):
            return ""
        clock = "; of another clock, or of a recording that is played without simulated time" if abs(last_ns[-1]) > OTHER_CLOCK_NS else ""
        allowed = f"at most {1e-6 * self._max_latency_ns:.0f} ms are allowed"
        if last_ns[-1] < 0:
            return f"its stamps are {-1e-6 * last_ns[-1]:.0f} ms ahead of the clock, {allowed}{clock}"
        return f"its readings come {1e-6 * last_ns[-1]:.0f} ms after their stamps, {allowed}{clock}"

    def _report(self, name: str, record: _Record, now_ns: int) -> SensorReport:
        state, reason = self._state(name, record, now_ns)
        latencies_ns = record.latencies_ns
        return SensorReport(
            rate_hz=0.0 if state is SensorState.MISSING else self._cadences[name].rate_hz,
            age_s=None if record.fresh_ns is None else 1e-9 * max(0, now_ns - record.fresh_ns),
            skew_s=None if record.skew_ns is None else 1e-9 * record.skew_ns,
            latency_ms=1e-6 * latencies_ns[-1] if latencies_ns else None, latency_worst_ms=1e-6 * max(latencies_ns) if latencies_ns else None,
            state=state, reason=reason, received=record.received, dropped=record.dropped)

    def _state(self, name: str, record: _Record, now_ns: int) -> tuple[SensorState, str]:
        cadence = self._cadences[name]
        silent_ns = None if cadence.arrived_ns is None else max(0, now_ns - cadence.arrived_ns)
        if silent_ns is None or cadence.stamp_ns is None:
            return SensorState.MISSING, "nothing received yet" if not record.received else "nothing since time jumped back"
        if silent_ns >= self._cadences.patience_ns(name):
            if self._standing(record, name, now_ns):
                return SensorState.INVALID, (f"its stamp has stood still at {1e-9 * cadence.stamp_ns:.3f} s for {1e-9 * silent_ns:.1f} s while its "
                                             "content changes; check how the driver sets header.stamp")
            return SensorState.MISSING, f"nothing new for {1e-9 * silent_ns:.1f} s"
        if self._frozen(record):
            return SensorState.FROZEN, f"the same content in {record.repeats + 1} readings in a row"
        if record.rejection is not None:
            return record.rejection
        lateness = self._lateness(record)
        if lateness:
            return SensorState.LATE, lateness
        if min(record.left_out, record.unplaced) >= self._late_after:
            return SensorState.LATE, (f"left out of the last {record.left_out} bundles: its readings come too late, or their stamps are too far "
                                      "off")
        return SensorState.OK, ""
