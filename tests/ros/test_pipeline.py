"""The fusion node's work without ROS: what an answer rests on, whatever the sensors and the network do."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_rig import MS, PARAMETERS, cloud, image, info, make, points, tree

from fusion.sensors.health import SensorState
from fusion.sensors.preprocess import InputConfig
from fusion.sensors.sync import Offer
from fusion.types import Detections, SensorSet
from ros_nodes.conversion import cloud_msg
from ros_nodes.parameters import read_config
from ros_nodes.perception import LastStages
from ros_nodes.pipeline import Answer, FusionPipeline
from ros_nodes.placing import Calibrations
from ros_nodes.transforms import TransformUnavailable

WAIT_S = 10.0


class FakePerceiver:
    """Answers with one box for each set, and raises, or waits, when told to."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(num_sweeps=0, input=InputConfig())
        self.fails = False
        self.go = threading.Event()
        self.go.set()
        self.busy = threading.Event()
        self.seen: list[SensorSet] = []

    def perceive(self, sensor_set: SensorSet) -> Detections:
        self.busy.set()
        self.go.wait(WAIT_S)
        self.seen.append(sensor_set)
        if self.fails:
            raise RuntimeError("no memory")
        return Detections(boxes=np.ones((1, 9), np.float32), scores=np.ones(1, np.float32), labels=np.zeros(1, np.int64), attributes=("",),
                          stamp_ns=sensor_set.stamp_ns, sensors_used=sensor_set.sensors_present)


class Rig:
    """A pipeline of one camera and one LiDAR, driven by hand; `now` is also the time that readings are taken at."""

    def __init__(self, **parameters: Any) -> None:
        self.perceiver, self.tree, self.calibrations = FakePerceiver(), tree(), Calibrations()
        self.calibrations.insert("FRONT", info())
        self.answers: queue.Queue[Answer] = queue.Queue()
        self.errors: queue.Queue[tuple[int, Exception]] = queue.Queue()
        self.pipeline = FusionPipeline(
            read_config(PARAMETERS | parameters), self.perceiver, LastStages(), self.tree, self.calibrations,  # type: ignore[arg-type]
            on_answer=self.answers.put, on_error=lambda stamp, error: self.errors.put((stamp, error)))

    def pose(self, now_ms: int) -> None:
        self.tree.insert("odom", "base_link", now_ms * MS, translation_m=(0, 0, 0), rotation_wxyz=(1, 0, 0, 0))

    def camera(self, now_ms: int, seed: int | None = None) -> None:
        self.pipeline.offer("FRONT", image(now_ms * MS, now_ms if seed is None else seed), now_ms * MS)

    def lidar(self, now_ms: int) -> None:
        self.pipeline.offer("TOP", cloud(now_ms * MS, now_ms), now_ms * MS)

    def hang(self, now_ms: int) -> None:
        """An instant that inference has begun with, and does not end before `go` is set."""
        self.perceiver.go.clear()
        self.perceiver.busy.clear()
        self.instant(now_ms)
        assert self.perceiver.busy.wait(WAIT_S)

    def instant(self, now_ms: int) -> None:
        self.pose(now_ms)
        self.camera(now_ms)
        self.lidar(now_ms)

    def answer(self) -> Answer:
        return self.answers.get(timeout=WAIT_S)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.perceiver.go.set()
    assert made.pipeline.stop(WAIT_S)


def test_a_complete_instant_is_answered_at_once(rig: Rig) -> None:
    rig.instant(1000)
    answer = rig.answer()
    assert answer.used == ("FRONT", "TOP") and not answer.missing and answer.motion == ""
    assert answer.detections.stamp_ns == 1000 * MS and answer.skew_ns == {"FRONT": 0, "TOP": 0}
    assert {"wait", "queue", "assemble"} <= set(answer.stages_ms)
    assert 0 < answer.effort.cpu_s and 0 <= answer.effort.starved_s < 1e-3 * answer.stages_ms["assemble"] + 0.01
    assert {report.state for report in rig.pipeline.report(1000 * MS).values()} == {SensorState.OK}


