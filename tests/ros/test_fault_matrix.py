"""The fault matrix judges as it says: each rule has an answer sheet that is just good enough and one that is not."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_drive import VERSION, make_drive

from fusion.data import open_source
from ros_nodes.conversion import camera_model_from_info, transform_from_msg
from ros_nodes.faults import parse_fault
from ros_nodes.matrix.cells import RIG, Cell, plan_cells
from ros_nodes.matrix.endurance import judge_steady
from ros_nodes.matrix.growth import Growth, fit_growth, judge_growth
from ros_nodes.matrix.notes import Heard, Moment, Notes
from ros_nodes.matrix.offline import judge_boxes, pretended
from ros_nodes.matrix.same_boxes import Rows
from ros_nodes.matrix.told import Told
from ros_nodes.matrix.verdict import Seen, Verdict, judge
from ros_nodes.player_codec import rosbags_codec
from ros_nodes.player_events import RootSource
from ros_nodes.player_root import Recording
from ros_nodes.player_script import FaultScript
from ros_nodes.player_topics import CAMERA_INFO, TF

CAMERAS = tuple(f"CAM_{k}" for k in range(6))
SENSORS = (*CAMERAS, "LIDAR")
STAMPS = tuple(10_000_000_000 + k * 500_000_000 for k in range(40))


def cell_of(title: str, sensor: str) -> Cell:
    running, fresh = plan_cells(SENSORS, CAMERAS, len(STAMPS))
    return next(cell for cell in (*running.cells, *fresh.cells) if cell.kind.title == title and cell.sensor == sensor)


def honest(cell: Cell) -> list[Seen]:
    """A node's answers that leave the sensor out while it is dead and have it back with the first keyframe after."""
    without = tuple(name for name in SENSORS if name != cell.sensor)
    dead = range(cell.begin, cell.end)
    return [Seen(number=cell.number, stamp_ns=stamp - (cell.kind.back_ns if k in dead else 0), used=without if k in dead else SENSORS)
            for k, stamp in enumerate(STAMPS)]


def test_every_sensor_meets_every_fault_and_no_two_at_once() -> None:
    running, fresh = plan_cells(SENSORS, CAMERAS, len(STAMPS))
    for title in ("lost", "late 50 ms", "late 150 ms", "late 500 ms", "frozen", "corrupt", "wrong size", "wrong encoding", "wrong step",
                  "mounting changes"):
        assert sorted(cell.sensor for cell in running.cells if cell.kind.title == title) == sorted(SENSORS)
    assert [cell.sensor for cell in running.cells if cell.kind.title == "lens changes"] == list(CAMERAS)
    assert [cell.sensor for cell in running.cells if cell.kind.title == "points are NaN"] == ["LIDAR"]
    assert [cell.sensor for cell in running.cells if cell.kind.title == "flood at 3x rate"] == [RIG]
    assert [cell.sensor for cell in fresh.cells if cell.kind.title == "calibration comes later"] == list(CAMERAS)
    assert [cell.sensor for cell in fresh.cells if cell.kind.title == "transform comes later"] == list(SENSORS)
    squeezed, _ = plan_cells(SENSORS, CAMERAS, len(STAMPS), transport="compressed")
    assert [cell.sensor for cell in squeezed.cells if cell.kind.title == "wrong step"] == ["LIDAR"]  # JPEGs have none
    assert [cell.sensor for cell in squeezed.cells if cell.kind.title == "noise"] == list(CAMERAS)  # and noise in raw pixels is an image
    for cell, after in zip(running.cells, running.cells[1:], strict=False):
        assert (after.number, after.begin) >= (cell.number, cell.until) or after.number > cell.number
    assert all(cell.until < len(STAMPS) for cell in running.cells)
    assert running.passes == running.cells[-1].number + 1


def test_a_fault_covers_its_keyframes_in_its_pass() -> None:
    cell = replace(cell_of("lost", "CAM_1"), number=2)
    record = cell.record(STAMPS, STAMPS[0] - 50_000_000, 21_000_000_000)
    first_s = 2 * 21 + 0.05 + 0.5 * cell.begin - 0.15
    assert record == {"fault": "drop", "sensor": "CAM_1", "from_s": pytest.approx(first_s), "to_s": pytest.approx(first_s + 2.0)}


