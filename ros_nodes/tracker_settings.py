"""ROS parameters of the tracker node -> a checked `TrackerNodeConfig`; every impossible value is a `UserError` that names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion.config import apply_sets, from_mapping
from fusion.errors import UserError
from fusion.tracking import TRACKING_CLASSES, TrackerConfig
from ros_nodes.parameter_checks import BUILT_IN, ns, number, suggest, text, texts

PARAMETERS: Mapping[str, tuple[Any, str]] = {
    "detections_topic": ("fusion_node/detections", "vision_msgs/Detection3DArray to follow"),
    "fixed_frame": ("odom", "the frame in which the ego moves and tracks are given; empty: the ego stands still, tracks stay in its frame"),
    "tf_wait_ms": (300.0, "how long detections wait for the transform of their stamp; then they are dropped, and counted"),
    "method": ("kalman", "kalman or greedy"),
    "classes": (list(TRACKING_CLASSES), "classes to follow; [\"\"]: all"),
    "min_score": (0.3, "detections below are left out"),
    "min_hits": (2, "a track is published from this many detections on"),
    "max_unseen_s": (1.6, "a track that was not detected for longer ends"),
    "report_unseen_s": (0.0, "tracks are also published while they were not detected for up to so long"),
    "overrides": ([], "KEY=VALUE lines as of `bevduet track --set`, such as min_scores.pedestrian=0.4 or gates_m.car=3.0"),
}
"""Name -> default and description."""

_OF_THE_TRACKER = ("method", "min_score", "min_hits", "max_unseen_s", "report_unseen_s")
_TOPIC = re.compile(r"(~/|/)?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, kw_only=True)
class TrackerNodeConfig:
    """What the tracker node was asked to do."""

    detections_topic: str
    fixed_frame: str
    tf_wait_ns: int
    tracker: TrackerConfig


def read_tracker_config(values: Mapping[str, Any]) -> TrackerNodeConfig:
    """Check the node's parameters.

    Args:
        values: parameter name -> value, as set; absent ones take their defaults.

    Raises:
        UserError: an unknown parameter, or a value of the wrong type or out of range.
    """
    given = {name: value for name, value in values.items() if not name.startswith(BUILT_IN) and value is not None}
    for name in given:
        if name not in PARAMETERS:
            raise UserError(f"{name}: unknown parameter{suggest(name, PARAMETERS)}")
    settled = {name: default for name, (default, _) in PARAMETERS.items()} | given
    mapping: dict[str, Any] = {name: settled[name] for name in _OF_THE_TRACKER} | {"classes": list(texts("classes", settled["classes"]))}
    number("min_score", mapping["min_score"])
    config = from_mapping(TrackerConfig, apply_sets(mapping, texts("overrides", settled["overrides"])))
    if config.use_detected_velocity:
        raise UserError("overrides: use_detected_velocity: expected false, got true; vision_msgs carries no velocities, they are estimated")
    topic = text("detections_topic", settled["detections_topic"])
    if not _TOPIC.fullmatch(topic):
        raise UserError(f"detections_topic: expected the name of a topic, such as {PARAMETERS['detections_topic'][0]}, got {topic!r}")
    return TrackerNodeConfig(detections_topic=topic,
                             fixed_frame=text("fixed_frame", settled["fixed_frame"], empty=True).lstrip("/"),
                             tf_wait_ns=ns("tf_wait_ms", settled["tf_wait_ms"], least=0.0), tracker=config)
