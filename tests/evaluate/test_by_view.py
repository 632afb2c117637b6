"""What a lost camera sees and what it does not, on a hand-made root: in both keyframes a box of every class before the camera and one behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion.errors import UserError
from fusion.evaluate.by_state import StateAnswers, score_states, sensor_states
from fusion.evaluate.by_view import IN_VIEW, OUT_OF_VIEW, STATES, CameraView, ViewScores, lost_camera, score_by_view
from fusion.evaluate.nuscenes_eval import open_tables
from fusion.evaluate.state_table import write_states
from fusion.evaluate.submission import META_KEYS
from fusion.evaluate.view_table import view_mapping, view_sentence, view_table, write_view
from fusion.types import DETECTION_CLASSES

VERSION, RIG = "v1.0-hand", ("CAM_FRONT", "CAM_BACK", "LIDAR_TOP")
CATEGORIES = {"car": "vehicle.car", "truck": "vehicle.truck", "bus": "vehicle.bus.rigid", "trailer": "vehicle.trailer",
              "construction_vehicle": "vehicle.construction", "pedestrian": "human.pedestrian.adult", "motorcycle": "vehicle.motorcycle",
              "bicycle": "vehicle.bicycle", "traffic_cone": "movable_object.trafficcone", "barrier": "movable_object.barrier"}
AHEAD = [0.5, -0.5, 0.5, -0.5]
"""A camera that looks along x of the ego; the image is 200 x 100, and at a depth of 10 m shows 10 m to both sides and 5 m up and down."""
UNTURNED, TURNED = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]
EGO = ((UNTURNED, [100.0, 50.0, 0.0]), (TURNED, [110.0, 50.0, 0.0]))
"""The ego when the cameras look; the LiDAR's pose lies 0.5 m back."""

Entry = dict[str, Any]


