"""The readings of one sensor that a coming bundle may still need, and what became of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from fusion.sensors.bundle import Offer

T = TypeVar("T")

MAX_KEPT = 10
"""Readings kept of one sensor, and bundles open at once: more than any rhythm needs, bounded in a flood."""


@dataclass(slots=True)
class KeptReading(Generic[T]):
    """A reading with its corrected stamp, when it arrived, and whether a bundle had it."""

    stamp_ns: int
    arrived_ns: int
    item: T
    used: bool = False


class Shelf(Generic[T]):
    """Readings in the order of their stamps, at most `MAX_KEPT`.

    Attributes:
        counts: how many readings ended in which way.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Offer, 0)
        self._readings: list[KeptReading[T]] = []

    def __iter__(self) -> Iterator[KeptReading[T]]:
        return iter(tuple(self._readings))

    def __len__(self) -> int:
        return len(self._readings)

    @property
    def newest(self) -> KeptReading[T] | None:
        """None where there is none."""
        return self._readings[-1] if self._readings else None

    def put(self, reading: KeptReading[T]) -> None:
        """Take a reading with a later stamp than all that are here."""
        self._readings.append(reading)
        if len(self._readings) > MAX_KEPT:
            self._drop(1)

    def closest(self, stamp_ns: int) -> KeptReading[T] | None:
        """The reading closest to a stamp; of two equally far away the later one, which is the newer world."""
        return min(reversed(self._readings), key=lambda reading: abs(reading.stamp_ns - stamp_ns), default=None)

    def prune(self, low_ns: int, max_age_ns: int) -> None:
        """Drop what no bundle from `low_ns` on would choose: too old, or with a newer one that is not after any such bundle."""
        readings = self._readings
        count = sum(later.stamp_ns <= low_ns for later in readings[1:])
        if count < len(readings) and readings[count].stamp_ns < low_ns - max_age_ns:
            count += 1
        if count:
            self._drop(count)

    def clear(self) -> None:
        """Drop all."""
        self._drop(len(self._readings))

    def count_unused(self, reading: KeptReading[T]) -> None:
        """Count a reading that leaves without having been in a bundle; a reference reading is held twice and counted once."""
        if not reading.used:
            self.counts[Offer.SUPERSEDED] += 1
            reading.used = True

    def _drop(self, count: int) -> None:
        for reading in self._readings[:count]:
            self.count_unused(reading)
        del self._readings[:count]
