"""States of sensors with their reasons, on a made-up clock."""

from __future__ import annotations

import pytest

from fusion.sensors.health import HealthMonitor, SensorState
from fusion.sensors.sync import Collector, SyncConfig

MS = 1_000_000
OK, LATE, FROZEN, MISSING, INVALID, UNCALIBRATED = SensorState


def fed(monitor: HealthMonitor, name: str, times_ms: range, content: int | None = None) -> list[bool]:
    """Readings that arrive 8 ms after their stamps; with new content each, or with the content given."""
    return [monitor.received(name, (ms - 8) * MS, ms * MS, ms if content is None else content) for ms in times_ms]


def state(monitor: HealthMonitor, name: str, ms: int) -> tuple[SensorState, str]:
    report = monitor.report(ms * MS)[name]
    return report.state, report.reason


def test_a_healthy_sensor() -> None:
    monitor = HealthMonitor(["CAM", "LIDAR"])
    assert all(fed(monitor, "CAM", range(0, 1000, 80)))
    monitor.used("CAM", -30 * MS)
    report = monitor.report(1000 * MS)["CAM"]
    assert (report.state, report.reason, report.received, report.dropped) == (OK, "", 13, 0)
    assert (report.rate_hz, report.age_s, report.skew_s) == pytest.approx((12.5, 0.04, -0.03))
    assert state(monitor, "LIDAR", 1000) == (MISSING, "nothing received yet")
    assert list(monitor.report(1000 * MS)) == ["CAM", "LIDAR"]


def test_missing_and_back() -> None:
    monitor = HealthMonitor(["CAM"])
    fed(monitor, "CAM", range(0, 1000, 80))  # the last at 960
    assert state(monitor, "CAM", 1459)[0] is OK
    assert state(monitor, "CAM", 1460) == (MISSING, "nothing new for 0.5 s")
    report = monitor.report(2960 * MS)["CAM"]
    assert (report.rate_hz, report.age_s) == (0, 2.0)
    fed(monitor, "CAM", range(3000, 3001))
    assert state(monitor, "CAM", 3001) == (OK, "")


def test_a_slow_sensor_is_not_missing_between_its_readings() -> None:
    monitor = HealthMonitor(["CAM"])
    fed(monitor, "CAM", range(0, 5000, 700))  # the last at 4900
    assert state(monitor, "CAM", 4900 + 1749)[0] is OK
    assert state(monitor, "CAM", 4900 + 1750)[0] is MISSING


def test_frozen_at_the_first_repetition_and_back() -> None:
    monitor = HealthMonitor(["CAM"])
    fed(monitor, "CAM", range(0, 400, 80))
    assert fed(monitor, "CAM", range(400, 640, 80), content=7) == [True, False, False]
    assert state(monitor, "CAM", 600) == (FROZEN, "the same content in 3 readings in a row")
    report = monitor.report(600 * MS)["CAM"]
    assert (report.dropped, report.age_s) == (2, 0.2)
    assert fed(monitor, "CAM", range(640, 720, 80)) == [True]
    assert state(monitor, "CAM", 640) == (OK, "")
    patient = HealthMonitor(["CAM"], frozen_after=2)
    assert fed(patient, "CAM", range(0, 320, 80), content=7) == [True, True, False, False]


def test_the_same_message_again_is_no_frozen_sensor_and_no_new_reading() -> None:
    monitor = HealthMonitor(["CAM"])
    assert [monitor.received("CAM", 0, now * MS, 7) for now in (8, 100, 300)] == [True] * 3
    report = monitor.report(300 * MS)["CAM"]
    assert (report.state, report.received, report.dropped) == (OK, 3, 2)
    assert state(monitor, "CAM", 600) == (MISSING, "nothing new for 0.6 s")


def test_a_stamp_that_stands_still_while_the_content_changes_is_invalid() -> None:
    monitor = HealthMonitor(["CAM"])
    fed(monitor, "CAM", range(0, 1000, 80))  # the last is of 952, at 960
    for now in range(1040, 2000, 80):
        assert monitor.received("CAM", 952 * MS, now * MS, now)  # the collector refuses it as a duplicate
        assert state(monitor, "CAM", now)[0] is (OK if now < 1460 else INVALID)
    assert state(monitor, "CAM", 1990) == (
        INVALID, "its stamp has stood still at 0.952 s for 1.0 s while its content changes; check how the driver sets header.stamp")
    assert monitor.report(1990 * MS)["CAM"].dropped == 12
    assert state(monitor, "CAM", 1920 + 500 + 79) == (MISSING, "nothing new for 1.5 s")  # that has ended too
    fed(monitor, "CAM", range(2600, 2601))
    assert state(monitor, "CAM", 2600) == (OK, "")


