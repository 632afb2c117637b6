"""What is taught and what is scored must be the same boxes, or no network could reach the top score."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fusion.data.nuscenes import NuScenesSource
from fusion.geometry.grid import BevGrid
from fusion.model import ModelConfig
from fusion.network_config import NetworkConfig
from fusion.train.config import TrainConfig
from fusion.train.dataset import TrainDataset
from fusion.types import DETECTION_CLASSES


def test_taught_boxes_are_those_that_the_devkit_scores(scene0523: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nuscenes.eval.common.loaders import load_gt_of_sample_tokens
    from nuscenes.eval.detection.data_classes import DetectionBox
    from nuscenes.nuscenes import NuScenes

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = NuScenesSource(scene0523, "v1.0-mini", ["scene-0523"])
    tokens = source.tokens("scene-0523")
    everywhere = BevGrid(x_range_m=(-204.8, 204.8), y_range_m=(-204.8, 204.8))
    taught = TrainDataset(source, ModelConfig(network=NetworkConfig(grid=everywhere)), TrainConfig()).labels
    official = load_gt_of_sample_tokens(NuScenes("v1.0-mini", str(scene0523), verbose=False), tokens, DetectionBox)
    seen_by_radar_alone = 0
    for token, labels in zip(tokens, taught, strict=True):
        scored = Counter(box.detection_name for box in official[token] if box.num_pts > 0)  # the devkit's own filter
        assert Counter(DETECTION_CLASSES[label] for label in labels) == scored
        truth = source.ground_truth(token)
        assert truth is not None
        seen_by_radar_alone += int(((truth.num_lidar_pts == 0) & (truth.num_points > 0)).sum())
    assert seen_by_radar_alone > 0  # else this scene would prove nothing
