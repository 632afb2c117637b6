"""Making roots: same bytes, resume, refusals, failures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_roots import contents
from nuscenes import NuScenes
from toy_world import TOY, BrokenCamera, FullDiskCamera, Stumbling

from fusion.errors import UserError
from fusion.evaluate.nuscenes_eval import score_detections
from fusion.evaluate.submission import SubmissionWriter
from fusion.simulate.record.drive import Request
from fusion.simulate.record.run import simulate
from fusion.simulate.rig import nuscenes_rig

REQUEST = Request(scenes=3, seed=11, rig=nuscenes_rig(), image_scale=0.02, duration_s=2.0)


def scenes_of(root: Path) -> list[str]:
    return [scene["name"] for scene in NuScenes(version="v1.0-sim", dataroot=str(root), verbose=False).scene]


def test_same_seed_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    simulate(tmp_path / "one", REQUEST, workers=1, parts=TOY)
    simulate(tmp_path / "two", REQUEST, workers=2, parts=TOY)
    first, second = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []
    simulate(tmp_path / "other", replace(REQUEST, seed=12, scenes=1), parts=TOY)
    assert not {n for n in contents(tmp_path / "other") if "samples" in n} & set(first)


def test_a_terminated_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with pytest.raises(KeyboardInterrupt):
        simulate(root, REQUEST, parts=replace(TOY, camera=Stumbling(2)))
    assert scenes_of(root) == ["sim-11-0000", "sim-11-0001"]
    assert not [name for name in contents(root) if "sim-11-0002" in name]
    (root / "samples" / "CAM_FRONT" / "sim-11-0002__CAM_FRONT__1.jpg").write_bytes(b"of a run that was killed")
    kept = (root / "scenes" / "sim-11-0001.tables").stat().st_mtime_ns
    simulate(root, REQUEST, resume=True, parts=TOY)
    assert (root / "scenes" / "sim-11-0001.tables").stat().st_mtime_ns == kept
    simulate(tmp_path / "straight", REQUEST, parts=TOY)
    assert contents(root) == contents(tmp_path / "straight")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_keeps_the_finished_scenes(tmp_path: Path, workers: int) -> None:
    root = tmp_path / "root"
    with pytest.raises(KeyboardInterrupt):
        simulate(root, REQUEST, parts=replace(TOY, camera=Stumbling(1)))
    with pytest.raises(UserError, match=r"root: no space left; 1 finished scene\(s\) of 3 stay valid: .*--resume") as error:
        simulate(root, REQUEST, workers=workers, resume=True, parts=replace(TOY, camera=FullDiskCamera))
    assert "\n" not in str(error.value)
    assert scenes_of(root) == ["sim-11-0000"]
    assert not [name for name in contents(root) if "sim-11-0001" in name or "sim-11-0002" in name]


def test_one_broken_scene_does_not_cost_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = replace(TOY, build_scenery=_second_is_foggy, camera=BrokenCamera)
    with pytest.raises(UserError, match="1 scene.* could not be made, for example sim-11-0001: ZeroDivisionError: fog; 2 of 3 are finished"):
        simulate(tmp_path / "root", REQUEST, parts=parts)
    assert "Traceback" in capsys.readouterr().err
    assert scenes_of(tmp_path / "root") == ["sim-11-0000", "sim-11-0002"]


calls: list[int] = []


def _second_is_foggy(seed: int, weather: object, duration_s: float) -> object:
    calls.append(seed)
    return TOY.build_scenery(seed, "fog" if len(calls) == 2 else "day", duration_s)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="not empty; give a new folder, or --resume"):
        simulate(tmp_path, REQUEST, parts=TOY)
    with pytest.raises(UserError, match=r"not empty, and without the simulate\.json"):
        simulate(tmp_path, REQUEST, resume=True, parts=TOY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_resume_of_another_request_names_the_difference(tmp_path: Path) -> None:
    simulate(tmp_path / "root", replace(REQUEST, scenes=1), parts=TOY)
    for change, says in (({"seed": 12}, "--seed 11, not 12"), ({"duration_s": 3.0}, "--duration 2.0, not 3.0"),
                         ({"rig": replace(REQUEST.rig, lidar=None)}, "another --rig")):
        with pytest.raises(UserError, match=says):
            simulate(tmp_path / "root", replace(REQUEST, **({"scenes": 1} | change)), resume=True, parts=TOY)  # type: ignore[arg-type]
    before = contents(tmp_path / "root")
    assert simulate(tmp_path / "root", replace(REQUEST, scenes=1), resume=True, parts=TOY) == ["sim-11-0000"]
    assert contents(tmp_path / "root") == before
    (tmp_path / "root" / "simulate.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        simulate(tmp_path / "root", replace(REQUEST, scenes=1), resume=True, parts=TOY)


def test_a_root_grows_to_what_it_would_have_been(tmp_path: Path) -> None:
    simulate(tmp_path / "root", replace(REQUEST, scenes=2), parts=TOY)
    assert simulate(tmp_path / "root", REQUEST, resume=True, parts=TOY)[-1] == "sim-11-0002"
    simulate(tmp_path / "straight", REQUEST, parts=TOY)
    assert contents(tmp_path / "root") == contents(tmp_path / "straight")
    with pytest.raises(UserError, match=r"--resume: .*root holds the finished scene sim-11-0002; ask for at least --scenes 3"):
        simulate(tmp_path / "root", replace(REQUEST, scenes=2), resume=True, parts=TOY)
    assert contents(tmp_path / "root") == contents(tmp_path / "straight")


def test_resume_of_nothing_starts(tmp_path: Path) -> None:
    simulate(tmp_path / "new", replace(REQUEST, scenes=1), resume=True, parts=TOY)
    assert scenes_of(tmp_path / "new") == ["sim-11-0000"]
    assert json.loads((tmp_path / "new" / "simulate.json").read_text())["seed"] == 11


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written \(Not a directory\)"):
        simulate(tmp_path / "file" / "root", REQUEST, parts=TOY)


def test_a_rig_without_lidar_or_without_cameras(tmp_path: Path) -> None:
    small = replace(REQUEST, scenes=1)
    simulate(tmp_path / "camera", replace(small, rig=replace(REQUEST.rig, lidar=None)), parts=TOY)
    nusc = NuScenes(version="v1.0-sim", dataroot=str(tmp_path / "camera"), verbose=False)
    assert sorted(nusc.sample[0]["data"]) == sorted(camera.name for camera in REQUEST.rig.cameras)
    assert {nusc.get("sample_data", t)["timestamp"] for t in nusc.sample[0]["data"].values()} == {nusc.sample[0]["timestamp"]}
    assert nusc.sample_annotation and not any(row["num_lidar_pts"] for row in nusc.sample_annotation)
    with SubmissionWriter(tmp_path / "results.json") as writer:
        for sample in nusc.sample:
            writer.add(sample["token"], [])
    with pytest.raises(UserError, match="no LIDAR_TOP record"):
        score_detections(tmp_path / "camera", "v1.0-sim", None, tmp_path / "results.json")
    simulate(tmp_path / "lidar", replace(small, rig=replace(REQUEST.rig, cameras=())), parts=TOY)
    nusc = NuScenes(version="v1.0-sim", dataroot=str(tmp_path / "lidar"), verbose=False)
    assert list(nusc.sample[0]["data"]) == ["LIDAR_TOP"]
    assert {row["visibility_token"] for row in nusc.sample_annotation} == {""}