def test_a_silent_camera_is_done_without_after_the_deadline(rig: Rig) -> None:
    rig.pose(1000)
    rig.lidar(1000)
    rig.pipeline.poll(1059 * MS)
    assert rig.answers.empty()
    rig.pipeline.poll(1060 * MS)
    answer = rig.answer()
    assert answer.used == ("TOP",) and "nothing received yet" in answer.missing["FRONT"]


def test_a_frozen_camera_counts_as_missing_and_is_back_with_its_first_new_image(rig: Rig) -> None:
    rig.instant(1000)
    assert rig.answer().used == ("FRONT", "TOP")
    for now in (1100, 1200):
        rig.pose(now)
        rig.camera(now, seed=1000)
        rig.lidar(now)
        rig.pipeline.poll((now + 60) * MS)
        answer = rig.answer()
        assert (now == 1100 or answer.used == ("TOP",)) and rig.pipeline.report((now + 60) * MS)["FRONT"].state is SensorState.FROZEN
        assert rig.perceiver.seen[-1].cameras["FRONT"] is None or answer.skew_ns["FRONT"] == -100 * MS  # still the true image of then
    assert "the same content" in answer.missing["FRONT"]
    rig.instant(1300)
    assert rig.answer().used == ("FRONT", "TOP")


@pytest.mark.parametrize("apart_s", [0, 1_700_000_000])  # simulated time; the system's, beside a clock for deadlines that nobody sets
def test_a_lidar_that_is_always_late_calls_for_answers_and_is_told_as_late(rig: Rig, apart_s: int) -> None:
    for now in range(1000, 1500, 100):
        clock_ns = apart_s * 10**9 + now * MS
        late_ns = clock_ns - 150 * MS
        for stamp in (late_ns, clock_ns):
            rig.tree.insert("odom", "base_link", stamp, translation_m=(0, 0, 0), rotation_wxyz=(1, 0, 0, 0))
        rig.pipeline.offer("FRONT", image(clock_ns, now), now * MS, clock_ns if apart_s else None)
        rig.pipeline.offer("TOP", cloud(late_ns, now), now * MS, clock_ns if apart_s else None)
        rig.pipeline.poll((now + 60) * MS)
        answer = rig.answer()
        reports = rig.pipeline.report((now + 60) * MS)
        assert (reports["TOP"].state is SensorState.LATE) == (now > 1000) and reports["FRONT"].state is SensorState.OK
    assert answer.detections.stamp_ns == late_ns and answer.used == ("FRONT", "TOP")
    assert reports["TOP"].reason == "its readings come 150 ms after their stamps, at most 100 ms are allowed"
    assert (reports["TOP"].latency_ms, reports["FRONT"].latency_ms) == (150, 0)


@pytest.mark.parametrize(("timed", "latency_ms"), [(True, 20), (False, 120)])
def test_a_sweep_stamped_at_its_start_is_late_from_its_last_point_on(rig: Rig, timed: bool, latency_ms: int) -> None:
    for stamp in range(1000, 1500, 100):
        for moment in range(stamp, stamp + 101, 20):
            rig.pose(moment)
        table = np.column_stack([points(stamp)[:, :4], np.linspace(0, 0.1, 500)])
        message = cloud_msg(make, table, stamp_ns=stamp * MS, frame_id="top", fields=("x", "y", "z", "intensity", "time" if timed else "ring"))
        rig.pipeline.offer("TOP", message, (stamp + 120) * MS)
        rig.pipeline.poll((stamp + 180) * MS)
        assert rig.answer().motion == ""
    report = rig.pipeline.report(1580 * MS)["TOP"]
    assert report.latency_ms == pytest.approx(latency_ms, abs=1e-3) and report.state is (SensorState.OK if timed else SensorState.LATE)


