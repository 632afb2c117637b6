"""The fusion node at the rates of nuScenes: how old are detections when they arrive, what is the node's own share, does memory stay flat.

    python tools/bench/ros.py --dataroot data/nuscenes --version v1.0-mini [--seconds 300] [--transport compressed]
        [--param backend=openvino] [--json FILE]

Three processes over DDS: a source that sends the readings of a few keyframes in turn, stamped now, at 20 Hz (LiDAR) and 12 Hz (each camera,
triggered one after the other); the node, on the system's clock; and this one, which receives. `latency` is from the stamp of the sweep to the
arrival of the detections. `overhead` is what the node adds to inference: converting messages, undistorting, publishing; not the wait for
cameras that are on their way, nor for a network that is busy with the instant before. On a machine whose cores are all taken, most of it may
be the wait for one: `node's own` is the overhead without the time in which the answering thread was ready to run and the scheduler had given
the cores to others (this node's other threads among them); `cpu` is what was computed in it, by all threads. Last comes what was lost since the
start: readings on their way to the node, in it (frozen or damaged, or too late for any answer; most simply are older than others when an answer
is made), and answers on their way here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from ros_drops import Drops, count_drops, published_in
from ros_source import LIDAR_HZ
from ros_table import table

from fusion.files import write_text
from ros_nodes.environment import prepare, ros_available

NODE = "fusion_node"
INFERENCE = ("preprocess", "prepare", "network", "decode")
OVERHEAD = ("assemble", "publish", "draw")
OWN, CPU, STARVED = "node's own", "overhead_cpu", "overhead_starved"
SETTLE_S = 10.0
"""The first answers compile and allocate; they are not counted."""

LAST_REPORT_S = 3.0
"""After the last reading: its answer, and a report of the node's that counts it."""


