"""Sends a few keyframes in turn, stamped now, at the rates of nuScenes' sensors until it is interrupted; then it says what it has sent.

    python tools/bench/ros_source.py --dataroot data/nuscenes --version v1.0-mini

A part of tools/bench/ros.py, in a process of its own.
"""

from __future__ import annotations

import argparse
import heapq
import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ros_drops import PUBLISHED

LIDAR_HZ, CAMERA_HZ, TF_HZ = 20.0, 12.0, 50.0
KEYFRAMES = 4
DISCOVERY_S = 30.0
ON_THE_WAY_S = 0.5


def send(dataroot: Path, version: str, transport: str) -> Counter[str]:
    """Send until SIGINT or SIGTERM; returns how many readings of each sensor."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from ros_nodes.conversion import Transform, message_class, tf_msg
    from ros_nodes.player_codec import rclpy_codec, restamped
    from ros_nodes.player_events import RootSource
    from ros_nodes.player_lifecycle import qos_of
    from ros_nodes.player_root import Recording
    from ros_nodes.player_topics import BASE_FRAME, FIXED_FRAME, STATIC_TOPIC, TF, TF_TOPIC

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("source")
    codec = rclpy_codec()
    recording = RootSource(Recording(dataroot, version, sweeps=False), codec, transport=transport, warn=print)
    publishers = {topic.name: node.create_publisher(message_class(topic.kind), topic.name, qos_of(topic)) for topic in recording.topics}
    owner = {topic: name for name, sensor in recording.sensors.items() for topic in sensor.topics}
    readings: dict[str, list[list[tuple[str, bytes]]]] = {name: [] for name in recording.sensors}
    for event in recording.events():
        if event.topic == STATIC_TOPIC.name:
            publishers[event.topic].publish(event.data)
        elif event.topic in owner:
            kept, messages = readings[owner[event.topic]], len(recording.sensors[owner[event.topic]].topics)
            if not kept or len(kept[-1]) == messages:
                kept.append([])
            kept[-1].append((event.topic, event.data))
        if all(len(kept) > KEYFRAMES for kept in readings.values()):
            break
    end_s = time.monotonic() + DISCOVERY_S  # what is sent before is lost, and nobody dropped it
    while not all(publishers[topic].get_subscription_count() for topic in owner) and time.monotonic() < end_s:
        time.sleep(0.05)
    rates = {name: LIDAR_HZ if recording.sensors[name].modality == "lidar" else CAMERA_HZ for name in readings}
    start_s = time.monotonic() + 1.0
    due = [(start_s + index / (len(rates) * CAMERA_HZ), 0, name) for index, name in enumerate(rates)] + [(start_s, 0, "")]
    heapq.heapify(due)
    sent, stop = Counter[str](), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())  # between two readings, not amid one
    while not stop.is_set():
        when_s, count, name = heapq.heappop(due)
        time.sleep(max(when_s - time.monotonic(), 0))
        now_ns = time.time_ns()
        still = Transform(parent=FIXED_FRAME, child=BASE_FRAME, stamp_ns=now_ns, rotation_wxyz=(1, 0, 0, 0), translation_m=(0, 0, 0))
        publishers[TF_TOPIC.name].publish(codec.encode(TF, tf_msg(codec.make, [still])))
        if name:
            for topic, data in readings[name][count % KEYFRAMES]:
                publishers[topic].publish(restamped(data, now_ns))
            sent[name] += 1
        heapq.heappush(due, (max(when_s + 1 / rates.get(name, TF_HZ), time.monotonic() - 0.1), count + 1, name))
    time.sleep(ON_THE_WAY_S)
    return sent


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="a data set in nuScenes' format, recorded or simulated")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--transport", choices=("raw", "compressed"), default="raw", help="of the images (default: %(default)s)")
    args = parser.parse_args()
    print(PUBLISHED + json.dumps(send(args.dataroot, args.version, args.transport)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
