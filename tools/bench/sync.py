"""What runs at the rate of the sensors, per call: fingerprints, the collector, the health monitor, undistortion.

    python -m tools.bench.sync --seconds 60
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np

from fusion.sensors.camera_model import CameraModel, Undistorter
from fusion.sensors.fingerprint import fingerprint
from fusion.sensors.health import HealthMonitor
from fusion.sensors.sync import Bundle, Collector, SyncConfig

MS = 1_000_000
LIDAR, CAMERAS = "LIDAR_TOP", tuple(f"CAM_{index}" for index in range(6))


def stream(seconds: int) -> list[tuple[int, str, int]]:
    """(arrival, sensor, stamp), ns: a LiDAR at 20 Hz and six cameras at 12 Hz, as nuScenes has them."""
    messages = [((ms + 5) * MS, LIDAR, ms * MS) for ms in range(0, 1000 * seconds, 50)]
    for index, name in enumerate(CAMERAS):
        stamps = [ms * MS - 7 * index * MS for count, ms in enumerate(range(0, 1000 * seconds, 50)) if count % 5 in (0, 2, 4)]
        messages += [(stamp + 8 * MS, name, stamp) for stamp in stamps]
    return sorted(messages)


def times_us(call: Callable[[], object], repeats: int) -> list[float]:
    """Microseconds of each call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1e6 * (time.perf_counter() - start))
    return times


def collector_times_us(messages: list[tuple[int, str, int]]) -> tuple[list[float], list[float], list[float], int]:
    """Microseconds of `Collector.offer`, `Collector.due` and `HealthMonitor.received`, and how many bundles came."""
    collector: Collector[int] = Collector(SyncConfig(sensors=(*CAMERAS, LIDAR), reference=LIDAR))
    monitor = HealthMonitor((*CAMERAS, LIDAR))
    offer, due, received = [], [], []
    bundles: list[Bundle[int] | None] = []
    for arrival, name, stamp in messages:
        received += times_us(lambda a=arrival, n=name, s=stamp: monitor.received(n, s, a, s, latency_ns=a - s), 1)
        offer += times_us(lambda a=arrival, n=name, s=stamp: collector.offer(n, s, a, 0), 1)
        due += times_us(lambda a=arrival: bundles.append(collector.due(a)), 1)
    bundles.append(collector.due(messages[-1][0] + 1000 * MS))
    return offer, due, received, sum(bundle is not None for bundle in bundles)


def line(name: str, times: list[float]) -> str:
    """One row of the table."""
    best, median, p99 = np.percentile(times, [0, 50, 99])
    return f"{name:34} {best:10.1f} {median:10.1f} {p99:10.1f}"


def main() -> int:
    """Print the table; 1 where no fingerprint of an image took less than a millisecond (on a busy machine, most may), or a sweep gave no bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="length of the made-up drive (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=50, help="calls on images and clouds (default: %(default)s)")
    args = parser.parse_args()
    if args.seconds < 1 or args.repeats < 1:
        parser.error(f"--seconds and --repeats: expected at least 1, got {args.seconds} and {args.repeats}")
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (900, 1600, 3), dtype=np.uint8)
    cloud = rng.uniform(size=(35_000, 4)).astype(np.float32).tobytes()
    intrinsics = np.array([[1266.0, 0, 816], [0, 1266, 491], [0, 0, 1]])
    undistorter = Undistorter(CameraModel(width=1600, height=900, intrinsics=intrinsics, distortion=np.array([-0.3, 0.1, 0.0, 0.0, 0.0])))
    undistorter.undistort(image)
    offer, due, received, bundles = collector_times_us(stream(args.seconds))
    fingerprints = times_us(lambda: fingerprint(image), args.repeats)
    print(f"{'microseconds a call':34} {'best':>10} {'median':>10} {'p99':>10}")
    print(line("fingerprint of 1600x900x3", fingerprints))
    print(line("fingerprint of a 35k-point cloud", times_us(lambda: fingerprint(cloud), args.repeats)))
    print(line("Collector.offer, 7 sensors", offer))
    print(line("Collector.due, 7 sensors", due))
    print(line("HealthMonitor.received", received))
    print(line("Undistorter.undistort 1600x900x3", times_us(lambda: undistorter.undistort(image), args.repeats)))
    print(f"{bundles} bundles of {20 * args.seconds} sweeps")
    return 0 if min(fingerprints) < 1000 and bundles == 20 * args.seconds else 1


if __name__ == "__main__":
    raise SystemExit(main())