@pytest.mark.parametrize("title", ["lost", "frozen", "wrong size", "calibration comes later"])
def test_honest_answers_are_green_and_answers_from_the_dead_are_red(title: str) -> None:
    cell = cell_of(title, "CAM_0")
    answers = honest(cell)
    assert judge(cell, STAMPS, SENSORS, answers).text == ("ok, 0 ms" if cell.kind.timed else "ok")
    lie = [replace(seen, used=SENSORS) if k == cell.begin + 1 else seen for k, seen in enumerate(answers)]
    verdict = judge(cell, STAMPS, SENSORS, lie)
    assert (verdict.ok, verdict.text) == (False, "1 answers rest on it")
    elsewhere = [replace(seen, number=seen.number + 1) for seen in lie]
    assert not judge(cell, STAMPS, SENSORS, elsewhere).ok


def test_a_node_that_blocks_is_red() -> None:
    cell = cell_of("lost", "CAM_3")
    answers = honest(cell)
    for silent, ok in ((1, True), (2, False)):
        kept = [seen for k, seen in enumerate(answers) if not cell.begin <= k < cell.begin + silent]
        assert judge(cell, STAMPS, SENSORS, kept).ok == ok, silent


def test_recovery_has_two_sweeps_and_lasts() -> None:
    cell = cell_of("lost", "CAM_3")
    without = tuple(name for name in SENSORS if name != "CAM_3")
    for sweeps, ok in ((2, True), (3, False)):
        answers = [replace(seen, used=without) if cell.end <= k < cell.end + sweeps else seen for k, seen in enumerate(honest(cell))]
        assert judge(cell, STAMPS, SENSORS, answers).ok == ok, sweeps
    again = [replace(seen, used=without) if k == cell.until - 1 else seen for k, seen in enumerate(honest(cell))]
    assert judge(cell, STAMPS, SENSORS, again).text == "lost again after its recovery"


def test_parts_of_the_rig_that_answer_in_turn_are_no_recovery() -> None:
    cell = cell_of("lost", "LIDAR")
    answers = honest(cell)
    apart = [*answers[:cell.end], *(replace(seen, used=used) for seen in answers[cell.end:] for used in (CAMERAS, ("LIDAR",)))]
    assert judge(cell, STAMPS, SENSORS, answers).ok and not judge(cell, STAMPS, SENSORS, apart).ok


def test_late_readings_may_be_used_or_not() -> None:
    cell = cell_of("late 50 ms", "CAM_2")
    assert judge(cell, STAMPS, SENSORS, honest(cell)).text == "ok, used 0/4, 0 ms"
    assert judge(cell, STAMPS, SENSORS, [replace(seen, used=SENSORS) for seen in honest(cell)]).text == "ok, used 4/4, 0 ms"


@pytest.mark.parametrize(("title", "sensor", "rate", "limit_ms"), [
    ("lost", "CAM_1", 1.0, 160), ("lost", "CAM_1", 0.5, 220), ("late 150 ms", "CAM_1", 1.0, 160), ("late 150 ms", "LIDAR", 1.0, 310),
    ("TF late 40 ms", RIG, 1.0, 160)])
def test_answers_keep_the_deadline(title: str, sensor: str, rate: float, limit_ms: float) -> None:
    """It counts from the arrival of the reference, which is later where the reference itself is late; one keyframe may be missed."""
    cell = cell_of(title, sensor)
    whole = [replace(seen, used=SENSORS) if not cell.kind.dead else seen for seen in honest(cell)]

    def verdict(*late_ms: float) -> Verdict:
        answers = list(whole)
        for index, ms in enumerate(late_ms, cell.begin):
            answers[index] = replace(answers[index], late_ms=ms)
        return judge(cell, STAMPS, SENSORS, answers, rate=rate)

    assert verdict(limit_ms, limit_ms - 20, 50, 900).text.endswith(f", {limit_ms:.0f} ms")
    found = verdict(limit_ms, limit_ms + 1, limit_ms + 1, limit_ms + 2) if sensor in ("LIDAR", RIG) else verdict(limit_ms, limit_ms + 1, 900, 0)
    assert not found.ok and "in time; the others after" in found.text
    early = [replace(seen, late_ms=1e9) if not cell.begin <= k < cell.end else seen for k, seen in enumerate(whole)]
    assert judge(cell, STAMPS, SENSORS, early, rate=rate).ok  # elsewhere nobody looks


