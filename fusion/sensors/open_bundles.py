"""Bundles under way: opened by a reading, not closed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from fusion.sensors.shelf import MAX_KEPT, KeptReading

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenBundle(Generic[T]):
    """The sensor that opened it, its reading, and when it is closed at the latest."""

    reference: str
    reading: KeptReading[T]
    deadline_ns: int

    @property
    def stamp_ns(self) -> int:
        """Of the reading."""
        return self.reading.stamp_ns


class OpenBundles(Generic[T]):
    """Bundles in the order of their stamps, at most `MAX_KEPT`; none is opened with a stamp that is not after all before it.

    Args:
        deadline_ns: from the arrival of a reading to the end of its bundle.
        same_ns: bundles that two sensors open this near to each other are for the same instant.

    Attributes:
        closed_ns: stamp of the last bundle that was closed; None where there was none, or time has jumped since.
    """

    def __init__(self, deadline_ns: int, same_ns: int) -> None:
        self._deadline_ns, self._same_ns = deadline_ns, same_ns
        self._open: list[OpenBundle[T]] = []
        self.closed_ns: int | None = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def first(self) -> OpenBundle[T] | None:
        """The next to be closed."""
        return self._open[0] if self._open else None

    @property
    def latest_ns(self) -> int | None:
        """Stamp of the last bundle that was opened, since time last jumped."""
        return self._open[-1].stamp_ns if self._open else self.closed_ns

    def clear(self) -> None:
        """Time jumped: give up what is open, and forget the stamps."""
        self._open.clear()
        self.closed_ns = None

    def open(self, name: str, reading: KeptReading[T]) -> bool:
        """Open one for a reading of a sensor; False where it would not come after the last one."""
        stamp_ns = reading.stamp_ns
        if self.closed_ns is not None and stamp_ns <= self.closed_ns:
            return False
        # What another sensor opened for the same instant, before the reference came back, would answer twice.
        while self._open and self._open[-1].reference != name and self._open[-1].stamp_ns >= stamp_ns - self._same_ns:
            self._open.pop()
        if self._open and stamp_ns <= self._open[-1].stamp_ns:
            return False
        self._open.append(OpenBundle(name, reading, reading.arrived_ns + self._deadline_ns))
        return True

    def surplus(self) -> OpenBundle[T] | None:
        """The oldest of too many, given up; None where there are not."""
        return self._open.pop(0) if len(self._open) > MAX_KEPT else None

    def close(self) -> OpenBundle[T]:
        """The first, closed."""
        closed = self._open.pop(0)
        self.closed_ns = closed.stamp_ns
        return closed
