"""What each config costs: parameters, arithmetic of one answer by part, and memory of an answer and of a training step.

    python tools/bench/cost.py [--configs nano,base,large] [--cameras 6] [--train] [--out FILE.md]

Arithmetic is what torch's FlopCounterMode counts: convolutions, matrix products and attention, a multiplication and an addition as two. It
leaves out interpolation (grid_sample) and element-wise work; sparse convolutions, matrix products on the CPU, count for points strewn at
random. Memory is the peak of a fresh process on the CPU beyond what stood there before, for one sample: an answer in float32, a step in the
precision that the config asks for here.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch.utils.flop_counter import FlopCounterMode

from fusion.evaluate.markdown import aligned
from fusion.files import write_text
from fusion.network import BevDuetNet, build_network
from fusion.train.precision import decided
from fusion.train.recipe import load_recipe
from fusion.types import GroundTruth, SensorBatch

PARTS = ("camera", "lift", "lidar", "fuser", "trunk", "head")
SWEEP_POINTS = 34_000
"""Points of a sweep of 32 beams."""


def scene(name: str, cameras: int) -> tuple[BevDuetNet, SensorBatch]:
    """The network, and a sample of its image size with as many points as its sweeps hold, thinned as its input is."""
    model = load_recipe(name).model
    points = min(model.input.max_points, SWEEP_POINTS * (1 + model.num_sweeps))
    torch.manual_seed(0)
    return build_network(model.network).eval(), SensorBatch.example(cameras=cameras, points=points, size_hw=model.input.image_size_hw)


def peak_mb() -> float:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def answer(name: str, cameras: int) -> dict[str, Any]:
    """Of one answer: parameters, gigaflops by part, megabytes, seconds of the processor."""
    network, batch = scene(name, cameras)
    before, start = peak_mb(), time.process_time()
    with torch.inference_mode():
        network(batch)
    used = {"mb": peak_mb() - before, "seconds": time.process_time() - start, "parameters": sum(p.numel() for p in network.parameters())}
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(batch)
    counts = {key: sum(value.values()) for key, value in counter.get_flop_counts().items()}
    gflop = {part: counts.get(f"BevDuetNet.{part}", 0) / 1e9 for part in PARTS}
    total = counts.get("Global", 0) / 1e9
    gflop["fuser"] += total - sum(gflop.values())  # a method of the fuser works before the lift, outside its forward
    return {**used, "gflop": gflop, "total_gflop": total}


def step(name: str, cameras: int) -> dict[str, Any]:
    """Of one training step with AdamW, in the precision of the config: megabytes, seconds of the processor and the losses."""
    network, batch = scene(name, cameras)
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=1e-4)
    before, start = peak_mb(), time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=decided(load_recipe(name).train.precision, "cpu") == "bf16-mixed"):
        losses = network.loss(batch, [GroundTruth.example()])
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()
    return {"mb": peak_mb() - before, "seconds": time.process_time() - start, "losses": {k: float(v.detach()) for k, v in losses.items()}}


def apart(work: Any, name: str, cameras: int) -> dict[str, Any]:
    """In a process of its own, whose peak is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (name, cameras))  # type: ignore[no-any-return]


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", default="nano,base,large", help="comma-separated names (default: %(default)s)")
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--train", action="store_true", help="a training step of each as well")
    parser.add_argument("--out", type=Path, help="write the table to this file")
    args = parser.parse_args()
    rows = [["", "parameters", "GFLOP", *PARTS, "MB to answer", *(["MB to train"] if args.train else [])]]
    for name in args.configs.split(","):
        cost = apart(answer, name, args.cameras)
        flops = [cost["total_gflop"], *(cost["gflop"][part] for part in PARTS)]
        row = [name, f"{cost['parameters'] / 1e6:.1f} M", *(f"{x:.0f}" if x >= 10 else f"{x:.1f}" for x in flops), f"{cost['mb']:.0f}"]
        print(name, cost, flush=True)
        if args.train:
            trained = apart(step, name, args.cameras)
            print(name, trained, flush=True)
            row.append(f"{trained['mb']:.0f}")
        rows.append(row)
    print(aligned(rows))
    if args.out:
        write_text(args.out, aligned(rows) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
