"""Objects followed over time: the boxes of one instant with identities that stay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fusion.types.checks import check_shape
from fusion.types.detections import BOX_FIELDS, DETECTION_CLASSES


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """Tracked boxes of one instant, best first.

    Attributes:
        boxes: `(N, 9)` float64, columns `BOX_FIELDS`, in the fixed frame (float32 would lose 0.1 mm at global coordinates).
        ids: `(N,)` int64 > 0, one per object, the same as long as it is followed and never given to another one.
        scores: `(N,)` float32 in [0, 1], of the latest detection.
        labels: `(N,)` int64 indices into `classes`.
        age_s: `(N,)` float64 seconds since the object's first detection.
        unseen_s: `(N,)` float64 seconds since its latest detection; 0 where it was detected at this instant.
        hits: `(N,)` int64 >= 1, detections so far.
        stamp_ns: the time the boxes are valid for.
        sensors_used: names of the sensors that this instant's detections rest on.
        frame: "global", a frame that does not move with the vehicle.
        token: the instant's name in its data set.
    """

    boxes: np.ndarray
    ids: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    age_s: np.ndarray
    unseen_s: np.ndarray
    hits: np.ndarray
    stamp_ns: int
    sensors_used: tuple[str, ...] = ()
    frame: str = "global"
    token: str = ""
    classes: tuple[str, ...] = field(default=DETECTION_CLASSES)

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("boxes", self.boxes, ("N", len(BOX_FIELDS)), dims)
        for name in ("ids", "scores", "labels", "age_s", "unseen_s", "hits"):
            check_shape(name, getattr(self, name), ("N",), dims)
        if not len(self.boxes):
            return
        if not np.isfinite(self.boxes).all() or not np.isfinite(self.scores).all():
            raise ValueError("tracks: expected finite boxes and scores, got NaN or infinity")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise ValueError(f"labels: expected indices into {len(self.classes)} classes, got {self.labels.min()}..{self.labels.max()}")
        if self.ids.min() < 1 or len(np.unique(self.ids)) != len(self.ids):
            raise ValueError(f"ids: expected positive and unique ones, got {self.ids.tolist()}")

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls, *, stamp_ns: int, token: str = "", frame: str = "global", sensors_used: tuple[str, ...] = (),
              classes: tuple[str, ...] = DETECTION_CLASSES) -> Tracks:
        """No track."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(boxes=np.zeros((0, len(BOX_FIELDS))), ids=whole, scores=real.astype(np.float32), labels=whole, age_s=real, unseen_s=real,
                   hits=whole, stamp_ns=stamp_ns, token=token, frame=frame, sensors_used=sensors_used, classes=classes)

    @classmethod
    def example(cls) -> Tracks:
        """One car, seen twice, driving along x."""
        return cls(boxes=np.array([[10, 0, 1, 4, 2, 1.5, 0, 5, 0]], np.float64), ids=np.array([1]), scores=np.array([0.9], np.float32),
                   labels=np.array([0]), age_s=np.array([0.5]), unseen_s=np.array([0.0]), hits=np.array([2]), stamp_ns=0,
                   sensors_used=("LIDAR_TOP",))
