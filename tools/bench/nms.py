"""Rotated NMS against a reference that overlaps boxes with shapely: equal results, and how much faster.

Both run in this process on the same boxes, alternately; the ratio of their best times is printed. Exits with 1 if the kept
boxes differ.

    python -m tools.bench.nms --boxes 1000 --repeats 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from shapely.geometry import Polygon
from shapely.strtree import STRtree

from fusion.geometry.boxes import box_corners
from fusion.geometry.nms import rotated_nms


def clustered_boxes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as a detector gives them: about eight noisy answers for each object within 50 m."""
    rng = np.random.default_rng(seed)
    objects = np.concatenate([rng.uniform(-50, 50, (max(count // 8, 1), 2)), rng.uniform(-1, 1, (max(count // 8, 1), 1)),
                              rng.uniform([3.5, 1.6, 1.4], [6, 2.4, 3], (max(count // 8, 1), 3)),
                              rng.uniform(-np.pi, np.pi, (max(count // 8, 1), 1))], axis=1)
    boxes = objects[rng.integers(0, len(objects), count)]
    boxes = boxes + rng.normal(size=boxes.shape) * [0.4, 0.4, 0.1, 0.1, 0.1, 0.1, 0.15]
    return boxes, rng.uniform(size=count)


def shapely_nms(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> np.ndarray:
    """The same greedy rule; a spatial index finds the neighbours, so that the reference is not slow by brute force."""
    polygons = [Polygon(corners[:4, :2]) for corners in box_corners(boxes)]
    tree = STRtree(polygons)
    alive = np.ones(len(boxes), dtype=bool)
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if not alive[i]:
            continue
        kept.append(i)
        alive[i] = False
        for j in tree.query(polygons[i]):
            if alive[j]:
                shared = polygons[i].intersection(polygons[j]).area
                alive[j] = shared / (polygons[i].area + polygons[j].area - shared) <= iou_threshold
    return np.array(kept, dtype=np.int64)


def _timed(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main() -> int:
    """Run the comparison; 0 where both keep the same boxes in the same order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threshold", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.boxes < 1 or args.repeats < 1:
        parser.error(f"--boxes and --repeats: expected at least 1, got {args.boxes} and {args.repeats}")
    boxes, scores = clustered_boxes(args.boxes, args.seed)
    rotated_nms(boxes[:2], scores[:2], args.threshold)  # compile, or load the compiled code, outside the measurement
    ours, reference = [], []
    for _ in range(args.repeats):
        seconds, kept = _timed(lambda: rotated_nms(boxes, scores, args.threshold))
        ours.append(seconds)
        seconds, expected = _timed(lambda: shapely_nms(boxes, scores, args.threshold))
        reference.append(seconds)
        if not np.array_equal(kept, expected):
            print(f"DIFFERENT: kept {len(kept)} boxes, the reference {len(expected)}")
            return 1
    print(f"{args.boxes} boxes, {len(kept)} kept, the same as the reference; rotated_nms {1e3 * min(ours):.2f} ms, "
          f"shapely {1e3 * min(reference):.1f} ms, ratio {min(reference) / min(ours):.0f}x (best of {args.repeats}, same run)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
