"""The fault matrix at the sensors' own rates: how a drive of keyframes is filled, and how its cells are judged."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_drive import SWEEPS, VERSION, make_drive

from fusion.data.nuscenes_index import cache_path
from fusion.data.readers import read_image
from fusion.errors import UserError
from ros_nodes.matrix.cells import LEAD_NS, RIG, Cell, plan_cells
from ros_nodes.matrix.filled_root import filled_between
from ros_nodes.matrix.own_rates import Rhythm, judge_at_rates
from ros_nodes.matrix.told import Told
from ros_nodes.matrix.verdict import Seen
from ros_nodes.player_root import Recording, Scene

MS = 1_000_000

# --- filling


def keyframes_alone(root: Path) -> None:
    """Take everything between keyframes out of a drive."""
    shutil.rmtree(root / "sweeps")
    table = root / VERSION / "sample_data.json"
    table.write_text(json.dumps([{**record, "prev": ""} for record in json.loads(table.read_text()) if record["is_key_frame"]]))


def stamps(scene: Scene, sensor: str) -> list[int]:
    return [reading.stamp_ns for reading in scene.readings if reading.sensor == sensor]


def test_a_drive_of_keyframes_is_filled_to_its_sensors_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = make_drive(tmp_path / "drive", scenes=("scene-one",))
    keyframes_alone(root)
    before = next(Recording(root, VERSION).scenes())
    with filled_between(root, VERSION, "scene-one") as filled:
        scene = next(Recording(filled, VERSION).scenes())
        assert scene.samples == before.samples
        for sensor, count, step_ns in (("CAM_FRONT", 13, 500 * MS / 6), ("CAM_BACK", 13, 500 * MS / 6), ("LIDAR_TOP", 21, 50 * MS)):
            assert len(stamps(scene, sensor)) == count and set(stamps(before, sensor)) < set(stamps(scene, sensor))
            assert all(abs(later - earlier - step_ns) < 2000 for earlier, later in pairwise(stamps(scene, sensor)))
            readings = [reading for reading in scene.readings if reading.sensor == sensor]
            assert all(np.fromfile(one.path, np.uint8).tobytes() != np.fromfile(other.path, np.uint8).tobytes() for one, other in pairwise(readings))
            if sensor != "LIDAR_TOP":  # decoded they differ too: nothing is frozen, raw or compressed
                assert all(not np.array_equal(read_image(one.path), read_image(other.path)) for one, other in pairwise(readings))
            first, amid, last = readings[0], readings[count // 4], readings[count // 2]
            share = (amid.stamp_ns - first.stamp_ns) / (last.stamp_ns - first.stamp_ns)
            np.testing.assert_allclose(amid.translation_m, np.add(first.translation_m, share * np.subtract(last.translation_m, first.translation_m)))
            assert np.linalg.norm(amid.rotation_wxyz) == pytest.approx(1.0) and amid.mount is first.mount
        assert cache_path(filled, VERSION).exists()
    assert not filled.exists() and not cache_path(filled, VERSION).exists()


def test_what_a_drive_has_between_keyframes_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = make_drive(tmp_path / "drive")
    before = next(Recording(root, VERSION).scenes())
    with filled_between(root, VERSION, "scene-one") as filled:
        scene = next(Recording(filled, VERSION, ["scene-one"]).scenes())
        assert stamps(scene, "LIDAR_TOP") == stamps(before, "LIDAR_TOP") and len(stamps(scene, "LIDAR_TOP")) == 2 * (SWEEPS + 1) + 1
        assert len(stamps(scene, "CAM_FRONT")) == 13
    with pytest.raises(UserError, match="'scene-six': not in .*; expected one of scene-one, scene-two"), filled_between(root, VERSION, "scene-six"):
        pass
    next(iter(sorted((root / "samples/CAM_BACK").iterdir()))).write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match="no JPEG"), filled_between(root, VERSION, "scene-one"):
        pass


# --- judging

CAMERAS = tuple(f"CAM_{k}" for k in range(6))
SENSORS = (*CAMERAS, "LIDAR")
STAMPS = tuple(10_000 * MS + k * 500 * MS for k in range(40))
RHYTHM = Rhythm(readings_ns={name: range(STAMPS[0] - 7 * MS * k, STAMPS[-1], 83_333_333) for k, name in enumerate(CAMERAS)}
                | {"LIDAR": range(STAMPS[0], STAMPS[-1] + 1, 50 * MS)})


def cell_of(title: str, sensor: str) -> Cell:
    running, fresh = plan_cells(SENSORS, CAMERAS, len(STAMPS))
    return next(cell for cell in (*running.cells, *fresh.cells) if cell.kind.title == title and cell.sensor == sensor)


def span(cell: Cell) -> tuple[int, int]:
    return (STAMPS[cell.begin] if cell.begin else 0) - LEAD_NS, STAMPS[cell.end] - LEAD_NS


def honest(cell: Cell) -> list[Seen]:
    """Five answers a second, 250 ms after their stamps, each on all that has a sound reading for it; of a camera where the LiDAR is dead."""
    begin, end = span(cell)
    dead = cell.kind.dead and cell.sensor != RIG

    def sound(name: str, stamp: int) -> bool:
        return not (dead and name == cell.sensor and begin <= stamp < end)

    called = [stamp for stamp in RHYTHM.readings_ns["LIDAR"][::4] if sound("LIDAR", stamp)]
    if dead and cell.sensor == "LIDAR":
        called += [stamp for stamp in RHYTHM.readings_ns["CAM_0"][::3] if begin + 400 * MS <= stamp < end]
    answers = []
    for stamp in sorted(called):
        used = tuple(name for name in SENSORS if any(sound(name, reading) for reading in RHYTHM.near(name, stamp - 100 * MS, stamp)))
        back_ns = cell.kind.back_ns if begin <= stamp < end else 0
        answers.append(Seen(number=cell.number, stamp_ns=stamp - back_ns, used=used, at_s=1e-9 * stamp + 0.25))
    return answers


def changed(answers: Sequence[Seen], sensor: str, from_ns: int, to_ns: int, *, used: bool) -> list[Seen]:
    """The answers of a span with or without a sensor."""
    return [replace(seen, used=(*(name for name in seen.used if name != sensor), *((sensor,) if used else ()))) if from_ns <= seen.stamp_ns < to_ns
            else seen for seen in answers]


@pytest.mark.parametrize("sensor", ["CAM_3", "LIDAR"])
@pytest.mark.parametrize("title", ["lost", "late 150 ms", "frozen", "corrupt", "mounting changes", "transform comes later"])
def test_honest_answers_are_green(title: str, sensor: str) -> None:
    cell = cell_of(title, sensor)
    verdict = judge_at_rates(cell, STAMPS, RHYTHM, honest(cell))
    assert verdict.ok and verdict.text.startswith("ok") and (", used 10/10" in verdict.text) != cell.kind.dead, verdict


@pytest.mark.parametrize("title", ["TF late 300 ms", "flood at 3x rate", "clock back 5 s"])
def test_a_rig_that_answers_on_is_green_and_one_that_is_stuck_is_not(title: str) -> None:
    cell = cell_of(title, RIG)
    answers = honest(cell)
    assert judge_at_rates(cell, STAMPS, RHYTHM, answers).ok
    begin, end = span(cell)
    stuck = [seen for seen in answers if not begin <= seen.stamp_ns + cell.kind.back_ns < end or seen.stamp_ns + cell.kind.back_ns - begin < 100 * MS]
    assert "no answer for" in judge_at_rates(cell, STAMPS, RHYTHM, stuck).text


def test_no_answer_rests_on_a_dead_sensor_but_on_its_last_reading_before() -> None:
    cell = cell_of("lost", "CAM_3")
    begin, _ = span(cell)
    just_after = Seen(number=cell.number, stamp_ns=begin + 20 * MS, used=SENSORS, at_s=1e-9 * begin + 0.27)  # the image of just before is true
    answers = sorted([*honest(cell), just_after], key=lambda seen: seen.at_s)
    lie = changed(answers, "CAM_3", begin + 1000 * MS, begin + 1500 * MS, used=True)
    verdict = judge_at_rates(cell, STAMPS, RHYTHM, lie)
    assert not verdict.ok and verdict.text in ("2 answers rest on it", "3 answers rest on it")
    elsewhere = [replace(seen, number=seen.number + 1) for seen in lie]
    assert judge_at_rates(cell, STAMPS, RHYTHM, [*answers, *elsewhere]).ok


@pytest.mark.parametrize(("sensor", "silent_ms", "ok"), [("CAM_3", 300, True), ("CAM_3", 700, False), ("LIDAR", 800, True), ("LIDAR", 1500, False)])
def test_answers_go_on_coming(sensor: str, silent_ms: int, ok: bool) -> None:
    """Calm ones are 0.2 s apart; 0.16 s more are allowed, and 0.47 s beside that where another sensor has to take over."""
    cell = cell_of("lost", sensor)
    begin, _ = span(cell)
    kept = [seen for seen in honest(cell) if not begin <= seen.stamp_ns < begin + (silent_ms - 200) * MS]
    verdict = judge_at_rates(cell, STAMPS, RHYTHM, kept)
    assert verdict.ok == ok and ("no answer for" in verdict.text) != ok, verdict


@pytest.mark.parametrize(("sweeps", "ok"), [(2, True), (12, False)])
def test_recovery_has_two_sweeps(sweeps: int, ok: bool) -> None:
    cell = cell_of("lost", "CAM_3")
    first = RHYTHM.near("CAM_3", span(cell)[1], STAMPS[-1])[0]
    answers = changed(honest(cell), "CAM_3", span(cell)[1], first + sweeps * 50 * MS, used=False)
    verdict = judge_at_rates(cell, STAMPS, RHYTHM, answers)
    assert verdict.ok == ok and ok == ("CAM_3 lacks in" not in verdict.text)
    others = changed(honest(cell), "CAM_1", STAMPS[cell.until] - 800 * MS, STAMPS[cell.until], used=False)
    assert "CAM_1 lacks in" in judge_at_rates(cell, STAMPS, RHYTHM, others).text
    dead = [seen for seen in honest(cell) if seen.stamp_ns < span(cell)[1]]
    assert "none came" in judge_at_rates(cell, STAMPS, RHYTHM, dead).text


def test_what_is_wrong_must_be_told_here_too() -> None:
    cell = cell_of("late 150 ms", "LIDAR")

    def told(state: str) -> list[Told]:
        return [Told(number=cell.number, stamp_ns=stamp + 300 * MS, states=dict.fromkeys(SENSORS, "ok") | (
            {"LIDAR": state} if cell.begin <= k < cell.end else {})) for k, stamp in enumerate(STAMPS)]

    assert judge_at_rates(cell, STAMPS, RHYTHM, honest(cell), told=told("late")).ok
    assert judge_at_rates(cell, STAMPS, RHYTHM, honest(cell), told=told("ok")).text == "/diagnostics told ok of it, not late or missing"