def test_a_driver_that_gives_each_stamp_three_times_is_well_at_a_third_of_its_rate() -> None:
    monitor = HealthMonitor(["CAM"])
    for now in range(0, 3000, 30):
        assert monitor.received("CAM", now // 90 * 90 * MS, now * MS, now)
        assert state(monitor, "CAM", now) == (OK, "")
    report = monitor.report(3000 * MS)["CAM"]
    assert (report.received, report.dropped, report.rate_hz) == (100, 66, pytest.approx(1000 / 90))


@pytest.mark.parametrize(("latency_ms", "said"), [
    (150, "its readings come 150 ms after their stamps, at most 100 ms are allowed"),
    (-150, "its stamps are 150 ms ahead of the clock, at most 100 ms are allowed"),
    (3_600_000, "its readings come 3600000 ms after their stamps, at most 100 ms are allowed; of another clock, or of a recording that is "
                "played without simulated time")])
def test_readings_that_always_come_late_are_told_though_bundles_rest_on_them(latency_ms: int, said: str) -> None:
    """`now_ns` is of a clock that knows nothing of stamps."""
    monitor = HealthMonitor(["LIDAR"])
    for count, now in enumerate(range(0, 2000, 50)):
        monitor.received("LIDAR", (10**9 + now) * MS, now * MS, now, latency_ns=latency_ms * MS)
        assert state(monitor, "LIDAR", now)[0] is (LATE if count else OK)  # one alone may be a hiccup
        monitor.included("LIDAR")
        monitor.used("LIDAR", 0)
    assert state(monitor, "LIDAR", 2000) == (LATE, said)
    report = monitor.report(2000 * MS)["LIDAR"]
    assert (report.latency_ms, report.latency_worst_ms) == (latency_ms, latency_ms)
    monitor.received("LIDAR", (10**9 + 2000) * MS, 2000 * MS, 2000, latency_ns=100 * MS)
    report = monitor.report(2000 * MS)["LIDAR"]
    assert (report.state, report.latency_ms, report.latency_worst_ms) == (OK, 100, max(latency_ms, 100))


def test_one_late_reading_in_two_is_not_late_and_unknown_latency_is_none() -> None:
    monitor = HealthMonitor(["A", "B"], max_latency_ns=30 * MS)
    for now in range(0, 1000, 50):
        monitor.received("A", now * MS, now * MS, now, latency_ns=(31 if now % 100 else 30) * MS)
        monitor.received("B", now * MS, now * MS, now)
        assert {report.state for report in monitor.report(now * MS).values()} == {OK}
    reports = monitor.report(1000 * MS)
    assert (reports["A"].latency_worst_ms, reports["B"].latency_ms, reports["B"].latency_worst_ms) == (31, None, None)


def test_without_fingerprints_nothing_is_frozen() -> None:
    monitor = HealthMonitor(["LIDAR"])
    assert all(monitor.received("LIDAR", now * MS, now * MS) for now in range(0, 500, 50))


def test_a_world_that_stands_still_may_be_allowed() -> None:
    monitor = HealthMonitor(["CAM"], frozen_after=0)
    assert all(monitor.received("CAM", now * MS, now * MS, fingerprint=7) for now in range(0, 500, 50))
    assert state(monitor, "CAM", 460)[0] is SensorState.OK


@pytest.mark.parametrize("wrong", [INVALID, UNCALIBRATED, LATE])
def test_a_rejection_holds_until_a_reading_is_used(wrong: SensorState) -> None:
    monitor = HealthMonitor(["CAM"])
    fed(monitor, "CAM", range(0, 80, 80))
    monitor.rejected("CAM", wrong, "image: encoding 'x'; expected rgb8", 10 * MS)
    fed(monitor, "CAM", range(80, 160, 80))
    assert state(monitor, "CAM", 100) == (wrong, "image: encoding 'x'; expected rgb8")
    assert monitor.report(100 * MS)["CAM"].dropped == 1
    monitor.used("CAM", 0)
    assert state(monitor, "CAM", 120) == (OK, "")
    monitor.rejected("CAM", wrong, "again", 130 * MS)
    assert state(monitor, "CAM", 1000)[0] is MISSING  # silence says more than what was wrong before it


def test_late_after_two_bundles_in_a_row_without_it() -> None:
    monitor = HealthMonitor(["CAM"])
    fed(monitor, "CAM", range(0, 320, 80))
    monitor.left_out("CAM")
    assert state(monitor, "CAM", 300)[0] is OK
    monitor.left_out("CAM")
    assert state(monitor, "CAM", 300) == (
        LATE, "left out of the last 2 bundles: its readings come too late, or their stamps are too far off")
    monitor.used("CAM", 0)
    assert state(monitor, "CAM", 300)[0] is OK
    for _ in range(9):
        monitor.left_out("CAM")  # while it is dead
    fed(monitor, "CAM", range(2000, 2001))
    assert state(monitor, "CAM", 2001)[0] is OK  # back, and not left out since


@pytest.mark.parametrize(("delay_ms", "states"), [(30, [OK]), (250, [OK, LATE])])
def test_a_camera_slower_than_the_bundles_is_late_only_where_its_readings_are(delay_ms: int, states: list[SensorState]) -> None:
    """2 Hz beside a LiDAR of 20 Hz, and used within 100 ms of its readings."""
    monitor = HealthMonitor(["CAM", "LIDAR"])
    collector: Collector[int] = Collector(SyncConfig(sensors=("CAM", "LIDAR"), reference="LIDAR"))
    skews: set[int] = set()
    seen: list[SensorState] = []
    for ms in range(0, 6000, 10):
        for name, period, delay in (("CAM", 500, delay_ms), ("LIDAR", 50, 0)):
            taken = ms - delay
            if taken >= 0 and taken % period == 0:
                monitor.received(name, taken * MS, ms * MS, ms)
                collector.offer(name, taken * MS, ms * MS, ms)
        while (bundle := collector.due(ms * MS)) is not None:
            for name in ("CAM", "LIDAR"):
                (monitor.included if name in bundle.items else monitor.left_out)(name)
            skews |= {bundle.skew_ns.get("CAM", 0) // MS}
        if ms > 800 and state(monitor, "CAM", ms)[0] not in seen[-1:]:
            seen.append(state(monitor, "CAM", ms)[0])
    assert seen == states and skews == ({-100, -50, 0} if delay_ms == 30 else {0})


def test_worth_waiting_for() -> None:
    monitor = HealthMonitor(["A", "B", "C"])
    assert monitor.worth_waiting_for(0) == ("A", "B", "C")  # nothing speaks yet
    assert monitor.worth_waiting_for(10_000 * MS) == ("A", "B", "C")
    for ms in range(10_000, 10_480, 80):
        fed(monitor, "A", range(ms, ms + 1))
        fed(monitor, "B", range(ms, ms + 1), content=1)
    assert monitor.worth_waiting_for(10_499 * MS) == ("A", "C")  # B is frozen
    assert monitor.worth_waiting_for(10_500 * MS) == ("A",)  # C has not said a word for half a second of the others' talk
    fed(monitor, "C", range(10_600, 10_601))
    assert monitor.worth_waiting_for(10_600 * MS) == ("A", "C")
    # A pause of all is held against nobody when the first of them speaks again.
    assert monitor.worth_waiting_for(20_000 * MS) == ()
    fed(monitor, "A", range(30_000, 30_001))
    assert monitor.worth_waiting_for(30_001 * MS) == ("A", "C")


def test_a_clock_that_jumps_back_starts_the_times_anew() -> None:
    monitor = HealthMonitor(["CAM"])
    fed(monitor, "CAM", range(50_000, 51_000, 80))
    assert state(monitor, "CAM", 10) == (MISSING, "nothing since time jumped back")
    fed(monitor, "CAM", range(20, 180, 80))
    report = monitor.report(100 * MS)["CAM"]
    assert (report.state, report.rate_hz, report.received) == (OK, 12.5, 15)


def test_a_frozen_lidar_is_taken_over_from() -> None:
    """The whole of it: the monitor keeps repeated readings from the collector, which then finds the LiDAR silent."""
    monitor = HealthMonitor(["CAM", "LIDAR"])
    collector: Collector[int] = Collector(SyncConfig(sensors=("CAM", "LIDAR"), reference="LIDAR"))
    references = []
    for ms in range(0, 3000, 50):
        for name, content in (("CAM", ms), ("LIDAR", min(ms, 1000) if ms < 2000 else ms)):
            if monitor.received(name, ms * MS, ms * MS, content):
                collector.offer(name, ms * MS, ms * MS, ms)
            collector.expect(monitor.worth_waiting_for(ms * MS))
            while (bundle := collector.due(ms * MS)) is not None:
                references.append((bundle.stamp_ns // MS, bundle.reference))
                assert (name == "LIDAR") or bundle.reference == "CAM"
    assert [stamp for stamp, _ in references] == [*range(0, 1001, 50), *range(1200, 3000, 50)]
    assert {stamp for stamp, reference in references if reference == "CAM"} <= set(range(1200, 2001, 50))
    assert state(monitor, "LIDAR", 2999)[0] is OK


def test_unknown_sensors_and_states_are_refused() -> None:
    monitor = HealthMonitor(["CAM"])
    with pytest.raises(ValueError, match=r"'X': not watched; expected one of \['CAM'\]"):
        monitor.received("X", 0, 0)
    with pytest.raises(ValueError, match="expected what is wrong"):
        monitor.rejected("CAM", OK, "", 0)
