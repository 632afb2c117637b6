"""Index build and reload on tables of nuScenes trainval's size (850 scenes: 2.6 million sample_data and ego_pose rows).

    python tools/bench/index.py [--scenes 850] [--folder KEEP_TABLES_HERE]

Writes synthetic tables (about 2.5 GB at 850 scenes) into a temporary folder, then builds the index from them and loads it again from
its cache, each in a process of its own, and prints seconds and peak memory of both, with the ratio. For comparison: the time that
`json.loads` alone takes on the largest table, in the same run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fusion.data.nuscenes_index import load_index

VERSION = "v1.0-synthetic"
KEYFRAMES, SPACING_US = 40, 500_000
RATES = {"CAM": 6, "LIDAR": 10, "RADAR": 6.6}
"""Readings of one sensor per keyframe spacing."""
CHANNELS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT", "LIDAR_TOP", "RADAR_FRONT",
            "RADAR_FRONT_LEFT", "RADAR_FRONT_RIGHT", "RADAR_BACK_LEFT", "RADAR_BACK_RIGHT")
OBJECTS = 34
"""Tracks per scene, each annotated in every keyframe."""


def token(kind: int, *numbers: int) -> str:
    """32 characters, as nuScenes' tokens."""
    value = kind
    for number in numbers:
        value = value * 100_003 + number
    return f"{value * 0x9E3779B97F4A7C15 % (1 << 128):032x}"


def pose(x: float) -> dict[str, Any]:
    return {"rotation": [0.9784513638759053, 0.0007114811170839319, -0.002127559878436408, -0.2064774286196456],
            "translation": [1000.125 + x, 1600.0837465019283, 0.0]}


def readings(scenes: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """sample_data records with their ego poses."""
    for s in range(scenes):
        for c, channel in enumerate(CHANNELS):
            count = round(RATES[channel.split("_")[0]] * KEYFRAMES)
            step = KEYFRAMES * SPACING_US / count
            keys = {round(k * SPACING_US / step): k for k in range(KEYFRAMES)}
            for i in range(count):
                key = keys.get(i)
                stamp = round(1_532_402_927_647_951 + s * 60_000_000 + i * step)
                name = f"{'sweeps' if key is None else 'samples'}/{channel}/n015-2018-07-24-11-22-45+0800__{channel}__{stamp}.bin"
                yield ({"token": token(1, s, c, i), "sample_token": token(2, s, min(int(i * step / SPACING_US), KEYFRAMES - 1)),
                        "ego_pose_token": token(3, s, c, i), "calibrated_sensor_token": token(4, s, c), "timestamp": stamp,
                        "fileformat": "pcd", "is_key_frame": key is not None, "height": 900 if c < 6 else 0, "width": 1600 if c < 6 else 0,
                        "filename": name, "prev": token(1, s, c, i - 1) if i else "", "next": token(1, s, c, i + 1) if i + 1 < count else ""},
                       {"token": token(3, s, c, i), "timestamp": stamp, **pose(i * 0.3)})


def annotations(scenes: int) -> Iterator[dict[str, Any]]:
    for s in range(scenes):
        for o in range(OBJECTS):
            for k in range(KEYFRAMES):
                yield {"token": token(5, s, o, k), "sample_token": token(2, s, k), "instance_token": token(6, s, o),
                       "visibility_token": "4", "attribute_tokens": [], **pose(k), "size": [1.759, 4.422, 1.805],
                       "prev": token(5, s, o, k - 1) if k else "", "next": token(5, s, o, k + 1) if k + 1 < KEYFRAMES else "",
                       "num_lidar_pts": 12, "num_radar_pts": 1}


def as_nuscenes(value: Any) -> str:
    """JSON with a line per value; `indent=0` would do the same with Python's slow encoder."""
    return json.dumps(value).replace(", ", ",\n")


def write_tables(root: Path, scenes: int) -> None:
    """All tables, streamed, in nuScenes' own layout (a line per value)."""
    folder = root / VERSION
    folder.mkdir(parents=True)
    small = {
        "scene": [{"token": token(7, s), "name": f"scene-{s:04d}"} for s in range(scenes)],
        "sample": [{"token": token(2, s, k), "timestamp": 1_532_402_927_647_951 + s * 60_000_000 + k * SPACING_US, "scene_token": token(7, s)}
                   for s in range(scenes) for k in range(KEYFRAMES)],
        "sensor": [{"token": token(8, c), "channel": n, "modality": {"CAM": "camera", "LIDAR": "lidar", "RADAR": "radar"}[n.split("_")[0]]}
                   for c, n in enumerate(CHANNELS)],
        "calibrated_sensor": [{"token": token(4, s, c), "sensor_token": token(8, c), **pose(0),
                               "camera_intrinsic": [[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1]] if c < 6 else []}
                              for s in range(scenes) for c in range(len(CHANNELS))],
        "category": [{"token": token(9, 0), "name": "vehicle.car"}],
        "attribute": [],
        "instance": [{"token": token(6, s, o), "category_token": token(9, 0)} for s in range(scenes) for o in range(OBJECTS)],
    }
    for name, records in small.items():
        (folder / f"{name}.json").write_text(as_nuscenes(records))
    with (folder / "sample_data.json").open("w") as data, (folder / "ego_pose.json").open("w") as poses:
        for i, (record, ego) in enumerate(readings(scenes)):
            for file, value in ((data, record), (poses, ego)):
                file.write(("[\n" if i == 0 else ",\n") + as_nuscenes(value))
        data.write("\n]")
        poses.write("\n]")
    with (folder / "sample_annotation.json").open("w") as file:
        for i, record in enumerate(annotations(scenes)):
            file.write(("[\n" if i == 0 else ",\n") + as_nuscenes(record))
        file.write("\n]")


def peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if platform.system() == "Darwin" else 2**10)


def measure(root: Path, what: str) -> dict[str, float]:
    """Run once in this (fresh) process."""
    before, start, start_cpu = peak_mb(), time.perf_counter(), time.process_time()
    if what == "json.loads":
        table = json.loads((root / VERSION / "sample_data.json").read_bytes())
        rows = len(table)
    else:
        rows = len(load_index(root, VERSION).reading_file)
    return {"rows": rows, "seconds": time.perf_counter() - start, "cpu_s": time.process_time() - start_cpu, "mb": peak_mb() - before}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=850)
    parser.add_argument("--folder", type=Path, help="keep the tables here, or use those that are here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = args.folder or Path(temporary) / "root"
        os.environ["XDG_CACHE_HOME"] = str(Path(temporary) / "cache")
        if not (root / VERSION).is_dir():
            write_tables(root, args.scenes)
        gigabytes = sum(path.stat().st_size for path in (root / VERSION).iterdir()) / 1e9
        print(f"{args.scenes} scenes, {gigabytes:.2f} GB of tables")
        found = {}
        for name in ("json.loads", "build", "reload"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found[name] = pool.apply(measure, (root, name))
            print(f"{name:12} {found[name]['seconds']:8.2f} s  {found[name]['cpu_s']:8.2f} s CPU  {found[name]['mb']:8.0f} MB more  "
                  f"{found[name]['rows']:9.0f} rows")
        print(f"CPU time, build / reload: {found['build']['cpu_s'] / found['reload']['cpu_s']:.0f}, build / json.loads of sample_data alone: "
              f"{found['build']['cpu_s'] / found['json.loads']['cpu_s']:.1f}; "
              f"memory, build / the same json.loads: {found['build']['mb'] / found['json.loads']['mb']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