def centre(row: int, ahead: bool, index: int) -> list[float]:
    """Where the box of a class stands: a row abreast, 12 m before the ego of keyframe `index` or behind it."""
    (_, position), x, y = EGO[index], 12.0 if ahead else -12.0, 2.0 * row - 9.0
    side = 1.0 if index == 0 else -1.0
    return [position[0] + side * x, position[1] + side * y, 1.0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hand")
    tables: dict[str, list[Entry]] = {name: [] for name in (
        "attribute", "visibility", "log", "map", "sensor", "calibrated_sensor", "category", "instance", "scene", "sample", "sample_data", "ego_pose",
        "sample_annotation")}
    tables["map"].append({"token": "m", "log_tokens": [], "category": "", "filename": f"{VERSION}/map.json"})  # must be there, is not opened
    tables["scene"].append({"token": "s", "name": "hand", "log_token": "", "first_sample_token": "k0", "last_sample_token": "k1", "nbr_samples": 2})
    for channel in ("CAM_FRONT", "LIDAR_TOP"):
        camera = channel == "CAM_FRONT"
        intrinsics = [[100.0, 0.0, 99.5], [0.0, 100.0, 49.5], [0.0, 0.0, 1.0]] if camera else []
        tables["sensor"].append({"token": channel, "channel": channel, "modality": "camera" if camera else "lidar"})
        tables["calibrated_sensor"].append({"token": channel, "sensor_token": channel, "rotation": AHEAD if camera else UNTURNED,
                                            "translation": [0.0, 0.0, 1.0], "camera_intrinsic": intrinsics})
    for index, (rotation, position) in enumerate(EGO):
        tables["sample"].append({"token": f"k{index}", "scene_token": "s", "timestamp": index, "prev": "", "next": "" if index else "k1"})
        for channel, back in (("CAM_FRONT", 0.0), ("LIDAR_TOP", 0.5)):
            token = f"{channel}{index}"
            tables["ego_pose"].append({"token": token, "timestamp": index, "rotation": rotation, "translation": [position[0] - back, *position[1:]]})
            tables["sample_data"].append({"token": token, "sample_token": f"k{index}", "ego_pose_token": token, "calibrated_sensor_token": channel,
                                          "timestamp": index, "fileformat": "", "is_key_frame": True, "filename": "", "prev": "", "next": "",
                                          "width": 200 if back == 0 else 0, "height": 100 if back == 0 else 0})
    for row, (name, category) in enumerate(CATEGORIES.items()):
        tables["category"].append({"token": name, "name": category})
        for index in range(2):
            for ahead in (True, False):
                token = f"{name}{index}{ahead}"
                tables["instance"].append({"token": token, "category_token": name})
                tables["sample_annotation"].append({
                    "token": token, "sample_token": f"k{index}", "instance_token": token, "visibility_token": "", "attribute_tokens": [],
                    "translation": centre(row, ahead, index), "size": [1.0, 1.0, 1.0], "rotation": UNTURNED, "prev": "", "next": "",
                    "num_lidar_pts": 5, "num_radar_pts": 0})
    (path / VERSION).mkdir()
    (path / VERSION / "map.json").touch()
    for name, rows in tables.items():
        (path / VERSION / f"{name}.json").write_text(json.dumps(rows))
    return path


def found(translation: list[float], name: str, index: int, score: float = 0.5) -> Entry:
    return {"sample_token": f"k{index}", "translation": translation, "size": [1.0, 1.0, 1.0], "rotation": UNTURNED, "velocity": [0.0, 0.0],
            "detection_name": name, "detection_score": score, "attribute_name": ""}


def truth(keep: Callable[[str, bool], bool] = lambda name, ahead: True) -> dict[str, list[Entry]]:
    return {f"k{index}": [found(centre(row, ahead, index), name, index) for row, name in enumerate(CATEGORIES) for ahead in (True, False)
                          if keep(name, ahead)] for index in range(2)}


def answered(out: Path, by_state: dict[str, dict[str, list[Entry]]]) -> list[StateAnswers]:
    runs = [StateAnswers(state=state, results=out / state.name / "results_nusc.json") for state in sensor_states(RIG)]
    for run in runs:
        run.results.parent.mkdir(parents=True)
        run.results.write_text(json.dumps({"meta": dict.fromkeys(META_KEYS, False), "results": by_state.get(run.state.name, truth())}))
    return runs


def scored(root: Path, out: Path, by_state: dict[str, dict[str, list[Entry]]]) -> ViewScores:
    return score_by_view(root, VERSION, ["hand"], answered(out, by_state))


def maps(view: ViewScores, region: str) -> list[float]:
    return [round(score.mean_ap, 9) for score in view.regions[region]]


def test_in_view_is_what_the_keyframe_image_shows(root: Path) -> None:
    tables = open_tables(root, VERSION)
    view = CameraView(tables, "CAM_FRONT")
    offsets = np.array([[10, 9.99, 1], [10, 10.01, 1], [10, -9.99, 1], [10, -10.01, 1], [10, 0, 5.99], [10, 0, 6.01], [10, 0, -3.99], [10, 0, -4.01],
                        [0.01, 0, 1], [0, 0, 1], [-0.01, 0, 1], [-10, 0, 1], [-10, 9.99, 1]])
    seen = [True, False, True, False, True, False, True, False, True, False, False, False, False]
    assert view.sees("k0", np.array(EGO[0][1]) + offsets).tolist() == seen
    assert view.sees("k1", np.array(EGO[1][1]) + offsets * [-1, -1, 1]).tolist() == seen  # the ego looks back, and stands elsewhere
    assert view.sees("k0", np.zeros((0, 3))).shape == (0,)
    assert not CameraView(tables, "CAM_BACK").sees("k0", np.array(EGO[0][1]) + offsets).any()
    tables.get("sample_data", "CAM_FRONT0")["width"] = 0
    with pytest.raises(UserError, match="sample_data CAM_FRONT0 .*expected the image's width and height, got 0 and 100"):
        view.sees("k0", offsets)


def test_halves_are_scored_apart(root: Path, tmp_path: Path) -> None:
    """The truth scores 1 on both sides; what one side lacks, or has too much, costs that side alone."""
    wrong = truth()
    wrong["k0"] += [found([EGO[0][1][0] + x, 50.0, 1.0], "car", 0, 0.9) for x in (20.0, 25.0)]
    view = scored(root, tmp_path, {"one_camera_lost": truth(lambda name, ahead: not ahead), "lidar_only": wrong})
    assert view.camera == "CAM_FRONT"
    assert [[score.answers.state.name for score in scores] for scores in view.regions.values()] == [list(STATES)] * 2
    for scores in view.regions.values():
        assert scores[0].evaluation.ground_truth == dict.fromkeys(DETECTION_CLASSES, 2)
    both, lidar_only, lost = maps(view, IN_VIEW)
    assert (both, lost) == (1.0, 0.0) and 0.9 < lidar_only < 1.0
    assert maps(view, OUT_OF_VIEW) == [1.0, 1.0, 1.0]
    assert "the loss of CAM_FRONT by -100.0; out of view, its loss changes mAP by +0.0." in view_sentence(view)
    summary = json.loads((tmp_path / "one_camera_lost" / "out_of_view" / "metrics_summary.json").read_text())
    assert summary["mean_ap"] == view.regions[OUT_OF_VIEW][2].mean_ap


def test_a_box_found_across_the_border_matches_in_the_whole_scene_alone(root: Path, tmp_path: Path) -> None:
    results, row = truth(), list(CATEGORIES).index("car")
    (car,) = (box for box in results["k0"] if box["translation"] == centre(row, True, 0))
    car["translation"] = [EGO[0][1][0] + 8.8, 50.0 - 9.0, 1.0]  # 3.2 m nearer, 9 m to the right: just outside of the image
    car["detection_score"] = 0.9
    runs = answered(tmp_path, {"both": results})
    tables = open_tables(root, VERSION)
    (whole, *_) = score_states(root, VERSION, ["hand"], runs, tables=tables)
    view = score_by_view(root, VERSION, ["hand"], runs, tables=tables)
    assert whole.evaluation.summary["label_aps"]["car"][4.0] == pytest.approx(1.0)
    for scores in view.regions.values():
        assert scores[0].evaluation.summary["label_aps"]["car"][4.0] < 0.9
        assert scores[1].mean_ap == pytest.approx(1.0)


def test_table_and_json_tell_regions_and_absent_classes(root: Path, tmp_path: Path) -> None:
    runs = answered(tmp_path, {"lidar_only": {"k0": [], "k1": []}})
    tables = open_tables(root, VERSION)
    for row in tables.sample_annotation:
        if row["category_name"] == "vehicle.car" and row["token"].endswith("True"):
            row["num_lidar_pts"] = 0  # does not count
    view = score_by_view(root, VERSION, ["hand"], runs, tables=tables)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in view_table(view).splitlines()]
    assert lines[0] == ["", "boxes", "both sensors", "LiDAR only", "CAM_FRONT lost"]
    assert lines[2:] == [
        ["**in view: mAP** (official)", "18", "0.900", "0.000", "0.900"], ["in view: mAP of the 9 classes present", "", "1.000", "0.000", "1.000"],
        ["in view: car", "none", "-", "-", "-"], ["in view: pedestrian", "2", "1.000", "0.000", "1.000"],
        ["**out of view: mAP** (official)", "20", "1.000", "0.000", "1.000"],
        ["out of view: car", "2", "1.000", "0.000", "1.000"], ["out of view: pedestrian", "2", "1.000", "0.000", "1.000"]]
    write_view(view, tmp_path, {"model": "m"})
    text = (tmp_path / "by_view.md").read_text()
    assert "model: m." in text and "Without a box that counts in view: car.\n" in text and "counts out of view" not in text
    write_states(score_states(root, VERSION, ["hand"], runs, tables=tables), tmp_path, {"model": "m"}, {"by_view": view_mapping(view)})
    written = json.loads((tmp_path / "states.json").read_text())["by_view"]
    assert written["camera"] == "CAM_FRONT" and list(written["regions"]) == [IN_VIEW, OUT_OF_VIEW]
    region = written["regions"][IN_VIEW]
    assert (region["ground_truth_boxes"], region["states"]["both"]["AP"]["car"], region["states"]["lidar_only"]["AP"]["bus"]) == (18, None, 0.0)
    assert "by_view" not in (tmp_path / "states.md").read_text()


def test_a_rig_without_a_camera_has_no_view() -> None:
    assert lost_camera(sensor_states(RIG)) == "CAM_FRONT"
    with pytest.raises(UserError, match="expected a rig with a camera to lose"):
        lost_camera(sensor_states(("LIDAR_TOP",)))
