"""Readings of many sensors into bundles of one instant: what arrived by the deadline, and never what is too old or from the future."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fusion.sensors.bundle import Bundle, Offer, SyncConfig
from fusion.sensors.cadence import CLOCK_STEP_NS, Cadences
from fusion.sensors.shelf import MAX_KEPT, KeptReading, Shelf

__all__ = ["Bundle", "Collector", "Offer", "SyncConfig"]

T = TypeVar("T")


@dataclass(slots=True)
class _Pending(Generic[T]):
    reference: str
    reading: KeptReading[T]
    deadline_ns: int

    @property
    def stamp_ns(self) -> int:
        return self.reading.stamp_ns


class Collector(Generic[T]):
    """Collects readings and closes bundles. Reads no clock: every `now_ns` is an argument, of any clock that the caller keeps to.

    Not thread-safe: one thread offers and asks. After each `offer`, and at `next_due_ns`, take what `due` has until it is None.
    Stamps of bundles strictly increase, except after a jump of time or `reset`.

    Attributes:
        config: what it was made with.
        jumps: how often time jumped back for all: the caller's clock, or most sensors. One that jumps alone is told by `Offer.JUMP` and
            not counted here, be it the reference: the others and their time go on.
    """

    def __init__(self, config: SyncConfig) -> None:
        self.config = config
        self.jumps = 0
        self._expected = set(config.sensors)
        self._cadences = Cadences(config.sensors, config.takeover_ns)
        self._shelves: dict[str, Shelf[T]] = {name: Shelf() for name in config.sensors}
        self._pending: list[_Pending[T]] = []
        self._driver = config.reference
        self._closed_ns: int | None = None  # stamp of the last bundle
        self._jumped: set[str] = set()  # sensors whose time jumped back and that the driver has not followed
        self._now_ns: int | None = None

    def offer(self, name: str, stamp_ns: int, now_ns: int, item: T) -> Offer:
        """Hand in a reading that has just arrived.

        Args:
            name: its sensor; ValueError for one that is not in the config.
            stamp_ns: the time it was taken, as its sensor says.
            now_ns: the time it arrived.
            item: the reading; kept only as long as a bundle may need it.

        Returns:
            TAKEN; JUMP, taken after time had jumped back; or what stood against it: LATE, DUPLICATE (the stamp that this sensor gave
            before).
        """
        self._check_name(name)
        verdict = self._take(name, stamp_ns + self.config.offsets_ns.get(name, 0), now_ns, item)
        self._shelves[name].counts[verdict] += 1
        if verdict in (Offer.TAKEN, Offer.JUMP):
            self._expected.add(name)
        self._prune()
        return verdict

    def due(self, now_ns: int) -> Bundle[T] | None:
        """The oldest bundle that is past its deadline, or complete: nothing better is to be expected in time; None where there is none."""
        self._follow_clock(now_ns)
        self._take_over(now_ns)
        if not self._pending or now_ns < self._closes_ns(self._pending[0]):
            return None
        bundle = self._bundle(self._pending.pop(0))
        self._closed_ns = bundle.stamp_ns
        self._prune()
        return bundle

    def next_due_ns(self) -> int | None:
        """When `due` should be asked next if nothing is offered before; None where nothing is under way."""
        if self._now_ns is None:
            return None
        silent_ns = self._cadences.silent_at_ns(self._driver)
        times = [silent_ns] if silent_ns is not None and silent_ns > self._now_ns else []
        if self._pending:
            times.append(self._closes_ns(self._pending[0]))
        return min(times, default=None)

    def expect(self, names: Iterable[str]) -> None:
        """Name the sensors worth waiting for (all, at first); the others are used when they come. A sensor whose reading is taken is
        expected again from then on. ValueError for a name that is not in the config."""
        wanted = set(names)
        for name in wanted:
            self._check_name(name)
        self._expected = wanted

    @property
    def expected(self) -> tuple[str, ...]:
        """The sensors that are waited for, in the order of the config."""
        return tuple(name for name in self.config.sensors if name in self._expected)

    @property
    def driver(self) -> str:
        """The sensor that opens bundles now."""
        return self._driver

    def reset(self) -> None:
        """Forget all readings and times, as after a jump of time; counters and the expected sensors stay."""
        for name in self.config.sensors:
            self._forget(name)
        self._cadences.clear()
        self._pending.clear()
        self._jumped.clear()
        self._driver = self.config.reference
        self._closed_ns = self._now_ns = None

    def counts(self) -> dict[str, dict[Offer, int]]:
        """Sensor -> how many readings ended in which way since the start."""
        return {name: dict(shelf.counts) for name, shelf in self._shelves.items()}

    def _check_name(self, name: str) -> None:
        if name not in self._shelves:
            raise ValueError(f"sensor {name!r}: not in the config; expected one of {list(self.config.sensors)}")

    def _take(self, name: str, stamp_ns: int, now_ns: int, item: T) -> Offer:
        jumped = self._follow_clock(now_ns)
        opens = name in (self.config.reference, self._driver)
        newest_ns, lag_ns, latest_ns = self._cadences[name].stamp_ns, self._cadences[name].lag_ns, self._latest_ns if opens else None
        back = newest_ns is not None and newest_ns - stamp_ns > self.config.jump_ns
        if not back and newest_ns is not None and stamp_ns <= newest_ns:
            return Offer.DUPLICATE if stamp_ns == newest_ns else Offer.LATE
        ahead = opens and lag_ns is not None and lag_ns - (now_ns - stamp_ns) > self.config.jump_ns
        suspect = opens and (back or ahead or name in self._jumped or (newest_ns is None and latest_ns is not None))
        astray = suspect and self._cadences.astray(name, stamp_ns, now_ns, self.config.jump_ns)
        jumped = jumped or back or ahead or (astray and name not in self._jumped)
        if back or ahead:
            self._forget(name)
        if astray or (back and not opens):
            self._jumped.add(name)
        elif suspect:
            self._jumped.discard(name)
            if latest_ns is not None and latest_ns - stamp_ns > self.config.jump_ns:
                self._jump_back(name, stamp_ns, now_ns)
        reading = KeptReading(stamp_ns, now_ns, item)
        self._cadences.note(name, stamp_ns, now_ns)
        if opens and not astray and not self._open(reading, name):
            return Offer.LATE
        low_ns = self._low_ns(name)
        if low_ns is not None and stamp_ns < low_ns - self.config.max_age_ns:
            return Offer.LATE
        if not astray and self._closed_ns is not None and stamp_ns >= self._closed_ns - self.config.max_age_ns:
            self._jumped.discard(name)
        self._shelves[name].put(reading)
        if jumped:
            self._follow_others(now_ns)
        return Offer.JUMP if jumped else Offer.TAKEN

    def _follow_clock(self, now_ns: int) -> bool:
        """Reset where the caller's clock stepped back; whether it did."""
        jumped = self._now_ns is not None and now_ns < self._now_ns - CLOCK_STEP_NS
        if jumped:
            self.reset()
            self.jumps += 1
        self._now_ns = now_ns if self._now_ns is None else max(now_ns, self._now_ns)
        return jumped

    def _follow_others(self, now_ns: int) -> None:
        """Where the reference's time jumped before most others', and theirs has now: begin anew at what it gave since."""
        name = self.config.reference
        newest = self._shelves[name].newest
        if name in self._jumped and newest is not None and not self._cadences.astray(
                name, newest.stamp_ns + now_ns - newest.arrived_ns, now_ns, self.config.jump_ns):
            self._jump_back(name, newest.stamp_ns, now_ns)
            for reading in self._shelves[name]:
                self._open(reading, name)

    def _jump_back(self, name: str, stamp_ns: int, now_ns: int) -> None:
        """Time jumped back with the sensor that opens bundles: forget all that is of the time before the jump.

        Where all jump, in any order, what came from the time after the jump before this sensor did is kept for it. A sensor that jumps
        alone, as one whose clock broke, is left out instead, whoever it is: so it cannot disturb the others.
        """
        self.jumps += 1
        self._cadences.wake(now_ns)
        self._jumped.clear()
        self._pending.clear()
        self._closed_ns = None
        for other in self.config.sensors:
            newest_ns = self._cadences[other].stamp_ns
            if other != name and newest_ns is not None and newest_ns - stamp_ns > self.config.jump_ns // 2:
                self._forget(other)

    def _open(self, reading: KeptReading[T], name: str) -> bool:
        """Open the bundle of a reading of a sensor that may; False where it would not come after the last one."""
        stamp_ns, latest_ns = reading.stamp_ns, self._latest_ns
        if name != self._driver and latest_ns is not None and latest_ns - stamp_ns > self.config.takeover_ns:
            return False  # what another sensor opened until now is so much newer that waiting for this one would cost more than it gives
        self._driver = name
        if self._closed_ns is not None and stamp_ns <= self._closed_ns:
            return False
        # What another sensor opened for the same instant, before the reference came back, would answer twice.
        while self._pending and self._pending[-1].reference != name and self._pending[-1].stamp_ns >= stamp_ns - self.config.max_age_ns:
            self._pending.pop()
        if self._pending and stamp_ns <= self._pending[-1].stamp_ns:
            return False
        self._pending.append(_Pending(name, reading, reading.arrived_ns + self.config.deadline_ns))
        if len(self._pending) > MAX_KEPT:
            dropped = self._pending.pop(0)
            self._shelves[dropped.reference].count_unused(dropped.reading)
        return True

    @property
    def _latest_ns(self) -> int | None:
        """Stamp of the last bundle that was opened, since time last jumped."""
        return self._pending[-1].stamp_ns if self._pending else self._closed_ns

    def _take_over(self, now_ns: int) -> None:
        """Where the driver is silent, or on a time of its own, let another sensor open the bundles, and open one for its newest reading."""
        astray = self._driver in self._jumped
        if not astray and not self._cadences.silent(self._driver, now_ns):
            return
        successor = self._cadences.successor(self._driver, now_ns, self.config.max_age_ns, astray=astray)
        if successor is None:
            return
        self._driver = successor
        newest = self._shelves[successor].newest
        if newest is not None:
            self._open(newest, successor)

    def _closes_ns(self, pending: _Pending[T]) -> int:
        """When a bundle closes unless more arrives: when no sensor that is waited for has anything better to give, or at its deadline."""
        return max((self._awaited_until_ns(name, pending) for name in self._expected), default=pending.reading.arrived_ns)

    def _awaited_until_ns(self, name: str, pending: _Pending[T]) -> int:
        cadence, stamp_ns = self._cadences[name], pending.stamp_ns
        until_ns = None if name == pending.reference else cadence.wait_until_ns(
            stamp_ns, by_ns=pending.deadline_ns, max_gap_ns=self.config.max_age_ns, ahead_ns=self.config.ahead_ns,
            pace=self._cadences[pending.reference].pace)
        silent_ns = self._cadences.silent_at_ns(name)
        if until_ns is None or silent_ns is None:
            return pending.reading.arrived_ns
        return min(until_ns, silent_ns)

    def _bundle(self, pending: _Pending[T]) -> Bundle[T]:
        items: dict[str, T] = {}
        skew_ns: dict[str, int] = {}
        for name in self.config.sensors:
            best = pending.reading if name == pending.reference else self._shelves[name].closest(pending.stamp_ns)
            if best is not None and abs(best.stamp_ns - pending.stamp_ns) <= self.config.max_age_ns:
                best.used = True
                items[name], skew_ns[name] = best.item, best.stamp_ns - pending.stamp_ns
        return Bundle(stamp_ns=pending.stamp_ns, reference=pending.reference, items=items, skew_ns=skew_ns,
                      missing=tuple(name for name in self.config.sensors if name not in items))

    def _low_ns(self, name: str) -> int | None:
        """No bundle that can have a reading of this sensor will come with an earlier stamp."""
        newest_ns = self._cadences[name].stamp_ns
        if name in self._jumped and newest_ns is not None:
            return newest_ns - self.config.max_age_ns
        return self._pending[0].stamp_ns if self._pending else self._closed_ns

    def _prune(self) -> None:
        """Drop the readings that no coming bundle would choose."""
        for name, shelf in self._shelves.items():
            low_ns = self._low_ns(name)
            if low_ns is not None:
                shelf.prune(low_ns, self.config.max_age_ns)

    def _forget(self, name: str) -> None:
        self._shelves[name].clear()
        self._cadences[name].clear()
