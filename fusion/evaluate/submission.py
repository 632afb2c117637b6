"""nuScenes detection submissions: writing them one sample at a time, and reading them with errors a person can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from pyquaternion import Quaternion

from fusion.errors import UserError
from fusion.files import replacing_text
from fusion.types import ATTRIBUTES, DETECTION_CLASSES, Detections
from fusion.types.checks import check_rigid

MAX_BOXES_PER_SAMPLE = 500
"""The official limit; the devkit refuses a file with more."""

META_KEYS = ("use_camera", "use_lidar", "use_radar", "use_map", "use_external")
BOX_LENGTHS = {"translation": 3, "size": 3, "rotation": 4, "velocity": 2}
_VEHICLES = ("car", "truck", "bus", "trailer", "construction_vehicle")
_ATTRIBUTE_GROUP = {**dict.fromkeys(_VEHICLES, "vehicle."), "motorcycle": "cycle.", "bicycle": "cycle.",
                    "pedestrian": "pedestrian."}


def to_submission(detections: Detections, global_T_ego: np.ndarray, token: str) -> list[dict[str, Any]]:
    """Detections of one sample as the dictionaries of an official submission, at most 500, best first.

    Args:
        detections: boxes in the ego frame at the reference stamp, or already in the global frame.
        global_T_ego: `(4, 4)` ego pose at the reference stamp; unused for boxes in the global frame.
        token: the sample's token.

    Returns:
        One dictionary per box: gravity centre in the global frame (m), size as width, length, height (m), rotation as a
        w x y z quaternion, velocity along global x and y (m/s). An attribute that the box's class cannot have becomes "".

    Raises:
        UserError: a class that a nuScenes submission does not know.
    """
    check_rigid("global_T_ego", global_T_ego)
    for name in detections.classes:
        if name not in DETECTION_CLASSES:
            raise UserError(f"class {name!r}: not a nuScenes detection class; expected one of {list(DETECTION_CLASSES)}")
    pose = np.eye(4) if detections.frame == "global" else np.asarray(global_T_ego, np.float64)
    best = np.argsort(-detections.scores, kind="stable")[:MAX_BOXES_PER_SAMPLE]
    boxes = detections.boxes[best].astype(np.float64)
    centres = boxes[:, :3] @ pose[:3, :3].T + pose[:3, 3]
    velocities = np.pad(boxes[:, 7:9], ((0, 0), (0, 1))) @ pose[:3, :3].T
    rotations = _turned(Quaternion(matrix=pose[:3, :3], rtol=1e-3, atol=1e-3).elements, boxes[:, 6])
    entries = []
    for row, index in enumerate(best):
        name = detections.classes[int(detections.labels[index])]
        attribute = detections.attributes[int(index)]
        group = _ATTRIBUTE_GROUP.get(name)
        entries.append({
            "sample_token": token,
            "translation": [round(float(v), 4) for v in centres[row]],
            "size": [round(float(boxes[row, column]), 4) for column in (4, 3, 5)],
            "rotation": [round(float(v), 7) for v in rotations[row]],
            "velocity": [round(float(v), 4) for v in velocities[row, :2]],
            "detection_name": name,
            "detection_score": float(f"{detections.scores[index]:.9g}"),
            "attribute_name": attribute if group is not None and attribute.startswith(group) else "",
        })
    return entries


def _turned(quaternion: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """`quaternion (w x y z) * rotation about z by each yaw`, `(M, 4)`."""
    w, x, y, z = quaternion
    cos, sin = np.cos(yaws / 2), np.sin(yaws / 2)
    return np.stack([w * cos - z * sin, x * cos + y * sin, y * cos - x * sin, z * cos + w * sin], axis=-1)


class SubmissionWriter:
    """Writes a submission sample by sample, so that memory does not grow with the scene.

    A context manager: the file appears under its name at the end of the block, complete, and a block that raises leaves nothing behind.
    The flags of `meta` may change until then.

    Args:
        path: the JSON file.
        use_camera: whether camera data was used.
        use_lidar: whether LiDAR data was used.
        use_external: whether other data than nuScenes' own was learnt from; its rules let ImageNet pass.
        meta: flags that override, as those of the submission that this one is made from.
    """

    def __init__(self, path: Path, use_camera: bool = False, use_lidar: bool = False, use_external: bool = False,
                 meta: Mapping[str, bool] | None = None) -> None:
        self.use_camera = use_camera
        self.use_lidar = use_lidar
        self.use_external = use_external
        self._meta = dict(meta or {})
        self._tokens: set[str] = set()
        self._path = path

    def add(self, token: str, boxes: Sequence[Mapping[str, Any]]) -> None:
        """Write one sample's boxes (an empty list is a valid answer); a token given twice raises ValueError."""
        if token in self._tokens:
            raise ValueError(f"token {token!r}: expected each sample once, got it twice")
        self._file.write(("," if self._tokens else "") + "\n" + json.dumps(token) + ": "
                         + json.dumps(list(boxes), allow_nan=False))
        self._tokens.add(token)

    def __enter__(self) -> SubmissionWriter:
        with ExitStack() as stack:
            self._file = stack.enter_context(replacing_text(self._path))
            self._file.write('{"results": {')
            self._whole = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._whole.__exit__(kind, error, trace)
            return
        with self._whole:
            flags = dict.fromkeys(META_KEYS, False) | {
                "use_camera": self.use_camera, "use_lidar": self.use_lidar, "use_external": self.use_external}
            self._file.write('\n}, "meta": ' + json.dumps(flags | self._meta) + "}\n")


