"""Memory and latency of one dual-stream layer against plain multi-head attention, and how both grow with cameras and BEV cells.

    python tools/bench/interaction.py [--size reference|nano|small] [--device cuda] [--repeats 5] [--out FOLDER]

Plain attention is the same exchange with every cell a query over every pixel and back, in two forms: "plain" writes full matrices of
logits, is measured only where they fit into --memory-gb, and otherwise takes at least the memory of one matrix; "fused" is torch's
scaled_dot_product_attention, which never writes them. `--size reference` is 6 x 448 x 800 images at stride 8, 180 x 180 cells of 0.6 m,
128 channels, as published for DeepInteraction++.
On the CPU each measurement has a process of its own, whose peak memory it reports beyond weights and inputs. On a machine that is busy
otherwise, compare the processor's milliseconds with --threads 1.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import torch.nn.functional as F
from interaction_growth import fitted, plot
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.interaction.bev_to_image import BevToImageConfig
from fusion.interaction.deformable import SelfAttentionConfig
from fusion.interaction.image_to_bev import ImageToBevConfig
from fusion.interaction.layer import InteractionLayer, LayerConfig, Meeting, meeting_of
from fusion.interaction.operations import to_tokens
from fusion.interaction.polar import PolarConfig, ray_columns
from fusion.types import SensorBatch

PARTS = ("image_self", "bev_self", "image_to_bev", "polar", "bev_to_image")


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is measured: `cells` along an edge of the BEV map, features of `feature_hw` per camera."""

    cameras: int
    feature_hw: tuple[int, int]
    cells: int
    cell_m: float
    channels: int
    heads: int
    layer: LayerConfig


def full_layer(heads: int) -> LayerConfig:
    """Every query at full resolution, into every camera that sees it."""
    return LayerConfig(image_self=SelfAttentionConfig(heads=heads), bev_self=SelfAttentionConfig(heads=heads),
                       image_to_bev=ImageToBevConfig(heads=heads), polar=PolarConfig(heads=heads), bev_to_image=BevToImageConfig(heads=heads))


NANO_LAYER = LayerConfig(
    image_self=SelfAttentionConfig(), bev_self=SelfAttentionConfig(stride=2), image_to_bev=ImageToBevConfig(stride=2, views=2),
    polar=PolarConfig(bins=32, step_m=1.6, stride=2, column_stride=2, views=2), bev_to_image=BevToImageConfig(stride=2),
)

SIZES = {
    "reference": Size(cameras=6, feature_hw=(56, 100), cells=180, cell_m=0.6, channels=128, heads=8, layer=full_layer(8)),
    "nano": Size(cameras=6, feature_hw=(16, 44), cells=128, cell_m=0.8, channels=48, heads=4, layer=NANO_LAYER),
    "small": Size(cameras=6, feature_hw=(8, 22), cells=48, cell_m=2.0, channels=32, heads=4, layer=full_layer(4)),
}


class PlainExchange(nn.Module):
    """Cells attend to all pixels, pixels to all cells.

    Args:
        fused: the logits stay in registers, else they are matrices.
    """

    def __init__(self, channels: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.to_bev, self.to_image = (nn.ModuleList(nn.Linear(channels, channels) for _ in range(4)) for _ in range(2))

    def forward(self, perspective: Tensor, bev: Tensor) -> tuple[Tensor, Tensor]:
        """Token forms of both streams."""
        pixels, cells = to_tokens(perspective.transpose(1, 2).flatten(3)), to_tokens(bev)
        return self._attend(self.to_image, pixels, cells), self._attend(self.to_bev, cells, pixels)

    def _attend(self, parts: Any, tokens: Tensor, others: Tensor) -> Tensor:
        query, key, value = (part(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
                             for part, x in zip(parts, (tokens, others, others), strict=False))
        if self.fused:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            mixed = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])).softmax(dim=-1) @ value
        out: Tensor = parts[3](mixed.transpose(1, 2).flatten(2))
        return out


