"""What comes out: boxes of one instant, and the ground truth in the same form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fusion.types.checks import check_shape

BOX_FIELDS = ("x", "y", "z", "l", "w", "h", "yaw", "vx", "vy")
"""Columns of every box array: gravity centre (m), length/width/height (m), yaw about +z from +x (rad), velocity (m/s)."""

DETECTION_CLASSES = ("car", "truck", "bus", "trailer", "construction_vehicle", "pedestrian", "motorcycle", "bicycle",
                     "traffic_cone", "barrier")
"""nuScenes' ten detection classes."""

ATTRIBUTES = ("vehicle.moving", "vehicle.parked", "vehicle.stopped", "cycle.with_rider", "cycle.without_rider",
              "pedestrian.moving", "pedestrian.standing", "pedestrian.sitting_lying_down")
"""nuScenes' attributes; "" stands for none."""


def _check_boxes(boxes: np.ndarray, labels: np.ndarray, attributes: tuple[str, ...], classes: tuple[str, ...]) -> None:
    dims: dict[str, int] = {}
    check_shape("boxes", boxes, ("M", len(BOX_FIELDS)), dims)
    check_shape("labels", labels, ("M",), dims)
    if len(attributes) != dims["M"]:
        raise ValueError(f"attributes: expected {dims['M']} names, got {len(attributes)}")
    if dims["M"] and (labels.min() < 0 or labels.max() >= len(classes)):
        raise ValueError(f"labels: expected indices into {len(classes)} classes, got {labels.min()}..{labels.max()}")
    if dims["M"] and (boxes[:, 3:6] <= 0).any():
        raise ValueError(f"boxes: expected positive length, width and height, got {boxes[(boxes[:, 3:6] <= 0).any(1)][0].tolist()}")


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Detected boxes of one instant, best first.

    Attributes:
        boxes: `(M, 9)` float32, columns `BOX_FIELDS`, in `frame`.
        scores: `(M,)` float32 in [0, 1].
        labels: `(M,)` int64 indices into `classes`.
        attributes: M names of `ATTRIBUTES` or "".
        stamp_ns: the time the boxes are valid for.
        sensors_used: names of the sensors this answer rests on.
        frame: "ego" (at `stamp_ns`) or "global".
        token: the instant's name in its data set.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    attributes: tuple[str, ...]
    stamp_ns: int
    sensors_used: tuple[str, ...]
    frame: str = "ego"
    token: str = ""
    classes: tuple[str, ...] = field(default=DETECTION_CLASSES)

    def __post_init__(self) -> None:
        check_shape("scores", self.scores, (len(self.boxes),), {})
        _check_boxes(self.boxes, self.labels, self.attributes, self.classes)
        if not np.isfinite(self.boxes).all() or not np.isfinite(self.scores).all():
            raise ValueError("detections: expected finite boxes and scores, got NaN or infinity")

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls, *, stamp_ns: int, token: str = "", classes: tuple[str, ...] = DETECTION_CLASSES) -> Detections:
        """No boxes, resting on no sensor."""
        return cls(boxes=np.zeros((0, 9), np.float32), scores=np.zeros(0, np.float32), labels=np.zeros(0, np.int64),
                   attributes=(), stamp_ns=stamp_ns, sensors_used=(), token=token, classes=classes)

    @classmethod
    def example(cls) -> Detections:
        """One car 10 m ahead."""
        return cls(boxes=np.array([[10, 0, 1, 4, 2, 1.5, 0, 0, 0]], np.float32), scores=np.array([0.9], np.float32),
                   labels=np.array([0]), attributes=("vehicle.parked",), stamp_ns=0, sensors_used=("LIDAR_TOP",))


@dataclass(frozen=True, kw_only=True)
class GroundTruth:
    """Annotated boxes of one instant, ego frame at the reference stamp.

    Attributes:
        boxes: `(M, 9)` float32, columns `BOX_FIELDS`; velocity NaN where unknown.
        labels: `(M,)` int64 indices into `classes`.
        attributes: M names of `ATTRIBUTES` or "".
        num_lidar_pts: `(M,)` int64 points of one sweep inside the box; -1 where unknown.
        visibility: `(M,)` int64, 1 (0-40 %) to 4 (80-100 %) as in nuScenes; 0 where unknown.
        tokens: M instance names, or "" each.
        num_radar_pts: `(M,)` int64 radar returns inside the box; None where the data set counts none.
    """

    boxes: np.ndarray
    labels: np.ndarray
    attributes: tuple[str, ...]
    num_lidar_pts: np.ndarray
    visibility: np.ndarray
    tokens: tuple[str, ...] = ()
    classes: tuple[str, ...] = field(default=DETECTION_CLASSES)
    num_radar_pts: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check_boxes(self.boxes, self.labels, self.attributes, self.classes)
        check_shape("num_lidar_pts", self.num_lidar_pts, (len(self.boxes),), {})
        check_shape("visibility", self.visibility, (len(self.boxes),), {})
        if self.num_radar_pts is not None:
            check_shape("num_radar_pts", self.num_radar_pts, (len(self.boxes),), {})

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def num_points(self) -> np.ndarray:
        """`(M,)` int64 LiDAR and radar points inside, as the official nuScenes score counts them; -1 where unknown."""
        radar = 0 if self.num_radar_pts is None else self.num_radar_pts
        return np.where(self.num_lidar_pts < 0, -1, self.num_lidar_pts + radar)

    def select(self, keep: np.ndarray) -> GroundTruth:
        """The boxes at a boolean mask or an index array `(K,)`."""
        index = np.flatnonzero(keep) if keep.dtype == bool else keep
        return GroundTruth(
            boxes=self.boxes[index], labels=self.labels[index], attributes=tuple(self.attributes[i] for i in index),
            num_lidar_pts=self.num_lidar_pts[index], visibility=self.visibility[index],
            tokens=tuple(self.tokens[i] for i in index) if self.tokens else (), classes=self.classes,
            num_radar_pts=None if self.num_radar_pts is None else self.num_radar_pts[index],
        )

    def in_classes(self, classes: tuple[str, ...]) -> GroundTruth:
        """The boxes of the given classes, labelled by their place in `classes`; boxes of other classes are left out."""
        place = {name: index for index, name in enumerate(classes)}
        labels = np.array([place.get(name, -1) for name in self.classes], np.int64)[self.labels]
        return replace(self, labels=np.maximum(labels, 0), classes=classes).select(labels >= 0)

    @classmethod
    def example(cls) -> GroundTruth:
        """One parked car 10 m ahead."""
        return cls(boxes=np.array([[10, 0, 1, 4, 2, 1.5, 0, 0, 0]], np.float32), labels=np.array([0]),
                   attributes=("vehicle.parked",), num_lidar_pts=np.array([50]), visibility=np.array([4]), tokens=("a",))