def test_lateness_is_counted_from_where_the_player_was() -> None:
    """At rate 0.5, with the second keyframe at second 11: an answer for 50 ms before it, 0.3 s after these were played, 0.2 s the network's."""
    notes = Notes(passes=1, moments=[Moment(number=0, stamp_ns=STAMPS[0], at_s=10.0), Moment(number=0, stamp_ns=STAMPS[1], at_s=11.0),
                                     Moment(number=1, stamp_ns=STAMPS[1], at_s=99.0)])
    stamp = STAMPS[1] - 50_000_000
    notes.answers.append(Heard(number=0, stamp_ns=stamp, used=SENSORS, inference_ms=200.0, at_s=11.2))
    notes.answers.append(Heard(number=7, stamp_ns=stamp, used=SENSORS, inference_ms=200.0, at_s=11.2))
    notes.rows[0, stamp] = ROWS
    first, lost = notes.seen(rate=0.5)
    assert first == Seen(number=0, stamp_ns=stamp, used=SENSORS, late_ms=pytest.approx(100.0), rows=ROWS, at_s=11.2)
    assert lost.late_ms == math.inf and lost.rows is None


ROWS = Rows(boxes=np.arange(14.0).reshape(2, 7), scores=np.array([0.5, 0.4]), names=["car", "bus"])


def moved(rows: Rows, by: float) -> Rows:
    return replace(rows, boxes=rows.boxes + by)


def test_boxes_must_follow_a_calibration_there_and_back() -> None:
    cell = cell_of("mounting changes", "CAM_2")

    def from_files(keyframe: int, used: Sequence[str], record: Mapping[str, Any]) -> Rows:
        assert tuple(used) == SENSORS and (not record or record == {"fault": "decalibrate", "yaw_deg": 3.0, "sensor": "CAM_2"})
        return moved(ROWS, 0.5 * bool(record))

    def answers(during: Rows, after: Rows) -> list[Seen]:
        return [Seen(number=cell.number, stamp_ns=stamp, used=SENSORS, rows=during if cell.begin <= k < cell.end else after)
                for k, stamp in enumerate(STAMPS)]

    changed = moved(ROWS, 0.5)
    assert judge_boxes(cell, STAMPS, answers(changed, ROWS), from_files) == Verdict(ok=True, text="ok, 10 boxes as from files")
    assert "other boxes than the files give" in judge_boxes(cell, STAMPS, answers(ROWS, ROWS), from_files).text  # never followed
    assert "other boxes than the files give" in judge_boxes(cell, STAMPS, answers(changed, changed), from_files).text  # never back
    assert judge_boxes(cell, STAMPS, answers(changed, ROWS)[:cell.end], from_files).text == "4 answers with boxes to compare"
    assert not judge_boxes(cell, STAMPS, [replace(seen, rows=None) for seen in answers(changed, ROWS)], from_files).ok
    assert judge_boxes(cell, STAMPS, answers(ROWS, ROWS), lambda *_: ROWS).text == "the change moves no box"


@pytest.mark.parametrize("fault", [{"fault": "decalibrate", "sensor": "CAM_FRONT", "yaw_deg": 7.0},
                                   {"fault": "intrinsics", "sensor": "CAM_FRONT", "factor": 1.3},
                                   {"fault": "decalibrate", "sensor": "LIDAR_TOP", "yaw_deg": -4.0}])
