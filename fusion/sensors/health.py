"""The state of every sensor, with its reason, from what arrived and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np


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


class HealthMonitor:
    """Follows sensors. All times are arguments of one clock; may be called from several threads.

    Args:
        names: all sensors.
        missing_after_ns: silence that makes a sensor missing (longer for one that is slow by nature: 2.5 of its periods).
        frozen_after: readings with the same content, each with a new stamp, that make a sensor frozen, not counting the first.
        late_after: bundles in a row without a sensor that gives readings that make it late.
    """

    def __init__(self, names: Sequence[str], *, missing_after_ns: int = 500_000_000, frozen_after: int = 1, late_after: int = 2) -> None:
        raise NotImplementedError

    def received(self, name: str, stamp_ns: int, now_ns: int, fingerprint: int | None = None) -> bool:
        """Note a reading that arrived.

        Args:
            name: its sensor; ValueError for an unknown one, here and below.
            stamp_ns: the time it was taken.
            now_ns: the time it arrived.
            fingerprint: of its content (`image_fingerprint`, `fingerprint`); None where it was not taken.

        Returns:
            Whether the reading may be used: False where it repeats the content of the last one under a new stamp (frozen).
        """
        raise NotImplementedError

    def rejected(self, name: str, state: SensorState, reason: str, now_ns: int) -> None:
        """Note that a reading could not be used; the state holds until a reading is used."""
        raise NotImplementedError

    def used(self, name: str, skew_ns: int) -> None:
        """Note that an answer rests on a reading of this sensor."""
        raise NotImplementedError

    def left_out(self, name: str) -> None:
        """Note that a bundle was closed without this sensor (`Bundle.missing`)."""
        raise NotImplementedError

    def report(self, now_ns: int) -> dict[str, SensorReport]:
        """Every sensor's state, in the order of `names`."""
        raise NotImplementedError

    def worth_waiting_for(self, now_ns: int) -> tuple[str, ...]:
        """Sensors neither missing nor frozen, for `Collector.expect`; those not heard of yet count for `missing_after_ns` from the
        first call of any method with a time."""
        raise NotImplementedError


def image_fingerprint(image: np.ndarray) -> int:
    """64 bits that change with any pixel of an image `(H, W, ...)`, or with the data of any array; under 1 ms for 1600x900x3."""
    raise NotImplementedError


def fingerprint(data: bytes | bytearray | memoryview | np.ndarray) -> int:
    """The same for any buffer: the data of a raw image or cloud message, a JPEG."""
    raise NotImplementedError