def read_submission(path: Path) -> dict[str, Any]:
    """Read and check a submission, `{"meta": {...}, "results": {token: [box, ...]}}`.

    Raises:
        UserError: one line naming the file, the sample, the value and the remedy.
    """
    try:
        with path.open(encoding="utf-8") as file:
            data = json.load(file)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; write one with `bevduet perceive`") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a results_nusc.json") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise UserError(f"{path}: not valid JSON ({error}); the file is truncated or damaged, write it again with"
                        " `bevduet perceive`") from None
    for key in ("meta", "results"):
        if not isinstance(data, dict) or not isinstance(data.get(key), dict):
            raise UserError(f"{path}: expected a JSON object with the objects `meta` and `results`, `{key}` is missing or wrong")
    for key in META_KEYS:
        if not isinstance(data["meta"].get(key), bool):
            raise UserError(f"{path}: meta.{key}: expected true or false, got {data['meta'].get(key)!r}")
    for token, boxes in data["results"].items():
        if not isinstance(boxes, list):
            raise UserError(f"{path}: sample {token}: expected a list of boxes, got {type(boxes).__name__}")
        if len(boxes) > MAX_BOXES_PER_SAMPLE:
            raise UserError(f"{path}: sample {token}: {len(boxes)} boxes, the official limit is {MAX_BOXES_PER_SAMPLE};"
                            " keep the best ones")
        for index, box in enumerate(boxes):
            problem = _box_problem(box, token)
            if problem:
                raise UserError(f"{path}: sample {token}, box {index}: {problem}")
    return dict(data)


def _box_problem(box: Any, token: str) -> str | None:
    if not isinstance(box, dict):
        return f"expected an object, got {type(box).__name__}"
    if box.get("sample_token") != token:
        return f"sample_token: expected {token!r}, got {box.get('sample_token')!r}"
    for key, length in BOX_LENGTHS.items():
        values = box.get(key)
        if not isinstance(values, list) or len(values) != length or not all(_is_number(v, key == "velocity") for v in values):
            return f"{key}: expected {length} finite numbers, got {values!r}"
    if not all(value > 0 for value in box["size"]):
        return f"size: expected positive width, length and height, got {box['size']!r}"
    if not any(box["rotation"]):
        return f"rotation: expected a quaternion w, x, y, z that is not zero, got {box['rotation']!r}"
    if box.get("detection_name") not in DETECTION_CLASSES:
        return f"detection_name: expected one of {list(DETECTION_CLASSES)}, got {box.get('detection_name')!r}"
    if not _is_number(box.get("detection_score")):
        return f"detection_score: expected a finite number, got {box.get('detection_score')!r}"
    if box.get("attribute_name") != "" and box.get("attribute_name") not in ATTRIBUTES:
        return f"attribute_name: expected \"\" or one of {list(ATTRIBUTES)}, got {box.get('attribute_name')!r}"
    return None


def _is_number(value: Any, nan_ok: bool = False) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and (abs(value) < float("inf") or (nan_ok and value != value))
