"""From JPEG files and raw points to boxes: every stage, by backend and precision, as ratios to the first one measured in the same run.

    python tools/bench/edge.py --dataroot D --version V --models nano out/nano-onnx out/nano-onnx@openvino out/nano-int8 [--threads 2]

A model is what `--model` of every command takes, with `@BACKEND` for another backend than its own and `+bf16` for bfloat16, as `nano@compile` or
`nano+bf16`. Each runs in a process of its own, for its peak memory. They answer in turn, keyframe by keyframe, and a ratio is the median of the
keyframes' ratios, so that a machine that is busy for a while is busy for all of them. Files come from the page cache: they are read once before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads of torch would take the cores from the engine's

import numpy as np

from fusion.errors import UserError
from fusion.evaluate.markdown import aligned
from fusion.files import write_text

STAGES = ("read", "preprocess", "prepare", "network", "decode", "total")


def peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if platform.system() == "Darwin" else 2**10)


def worker(spec: str, args: argparse.Namespace, pipe: Connection) -> None:
    """Open a model, answer the keyframe of each number that comes, and at None send this process's numbers."""
    from fusion.data.open import open_source
    from fusion.runtime.backends.open import open_spec
    from fusion.runtime.perceiver import Perceiver

    try:
        source = open_source(args.dataroot, args.version)
        tokens = [token for scene in source.scenes() for token in source.tokens(scene)]
        perceiver = Perceiver(open_spec(spec, threads=args.threads))
        for token in tokens:
            readings = source.load(token, num_sweeps=perceiver.config.num_sweeps)
        for _ in range(3):
            perceiver.warm_up(readings)
    except (UserError, ImportError) as error:
        pipe.send({"error": str(error)})
        return
    pipe.send({"frames": len(tokens), "what": perceiver.backend.describe()})
    while (frame := pipe.recv()) is not None:
        start = time.perf_counter()
        with perceiver.timer.stage("total"):
            with perceiver.timer.stage("read"):
                readings = source.load(tokens[frame], num_sweeps=perceiver.config.num_sweeps)
            perceiver.perceive(readings)
        pipe.send(time.perf_counter() - start)
    pipe.send({"stages": perceiver.timer.summary(), "peak_mb": peak_mb()})


def measure(specs: list[str], args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Numbers by model; `ratio` against the first."""
    context = multiprocessing.get_context("spawn")
    results: dict[str, dict[str, Any]] = {}
    pipes: dict[str, Connection] = {}
    for spec in specs:
        ours, theirs = context.Pipe()
        context.Process(target=worker, args=(spec, args, theirs), daemon=True).start()
        theirs.close()
        try:
            results[spec] = ours.recv()
        except EOFError:
            results[spec] = {"error": "its process ended without an answer"}
        if "error" not in results[spec]:
            pipes[spec] = ours
    seconds: dict[str, list[float]] = {spec: [] for spec in pipes}
    for number in range(args.rounds * max((results[spec]["frames"] for spec in pipes), default=0)):
        for spec, pipe in pipes.items():
            pipe.send(number % results[spec]["frames"])
            seconds[spec].append(pipe.recv())
    for spec, pipe in pipes.items():
        pipe.send(None)
        results[spec] |= pipe.recv()
        results[spec]["p99_ms"] = 1e3 * float(np.percentile(seconds[spec], 99))
        if specs[0] in seconds:
            results[spec]["ratio"] = statistics.median(a / b for a, b in zip(seconds[spec], seconds[specs[0]], strict=True))
    return results


def table(results: dict[str, dict[str, Any]], first: str) -> str:
    """Medians of the stages in milliseconds."""
    rows = [["model", *STAGES, "p99 total", f"ratio to {first}", "peak MB"]]
    for spec, result in results.items():
        if "error" in result:
            rows.append([spec, f"not measured: {result['error']}", *[""] * (len(STAGES) + 2)])
            continue
        ratio = f"{result['ratio']:.2f}" if "ratio" in result else "-"
        rows.append([spec, *(f"{result['stages'][stage]['median_ms']:.1f}" for stage in STAGES), f"{result['p99_ms']:.1f}", ratio,
                     f"{result['peak_mb']:.0f}"])
    return aligned(rows)


def main() -> int:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--models", nargs="+", default=["nano"], metavar="MODEL[@BACKEND][+bf16]", help="the first is what ratios refer to")
    parser.add_argument("--threads", type=int, default=2, help="of each (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="times through all keyframes (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file as well")
    args = parser.parse_args()
    results = measure(args.models, args)
    text = table(results, args.models[0])
    print(text)
    if args.out is not None:
        write_text(args.out, text + "\n")
    return 0 if all("error" not in result for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
