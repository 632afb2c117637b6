"""Detections and tracks, to and from messages, and their pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from fusion.errors import BadSensorData
from fusion.types import DETECTION_CLASSES, Detections
from fusion.types.tracks import Tracks
from ros_nodes.conversion.factories import Make
from ros_nodes.conversion.frames import header_msg, pose_msg, stamp_ns, vector_msg, yaw_from_quaternion

DETECTION_TYPE = "vision_msgs/msg/Detection3DArray"

_COLOURS = ((0.95, 0.55, 0.15), (0.90, 0.35, 0.20), (0.85, 0.25, 0.45), (0.70, 0.40, 0.85), (0.60, 0.55, 0.20), (0.20, 0.55, 0.95),
            (0.15, 0.75, 0.75), (0.20, 0.80, 0.40), (0.95, 0.85, 0.20), (0.60, 0.60, 0.65))
"""RGB by label, in the order of `DETECTION_CLASSES`; further labels start again."""

_NAMESPACES = ("box", "heading", "label")
_ARROW, _CUBE, _TEXT, _ADD, _DELETE = 0, 1, 9, 0, 2


def detections_msg(make: Make, detections: Detections, *, frame_id: str) -> Any:
    """`vision_msgs/Detection3DArray`: boxes with their class name and score; size x y z is length, width, height.

    The message has no place for velocity and attributes; they are left out.

    Args:
        make: see `Make`.
        detections: M boxes.
        frame_id: the frame that the boxes are in.
    """
    return _array(make, detections, [""] * len(detections), frame_id)


def tracks_msg(make: Make, tracks: Tracks, *, frame_id: str) -> Any:
    """As `detections_msg`, each box with the id of its track."""
    return _array(make, tracks, [str(number) for number in tracks.ids], frame_id)


def _array(make: Make, found: Detections | Tracks, ids: Sequence[str], frame_id: str) -> Any:
    header = header_msg(make, found.stamp_ns, frame_id)
    return make(DETECTION_TYPE, {"header": header, "detections": [
        _detection(make, header, box, found.classes[label], float(score), identity)
        for box, score, label, identity in zip(found.boxes, found.scores, found.labels, ids, strict=True)]})


def _detection(make: Make, header: Any, box: np.ndarray, name: str, score: float, identity: str) -> Any:
    centre = pose_msg(make, box[:3], box[6])
    hypothesis = make("vision_msgs/msg/ObjectHypothesisWithPose", {
        "hypothesis": make("vision_msgs/msg/ObjectHypothesis", {"class_id": name, "score": score}),
        "pose": make("geometry_msgs/msg/PoseWithCovariance", {"pose": centre})})
    return make("vision_msgs/msg/Detection3D", {
        "header": header, "results": [hypothesis], "id": identity,
        "bbox": make("vision_msgs/msg/BoundingBox3D", {"center": centre, "size": vector_msg(make, box[3:6])})})


def detections_from_msg(message: Any, *, frame: str = "ego", classes: tuple[str, ...] = DETECTION_CLASSES) -> Detections:
    """Boxes of a `vision_msgs/Detection3DArray`, each with its best hypothesis; velocity is 0, `sensors_used` empty.

    Args:
        message: the message.
        frame: which of "ego" and "global" the message's frame is.
        classes: class names that labels count in.

    Raises:
        BadSensorData: a class that is not among `classes`, no hypothesis, or a box that is impossible.
    """
    count = len(message.detections)
    boxes, scores, labels = np.zeros((count, 9), np.float32), np.zeros(count, np.float32), np.zeros(count, np.int64)
    for index, detection in enumerate(message.detections):
        if not detection.results:
            raise BadSensorData(f"detection {index} of {count}: no result; expected a class and a score")
        best = max((result.hypothesis for result in detection.results), key=lambda hypothesis: float(hypothesis.score))
        if best.class_id not in classes:
            raise BadSensorData(f"detection {index} of {count}: class {best.class_id!r}; expected one of {', '.join(classes)}")
        labels[index], scores[index] = classes.index(best.class_id), best.score
        centre, size = detection.bbox.center, detection.bbox.size
        boxes[index, :7] = (centre.position.x, centre.position.y, centre.position.z, size.x, size.y, size.z,
                            yaw_from_quaternion(centre.orientation))
    try:
        return Detections(boxes=boxes, scores=scores, labels=labels, attributes=("",) * count, stamp_ns=stamp_ns(message.header.stamp),
                          sensors_used=(), frame=frame, classes=classes)
    except ValueError as error:
        raise BadSensorData(str(error)) from None


def ids_from_msg(message: Any) -> tuple[str, ...]:
    """The id of each detection of a `vision_msgs/Detection3DArray`, "" where it has none."""
    return tuple(str(detection.id) for detection in message.detections)


def marker_ids(found: Detections | Tracks) -> tuple[int, ...]:
    """The numbers of the markers that `markers_msg` makes: those of the tracks, or 0 to M - 1."""
    return tuple(found.ids.tolist()) if isinstance(found, Tracks) else tuple(range(len(found)))


def markers_msg(make: Make, found: Detections | Tracks, *, frame_id: str, shown: Collection[int] = (), lifetime_s: float = 1.0) -> Any:
    """`visualization_msgs/MarkerArray`: a box, an arrow along its heading and a line of text for each detection or track.

    Args:
        make: see `Make`.
        found: M boxes; tracks show their id, detections their score.
        frame_id: the frame that the boxes are in.
        shown: `marker_ids` of what the message before left on display; those that are not here again are deleted.
        lifetime_s: after this time without a new message a viewer removes the boxes, so that nothing stays when the sender ends; 0 keeps them.
    """
    header, numbers = header_msg(make, found.stamp_ns, frame_id), marker_ids(found)
    gone = [{"ns": namespace, "id": number, "action": _DELETE} for number in sorted(set(shown) - set(numbers)) for namespace in _NAMESPACES]
    sec, nanosec = divmod(round(lifetime_s * 1e9), 1_000_000_000)
    lifetime = make("builtin_interfaces/msg/Duration", {"sec": sec, "nanosec": nanosec})
    markers: list[dict[str, Any]] = []
    for number, box, score, label in zip(numbers, found.boxes, found.scores, found.labels, strict=True):
        text = f"{found.classes[label]} #{number}" if isinstance(found, Tracks) else f"{found.classes[label]} {score:.2f}"
        markers += _markers(make, box, number, int(label), text)
    shared = {"header": header, "lifetime": lifetime}
    return make("visualization_msgs/msg/MarkerArray", {
        "markers": [make("visualization_msgs/msg/Marker", {"header": header, **marker}) for marker in gone]
        + [make("visualization_msgs/msg/Marker", {**shared, **marker}) for marker in markers]})


def _markers(make: Make, box: np.ndarray, number: int, label: int, text: str) -> list[dict[str, Any]]:
    red, green, blue = _COLOURS[label % len(_COLOURS)]
    colours = [make("std_msgs/msg/ColorRGBA", {"r": red, "g": green, "b": blue, "a": alpha}) for alpha in (0.45, 0.9, 1.0)]
    length, _, height = (float(size) for size in box[3:6])
    above = (box[0], box[1], float(box[2]) + 0.5 * height + 0.4)
    reach = max(0.75 * length, 0.6)  # from the centre to a little beyond the front
    kinds: tuple[tuple[int, Any, Any, str], ...] = (
        (_CUBE, pose_msg(make, box[:3], box[6]), box[3:6], ""),
        (_ARROW, pose_msg(make, box[:3], box[6]), (reach, 0.12, 0.12), ""),
        (_TEXT, pose_msg(make, above, 0.0), (0.0, 0.0, 0.6), text),
    )
    return [{"ns": namespace, "id": number, "type": kind, "action": _ADD, "pose": place, "scale": vector_msg(make, size), "color": colour,
             "text": words} for namespace, colour, (kind, place, size, words) in zip(_NAMESPACES, colours, kinds, strict=True)]
