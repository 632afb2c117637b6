"""The fault matrix judges as it says: each rule has an answer sheet that is just good enough and one that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ros_nodes.matrix.cells import RIG, Cell, plan_cells
from ros_nodes.matrix.verdict import Seen, judge

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
    for title in ("lost", "late 50 ms", "late 150 ms", "late 500 ms", "frozen", "corrupt", "wrong size", "wrong encoding", "calibration changes"):
        assert sorted(cell.sensor for cell in running.cells if cell.kind.title == title) == sorted(SENSORS)
    assert [cell.sensor for cell in running.cells if cell.kind.title == "flood at 3x rate"] == [RIG]
    assert {cell.kind.title for cell in fresh.cells} == {"calibration missing, then coming", "transform missing, then coming"}
    for cell, after in zip(running.cells, running.cells[1:], strict=False):
        assert (after.number, after.begin) >= (cell.number, cell.until) or after.number > cell.number
    assert all(cell.until < len(STAMPS) for cell in running.cells)
    assert running.passes == running.cells[-1].number + 1


def test_a_fault_covers_its_keyframes_in_its_pass() -> None:
    cell = replace(cell_of("lost", "CAM_1"), number=2)
    record = cell.record(STAMPS, STAMPS[0] - 50_000_000, 21_000_000_000)
    first_s = 2 * 21 + 0.05 + 0.5 * cell.begin - 0.15
    assert record == {"fault": "drop", "sensor": "CAM_1", "from_s": pytest.approx(first_s), "to_s": pytest.approx(first_s + 2.0)}


@pytest.mark.parametrize("title", ["lost", "frozen", "wrong size", "calibration missing, then coming"])
def test_honest_answers_are_green_and_answers_from_the_dead_are_red(title: str) -> None:
    cell = cell_of(title, "CAM_0")
    answers = honest(cell)
    assert judge(cell, STAMPS, SENSORS, answers).text == "ok"
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


def test_late_readings_may_be_used_or_not() -> None:
    cell = cell_of("late 50 ms", "CAM_2")
    assert judge(cell, STAMPS, SENSORS, honest(cell)).text == "ok, used 0/4"
    assert judge(cell, STAMPS, SENSORS, [replace(seen, used=SENSORS) for seen in honest(cell)]).text == "ok, used 4/4"


def test_answers_follow_a_clock_that_jumps_back() -> None:
    cell = cell_of("clock back 5 s", RIG)
    answers = [replace(seen, used=SENSORS) for seen in honest(cell)]
    assert judge(cell, STAMPS, SENSORS, answers).ok
    stuck = [seen for k, seen in enumerate(answers) if not cell.begin <= k < cell.end - 1]
    assert not judge(cell, STAMPS, SENSORS, stuck).ok


def test_impossible_plans_are_named() -> None:
    with pytest.raises(ValueError, match="keyframes: 12 of the drive are too few; expected at least 13"):
        plan_cells(SENSORS, CAMERAS, 12)
    with pytest.raises(ValueError, match="row 'gone': unknown; expected some of lost, "):
        plan_cells(SENSORS, CAMERAS, 40, ["gone"])
