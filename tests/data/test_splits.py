"""Scenes by the names of splits: the devkit's own lists, and those beside the tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nuscenes.utils.splits import create_splits_scenes

from fusion.data.nuscenes import NuScenesSource
from fusion.data.splits import choose_by_name
from fusion.errors import UserError
from fusion.evaluate.nuscenes_eval import score_detections

SPLITS = create_splits_scenes()
TRAINVAL = sorted([*SPLITS["train"], *SPLITS["val"]])


def test_train_and_val_are_the_official_halves_of_trainval(tmp_path: Path) -> None:
    train, val = (choose_by_name(TRAINVAL, [name], tmp_path) for name in ("train", "val"))
    assert (len(train), len(val)) == (700, 150)
    assert not set(train) & set(val)
    assert set(train) | set(val) == set(TRAINVAL)
    assert "scene-0103" in val and "scene-0061" in train


def test_names_keep_their_order_and_stand_once(tmp_path: Path) -> None:
    known = [*SPLITS["mini_val"], "scene-0061", "scene-0553"]
    assert choose_by_name(known, ["scene-0061", "mini_val", "scene-0103", "scene-0061"], tmp_path) == ["scene-0061", *SPLITS["mini_val"]]
    assert choose_by_name(known, None, tmp_path) == known


def test_a_data_set_brings_splits_of_its_own(tmp_path: Path, tiny_root: Path) -> None:
    (tiny_root / "v1.0-tiny/splits.json").write_text(json.dumps({"tiny_train": ["scene-tiny"], "tiny_val": []}))
    assert NuScenesSource(tiny_root, "v1.0-tiny", ["tiny_train"]).scenes() == ["scene-tiny"]
    with pytest.raises(UserError, match="split 'tiny_val': holds no scene; name single scenes instead"):
        NuScenesSource(tiny_root, "v1.0-tiny", ["tiny_val"])
    (tiny_root / "v1.0-tiny/splits.json").write_text('{"tiny_train": "scene-tiny"}')
    with pytest.raises(UserError, match="splits.json: expected split -> list of scene names"):
        NuScenesSource(tiny_root, "v1.0-tiny", ["tiny_train"])
    assert NuScenesSource(tiny_root, "v1.0-tiny", ["scene-tiny"]).scenes() == ["scene-tiny"]  # a scene's name needs no splits


def test_a_split_that_is_not_all_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"split 'mini_val': 1 of its 2 scenes are not in these tables, for example 'scene-0916'"):
        choose_by_name(["scene-0103"], ["mini_val"], tmp_path)
    with pytest.raises(UserError, match=r"scene 'scene-0001x': not in .*; did you mean 'scene-0001'"):
        choose_by_name(TRAINVAL, ["scene-0001x"], tmp_path)


def test_what_is_written_is_scored_by_the_same_names(scene0523: Path, shared_data: Path) -> None:
    """The evaluator and the sources read names alike."""
    with pytest.raises(UserError, match="split 'mini_val': 2 of its 2 scenes are not in these tables"):
        NuScenesSource(scene0523, "v1.0-mini", ["mini_val"])
    with pytest.raises(UserError, match="split 'mini_val': 2 of its 2 scenes are not in these tables"):
        score_detections(scene0523, "v1.0-mini", ["mini_val"], shared_data / "golden_scene0523/det.json")
