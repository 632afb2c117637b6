"""Readings of many sensors into bundles of one instant: what arrived by the deadline, and never what is too old or from the future."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from fusion.sensors.bundle import Bundle, Offer, SyncConfig
from fusion.sensors.cadence import Cadences
from fusion.sensors.open_bundles import OpenBundle, OpenBundles
from fusion.sensors.running_clock import RunningClock
from fusion.sensors.shelf import KeptReading, Shelf
from fusion.sensors.time_base import Step, TimeBases

__all__ = ["Bundle", "Collector", "Offer", "SyncConfig"]

T = TypeVar("T")

_REFUSED = {Step.REPEATED: Offer.DUPLICATE, Step.OUT_OF_ORDER: Offer.LATE}


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
        self._pending: OpenBundles[T] = OpenBundles(config.deadline_ns, config.max_age_ns)
        self._driver = config.reference
        self._times = TimeBases(self._cadences, config.jump_ns)
        self._clock = RunningClock()

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
        pending = self._pending.first
        if pending is None or now_ns < self._closes_ns(pending):
            return None
        bundle = self._bundle(self._pending.close())
        self._prune()
        return bundle

    def next_due_ns(self) -> int | None:
        """When `due` should be asked next if nothing is offered before; None where nothing is under way."""
        now_ns = self._clock.now_ns
        if now_ns is None:
            return None
        silent_ns = self._cadences.silent_at_ns(self._driver)
        times = [silent_ns] if silent_ns is not None and silent_ns > now_ns else []
        if self._pending.first is not None:
            times.append(self._closes_ns(self._pending.first))
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
        self._times.clear()
        self._clock.clear()
        self._driver = self.config.reference

    def counts(self) -> dict[str, dict[Offer, int]]:
        """Sensor -> how many readings ended in which way since the start."""
        return {name: dict(shelf.counts) for name, shelf in self._shelves.items()}

    def _check_name(self, name: str) -> None:
        if name not in self._shelves:
            raise ValueError(f"sensor {name!r}: not in the config; expected one of {list(self.config.sensors)}")

    def _take(self, name: str, stamp_ns: int, now_ns: int, item: T) -> Offer:
        jumped = self._follow_clock(now_ns)
        opens = name in (self.config.reference, self._driver)
        time = self._times.judge(name, stamp_ns, now_ns, opens=opens, latest_ns=self._pending.latest_ns)
        if time.step in _REFUSED:
            return _REFUSED[time.step]
        if time.step is Step.JUMP:
            self._forget(name)
        if time.leads:
            self._jump_back(name, stamp_ns, now_ns)
        reading = KeptReading(stamp_ns, now_ns, item)
        self._cadences.note(name, stamp_ns, now_ns)
        if opens and not time.apart and not self._open(reading, name):
            return Offer.LATE
        low_ns = self._low_ns(name)
        if low_ns is not None and stamp_ns < low_ns - self.config.max_age_ns:
            return Offer.LATE
        closed_ns = self._pending.closed_ns
        if not time.apart and closed_ns is not None and stamp_ns >= closed_ns - self.config.max_age_ns:
            self._times.rejoin(name)
        self._shelves[name].put(reading)
        jumped |= time.jumped
        if jumped:
            self._follow_others(now_ns)
        return Offer.JUMP if jumped else Offer.TAKEN

    def _follow_clock(self, now_ns: int) -> bool:
        """Reset where the caller's clock stepped back; whether it did."""
        stepped = self._clock.follow(now_ns)
        if stepped:
            self.reset()
            self._clock.follow(now_ns)
            self.jumps += 1
        return stepped

    def _follow_others(self, now_ns: int) -> None:
        """Where the reference's time jumped before most others', and theirs has now: begin anew at what it gave since."""
        name = self.config.reference
        newest = self._shelves[name].newest
        if newest is not None and self._times.followed(name, newest.arrived_ns - newest.stamp_ns, now_ns):
            self._jump_back(name, newest.stamp_ns, now_ns)
            for reading in self._shelves[name]:
                self._open(reading, name)

    def _jump_back(self, name: str, stamp_ns: int, now_ns: int) -> None:
        """Time jumped back with the sensor that opens bundles: forget all that is of the time before the jump.

        Where all jump, in any order, what came from the time after the jump before this sensor did is kept for it.
        """
        self.jumps += 1
        self._cadences.wake(now_ns)
        self._times.clear()
        self._pending.clear()
        for other in self.config.sensors:
            newest_ns = self._cadences[other].stamp_ns
            if other != name and newest_ns is not None and newest_ns - stamp_ns > self.config.jump_ns // 2:
                self._forget(other)

    def _open(self, reading: KeptReading[T], name: str) -> bool:
        """Open the bundle of a reading of a sensor that may; False where it would not come after the last one."""
        latest_ns = self._pending.latest_ns
        if name != self._driver and latest_ns is not None and latest_ns - reading.stamp_ns > self.config.takeover_ns:
            return False  # what another sensor opened until now is so much newer that waiting for this one would cost more than it gives
        self._driver = name
        if not self._pending.open(name, reading):
            return False
        surplus = self._pending.surplus()
        if surplus is not None:
            self._shelves[surplus.reference].count_unused(surplus.reading)
        return True

    def _take_over(self, now_ns: int) -> None:
        """Where the driver is silent, or on a time of its own, let another sensor open the bundles, and open one for its newest reading."""
        astray = self._driver in self._times
        if not astray and not self._cadences.silent(self._driver, now_ns):
            return
        successor = self._cadences.successor(self._driver, now_ns, self.config.max_age_ns, astray=astray)
        if successor is None:
            return
        self._driver = successor
        newest = self._shelves[successor].newest
        if newest is not None:
            self._open(newest, successor)

    def _closes_ns(self, pending: OpenBundle[T]) -> int:
        """When a bundle closes unless more arrives: when no sensor that is waited for has anything better to give, or at its deadline."""
        return max((self._awaited_until_ns(name, pending) for name in self._expected), default=pending.reading.arrived_ns)

    def _awaited_until_ns(self, name: str, pending: OpenBundle[T]) -> int:
        cadence, stamp_ns = self._cadences[name], pending.stamp_ns
        until_ns = None if name == pending.reference else cadence.wait_until_ns(
            stamp_ns, by_ns=pending.deadline_ns, max_gap_ns=self.config.max_age_ns, ahead_ns=self.config.ahead_ns,
            pace=self._cadences[pending.reference].pace)
        silent_ns = self._cadences.silent_at_ns(name)
        if until_ns is None or silent_ns is None:
            return pending.reading.arrived_ns
        return min(until_ns, silent_ns)

    def _bundle(self, pending: OpenBundle[T]) -> Bundle[T]:
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
        if name in self._times and newest_ns is not None:
            return newest_ns - self.config.max_age_ns
        first = self._pending.first
        return self._pending.closed_ns if first is None else first.stamp_ns

    def _prune(self) -> None:
        """Drop the readings that no coming bundle would choose."""
        for name, shelf in self._shelves.items():
            low_ns = self._low_ns(name)
            if low_ns is not None:
                shelf.prune(low_ns, self.config.max_age_ns)

    def _forget(self, name: str) -> None:
        self._shelves[name].clear()
        self._cadences[name].clear()