def test_a_camera_whose_stamp_stands_still_is_left_out_and_says_so(rig: Rig) -> None:
    rig.instant(1000)
    assert rig.answer().used == ("FRONT", "TOP")
    for now in range(1100, 2000, 100):
        rig.pose(now)
        rig.pipeline.offer("FRONT", image(1000 * MS, now), now * MS)
        rig.lidar(now)
        rig.pipeline.poll((now + 60) * MS)
        answer = rig.answer()
    assert answer.used == ("TOP",) and "its stamp has stood still at 1.000 s" in answer.missing["FRONT"]
    assert rig.pipeline.report(1960 * MS)["FRONT"].state is SensorState.INVALID
    rig.instant(2000)
    assert rig.answer().used == ("FRONT", "TOP") and rig.pipeline.report(2000 * MS)["FRONT"].state is SensorState.OK


def test_an_image_without_a_place_is_uncalibrated_until_its_transform_comes(rig: Rig) -> None:
    rig.pipeline._tree._frames.pop("front")
    rig.instant(1000)
    answer = rig.answer()
    assert answer.used == ("TOP",) and "'front' is not on /tf" in answer.missing["FRONT"]
    assert rig.pipeline.report(1000 * MS)["FRONT"].state is SensorState.UNCALIBRATED
    rig.tree.insert("base_link", "front", 0, translation_m=(7, 0, 0), rotation_wxyz=(0.5, -0.5, 0.5, -0.5), static=True)
    rig.instant(1100)
    assert rig.answer().used == ("FRONT", "TOP")
    front = rig.perceiver.seen[-1].cameras["FRONT"]
    assert front is not None and front.ego_T_cam[0, 3] == 7
    assert rig.pipeline.report(1100 * MS)["FRONT"].state is SensorState.OK


def test_a_late_pose_is_waited_for_until_the_deadline(rig: Rig) -> None:
    rig.pose(900)
    rig.camera(1000)
    rig.lidar(1000)
    rig.pipeline.poll(1030 * MS)
    assert rig.answers.empty()
    rig.pose(1000)
    rig.pipeline.poll(1031 * MS)
    assert rig.answer().motion == "" and rig.perceiver.seen[-1].global_T_ego is not None
    rig.camera(1100)
    rig.lidar(1100)
    rig.pipeline.poll(1160 * MS)
    answer = rig.answer()
    assert "older than the reading" in answer.motion and answer.used == ("FRONT", "TOP") and rig.perceiver.seen[-1].global_T_ego is None


def test_an_exception_costs_one_instant(rig: Rig) -> None:
    rig.perceiver.fails = True
    rig.instant(1000)
    stamp, error = rig.errors.get(timeout=WAIT_S)
    assert stamp == 1000 * MS and str(error) == "no memory"
    rig.perceiver.fails = False
    rig.instant(1100)
    assert rig.answer().detections.stamp_ns == 1100 * MS


