"""The message packages that tools/build_ros_interfaces.sh builds: the types of upstream, so that others understand them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ros_nodes.environment import has_wheels

REPO = Path(__file__).resolve().parents[2]
INTERFACES = REPO / "tools/ros_interfaces"

UPSTREAM = {  # type hashes of ROS 2 Jazzy's own packages
    "tf2_msgs/msg/TFMessage": "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "vision_msgs/msg/Detection3DArray": "RIHS01_793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018",
    "vision_msgs/msg/ObjectHypothesisWithPose": "RIHS01_41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc",
}


@pytest.mark.parametrize("kind", UPSTREAM)
def test_definitions_have_upstreams_hash(kind: str) -> None:
    """From the .msg files, by another implementation than the one that builds them."""
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(INTERFACES.glob("*/msg/*.msg")):
        types |= typesys.get_types_from_msg(path.read_text(), f"{path.parts[-3]}/msg/{path.stem}")
    store.register(types)
    assert store.hash_rihs01(kind) == UPSTREAM[kind]


def test_every_message_is_built() -> None:
    for package in INTERFACES.iterdir():
        listed = set(re.findall(r"msg/\w+\.msg", (package / "CMakeLists.txt").read_text()))
        assert listed == {f"msg/{path.name}" for path in (package / "msg").iterdir()}


@pytest.mark.usefixtures("needs_ros")
@pytest.mark.parametrize("kind", UPSTREAM)
def test_built_types_have_upstreams_hash(kind: str) -> None:
    import sys

    if not has_wheels():
        pytest.skip("a full ROS 2 has its own vision_msgs and tf2_msgs")
    described = Path(sys.prefix, "share", f"{kind}.json")
    if not described.exists():
        pytest.skip(f"{kind} is not built: tools/build_ros_interfaces.sh")
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(described.read_text())["type_hashes"]}
    assert hashes[kind] == UPSTREAM[kind]


def test_boxes_and_transforms_travel(ros: Any) -> None:
    tf2_msgs, vision_msgs = pytest.importorskip("tf2_msgs.msg"), pytest.importorskip("vision_msgs.msg")
    from geometry_msgs.msg import TransformStamped

    boxes, transforms = vision_msgs.Detection3DArray(), tf2_msgs.TFMessage(transforms=[TransformStamped(child_frame_id="cam_front")])
    hypothesis = vision_msgs.ObjectHypothesisWithPose(hypothesis=vision_msgs.ObjectHypothesis(class_id="car", score=0.5))
    box = vision_msgs.Detection3D(results=[hypothesis], id="7")
    box.bbox.center.position.x, box.bbox.size.x = 12.5, 4.0
    boxes.detections = [box]
    for topic, message in (("/boxes", boxes), ("/transforms", transforms)):
        received = ros.subscribe(topic, type(message))
        ros.advertise(topic, type(message)).publish(message)
        ros.spin_until(lambda received=received: received, f"a message on {topic}")
        assert received == [message]
