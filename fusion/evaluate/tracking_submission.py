"""A detection submission in, the official nuScenes tracking submission out: scene by scene, `meta` kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusion.data.source import SceneSource
from fusion.errors import UserError
from fusion.evaluate.submission import MAX_BOXES_PER_SAMPLE, SubmissionWriter, read_submission
from fusion.geometry.transforms import pose, yaw_of
from fusion.tracking.config import TRACKING_CLASSES, TrackerConfig
from fusion.tracking.tracker import Tracker
from fusion.types import DETECTION_CLASSES, Detections, Tracks

TRACKING_RESULT = "tracking_result.json"


@dataclass(frozen=True, kw_only=True)
class TrackingSummary:
    """What was written.

    Attributes:
        path: the submission.
        scenes: names of the scenes it covers.
        samples: keyframes.
        boxes: tracked boxes of all keyframes.
        tracks: different objects.
    """

    path: Path
    scenes: tuple[str, ...]
    samples: int
    boxes: int
    tracks: int


def track_submission(source: SceneSource, detections_path: Path, out: Path, *, scenes: Sequence[str] | None = None,
                     config: TrackerConfig | None = None) -> TrackingSummary:
    """Track the detections of each scene and write `out/tracking_result.json`.

    Args:
        source: the data set, for the order and the times of the keyframes; no sensor data is read.
        detections_path: an official detection submission.
        out: folder, made if needed.
        scenes: names; None takes the scenes that the submission covers.
        config: the tracker's settings. Of its classes, those that nuScenes does not track are left out of the file.

    Raises:
        UserError: an unreadable submission, an unknown scene, keyframes of a scene that are missing, or boxes that cannot be.
    """
    submission = read_submission(detections_path)
    results: dict[str, list[dict[str, Any]]] = submission["results"]
    names = covered_scenes(source, results, detections_path) if scenes is None else list(scenes)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made ({error.strerror}); give a folder that can be written") from None
    tracker = Tracker(config)
    samples, boxes, ids = 0, 0, set()
    with SubmissionWriter(out / TRACKING_RESULT, meta=submission["meta"]) as writer:
        for scene in names:
            tracker.reset()
            for token in source.tokens(scene):
                if token not in results:
                    raise UserError(f"{detections_path}: sample {token} of {scene} is missing; detect the whole scene with `bevduet perceive`"
                                    " or name other scenes")
                stamp_ns = source.load(token, cameras=False, lidar=False).stamp_ns
                try:
                    tracks = tracker.update(detections_of(results[token], token, stamp_ns))
                except ValueError as error:
                    raise UserError(f"{detections_path}: sample {token} of {scene}: {error}") from None
                entries = tracking_entries(tracks, token)
                writer.add(token, entries)
                samples, boxes = samples + 1, boxes + len(entries)
                ids |= {entry["tracking_id"] for entry in entries}
    return TrackingSummary(path=out / TRACKING_RESULT, scenes=tuple(names), samples=samples, boxes=boxes, tracks=len(ids))


def covered_scenes(source: SceneSource, results: Mapping[str, Any], path: Path) -> list[str]:
    """Names of the scenes with a keyframe in `results`, in the order of the data set; UserError where samples belong to no scene."""
    left = set(results)
    names = []
    for scene in source.scenes():
        tokens = set(source.tokens(scene))
        if tokens & left:
            names.append(scene)
            left -= tokens
    if left:
        raise UserError(f"{path}: {len(left)} samples are unknown to this data set, for example {min(left)}; give the --dataroot and --version"
                        " that the detections were made with")
    if not names:
        raise UserError(f"{path}: expected keyframes, got none; write the file with `bevduet perceive`")
    return names


def detections_of(boxes: Sequence[Mapping[str, Any]], token: str, stamp_ns: int) -> Detections:
    """Boxes of one sample of a detection submission; an unknown velocity (NaN) becomes 0.

    Args:
        boxes: as `read_submission` has checked them.
        token: the sample's token.
        stamp_ns: its time.

    Returns:
        Detections in the global frame, boxes float64.

    Raises:
        ValueError: a size that is not positive, or a quaternion of zeros.
    """
    rows = np.array([[*box["translation"], box["size"][1], box["size"][0], box["size"][2],  # files hold width, length, height
                      yaw_of(pose(box["rotation"], box["translation"])[:3, :3]), *box["velocity"]] for box in boxes]).reshape(-1, 9)
    return Detections(
        boxes=np.nan_to_num(rows, nan=0.0), scores=np.array([box["detection_score"] for box in boxes], np.float32),
        labels=np.array([DETECTION_CLASSES.index(box["detection_name"]) for box in boxes], np.int64),
        attributes=tuple(box["attribute_name"] for box in boxes), stamp_ns=stamp_ns, sensors_used=(), frame="global", token=token)


def tracking_entries(tracks: Tracks, token: str) -> list[dict[str, Any]]:
    """Tracks of one sample as the dictionaries of an official tracking submission, at most 500, best first.

    Args:
        tracks: boxes in the global frame; those of classes that nuScenes does not track are left out.
        token: the sample's token.
    """
    entries = []
    for box, number, score, label in zip(tracks.boxes, tracks.ids, tracks.scores, tracks.labels, strict=True):
        name = tracks.classes[int(label)]
        if name not in TRACKING_CLASSES:
            continue
        entries.append({
            "sample_token": token,
            "translation": [round(float(v), 4) for v in box[:3]],
            "size": [round(float(v), 4) for v in (box[4], box[3], box[5])],
            "rotation": [round(float(np.cos(box[6] / 2)), 7), 0.0, 0.0, round(float(np.sin(box[6] / 2)), 7)],
            "velocity": [round(float(v), 4) for v in box[7:9]],
            "tracking_id": str(int(number)),
            "tracking_name": name,
            "tracking_score": float(f"{score:.9g}"),
        })
    return entries[:MAX_BOXES_PER_SAMPLE]
