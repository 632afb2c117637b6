"""Bundles on a made-up clock: nuScenes' timing, faults of every kind, and what is promised for any stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

from fusion.errors import UserError
from fusion.sensors.sync import Bundle, Collector, Offer, SyncConfig

MS = 1_000_000
LIDAR = "LIDAR_TOP"
PHASE_MS = {"CAM_FRONT": 12, "CAM_FRONT_RIGHT": 20, "CAM_BACK_RIGHT": 27, "CAM_BACK": 33, "CAM_BACK_LEFT": 38, "CAM_FRONT_LEFT": 4}
CAMERAS = tuple(PHASE_MS)
CAMERA_DELAY_MS, LIDAR_DELAY_MS = 8, 5
Message = tuple[int, str, int]  # arrival, sensor, stamp; ms


def config(**changes: object) -> SyncConfig:
    return SyncConfig(**{"sensors": (*CAMERAS, LIDAR), "reference": LIDAR, "deadline_ns": 50 * MS, "max_age_ns": 100 * MS,  # type: ignore[arg-type]
                         "takeover_ns": 200 * MS, **changes})


def drive(until_ms: int, start_ms: int = 0, keyframes_only: bool = False) -> list[Message]:
    """nuScenes' timing: a sweep's stamp is its end; each camera is triggered as the beam passes, in 12 of 20 sweeps a second."""
    messages = []
    for count, stamp in enumerate(range(start_ms, until_ms, 500 if keyframes_only else 50)):
        messages.append((stamp + LIDAR_DELAY_MS, LIDAR, stamp))
        if keyframes_only or count % 5 in (0, 2, 4):
            messages += [(stamp - phase + CAMERA_DELAY_MS, name, stamp - phase) for name, phase in PHASE_MS.items()]
    return sorted(messages)


def change(messages: list[Message], name: str, delay_ms: int | None, from_ms: int = 0, to_ms: int = 10**9) -> list[Message]:
    """The readings of one sensor taken in a span come later, or (None) not at all."""
    changed = []
    for arrival, sensor, stamp in messages:
        hit = sensor == name and from_ms <= stamp < to_ms
        if not (hit and delay_ms is None):
            changed.append((arrival + (delay_ms or 0) if hit else arrival, sensor, stamp))
    return sorted(changed)


class Run:
    """Plays messages as a node would: what is due is taken after each message, and when the collector says so."""

    def __init__(self, messages: Iterable[Message], collector: Collector[str] | None = None,
                 before: Callable[[Collector[str], int], None] = lambda collector, now: None) -> None:
        self.collector = collector or Collector(config())
        self.out: list[tuple[int, Bundle[str]]] = []  # time (ms), bundle
        self.offers: list[Offer] = []
        for arrival, name, stamp in messages:
            self._wait(arrival * MS)
            before(self.collector, arrival)
            self.offers.append(self.collector.offer(name, stamp * MS, arrival * MS, f"{name}@{stamp}"))
            self._take(arrival * MS)
        self._wait(messages[-1][0] * MS + 300 * MS if isinstance(messages, list) and messages else 0)

    def _wait(self, until_ns: int) -> None:
        now_ns = -10**18
        while (next_ns := self.collector.next_due_ns()) is not None and next_ns < until_ns:
            assert next_ns > now_ns  # else a node would wait for nothing, busily
            now_ns = next_ns
            self._take(now_ns)

    def _take(self, now_ns: int) -> None:
        while (bundle := self.collector.due(now_ns)) is not None:
            self.out.append((now_ns // MS, bundle))

    @property
    def stamps(self) -> list[int]:
        return [bundle.stamp_ns // MS for _, bundle in self.out]

    def after(self, ms: int) -> list[Bundle[str]]:
        return [bundle for _, bundle in self.out if bundle.stamp_ns >= ms * MS]

    def waits(self, delay_ms: int = LIDAR_DELAY_MS) -> list[int]:
        return [now - bundle.stamp_ns // MS - delay_ms for now, bundle in self.out]


def test_nuscenes_every_sweep_has_all_sensors() -> None:
    run = Run(drive(2000))
    assert run.stamps == list(range(0, 2000, 50))
    assert {bundle.reference for _, bundle in run.out} == {LIDAR}
    assert [bundle.missing for _, bundle in run.out] == [()] * 40
    for count, (_, bundle) in enumerate(run.out):
        assert list(bundle.items) == [*CAMERAS, LIDAR]
        age = {0: 0, 1: 50, 2: 0, 3: 50, 4: 0}[count % 5]  # of the last sweep that triggered the cameras
        assert {name: -skew // MS for name, skew in bundle.skew_ns.items()} == {LIDAR: 0} | {n: p + age for n, p in PHASE_MS.items()}
        assert bundle.items["CAM_BACK"] == f"CAM_BACK@{bundle.stamp_ns // MS - 33 - age}"
    # A sweep that triggered none waits only until an image of it would be overdue: the last camera's would come at -4 + 8 ms.
    assert max(run.waits()) == -4 + CAMERA_DELAY_MS + 5 - LIDAR_DELAY_MS
    assert run.collector.counts()["CAM_FRONT"] == {Offer.TAKEN: 24, Offer.LATE: 0, Offer.DUPLICATE: 0, Offer.JUMP: 0, Offer.SUPERSEDED: 0}


def test_nuscenes_keyframes_alone() -> None:
    run = Run(drive(6000, keyframes_only=True))
    assert run.stamps == list(range(0, 6000, 500))
    assert [bundle.missing for _, bundle in run.out] == [()] * 12
    assert all({n: -s // MS for n, s in b.skew_ns.items()} == {**PHASE_MS, LIDAR: 0} for _, b in run.out)
    assert max(run.waits()) == 0


def test_a_sweep_that_overtakes_its_images_waits_for_them() -> None:
    messages = [(arrival + 20 * (name != LIDAR), name, stamp) for arrival, name, stamp in drive(3000, keyframes_only=True)]
    run = Run(sorted(messages))
    assert [bundle.missing for _, bundle in run.out] == [()] * 6
    assert max(run.waits()) == 20 + CAMERA_DELAY_MS - 4 - LIDAR_DELAY_MS  # the last image of the instant


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize(("delay_ms", "used"), [(50, True), (150, False), (500, False)])
def test_a_late_camera_is_used_or_left_out_and_not_waited_for(name: str, delay_ms: int, used: bool) -> None:
    run = Run(change(drive(6000), name, delay_ms, 2000, 4000))
    assert run.stamps == list(range(0, 6000, 50))
    during = run.after(2600)[:20]
    assert all(set(bundle.missing) <= {name} for bundle in during)
    assert [name in bundle.items for bundle in during] == [used] * 20
    assert all(name in bundle.items for bundle in run.after(4100))  # back within two sweeps
    counts = run.collector.counts()[name]
    assert (counts[Offer.TAKEN], counts[Offer.LATE]) == ((72, 0) if used else (48, 24))
    # What cannot be in time is not waited for, once four images have shown it.
    assert used or max(run.waits()[57:75]) <= -4 + CAMERA_DELAY_MS + 5 - LIDAR_DELAY_MS


def test_a_dead_camera_costs_the_deadline_only_until_it_is_silent() -> None:
    run = Run(change(drive(3000), "CAM_BACK", None, 1000, 1950))
    assert run.stamps == list(range(0, 3000, 50))
    without = [bundle.stamp_ns // MS for _, bundle in run.out if bundle.missing]
    assert without == list(range(1100, 2000, 50))  # the last image was of 967
    assert all(bundle.missing in ((), ("CAM_BACK",)) for _, bundle in run.out)
    waits = dict(zip(run.stamps, run.waits(), strict=True))
    assert max(waits[stamp] for stamp in range(1100, 1200, 50)) == 50
    assert max(waits[stamp] for stamp in range(1250, 2000, 50)) == 8 - 4 + 5 - 5


def test_sensors_not_expected_are_not_waited_for_and_expected_again_when_back() -> None:
    messages = change(drive(3000, keyframes_only=True), "CAM_BACK", None, 400, 1900)

    def no_hope(collector: Collector[str], now: int) -> None:
        if now == 800:
            collector.expect([name for name in collector.expected if name != "CAM_BACK"])

    messages.append((800, "CAM_FRONT", 800))
    run = Run(sorted(messages), before=no_hope)
    waits = dict(zip(run.stamps, run.waits(), strict=True))
    assert (waits[500], waits[1000], waits[1500], waits[2000]) == (50, 0, 0, 0)
    assert run.collector.expected == (*CAMERAS, LIDAR)
    collector: Collector[str] = Collector(config())
    collector.expect([])
    collector.offer(LIDAR, 0, 7, "sweep")
    bundle = collector.due(7)
    assert bundle is not None
    assert bundle.missing == CAMERAS
    assert collector.expected == (LIDAR,)


def test_lidar_lost_cameras_take_over_and_back_at_once() -> None:
    run = Run(change(drive(3000), LIDAR, None, 1000, 2000))
    images = [stamp for _, name, stamp in drive(3000) if name == "CAM_FRONT" and 1088 <= stamp < 2000]
    silent = [bundle for _, bundle in run.out if bundle.reference != LIDAR]
    assert [bundle.stamp_ns // MS for bundle in silent] == images
    assert (run.out[19][1].stamp_ns, run.out[20][0]) == (950 * MS, 950 + LIDAR_DELAY_MS + 200)  # as soon as the LiDAR is silent
    assert {bundle.reference for bundle in silent} == {"CAM_FRONT"}
    assert all(LIDAR in bundle.missing for bundle in silent)
    assert all(set(bundle.items) == set(CAMERAS) for bundle in silent)
    assert max(now - bundle.stamp_ns // MS for now, bundle in run.out if bundle.reference == "CAM_FRONT" and bundle.stamp_ns > 1200 * MS) <= 60
    assert [bundle.stamp_ns // MS for bundle in run.after(2000)] == list(range(2000, 3000, 50))
    assert all(bundle.reference == LIDAR and not bundle.missing for bundle in run.after(2000))


def test_lidar_lost_at_keyframes_alone() -> None:
    run = Run(change(drive(6000, keyframes_only=True), LIDAR, None, 2000, 4000))
    assert run.stamps == [0, 500, 1000, 1500, 2488, 2988, 3488, 3988, 4000, 4500, 5000, 5500]
    assert [bundle.missing for _, bundle in run.out] == [()] * 4 + [(LIDAR,)] * 4 + [()] * 4


def test_a_keyframe_sooner_than_ever_is_waited_for_by_the_cameras_too() -> None:
    stamps = [0, 500, 1000, 1500, 2100, 2500, 3000]  # as in nuScenes: every tenth sweep, at times the twelfth or the eighth
    played = sorted((stamp - phase + CAMERA_DELAY_MS, name, stamp - phase) for stamp in stamps for name, phase in PHASE_MS.items())
    run = Run(played, Collector(config(reference="CAM_FRONT", sensors=("CAM_FRONT", *(name for name in CAMERAS if name != "CAM_FRONT")))))
    assert [set(bundle.items) for _, bundle in run.out] == [set(CAMERAS)] * len(stamps)


def test_no_lidar_from_the_start_and_none_but_one_camera() -> None:
    run = Run(change(drive(2000), LIDAR, None))
    assert {bundle.reference for _, bundle in run.out} == {"CAM_FRONT"}
    assert len(run.out) >= 21
    alone = Run([message for message in drive(2000) if message[1] == "CAM_BACK"])
    assert len(alone.out) >= 21
    assert all(tuple(bundle.items) == ("CAM_BACK",) for _, bundle in alone.out)


def test_a_camera_with_a_wrong_clock_does_not_take_over() -> None:
    for shift in (10_000, -10_000):
        messages = [(arrival, name, stamp + shift * (name == "CAM_FRONT")) for arrival, name, stamp in change(drive(3000), LIDAR, None, 1000, 2000)]
        run = Run(messages)
        assert {bundle.reference for _, bundle in run.out} == {LIDAR, "CAM_FRONT_RIGHT"}
        assert all(bundle.missing[:1] == ("CAM_FRONT",) for _, bundle in run.out)
        assert [bundle.stamp_ns // MS for bundle in run.after(2000)] == list(range(2000, 3000, 50))


def test_the_next_camera_takes_over_where_the_first_dies_too() -> None:
    run = Run(change(change(drive(4000), LIDAR, None, 1000), "CAM_FRONT", None, 2000))
    assert [bundle.reference for bundle in run.after(2300)] == ["CAM_FRONT_RIGHT"] * len(run.after(2300))
    assert len(run.after(2300)) >= 20


def test_readings_from_the_future_and_the_past_are_not_used() -> None:
    collector: Collector[str] = Collector(config(sensors=("A", "B", "C", "D", LIDAR)))
    for name, stamp in {"A": 1100, "B": 1101, "C": 900, "D": 899}.items():
        assert collector.offer(name, stamp * MS, 1050 * MS, name) is Offer.TAKEN
    collector.offer(LIDAR, 1000 * MS, 1055 * MS, LIDAR)
    bundle = collector.due(1105 * MS)
    assert bundle is not None
    assert tuple(bundle.items) == ("A", "C", LIDAR)
    assert bundle.skew_ns == {"A": 100 * MS, "C": -100 * MS, LIDAR: 0}
    assert bundle.missing == ("B", "D")
    assert collector.offer("D", 899 * MS + 1, 1110 * MS, "D") is Offer.LATE  # no coming bundle can have it


def test_the_closest_reading_is_taken_whichever_side() -> None:
    for before, after, chosen in ((960, 1030, 1030), (970, 1040, 970), (970, 1030, 1030)):
        collector: Collector[int] = Collector(config(sensors=("A", LIDAR)))
        for stamp in (900, before, after, 1090):
            collector.offer("A", stamp * MS, (stamp + 8) * MS, stamp)
        collector.offer(LIDAR, 1000 * MS, 1099 * MS, 0)
        bundle = collector.due(1099 * MS)
        assert bundle is not None
        assert bundle.items["A"] == chosen


def test_offsets_move_stamps() -> None:
    messages = [(arrival, name, stamp + {"CAM_BACK": 340, LIDAR: -30}.get(name, 0)) for arrival, name, stamp in drive(1000)]
    run = Run(messages, Collector(config(offsets_ns={"CAM_BACK": -340 * MS, LIDAR: 30 * MS})))
    straight = Run(drive(1000))
    assert run.stamps == straight.stamps
    assert [bundle.skew_ns for _, bundle in run.out] == [bundle.skew_ns for _, bundle in straight.out]


def test_a_flood_at_three_times_the_rate_is_bounded() -> None:
    messages = drive(2000)
    flood = sorted(message for arrival, name, stamp in messages for message in
                   [(arrival, name, stamp)] + [(arrival + shift, name, stamp + shift) for shift in (7, 14)] + [(arrival, name, stamp)])
    kept = []
    run = Run(flood, before=lambda collector, now: kept.append(sum(map(len, collector._shelves.values()))))
    assert max(kept) <= 4 * 7
    assert run.stamps == sorted({stamp for _, name, stamp in flood if name == LIDAR})
    assert all(counts[Offer.DUPLICATE] == counts[Offer.TAKEN] // 3 for counts in run.collector.counts().values())
    # Nobody asks for bundles, or there is no reference: still bounded.
    for names in ((LIDAR, "CAM_BACK"), ("CAM_BACK",)):
        collector: Collector[int] = Collector(config())
        for stamp in range(1000):
            for name in names:
                collector.offer(name, stamp * MS, stamp * MS, stamp)
        assert sum(map(len, collector._shelves.values())) + len(collector._pending) <= 30
        assert collector.counts()[names[0]][Offer.SUPERSEDED] == 990


def test_bag_loop_and_clock_jumps_reset_cleanly() -> None:
    first, second = drive(21_000, 18_000), drive(2000)
    sweep_first = sorted((arrival + 45 * (name != LIDAR), name, stamp) for arrival, name, stamp in second)
    for clock_jumps, again in ((True, second), (False, second), (False, sweep_first)):  # a bag with `/clock`, or played on the wall clock
        shift = 0 if clock_jumps else 21_100
        run = Run([*first, *((arrival + shift, name, stamp) for arrival, name, stamp in again)])
        jump = run.stamps.index(0)
        assert run.stamps[:jump] == list(range(18_000, 21_000, 50))[:jump]
        assert jump >= 59  # at most the last sweep is lost
        assert run.stamps[jump:] == list(range(0, 2000, 50))
        assert all(not bundle.missing for _, bundle in run.out[jump:])
        jumps = Counter(name for name, counts in run.collector.counts().items() for _ in range(counts[Offer.JUMP]))
        assert max(jumps.values()) == 1


def test_one_camera_that_jumps_does_not_disturb_the_others() -> None:
    messages = [(arrival, name, stamp - 5000 * (name == "CAM_BACK" and arrival // 200 % 2 == 1)) for arrival, name, stamp in drive(4000)]
    run = Run(messages)
    assert run.stamps == list(range(0, 4000, 50))
    assert all(set(bundle.missing) <= {"CAM_BACK"} for _, bundle in run.out)
    assert run.collector.counts()["CAM_BACK"][Offer.JUMP] >= 5


@pytest.mark.parametrize("lost_from_ms", [0, 1000, 2000])
@pytest.mark.parametrize("off_ms", [-50_000, 3_600_000])
def test_a_lidar_whose_clock_breaks_is_left_out_until_it_is_right_again(lost_from_ms: int, off_ms: int) -> None:
    messages = [(arrival, name, stamp + off_ms * (name == LIDAR and 2000 <= arrival < 4000)) for arrival, name, stamp
                in change(drive(6000), LIDAR, None, lost_from_ms, 2000)]
    run = Run(messages)
    images = [stamp for _, name, stamp in drive(6000) if name == "CAM_FRONT" and 2088 <= stamp < 4000]
    amid = [(now, bundle) for now, bundle in run.out if 2060 <= bundle.stamp_ns // MS < 4000]
    assert [bundle.stamp_ns // MS for _, bundle in amid] == images
    assert all(bundle.missing == (LIDAR,) and now - bundle.stamp_ns // MS <= 60 for now, bundle in amid)
    assert [bundle.stamp_ns // MS for bundle in run.after(4000)] == list(range(4000, 6000, 50))
    assert all(bundle.reference == LIDAR and not bundle.missing for bundle in run.after(4000))
    assert run.collector.jumps == 0


def test_with_one_camera_the_reference_is_believed() -> None:
    messages = [(arrival, name, stamp - 50_000 * (name == LIDAR and arrival > 2000)) for arrival, name, stamp in drive(3000)
                if name in (LIDAR, "CAM_BACK")]
    run = Run(messages, Collector(config(sensors=("CAM_BACK", LIDAR))))
    assert run.stamps == [*range(0, 2000, 50), *range(-48_000, -47_000, 50)]
    assert run.collector.jumps == 1


def test_a_lidar_that_outlives_the_cameras_is_followed_to_its_own_time() -> None:
    messages = [(arrival, name, stamp - 50_000 * (name == LIDAR and arrival > 2000)) for arrival, name, stamp in drive(6000)
                if name == LIDAR or arrival < 3000]
    run = Run(messages)
    assert run.stamps[-50:] == list(range(-46_500, -44_000, 50))
    assert {bundle.reference for _, bundle in run.out[-50:]} == {LIDAR}


def test_one_glitched_stamp_of_the_lidar_costs_one_sweep() -> None:
    run = Run([(arrival, name, stamp + 2000 * (name == LIDAR and stamp == 1000)) for arrival, name, stamp in drive(3000)])
    assert [stamp for stamp in run.stamps if stamp % 50 == 0] == [stamp for stamp in range(0, 3000, 50) if stamp != 1000]
    assert run.stamps == sorted(run.stamps)
    assert run.collector.jumps == 0


@pytest.mark.parametrize(("delay_ms", "fused"), [(150, True), (500, False)])
def test_a_lidar_that_comes_late_mutes_no_camera(delay_ms: int, fused: bool) -> None:
    run = Run(change(drive(6000), LIDAR, delay_ms, 2000))
    times = [now for now, _ in run.out if 1000 < now < 6000]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 320  # until it is known as silent, or until its stamps are new again
    late = [bundle for now, bundle in run.out if 4000 < now < 6000]
    assert all((LIDAR in bundle.items) is fused for bundle in late)
    assert len(late) >= 22


def test_a_returning_lidar_answers_for_its_instant_alone() -> None:
    """The bundle that a camera opened is still waiting for the other camera when the sweep comes."""
    collector: Collector[str] = Collector(config(sensors=("A", "B", LIDAR)))
    for stamp in (0, 80, 160, 240, 320):
        for name in ("A", "B"):
            collector.offer(name, stamp * MS, (stamp + 8) * MS, name)
    first = collector.due(330 * MS)
    assert first is not None and (first.reference, first.stamp_ns) == ("A", 320 * MS)
    collector.offer("A", 400 * MS, 408 * MS, "A")
    assert collector.due(408 * MS) is None
    collector.offer(LIDAR, 402 * MS, 410 * MS, LIDAR)
    collector.offer("B", 400 * MS, 411 * MS, "B")
    bundle = collector.due(411 * MS)
    assert bundle is not None and (bundle.reference, bundle.missing) == (LIDAR, ())
    assert collector.due(1000 * MS) is None


def test_out_of_order_readings_are_late() -> None:
    collector: Collector[str] = Collector(config())
    assert [collector.offer(LIDAR, stamp * MS, 1000 * MS, "") for stamp in (900, 950, 900, 950, 960)] == [
        Offer.TAKEN, Offer.TAKEN, Offer.LATE, Offer.DUPLICATE, Offer.TAKEN]


def test_a_pause_is_held_against_nobody() -> None:
    later = [(arrival + 60_000, name, stamp) for arrival, name, stamp in drive(4000, 2000, keyframes_only=True)]
    run = Run([*drive(2000, keyframes_only=True), *sorted((a + 20 * (n != LIDAR), n, s) for a, n, s in later)])
    assert run.stamps == list(range(0, 4000, 500))
    assert all(not bundle.missing for _, bundle in run.out)


def test_reset_forgets_everything_but_the_counts() -> None:
    collector: Collector[str] = Collector(config())
    collector.offer(LIDAR, 10**18, 10**12, "")
    collector.reset()
    assert (collector.due(5), collector.next_due_ns()) == (None, None)
    assert collector.offer(LIDAR, 0, 6, "") is Offer.TAKEN
    assert collector.counts()[LIDAR][Offer.TAKEN] == 2


@pytest.mark.parametrize(("changes", "said"), [
    ({"sensors": ()}, "sensors: got []"), ({"sensors": ("A", "A", LIDAR)}, "['A'] only once"),
    ({"reference": "RADAR"}, "reference: got the sensor 'RADAR'"),
    ({"offsets_ns": {"X": 1}}, "offsets_ns: got the sensor 'X'"), ({"max_age_ns": -1}, "max_age_ns: got -1 ns; expected at least 1 ns"),
    ({"deadline_ns": -1}, "deadline_ns"), ({"takeover_ns": 0}, "takeover_ns"), ({"jump_ns": 0}, "jump_ns"), ({"ahead_ns": -1}, "ahead_ns")])
def test_impossible_settings_say_why(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        config(**changes)
    assert said in str(caught.value)


def test_unknown_sensors_are_refused() -> None:
    collector: Collector[str] = Collector(config())
    with pytest.raises(ValueError, match="'RADAR': not in the config"):
        collector.offer("RADAR", 0, 0, "")
    with pytest.raises(ValueError, match="'RADAR'"):
        collector.expect(["RADAR"])