def test_what_is_pretended_to_files_is_what_the_player_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]) -> None:
    pytest.importorskip("rosbags", reason="rosbags is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root, codec = make_drive(tmp_path / "drive", scenes=("scene-one",)), rosbags_codec()
    source = RootSource(Recording(root, VERSION), codec, transport="compressed", warn=print)
    readings = open_source(root, VERSION).load("scene-one-0")
    given = pretended(readings, ("CAM_FRONT", "LIDAR_TOP"), fault)
    camera, lidar = given.cameras["CAM_FRONT"], given.lidar
    assert camera is not None and lidar is not None and given.cameras["CAM_BACK"] is None
    poses = {"cam_front": camera.ego_T_cam, "lidar_top": lidar.ego_T_lidar}
    script = FaultScript([parse_fault(fault, source.sensors, "test")], codec, source.sensors)
    for event in list(script.apply(source.events()))[:12]:
        if event.topic == "/tf_static":
            for transform in map(transform_from_msg, codec.decode(TF, event.data).transforms):
                if transform.child in poses:
                    np.testing.assert_allclose(transform.parent_T_child, poses.pop(transform.child), atol=1e-12)
        elif event.topic == "/sensors/cam_front/camera_info":
            np.testing.assert_allclose(camera_model_from_info(codec.decode(CAMERA_INFO, event.data)).intrinsics, camera.intrinsics)
            assert not poses
    assert not poses
    sound = readings.cameras["CAM_FRONT"]
    assert sound is not None and readings.lidar is not None
    assert not (np.allclose(camera.ego_T_cam, sound.ego_T_cam) and np.allclose(camera.intrinsics, sound.intrinsics)
                and np.allclose(lidar.ego_T_lidar, readings.lidar.ego_T_lidar))


@pytest.mark.parametrize("begin", [4, 9, 10, 20])  # to a time before the drive's first keyframe, to the first, and to one that was there before
def test_answers_follow_a_clock_that_jumps_back(begin: int) -> None:
    cell = replace(cell_of("clock back 5 s", RIG), begin=begin, end=begin + 4, until=begin + 8)
    answers = [replace(seen, used=SENSORS) for seen in honest(cell)]
    assert judge(cell, STAMPS, SENSORS, answers).ok
    stuck = [seen for k, seen in enumerate(answers) if not cell.begin <= k < cell.end - 1]
    assert not judge(cell, STAMPS, SENSORS, stuck).ok


def test_impossible_plans_are_named() -> None:
    with pytest.raises(ValueError, match="keyframes: 12 of the drive are too few; expected at least 13"):
        plan_cells(SENSORS, CAMERAS, 12)
    with pytest.raises(ValueError, match="row 'gone': unknown; expected some of lost, "):
        plan_cells(SENSORS, CAMERAS, 40, ["gone"])


def reports(cell: Cell, state: str, after: str = "ok") -> list[Told]:
    """One report 0.3 s after each keyframe: a state while the fault lasts, another after."""
    return [Told(number=cell.number, stamp_ns=stamp + 300_000_000, states=dict.fromkeys(SENSORS, "ok") | {
        cell.sensor: state if cell.begin <= k < cell.end else after if k >= cell.end else "ok"}) for k, stamp in enumerate(STAMPS)]


@pytest.mark.parametrize(("title", "state"), [
    ("lost", "missing"), ("frozen", "frozen"), ("corrupt", "invalid"), ("wrong size", "invalid"), ("wrong encoding", "invalid"),
    ("wrong step", "invalid"), ("calibration comes later", "uncalibrated"), ("transform comes later", "uncalibrated"), ("late 500 ms", "late")])
def test_what_is_wrong_must_be_told_and_that_it_is_over(title: str, state: str) -> None:
    cell = cell_of(title, "CAM_0")

    def verdict(told: list[Told], answers: list[Seen] | None = None) -> Verdict:
        return judge(cell, STAMPS, SENSORS, honest(cell) if answers is None else answers, told=told)

    assert verdict(reports(cell, state)).ok
    assert verdict(reports(cell, "ok")).text == f"/diagnostics told ok of it, not {' or '.join(cell.kind.told)}"
    assert not verdict(reports(cell, "frozen" if state != "frozen" else "invalid")).ok
    assert verdict(reports(cell, state, after=state)).text == f"/diagnostics tells {state} after it, not ok"
    assert "told nothing of it" in verdict([]).text
    assert not verdict([replace(report, number=report.number + 1) for report in reports(cell, state)]).ok
    if not cell.kind.dead:  # what answers rest on is well, unless it comes later than the node allows
        assert not verdict(reports(cell, "ok"), [replace(seen, used=SENSORS) for seen in honest(cell)]).ok
        little = cell_of("late 50 ms", "CAM_0")
        assert judge(little, STAMPS, SENSORS, [replace(seen, used=SENSORS) for seen in honest(little)], told=reports(little, "ok")).ok


def test_every_dead_sensor_has_a_state_that_must_be_told() -> None:
    running, fresh = plan_cells(SENSORS, CAMERAS, len(STAMPS))
    assert all(cell.kind.told for cell in (*running.cells, *fresh.cells) if cell.kind.dead)
    assert all(cell.kind.told for cell in plan_cells(SENSORS, CAMERAS, len(STAMPS), transport="compressed")[0].cells if cell.kind.dead)
    cell = cell_of("clock back 5 s", RIG)
    assert judge(cell, STAMPS, SENSORS, [replace(seen, used=SENSORS) for seen in honest(cell)], told=[]).ok


def heard(*whole: bool, numbers: Sequence[int] = ()) -> list[Heard]:
    return [Heard(number=numbers[k] if numbers else 0, stamp_ns=STAMPS[k], used=SENSORS if each else CAMERAS, inference_ms=0.0, at_s=0.0)
            for k, each in enumerate(whole)]


def test_a_restarted_node_must_be_whole_soon_and_stay_so() -> None:
    assert judge_steady(heard(False, False, True, True, True, True), SENSORS) == Verdict(ok=True, text="ok, whole from answer 3 on")
    assert not judge_steady(heard(False, False, False, True, True, True), SENSORS).ok
    assert judge_steady(heard(True, False, False, True, True, True), SENSORS).text == "whole, then not: sensors were lost again"
    assert judge_steady(heard(True, True, True), SENSORS).text == "3 answers after it, expected 6"
    assert judge_steady(heard(True, True, True, False, False, True, True, True, numbers=(0, 0, 0, 1, 1, 1, 1, 1)), SENSORS).ok  # a new pass
    assert not judge_steady([], SENSORS).ok


def series(count: int, *, slope_mb: float, noise_mb: float, steps: Mapping[int, float] | None = None) -> np.ndarray:
    cycles = np.arange(count)
    stepped = sum((mb * (cycles >= at) for at, mb in (steps or {}).items()), np.zeros(count))
    return 700 + slope_mb * cycles + stepped + np.random.default_rng(1).normal(0.0, noise_mb, count)


def test_a_slope_and_the_steps_across_it_are_found() -> None:
    assert fit_growth([3.0]) == Growth(slope_mb=0.0, steps=())
    growth = fit_growth(series(50, slope_mb=0.3, noise_mb=0.05, steps={12: 9.0, 30: -20.0}))
    assert growth.slope_mb == pytest.approx(0.3, abs=0.01)
    assert [at for at, _ in growth.steps] == [12, 30] and [mb for _, mb in growth.steps] == pytest.approx([9.0, -20.0], abs=0.1)


SETTLED = [670.7] * 15 + [679.4] * 8 + [683.2] * 8 + [696.1 + 0.3 * k / 18 for k in range(19)]
WITH_STEP_BACK = [775.0] * 14 + [799.0] * 10 + [824.0] * 6 + [800.3] * 20
FROM_A_FRESH_NODE = series(250, slope_mb=0.02, noise_mb=0.05, steps={20: 57, 48: 30, 75: 39, 103: 4, 131: 25, 159: 12})
LATE = [786.5] * 11 + [794.7] * 11 + [798.8] * 6 + [807.8] * 16 + [846.0, 859.8, 864.2, 865.0, 867.5, 867.5]


@pytest.mark.parametrize("sizes", [SETTLED, WITH_STEP_BACK, FROM_A_FRESH_NODE, [*LATE, *[867.5] * 50]],
                         ids=["settled", "step back", "fresh node", "settled late"])
def test_a_working_set_that_is_reached_in_steps_is_no_leak(sizes: Sequence[float]) -> None:
    """As measured with raw images, but for noise."""
    assert judge_growth(sizes).ok


@pytest.mark.parametrize("steps", [{}, {15: 9.0, 23: 4.0, 31: 13.0}, {30: -24.0}], ids=["no step", "steps up", "a step down"])
@pytest.mark.parametrize(("slope_mb", "noise_mb"), [(0.2, 0.05), (0.25, 0.05), (0.2, 2.0), (0.25, 2.0)])
def test_a_leak_is_seen_amid_noise_and_steps(slope_mb: float, noise_mb: float, steps: Mapping[int, float]) -> None:
    for count in (50, 100, 150):
        assert not judge_growth(series(count, slope_mb=slope_mb, noise_mb=noise_mb, steps=steps)).ok
    assert judge_growth(series(150, slope_mb=0.02, noise_mb=noise_mb, steps=steps)).ok


def test_a_leak_that_takes_its_memory_in_steps_is_seen() -> None:
    cycles = np.arange(50)
    assert not judge_growth(700 + 1.0 * (cycles // 4)).ok and not judge_growth(700 + 4.0 * (cycles // 16)).ok


def test_memory_that_only_warms_up_or_wanders_is_no_leak_and_a_step_that_may_go_on_is_waited_for() -> None:
    noise = np.random.default_rng(1).normal(0.0, 2.0, 50)
    assert judge_growth([*(700 + 5.0 * k for k in range(10)), *(750 + noise[10:])]).ok
    assert not judge_growth(LATE).ok and not judge_growth([700.0] * 49 + [760.0]).ok
    assert judge_growth([700.0] * 49 + [760.0] * 51).ok


def test_what_was_seen_of_its_memory_is_told() -> None:
    assert judge_growth(SETTLED).text == "0.01 MB a cycle in 50, 3 steps of 25 MB together"
    assert judge_growth([700.0] * 49 + [760.0]).text == "0.00 MB a cycle in 50, 1 step of 60 MB together, 60 MB of it in the last 16 cycles"
