"""The state of every sensor, with its reason, from what arrived and what became of it."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from threading import Lock

import numpy as np

from fusion.sensors.cadence import Cadences
from fusion.sensors.running_clock import RunningClock

WORDS = 512
"""Columns of the table that a fingerprint sums up."""


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
        state: see `SensorState`.
        reason: one line that says why the state is not ok; "" where it is.
        received: readings that arrived.
        dropped: readings of these that were frozen or rejected.
    """

    rate_hz: float
    age_s: float | None
    skew_s: float | None
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


class HealthMonitor:
    """Follows sensors. All times are arguments of one clock; may be called from several threads.

    Args:
        names: all sensors.
        missing_after_ns: silence that makes a sensor missing (longer for one that is slow by nature: 2.5 of its periods).
        frozen_after: readings with the same content, each with a new stamp, that make a sensor frozen, not counting the first; 0: none does.
        late_after: bundles in a row without a sensor that make it late, where as many readings of it came that no bundle had: one that
            is slower than the bundles is in none between its readings, and well.
    """

    def __init__(self, names: Sequence[str], *, missing_after_ns: int = 500_000_000, frozen_after: int = 1, late_after: int = 2) -> None:
        self._frozen_after, self._late_after = frozen_after, late_after
        self._records = {name: _Record() for name in names}
        self._cadences = Cadences(names, missing_after_ns, length=32)
        self._clock = RunningClock()
        self._lock = Lock()

    def received(self, name: str, stamp_ns: int, now_ns: int, fingerprint: int | None = None) -> bool:
        """Note a reading that arrived.

        Args:
            name: its sensor; ValueError for an unknown one, here and below.
            stamp_ns: the time it was taken.
            now_ns: the time it arrived.
            fingerprint: of its content (`image_fingerprint`, `fingerprint`); None where it was not taken, or where
                there is nothing to compare (a cloud without points).

        Returns:
            Whether the reading may be used: False where it repeats the content of the last one under a new stamp (frozen).
        """
        with self._lock:
            record, cadence = self._record(name), self._cadences[name]
            record.received += 1
            self._follow_clock(now_ns)
            if stamp_ns == cadence.stamp_ns:  # the same message again: nothing new came
                record.dropped += 1
                return True
            if self._frozen(record) or self._cadences.silent(name, now_ns):
                record.left_out = record.unplaced = 0
            self._cadences.note(name, stamp_ns, now_ns)
            record.unplaced += 1
            same = fingerprint is not None and fingerprint == record.fingerprint
            record.fingerprint = fingerprint
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
                record.fresh_ns = None

    def _frozen(self, record: _Record) -> bool:
        return 0 < self._frozen_after <= record.repeats

    def _report(self, name: str, record: _Record, now_ns: int) -> SensorReport:
        arrived_ns = self._cadences[name].arrived_ns
        silent_ns = None if arrived_ns is None else max(0, now_ns - arrived_ns)
        state, reason = SensorState.OK, ""
        if silent_ns is None:
            state, reason = SensorState.MISSING, "nothing received yet" if not record.received else "nothing since time jumped back"
        elif silent_ns >= self._cadences.patience_ns(name):
            state, reason = SensorState.MISSING, f"nothing new for {1e-9 * silent_ns:.1f} s"
        elif self._frozen(record):
            state, reason = SensorState.FROZEN, f"the same content in {record.repeats + 1} readings in a row"
        elif record.rejection is not None:
            state, reason = record.rejection
        elif min(record.left_out, record.unplaced) >= self._late_after:
            state = SensorState.LATE
            reason = f"left out of the last {record.left_out} bundles: its readings come too late, or their stamps are too far off"
        return SensorReport(
            rate_hz=0.0 if state is SensorState.MISSING else self._cadences[name].rate_hz,
            age_s=None if record.fresh_ns is None else 1e-9 * max(0, now_ns - record.fresh_ns),
            skew_s=None if record.skew_ns is None else 1e-9 * record.skew_ns,
            state=state, reason=reason, received=record.received, dropped=record.dropped)


def image_fingerprint(image: np.ndarray) -> int:
    """64 bits that change with any pixel of an image `(H, W, ...)`, or with the data of any array; under 1 ms for 1600x900x3."""
    return fingerprint(image)


def fingerprint(data: bytes | bytearray | memoryview | array[int] | np.ndarray) -> int:
    """The same for any buffer: the data of a raw image or cloud message, a JPEG.

    Every byte counts: sums of 8-byte words along both axes of a table, which is five times faster than a checksum of all bytes.
    """
    array_u8 = np.ascontiguousarray(data).reshape(-1).view(np.uint8) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    whole = len(array_u8) // (8 * WORDS) * (8 * WORDS)
    words = array_u8[:whole].view(np.uint64).reshape(-1, WORDS)
    ends = zlib.crc32(array_u8[whole:].tobytes(), len(array_u8) & 0xFFFFFFFF)
    by_row, by_column = np.add.reduce(words, axis=1), np.add.reduce(words, axis=0)
    return zlib.crc32(by_row, ends) << 32 | zlib.crc32(by_column, ends)
