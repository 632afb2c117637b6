"""Speed of the host pillarisation beside spconv's CPU voxelizer, on the same cloud in the same run.

    python tools/bench/pillarise.py [--points FILE.bin]

Prints both times and their ratio, after checking that both find the same occupied cells.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fusion.encoders.pillarise import pillarise
from fusion.geometry.grid import BevGrid


def best_ms(work: Callable[[], object], repeats: int) -> float:
    """Best time of `repeats` runs, milliseconds (the first call compiles and is not counted)."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=Path, help="float32 file with five columns (as nuScenes sweeps); default: a random cloud")
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()
    import torch  # noqa: F401  # spconv's library needs torch loaded first
    from cumm import tensorview as tv
    from spconv.utils import Point2VoxelCPU3d

    grid, max_points = BevGrid(), 16
    if args.points:
        cloud = np.fromfile(args.points, np.float32).reshape(-1, 5)
    else:
        rng = np.random.default_rng(0)
        radius, angle = rng.uniform(2, 60, 35000) ** 1.0, rng.uniform(-np.pi, np.pi, 35000)
        cloud = np.stack([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(-2, 3, 35000), angle * 0, angle * 0], 1).astype(np.float32)
    voxelizer = Point2VoxelCPU3d(
        vsize_xyz=[grid.cell_m, grid.cell_m, grid.z_range_m[1] - grid.z_range_m[0]],
        coors_range_xyz=[grid.x_range_m[0], grid.y_range_m[0], grid.z_range_m[0], grid.x_range_m[1], grid.y_range_m[1], grid.z_range_m[1]],
        num_point_features=5,
        max_num_voxels=grid.shape[0] * grid.shape[1],
        max_num_points_per_voxel=max_points,
    )
    points, ok = cloud[None], np.ones((1, len(cloud)), bool)
    ours = pillarise(points, ok, grid, max_points)
    _, coords, _ = voxelizer.point_to_voxel(tv.from_numpy(cloud))
    theirs = coords.numpy_view()
    ours_cells, their_cells = set(ours.index.tolist()), set((theirs[:, 2].astype(np.int64) * grid.shape[1] + theirs[:, 1]).tolist())
    different = ours_cells ^ their_cells
    if len(different) > 0.001 * len(ours_cells):  # float32 against float64 on a cell's edge may differ
        raise SystemExit(f"occupied cells differ: {len(different)} of {len(ours_cells)}")
    own_ms = best_ms(lambda: pillarise(points, ok, grid, max_points), args.repeats)
    their_ms = best_ms(lambda: voxelizer.point_to_voxel(tv.from_numpy(cloud)), args.repeats)
    print(f"{len(cloud)} points, {len(ours_cells)} pillars ({len(different)} differ by rounding)")
    print(f"pillarise, with decoration: {own_ms:.2f} ms; spconv Point2VoxelCPU3d, without: {their_ms:.2f} ms; ratio {their_ms / own_ms:.2f}")


if __name__ == "__main__":
    main()