def measure(args: argparse.Namespace) -> tuple[dict[str, Any], Drops]:
    """Run the three processes and return the numbers, and what was lost on the way."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from ros_nodes.conversion import message_class, sensors_used_from_msg, stamp_ns
    from ros_nodes.lifecycle_client import LifecycleClient
    from ros_nodes.processes import ProcessGroup

    lines: list[str] = []
    with ProcessGroup(lambda name, line: lines.append(f"[{name}] {line}")) as group:
        parameters = {"model": args.model, "transport": args.transport, "deadline_ms": args.deadline_ms, "threads": args.threads}
        given = dict(line.split("=", 1) for line in args.param)
        words = [word for key, value in {**parameters, **given}.items() for word in ("-p", f"{key}:={value}")]
        process = group.start(NODE, [sys.executable, "-m", f"ros_nodes.{NODE}", "--ros-args", "-r", f"__node:={NODE}", *words])
        with LifecycleClient() as client:
            client.state(NODE, 120)
            client.configure(NODE, 120)
            client.activate(NODE, 120)
        rclpy.init()
        node = rclpy.create_node("receiver")
        arrived: list[tuple[float, float, int]] = []  # monotonic seconds, latency in ms, boxes
        stages: list[tuple[float, dict[str, float], int]] = []

        def on_detections(message: Any) -> None:
            arrived.append((time.monotonic(), (time.time_ns() - stamp_ns(message.header.stamp)) * 1e-6, len(message.detections)))

        in_answers: Counter[str] = Counter()
        reports: list[Any] = []

        def on_report(message: Any) -> None:
            reports[:] = [message]

        def on_sensors(message: Any) -> None:
            values = {item.key: float(item.value) for status in message.status if status.name.endswith(": stages") for item in status.values}
            used = sensors_used_from_msg(message)
            in_answers.update(used)
            stages.append((time.monotonic(), values, len(used)))

        node.create_subscription(message_class("vision_msgs/msg/Detection3DArray"), f"/{NODE}/detections", on_detections, 10)
        node.create_subscription(message_class("diagnostic_msgs/msg/DiagnosticArray"), f"/{NODE}/sensors_used", on_sensors, 10)
        node.create_subscription(message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", on_report, 10)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        limit_s = time.monotonic() + 60
        while not (node.count_publishers(f"/{NODE}/detections") and reports) and time.monotonic() < limit_s and group.ended() is None:
            executor.spin_once(timeout_sec=0.1)
        sending = group.start("source", [sys.executable, str(Path(__file__).with_name("ros_source.py")), "--dataroot", str(args.dataroot),
                                         "--version", args.version, "--transport", args.transport])
        limit_s = time.monotonic() + 120
        while not arrived and time.monotonic() < limit_s and group.ended() is None:
            executor.spin_once(timeout_sec=0.1)
        if not arrived:
            raise SystemExit("ros: error: no detections arrived; the processes said:\n" + "\n".join(lines[-20:]))
        begin_s = time.monotonic() + SETTLE_S
        memory: list[tuple[float, float]] = []
        first: tuple[float, float, float] = (0.0, 0.0, 0.0)
        while time.monotonic() < begin_s + args.seconds and group.ended() is None:
            executor.spin_once(timeout_sec=0.05)
            if time.monotonic() >= begin_s and (not memory or time.monotonic() - memory[-1][0] > 1):
                if not memory:
                    first = _cpu_s(process.pid), _cpu_s(process.pid, receiving=True), time.monotonic()
                memory.append((time.monotonic(), _resident_mb(process.pid)))
        last = _cpu_s(process.pid), _cpu_s(process.pid, receiving=True), time.monotonic()
        cores, receiving = ((last[at] - first[at]) / (last[2] - first[2]) for at in (0, 1))
        ended = group.ended()
        if ended is None:
            group.end_one(sending)
            limit_s = time.monotonic() + LAST_REPORT_S
            while time.monotonic() < limit_s:
                executor.spin_once(timeout_sec=0.05)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    if ended is not None:
        raise SystemExit(f"ros: error: {ended[0]} ended with exit code {ended[1]}:\n" + "\n".join(lines[-20:]))
    drops = count_drops(published_in(lines), reports[0], in_answers, len(arrived))
    counted = [(latency, boxes) for at, latency, boxes in arrived if at >= begin_s]
    parts = [(values, used) for at, values, used in stages if at >= begin_s]
    sizes = np.array([size for _, size in memory])
    thirds = np.array_split(sizes, 3)
    named = {"latency": [latency for latency, _ in counted], "overhead": [sum(v.get(k, 0.0) for k in OVERHEAD) for v, _ in parts],
             OWN: [sum(v.get(k, 0.0) for k in OVERHEAD) - v.get(STARVED, 0.0) for v, _ in parts],
             "cpu": [v.get(CPU, 0.0) for v, _ in parts],
             "inference": [sum(v.get(k, 0.0) for k in INFERENCE) for v, _ in parts],
             **{stage: [v.get(stage, 0.0) for v, _ in parts] for stage in ("wait", "queue", *OVERHEAD, *INFERENCE)}}
    return {
        "seconds": args.seconds, "transport": args.transport, "model": args.model, "answers": len(counted),
        "answers_per_s": len(counted) / args.seconds, "sweeps": round(LIDAR_HZ * args.seconds),
        "boxes": float(np.mean([boxes for _, boxes in counted])),
        "sensors_used": float(np.mean([used for _, used in parts])), "cores": cores, "cores_receiving": receiving,
        "memory_mb": float(sizes.max()),
        "memory_by_minute_mb": [float(sizes[start:start + 60].mean().round(1)) for start in range(0, len(sizes), 60)],
        "memory_growth_mb": float(thirds[-1].mean() - thirds[1].mean()),
        "ms": {name: dict(zip(("p50", "p95", "p99", "max"), np.percentile(values, [50, 95, 99, 100]).round(2).tolist(), strict=True))
               for name, values in named.items()},
        "drops": asdict(drops),
    }, drops


def _cpu_s(pid: int, *, receiving: bool = False) -> float:
    """CPU seconds of a process so far, or of its first thread alone, which takes the messages."""
    stat = Path(f"/proc/{pid}/task/{pid}/stat" if receiving else f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="a data set in nuScenes' format, recorded or simulated")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--model", default="nano", help="shipped weights by name, a .safetensors file, or an exported folder (default: %(default)s)")
    parser.add_argument("--transport", choices=("raw", "compressed"), default="raw", help="of the images (default: %(default)s)")
    parser.add_argument("--deadline-ms", type=float, default=60.0, help="of the node (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="of the network (default: as many as torch chooses)")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="another parameter of the node; may be given again")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args()
    wrong = [line for line in args.param if "=" not in line]
    if wrong:
        parser.error(f"--param: expected NAME=VALUE, got {wrong[0]!r}")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    prepare()
    reason = ros_available()
    if reason is not None:
        print(f"ros: error: {reason}", file=sys.stderr)
        return 2
    result, drops = measure(args)
    print(f"{'milliseconds':14s}{'p50':>9s}{'p95':>9s}{'p99':>9s}{'max':>9s}")
    for name, row in result["ms"].items():
        print(f"{name:14s}" + "".join(f"{row[key]:9.2f}" for key in ("p50", "p95", "p99", "max")))
    print(f"{result['answers']} answers in {args.seconds:g} s ({result['answers_per_s']:.2f}/s of {LIDAR_HZ:g} sweeps/s), resting on"
          f" {result['sensors_used']:.2f} sensors, {result['boxes']:.0f} boxes; {result['cores']:.2f} cores, {result['cores_receiving']:.2f} of them"
          f" receiving\nmemory: at most {result['memory_mb']:.0f} MB, grown by {result['memory_growth_mb']:.1f} MB from the middle to the last third;"
          f" by minute {' '.join(f'{size:.0f}' for size in result['memory_by_minute_mb'])}")
    print(*drops.lines(), f"\n{table(result)}", sep="\n")
    if args.json:
        write_text(args.json, json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
