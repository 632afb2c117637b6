"""Does a replay over topics give what the files give: player -> fusion -> tracker against `bevduet perceive` and `track`, on every keyframe.

    python tools/replay_parity.py --dataroot data/nuscenes --version v1.0-mini --scene scene-0103

The player sends the keyframes, raw and then as JPEG, slowly enough that each is answered with all sensors; the files are read by the same
code as `bevduet perceive`. Prints the largest differences; the exit code is 1 where a keyframe is missing or a box differs by 1e-3 or more.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fusion.data.open import open_source
from fusion.geometry.boxes import transform_boxes
from fusion.runtime.backends.open import open_backend
from fusion.runtime.perceiver import Perceiver
from fusion.tracking import Tracker
from ros_nodes.environment import prepare, ros_available
from ros_nodes.matrix.same_boxes import Rows, compare
from ros_nodes.tracker_settings import read_tracker_config

FUSION, TRACKER, PLAYER = "fusion_node", "tracker_node", "player_node"
PATIENCE_S = 180.0
LAST_ANSWERS_S = 5.0


def from_files(args: argparse.Namespace) -> tuple[dict[int, Rows], dict[int, Rows], int]:
    """Detections and tracks by stamp, and how many sensors the rig has."""
    source = open_source(args.dataroot, args.version, [args.scene])
    perceiver, tracker = Perceiver(open_backend(args.model)), Tracker(read_tracker_config({}).tracker)
    detections, tracks, sensors = {}, {}, 0
    for token in source.tokens(args.scene):
        readings = source.load(token)
        found = perceiver.perceive(readings)
        sensors = max(sensors, len(found.sensors_used))
        assert readings.global_T_ego is not None
        placed = replace(found, boxes=transform_boxes(readings.global_T_ego, found.boxes), frame="global")
        followed = tracker.update(placed)
        detections[found.stamp_ns] = Rows.of(found)
        names = [f"{followed.classes[label]} {number}" for label, number in zip(followed.labels, followed.ids, strict=True)]
        tracks[found.stamp_ns] = Rows(boxes=followed.boxes[:, :7], scores=followed.scores, names=names)
    return detections, tracks, sensors


def replayed(args: argparse.Namespace, transport: str) -> tuple[dict[int, Rows], dict[int, Rows], dict[int, int]]:
    """Detections and tracks by stamp, and how many sensors each answer rests on."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import DurabilityPolicy, QoSProfile

    from ros_nodes.conversion import DETECTION_TYPE, detections_from_msg, ids_from_msg, message_class, sensors_used_from_msg, stamp_ns
    from ros_nodes.lifecycle_client import LifecycleClient
    from ros_nodes.processes import ProcessGroup

    detections: dict[int, Rows] = {}
    tracks: dict[int, Rows] = {}
    used: dict[int, int] = {}
    finished: list[bool] = []

    def take(store: dict[int, Rows], message: Any) -> None:
        found = detections_from_msg(message)
        names = [f"{found.classes[label]} {number}".strip() for label, number in zip(found.labels, ids_from_msg(message), strict=True)]
        store[found.stamp_ns] = Rows(boxes=found.boxes[:, :7], scores=found.scores, names=names)

    rclpy.init()
    node = rclpy.create_node("replay_parity")
    kind, latched = message_class(DETECTION_TYPE), QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(kind, f"/{FUSION}/detections", lambda message: take(detections, message), 50)
    node.create_subscription(kind, f"/{TRACKER}/tracks", lambda message: take(tracks, message), 50)
    node.create_subscription(message_class("diagnostic_msgs/msg/DiagnosticArray"), f"/{FUSION}/sensors_used",
                             lambda message: used.update({stamp_ns(message.header.stamp): len(sensors_used_from_msg(message))}), 50)
    node.create_subscription(message_class("std_msgs/msg/Bool"), f"/{PLAYER}/finished", lambda message: finished.append(message.data), latched)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    fusion = {"model": args.model, "transport": transport, "use_sim_time": "true", "reliable": "true", "deadline_ms": 400.0}
    player = {"dataroot": args.dataroot, "version": args.version, "scenes": args.scene, "transport": transport, "rate": args.rate,
              "sweeps": "false", "wait_for_subscribers": 60.0}
    show = (lambda name, line: print(f"[{name}] {line}", file=sys.stderr)) if args.verbose else lambda name, line: None
    with ProcessGroup(show) as group, LifecycleClient() as client:
        for name, parameters in ((FUSION, fusion), (TRACKER, {"use_sim_time": "true"}), (PLAYER, player)):
            words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
            group.start(name, [sys.executable, "-m", f"ros_nodes.{name}", "--ros-args", "-r", f"__node:={name}", *words])
        for name in (FUSION, TRACKER, PLAYER):
            client.configure(name, PATIENCE_S)
        limit_s = time.monotonic() + PATIENCE_S
        topics = (f"/{FUSION}/detections", f"/{FUSION}/sensors_used", f"/{TRACKER}/tracks")
        while not all(map(node.count_publishers, topics)) and time.monotonic() < limit_s:
            executor.spin_once(timeout_sec=0.1)
        for name in (FUSION, TRACKER, PLAYER):
            client.activate(name, PATIENCE_S)
        limit_s = time.monotonic() + PATIENCE_S + args.limit_s / args.rate
        while True not in finished and time.monotonic() < limit_s and group.ended() is None:
            executor.spin_once(timeout_sec=0.1)
        limit_s = time.monotonic() + LAST_ANSWERS_S
        while time.monotonic() < limit_s:
            executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()
    return detections, tracks, used


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="a data set in nuScenes' format, recorded or simulated")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--scene", required=True, help="name of the scene")
    parser.add_argument("--model", default="nano", help="as of `bevduet perceive` (default: %(default)s)")
    parser.add_argument("--transports", default="raw,compressed", help="of the images, comma-separated (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.5, help="of the player; a loaded machine needs less (default: %(default)s)")
    parser.add_argument("--limit-s", type=float, default=60.0, help="no scene is longer (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="show the output of the nodes")
    args = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    prepare()
    reason = ros_available()
    if reason is not None:
        print(f"replay_parity: error: {reason}", file=sys.stderr)
        return 2
    detections, tracks, sensors = from_files(args)
    good = True
    for transport in args.transports.split(","):
        got, followed, used = replayed(args, transport)
        whole: Mapping[int, Rows] = {stamp: rows for stamp, rows in got.items() if used.get(stamp) == sensors}
        for what, comparison in (("detections", compare(whole, detections)), ("tracks", compare(followed, tracks))):
            good &= comparison.same
            print(f"{transport} {what}: {comparison.line()}", *comparison.faults[:5], sep="\n  ", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