def test_slow_inference_answers_for_the_newest_instant(rig: Rig) -> None:
    rig.hang(1000)
    for now in (1100, 1200, 1300):
        rig.instant(now)
    rig.perceiver.go.set()
    assert [rig.answer().detections.stamp_ns // MS for _ in range(2)] == [1000, 1300]
    assert rig.pipeline.counts()[0].dropped == 2


def test_after_a_jump_back_answers_go_on_and_none_is_from_before(rig: Rig) -> None:
    rig.instant(9000)
    assert rig.answer().detections.stamp_ns == 9000 * MS
    rig.hang(9100)  # still in work when time jumps
    rig.pipeline.jumped()
    rig.perceiver.go.set()
    rig.instant(1000)
    assert rig.answer().detections.stamp_ns == 1000 * MS
    assert (rig.pipeline.jumps, rig.pipeline.discarded) == (1, 1) and rig.answers.empty()


def test_a_jump_of_the_stamps_alone_is_one_too(rig: Rig) -> None:
    """A recording that starts again, without simulated time: arrivals go on, stamps do not."""
    rig.instant(9000)
    rig.answer()
    for name, message in (("FRONT", image(1000 * MS, 1)), ("TOP", cloud(1000 * MS, 1))):
        rig.pose(1000)
        rig.pipeline.offer(name, message, 9100 * MS)
    rig.pipeline.poll(9160 * MS)
    assert rig.answer().detections.stamp_ns == 1000 * MS


def test_transforms_of_the_time_before_a_jump_are_forgotten_by_stamps_and_by_no_other_clock(rig: Rig) -> None:
    rig.instant(9000)
    rig.answer()
    rig.pose(9500)
    rig.pipeline.poll(1000 * MS)  # a clock of another kind: simulated time was switched off
    assert rig.pipeline.jumps == 1
    rig.tree.lookup("odom", "base_link", 9400 * MS)
    rig.lidar(9490)
    rig.lidar(9100)  # half a second back
    assert rig.pipeline.jumps == 2
    rig.pose(9100)
    with pytest.raises(TransformUnavailable, match="the newest transform is 50.0 ms older"):
        rig.tree.lookup("odom", "base_link", 9150 * MS)


def test_a_clock_that_is_disciplined_is_no_jump_and_one_that_leaps_is_seen_without_a_reading(rig: Rig) -> None:
    rig.instant(9000)
    rig.answer()
    rig.pipeline.poll(8990 * MS)
    rig.pipeline.poll(9061 * MS)
    rig.pipeline.poll(8962 * MS)  # two publishers of /clock, by turns
    assert rig.pipeline.jumps == 0 and rig.pipeline.report(9061 * MS)["TOP"].state is SensorState.OK
    rig.hang(9100)
    rig.pipeline.poll(1000 * MS)
    assert rig.pipeline.jumps == 1
    rig.perceiver.go.set()
    rig.instant(1000)
    assert rig.answer().detections.stamp_ns == 1000 * MS and rig.answers.empty()


def test_a_camera_whose_stamps_jump_disturbs_no_one_else(rig: Rig) -> None:
    for now in range(1000, 1600, 100):
        rig.pose(now)
        rig.camera(now)
        rig.pipeline.offer("FRONT", image(now * MS // 1000, now + 1), now * MS)  # a driver that leaves every other stamp almost at zero
        rig.lidar(now)
        rig.pipeline.poll((now + 60) * MS)
        answer = rig.answer()
        assert answer.detections.stamp_ns == now * MS and "TOP" in answer.used and answer.motion == ""  # transforms are not forgotten
    assert rig.pipeline.jumps == 0
    assert rig.pipeline.counts()[1]["FRONT"][Offer.JUMP] >= 5


def test_the_camera_takes_over_when_the_lidar_is_silent() -> None:
    rig = Rig(takeover_ms=200.0)
    for now in range(1000, 1500, 100):
        rig.instant(now)
        assert rig.answer().used == ("FRONT", "TOP")
    for now in range(1500, 1700, 100):
        rig.pose(now)
        rig.camera(now)
        rig.pipeline.poll((now + 60) * MS)
    answer = rig.answer()
    assert answer.used == ("FRONT",) and answer.detections.stamp_ns == 1600 * MS and rig.pipeline.counts()[2] == "FRONT"
    for now in (1700, 1800):  # the camera answers for the first instant before the LiDAR is heard again
        rig.instant(now)
        answer = rig.answer()
    assert answer.used == ("FRONT", "TOP") and rig.pipeline.counts()[2] == "TOP"
    assert rig.pipeline.stop(WAIT_S)


def test_how_long_inference_owes_an_answer_is_known(rig: Rig) -> None:
    assert rig.pipeline.unanswered_s() == 0.0
    rig.hang(1000)
    first_s = rig.pipeline.unanswered_s()
    rig.instant(1100)
    assert 0.0 < first_s < rig.pipeline.unanswered_s()
    rig.perceiver.go.set()
    rig.answer()
    rig.answer()
    rig.perceiver.fails = True
    rig.instant(1200)
    rig.errors.get(timeout=WAIT_S)
    assert rig.pipeline.unanswered_s() == 0.0


def test_nothing_is_answered_after_the_end(rig: Rig) -> None:
    rig.hang(1000)
    assert not rig.pipeline.stop(0.05)  # inference hangs: the caller is told, and not held up
    rig.perceiver.go.set()
    rig.instant(1100)
    assert rig.pipeline.stop(WAIT_S) and rig.answers.empty()


def test_last_stages_keep_one_time_each() -> None:
    timer = LastStages()
    for _ in range(3):
        with timer.stage("network"):
            pass
    assert list(timer.last_s) == ["network"]
