"""What the nodes send out: markers for those who look alone, and bytes for the message package that is installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy")

from fusion.types import Detections
from ros_nodes import publishing
from ros_nodes.conversion import DETECTION_TYPE, message_available
from ros_nodes.detections_wire import detections_bytes
from ros_nodes.marker_publishing import MarkerPublisher

DELETE = 2  # visualization_msgs/msg/Marker


class Sent:
    """A publisher, and the node that has it."""

    def __init__(self) -> None:
        self.subscribers = 0
        self.sent: list[Any] = []
        self.create_publisher = lambda kind, topic, depth: self
        self.publish = self.sent.append

    def get_subscription_count(self) -> int:
        return self.subscribers


@pytest.mark.usefixtures("needs_ros")
def test_markers_stop_when_nobody_looks_any_more() -> None:
    node: Any = Sent()
    markers, found = MarkerPublisher(node, 5), Detections.example()
    markers.publish(found, frame_id="base_link")
    assert not node.sent and not markers.wanted
    node.subscribers = 1
    markers.publish(found, frame_id="base_link")
    node.subscribers = 0
    for _ in range(3):
        markers.publish(found, frame_id="base_link")
    drawn, deleted = node.sent
    assert len(drawn.markers) == 3 * len(found) and not markers.wanted
    assert [marker.action for marker in deleted.markers] == [DELETE] * 3 * len(found)


@pytest.mark.usefixtures("needs_ros")
def test_another_version_of_the_messages_is_sent_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    if not message_available(DETECTION_TYPE):
        pytest.skip("vision_msgs is not installed")
    node: Any = SimpleNamespace(create_publisher=lambda kind, topic, depth: SimpleNamespace())
    assert publishing.bytes_fit() and publishing.AnswerPublisher(node, "base_link", 0.3).notes == ()
    write = detections_bytes
    for wrong in (lambda *args, **kwargs: write(*args, **kwargs) + bytes(8), lambda *args, **kwargs: write(*args, **kwargs)[:40]):
        monkeypatch.setattr(publishing, "detections_bytes", wrong)
        assert not publishing.bytes_fit()
    (note,) = publishing.AnswerPublisher(node, "base_link", 0.3).notes
    assert note.startswith("the installed vision_msgs has another vision_msgs/msg/Detection3DArray")
