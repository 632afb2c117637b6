"""Latency of every stage, and peak memory, of every shipped config; ratios against one config measured in the same run.

    python tools/bench/latency.py [--configs nano base] [--repeats 20] [--dataroot D --version V] [--json FILE]

Each config runs in a process of its own, so that peak memory is its own. They answer in turn, round by round, and the ratio is
the median of the rounds' ratios, so that a machine that is busy for a while is busy for all of them. Without --dataroot the
input is random: six 900 x 1600 images and 35,000 points, nuScenes' size.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fusion.errors import UserError
from fusion.files import write_text
from fusion.model import config_names, load_model_config

STAGES = ("preprocess", "prepare", "network", "decode", "total")


def peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def worker(name: str, args: argparse.Namespace, pipe: Connection) -> None:
    """Load a config with random weights, answer once per message, and at None send the numbers of this process."""
    import torch

    from fusion.data.open import open_source
    from fusion.network import build_network
    from fusion.runtime.backends.torch_eager import TorchBackend
    from fusion.runtime.perceiver import Perceiver
    from fusion.types import SensorSet

    try:
        config = load_model_config(name)
        if args.dataroot is None:
            readings = SensorSet.example(cameras=6, points=35000, size_hw=(900, 1600))
        else:
            source = open_source(args.dataroot, args.version)
            readings = source.load(source.tokens(source.scenes()[0])[0], num_sweeps=config.num_sweeps)
        torch.manual_seed(0)
        network = build_network(config.network)
        perceiver = Perceiver(TorchBackend(network, config, device=args.device))
        perceiver.warm_up(readings)
    except (UserError, ImportError) as error:
        pipe.send({"error": str(error)})
        return
    pipe.send({})
    while pipe.recv():
        start = time.perf_counter()
        with perceiver.timer.stage("total"):
            perceiver.perceive(readings)
        pipe.send(time.perf_counter() - start)
    pipe.send({"stages": perceiver.timer.summary(), "parameters_m": sum(p.numel() for p in network.parameters()) / 1e6,
               "peak_mb": peak_mb()})


def measure_all(names: list[str], args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Numbers by config; `ratio` against `args.against` where that was measured."""
    context = multiprocessing.get_context("spawn")
    results: dict[str, dict[str, Any]] = {}
    pipes: dict[str, Connection] = {}
    seconds: dict[str, list[float]] = {}
    for name in names:
        ours, theirs = context.Pipe()
        context.Process(target=worker, args=(name, args, theirs), daemon=True).start()
        theirs.close()
        try:
            results[name] = ours.recv()
        except EOFError:
            results[name] = {"error": "its process ended without an answer"}
        if "error" not in results[name]:
            pipes[name], seconds[name] = ours, []
    for _ in range(args.repeats):
        for name, pipe in pipes.items():
            pipe.send(True)
            seconds[name].append(pipe.recv())
    for name, pipe in pipes.items():
        pipe.send(None)
        results[name] = pipe.recv()
        if args.against in seconds:
            results[name]["ratio"] = statistics.median(a / b for a, b in zip(seconds[name], seconds[args.against], strict=True))
    return results


def main() -> int:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=config_names(), help="config names (default: all)")
    parser.add_argument("--against", default="nano", help="config that ratios refer to (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=20, help="calls per config after one warming call (default: %(default)s)")
    parser.add_argument("--dataroot", type=Path, help="data set whose first keyframe is the input (default: random readings)")
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write all numbers here as well")
    args = parser.parse_args()
    names = sorted(args.configs, key=lambda name: (name != args.against, name))
    results = measure_all(names, args)
    print("medians in ms; ratio of totals against", args.against)
    print(f"{'config':<16}{'M params':>9}" + "".join(f"{stage:>12}" for stage in STAGES) + f"{'p95 total':>11}{'peak MB':>9}{'ratio':>9}")
    for name, result in results.items():
        if "error" in result:
            print(f"{name:<16}not measured: {result['error']}")
            continue
        stages, ratio = result["stages"], f"{result['ratio']:.2f} x" if "ratio" in result else "-"
        print(f"{name:<16}{result['parameters_m']:>9.2f}" + "".join(f"{stages[s]['median_ms']:>12.1f}" for s in STAGES)
              + f"{stages['total']['p95_ms']:>11.1f}{result['peak_mb']:>9.0f}{ratio:>9}")
    if args.json:
        from fusion.hardware import hardware

        write_text(args.json, json.dumps({"hardware": hardware(), "repeats": args.repeats, "configs": results}, indent=2) + "\n")
    return 1 if all("error" in r for r in results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
