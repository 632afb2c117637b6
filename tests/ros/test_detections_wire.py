"""Detections written straight as bytes: read back by ROS they are the message that the message classes give."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.types import DETECTION_CLASSES, Detections
from ros_nodes.conversion import DETECTION_TYPE, detections_msg, message_available, message_class, rclpy_make
from ros_nodes.detections_wire import detections_bytes


@pytest.mark.parametrize("count", [0, 1, 41])
@pytest.mark.parametrize("frame", ["", "base_link", "robot_1/base"])
@pytest.mark.usefixtures("needs_ros")
def test_bytes_are_the_message(count: int, frame: str) -> None:
    from rclpy.serialization import deserialize_message, serialize_message

    if not message_available(DETECTION_TYPE):
        pytest.skip("vision_msgs is not installed")
    rng = np.random.default_rng(count)
    boxes = rng.normal(size=(count, 9)).astype(np.float32)
    boxes[:, 3:6] = np.abs(boxes[:, 3:6]) + 0.1
    detections = Detections(boxes=boxes, scores=rng.uniform(size=count).astype(np.float32), labels=rng.integers(0, 10, count),
                            attributes=("",) * count, stamp_ns=1_535_639_716_699_138_001, sensors_used=(), classes=DETECTION_CLASSES)
    kind = message_class(DETECTION_TYPE)
    wanted = serialize_message(detections_msg(rclpy_make, detections, frame_id=frame))
    written = detections_bytes(detections, frame_id=frame)
    assert len(written) == len(wanted)
    assert deserialize_message(written, kind) == deserialize_message(wanted, kind)
