"""What tests ask of a root that was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nuscenes.eval.detection.utils import category_to_detection_name

from fusion.evaluate.submission import SubmissionWriter


def contents(root: Path) -> dict[str, bytes]:
    """Every file, by its path in the root."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def truth_as_result(nusc: Any, scenes: list[str], path: Path) -> Path:
    """The annotations of the ten classes as a submission, those without a point included."""
    attribute = {a["token"]: a["name"] for a in nusc.attribute}
    with SubmissionWriter(path, use_lidar=True) as writer:
        for sample in nusc.sample:
            if nusc.get("scene", sample["scene_token"])["name"] in scenes:
                rows = [nusc.get("sample_annotation", t) for t in sample["anns"]]
                writer.add(sample["token"], [{
                    "sample_token": sample["token"], **{key: row[key] for key in ("translation", "size", "rotation")},
                    "velocity": np.nan_to_num(nusc.box_velocity(row["token"])[:2]).tolist(),
                    "detection_name": category_to_detection_name(row["category_name"]), "detection_score": 0.5,
                    "attribute_name": attribute[row["attribute_tokens"][0]] if row["attribute_tokens"] else ""}
                    for row in rows if category_to_detection_name(row["category_name"]) and row["num_lidar_pts"]])
    return path