def host(size: Size) -> tuple[BevGrid, Callable[[], Meeting]]:
    """The grid, and the host's part for a ring of cameras and 30,000 points."""
    half_m = size.cells * size.cell_m / 2
    grid = BevGrid(x_range_m=(-half_m, half_m), y_range_m=(-half_m, half_m), cell_m=size.cell_m)
    batch = SensorBatch.example(cameras=size.cameras, points=30000, size_hw=(8 * size.feature_hw[0], 8 * size.feature_hw[1]))
    edges = torch.linspace(1, 61, 25).expand(1, size.cameras, -1)
    return grid, lambda: meeting_of(size.layer, batch, grid, size.feature_hw, edges)


def made(size: Size, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor, Meeting]:
    """Random streams and where they meet."""
    torch.manual_seed(0)
    (h, w), (grid, meet) = size.feature_hw, host(size)
    where = meet()
    streams = (torch.randn(1, size.cameras, size.channels, h, w), torch.randn(1, size.channels, *grid.shape),
               torch.ones(1, 1, *grid.shape, dtype=torch.bool), torch.randn(1, size.cameras, 24, h, w))
    if device != "cpu":
        where = Meeting(image_hw=where.image_hw, camera_ok=where.camera_ok.to(device), valid_px=where.valid_px.to(device),
                        **{name: replace(part, **{k: v.to(device) for k, v in vars(part).items() if v is not None})
                           for name in ("cells", "rays", "pixels") if (part := getattr(where, name)) is not None})
    return (*(x.to(device) for x in streams), where)  # type: ignore[return-value]


def calls(size: Size, device: str, what: str) -> Callable[[], Any]:
    """A call of the layer ("layer"), of one of its parts, of plain attention ("plain", "fused") or of the host's part ("host")."""
    if what == "host":
        return host(size)[1]
    perspective, bev, here, logits, where = made(size, device)
    if what in ("plain", "fused"):
        plain = PlainExchange(size.channels, size.heads, what == "fused").to(device).eval()
        return lambda: plain(perspective, bev)
    layer = InteractionLayer(size.layer, size.channels).to(device).eval()
    match what:
        case "image_self":
            return lambda: layer.image_self(perspective.flatten(0, 1))  # type: ignore[misc]
        case "bev_self":
            return lambda: layer.bev_self(bev)  # type: ignore[misc]
        case "image_to_bev":
            return lambda: layer.image_to_bev(bev, perspective, where.cells, logits)  # type: ignore[misc]
        case "polar":
            in_columns = where.pixels_ok((size.feature_hw[0], ray_columns(size.feature_hw[1], layer.polar.config)))  # type: ignore[union-attr]
            return lambda: layer.polar(bev, perspective, in_columns, where.rays)  # type: ignore[misc]
        case "bev_to_image":
            return lambda: layer.bev_to_image(perspective, bev, logits, where.pixels)  # type: ignore[misc]
    return lambda: layer(perspective, bev, here, logits, where)


