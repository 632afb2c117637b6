"""The simulator's own parts, small: what the toy world proves of the tables holds for a made world, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_roots import contents, truth_as_result
from nuscenes import NuScenes
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.detection.evaluate import DetectionEval

from fusion.simulate.record.drive import Request
from fusion.simulate.record.run import simulate
from fusion.simulate.rig import nuscenes_rig

REQUEST = Request(scenes=2, seed=6, rig=nuscenes_rig(), image_scale=0.05, duration_s=1.0, weather="day")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "one"
    simulate(path, REQUEST, workers=1)
    return path


def test_the_untouched_devkit_gives_the_truth_of_a_made_world_full_marks(root: Path, tmp_path: Path) -> None:
    """So small a world lacks some classes, which score 0 in the devkit; every class in it scores 1 and has no error."""
    nusc = NuScenes(version="v1.0-sim", dataroot=str(root), verbose=False)
    result = truth_as_result(nusc, ["sim-6-0001"], tmp_path / "truth.json")
    evaluation = DetectionEval(nusc, config_factory("detection_cvpr_2019"), str(result), "sim_val", str(tmp_path), verbose=False)
    there = {box.detection_name for box in evaluation.gt_boxes.all}
    metrics, _ = evaluation.evaluate()
    assert "car" in there and len(there) >= 2
    assert {name: ap for name, ap in metrics.mean_dist_aps.items() if ap > 0} == pytest.approx(dict.fromkeys(there, 1.0), abs=1e-9)
    assert metrics.mean_ap == pytest.approx(len(there) / 10)
    errors = np.array([[metrics.get_label_tp(name, kind) for kind in ("trans_err", "scale_err", "orient_err", "attr_err")] for name in there])
    assert np.nanmax(errors) < 1e-6
    assert metrics.get_label_tp("car", "vel_err") < 1e-6  # a rare class may be there at one keyframe only, which gives no speed


def test_workers_do_not_change_a_byte_of_a_made_world(root: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "two", REQUEST, workers=2)
    first, second = contents(root), contents(tmp_path / "two")
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []
