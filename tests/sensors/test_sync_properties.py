"""What the collector promises for any stream of readings, however late, early, repeated or out of order."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given, settings

from fusion.sensors.sync import Bundle, Collector, Offer, SyncConfig

MS = 1_000_000
SENSORS = ("A", "B", "LIDAR")
MAX_AGE_MS, DEADLINE_MS, TAKEOVER_MS = 60, 40, 150

arrivals = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(SENSORS), st.integers(-400, 100)), max_size=60)
"""(ms since the last message, sensor, stamp minus arrival): delays of up to 0.4 s and stamps 0.1 s ahead, in any order."""

wild = st.lists(st.tuples(st.integers(-50, 500), st.sampled_from(SENSORS), st.integers(-5000, 5000)), max_size=60)
"""The same with a clock that steps back, pauses, and stamps seconds off."""


class Played:
    """The bundles of a stream, with the times at which they came and at which they could have come first."""

    def __init__(self, stream: list[tuple[int, str, int]]) -> None:
        self.collector: Collector[tuple[str, int]] = Collector(SyncConfig(
            sensors=SENSORS, reference="LIDAR", deadline_ns=DEADLINE_MS * MS, max_age_ns=MAX_AGE_MS * MS,
            takeover_ns=TAKEOVER_MS * MS, offsets_ns={"B": 7 * MS}))
        self.epochs: list[list[tuple[int, Bundle[tuple[str, int]]]]] = [[]]
        self.opened_ns: dict[int, int] = {}  # stamp of a taken sweep -> arrival
        now_ns = 0
        for step, name, ahead in stream:
            self._wait(now_ns + step * MS)
            now_ns += step * MS
            stamp_ns = now_ns + ahead * MS
            jumps = self.collector.jumps
            verdict = self.collector.offer(name, stamp_ns, now_ns, (name, stamp_ns))
            if self.collector.jumps > jumps:
                self.epochs.append([])
            if name == "LIDAR" and verdict in (Offer.TAKEN, Offer.JUMP):
                self.opened_ns[stamp_ns] = now_ns
            self._take(now_ns)
            assert max(map(len, self.collector._shelves.values())) <= 10
            assert len(self.collector._pending) <= 10
        self._wait(now_ns + 10_000 * MS)
        assert not self.collector._pending

    def _wait(self, until_ns: int) -> None:
        for _ in range(100):
            next_ns = self.collector.next_due_ns()
            if next_ns is None or next_ns > until_ns:
                return
            self._take(next_ns)
        raise AssertionError("next_due_ns stands still")

    def _take(self, now_ns: int) -> None:
        while (bundle := self.collector.due(now_ns)) is not None:
            self.epochs[-1].append((now_ns, bundle))


@given(arrivals | wild)
@settings(max_examples=150, deadline=None)
def test_bundles_are_true_to_their_stamp_and_in_order(stream: list[tuple[int, str, int]]) -> None:
    played = Played(stream)
    for epoch in played.epochs:
        assert all(a.stamp_ns < b.stamp_ns for (_, a), (_, b) in pairwise(epoch))
        for _, bundle in epoch:
            assert {*bundle.items, *bundle.missing} == set(SENSORS)
            assert len(bundle.items) + len(bundle.missing) == len(SENSORS)
            for name, (sensor, stamp_ns) in bundle.items.items():
                assert sensor == name
                assert bundle.skew_ns[name] == stamp_ns + (7 * MS if name == "B" else 0) - bundle.stamp_ns
                assert abs(bundle.skew_ns[name]) <= MAX_AGE_MS * MS
            assert bundle.skew_ns[bundle.reference] == 0


@given(arrivals)
@settings(max_examples=150, deadline=None)
def test_every_sweep_gives_one_bundle_by_its_deadline(stream: list[tuple[int, str, int]]) -> None:
    played = Played(stream)
    out = [(now_ns, bundle) for now_ns, bundle in played.epochs[0] if bundle.reference == "LIDAR"]
    assert len(played.epochs) == 1
    assert [bundle.stamp_ns for _, bundle in out] == sorted(played.opened_ns)
    for now_ns, bundle in out:
        assert played.opened_ns[bundle.stamp_ns] <= now_ns <= played.opened_ns[bundle.stamp_ns] + DEADLINE_MS * MS


@given(arrivals)
@settings(max_examples=100, deadline=None)
def test_every_reading_is_counted_once(stream: list[tuple[int, str, int]]) -> None:
    counts = Played(stream).collector.counts()
    for name in SENSORS:
        offered = sum(sensor == name for _, sensor, _ in stream)
        assert sum(counts[name].values()) - counts[name][Offer.SUPERSEDED] == offered
        assert counts[name][Offer.SUPERSEDED] <= counts[name][Offer.TAKEN] + counts[name][Offer.JUMP]