def measure(size: Size, device: str, what: str, repeats: int, threads: int) -> dict[str, float]:
    """Median milliseconds of a call, the least of processor time (others only add to it), and the megabytes beyond what was there before."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        call, cuda = calls(size, device, what), device != "cpu"
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20 if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        call()
        peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        seconds, processor = [], []
        for _ in range(repeats):
            if cuda:
                torch.cuda.synchronize()
            start, start_processor = time.perf_counter(), time.process_time()
            call()
            if cuda:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - start_processor)
    return {"ms": 1e3 * statistics.median(seconds), "processor_ms": 1e3 * min(processor), "mb": max(peak - before, 0.0)}


def apart(*arguments: Any) -> dict[str, float]:
    """`measure` in a process of its own on the CPU, whose peak is its own."""
    if arguments[1] != "cpu":
        return measure(*arguments)
    with multiprocessing.get_context("fork").Pool(1) as pool:  # this process computes nothing, so that there are no threads to lose
        return pool.apply(measure, arguments)


def plain_gb(size: Size) -> float:
    """Gigabytes of one matrix of logits of plain attention."""
    return size.heads * size.cells**2 * size.cameras * math.prod(size.feature_hw) * 4 / 2**30


def growth(size: Size, args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """The layer at 1 to 8 cameras, and at an eighth of the cells to twice as many."""
    run = {"cameras": [replace(size, cameras=n) for n in (1, 2, 3, 4, 6, 8)],
           "cells": [replace(size, cells=max(4 * round(size.cells * math.sqrt(f) / 4), 8)) for f in (0.125, 0.25, 0.5, 1.0, 2.0)]}
    return {name: [{name: float(s.cameras if name == "cameras" else s.cells**2), "plain_gb": plain_gb(s),
                    **apart(s, args.device, "layer", args.repeats, args.threads)} for s in sizes] for name, sizes in run.items()}


def main() -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(SIZES), default="reference")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5, help="calls after one warming call (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="on the CPU (default: %(default)s)")
    parser.add_argument("--memory-gb", type=float, default=4.0, help="plain attention is measured up to this (default: %(default)s)")
    parser.add_argument("--parts", action="store_true", help="the parts of the layer alone, without plain attention and growth")
    parser.add_argument("--out", type=Path, help="folder for interaction.json and interaction.png")
    args = parser.parse_args()
    size = SIZES[args.size]
    names = ["layer", *PARTS] + ([] if args.parts else ["host"])
    fits = not args.parts and 3 * plain_gb(size) <= args.memory_gb  # logits, their softmax, and a copy on the way
    results: dict[str, Any] = {"size": args.size, "device": args.device, "threads": args.threads, "plain_matrix_gb": plain_gb(size)}
    names += [] if args.parts else ["fused", *(["plain"] if fits else [])]
    results["parts"] = {name: apart(size, args.device, name, args.repeats, args.threads) for name in names}
    print(f"{args.size}: {size.cameras} x {size.feature_hw} features, {size.cells} x {size.cells} cells, {size.channels} channels, {args.device}")
    print(f"{'':<14}{'ms':>10}{'CPU ms':>10}{'MB':>10}")
    for name, row in results["parts"].items():
        print(f"{name:<14}{row['ms']:>10.1f}{row['processor_ms']:>10.1f}{row['mb']:>10.0f}")
    layer, clock = results["parts"]["layer"], "processor_ms" if args.device == "cpu" else "ms"
    for name in ("plain", "fused"):
        if name in results["parts"]:
            other = results["parts"][name]
            print(f"{name} / layer: {other[clock] / layer[clock]:.1f} x time, {other['mb'] / max(layer['mb'], 1):.1f} x memory")
    if not args.parts and not fits:
        print(f"plain, not measured: one matrix of logits takes {plain_gb(size):.1f} GB, {plain_gb(size) * 1024 / max(layer['mb'], 1):.0f} x the"
              " layer's memory")
    if not args.parts:
        results["growth"] = growth(size, args)
        for name, rows in results["growth"].items():
            for row in rows:
                print(f"{name} {row[name]:>8.0f}{row['ms']:>10.1f} ms{row['processor_ms']:>8.1f} CPU ms{row['mb']:>8.0f} MB"
                      f"   plain {row['plain_gb']:>8.2f} GB")
            fit = results[f"fit_{name}"] = fitted([row[name] for row in rows], [row[clock] for row in rows])
            print(f"{clock} = {fit['start']:.1f} + {fit['slope']:.4f} x {name}, which explains {fit['explained']:.3f} of the variance;"
                  f" the part that grows goes with {name} ^ {fit['exponent']:.2f}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "interaction.json").write_text(json.dumps(results, indent=2) + "\n")
        if "growth" in results:
            plot(results["growth"], {name: results[f"fit_{name}"] for name in results["growth"]}, clock, args.out / "interaction.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
