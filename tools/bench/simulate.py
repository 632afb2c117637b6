"""What a simulated keyframe takes: its world's share, one sweep, six images.

    python tools/bench/simulate.py [--scales 1.0,0.25] [--scenes 2] [--keyframes 3] [--weather day] [--seed 1] [--out FILE]

Prints medians over keyframes in wall and processor seconds, a row per image scale; a scene's world and search trees are made once and their
time is shared by its keyframes (40 in 20 seconds). Uses one thread, as each worker of `bevduet simulate` does: with two workers on two cores
a keyframe takes half of what is said here. Sweeps between keyframes (`--sweeps`) take as long as a keyframe's; nine come before each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np

from fusion.files import write_text
from fusion.simulate.camera.simulator import CameraSimulator
from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.rig import Rig, nuscenes_rig
from fusion.simulate.world.build import build_scenery

KEYFRAMES = 40
"""Of a scene of 20 seconds."""

T = TypeVar("T")
Times = dict[str, list[tuple[float, float]]]


def timed(times: Times, name: str, work: Callable[[], T]) -> T:
    """Do it and note wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    times.setdefault(name, []).append((time.perf_counter() - wall, time.process_time() - processor))
    return result


def measure(rigs: dict[float, Rig], seed: int, weather: str, keyframes: int) -> Times:
    """One scene."""
    times: Times = {}
    mount = nuscenes_rig().lidar
    assert mount is not None
    scenery = timed(times, "world", lambda: build_scenery(seed, weather, 20.0))  # type: ignore[arg-type]
    lidar = timed(times, "search trees", lambda: LidarSimulator(scenery, mount))
    camera = timed(times, "camera's tables", lambda: CameraSimulator(scenery))
    for t_s in np.linspace(1.0, 19.0, keyframes).tolist():
        timed(times, "sweep", lambda t_s=t_s: lidar.sweep(t_s, np.random.default_rng(0)))
        for scale, rig in rigs.items():
            timed(times, f"images {scale:g}", lambda t_s=t_s, rig=rig: [camera.render(eye, t_s, np.random.default_rng(0)) for eye in rig.cameras])
    return times


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", default="1.0,0.25", help="of the images' sides")
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--keyframes", type=int, default=3, help="measured in each scene, after one that warms up")
    parser.add_argument("--weather", default="day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    scales = [float(scale) for scale in args.scales.split(",")]
    rigs = {scale: nuscenes_rig().scaled(scale) for scale in scales}
    every: Times = {}
    for scene in range(args.scenes):
        for name, values in measure(rigs, args.seed + scene, args.weather, args.keyframes + 1).items():
            every.setdefault(name, []).extend(values[1:] if len(values) > 1 else values)
    medians = {name: [statistics.median(column) for column in zip(*values, strict=True)] for name, values in every.items()}
    print(f"{'seconds':<34}{'wall':>8}{'processor':>12}")
    for name, (wall, processor) in medians.items():
        print(f"{name:<34}{wall:8.3f}{processor:12.3f}")
    once = [sum(medians[name][column] for name in ("world", "search trees", "camera's tables")) / KEYFRAMES for column in (0, 1)]
    for scale in scales:
        total = [once[column] + medians["sweep"][column] + medians[f"images {scale:g}"][column] for column in (0, 1)]
        medians[f"keyframe {scale:g}"] = total
        width, height = rigs[scale].cameras[0].size_wh
        print(f"{f'keyframe, six {width}x{height} images':<34}{total[0]:8.3f}{total[1]:12.3f}")
    if args.out:
        found = {name: {"wall_s": wall, "processor_s": processor} for name, (wall, processor) in medians.items()}
        write_text(args.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
