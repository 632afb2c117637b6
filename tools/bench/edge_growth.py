"""How an answer's time grows with cameras (1-8), points (10k-400k) and BEV cells: an engine beside eager torch, in one run, as table and picture.

    python tools/bench/edge_growth.py --dataroot D --version V --graphs out/growth --out out/edge_growth.png

An answer is everything from JPEG bytes and points to boxes. The network is `--model` with its weights; every number of cameras and every grid is
exported for itself, as OpenVINO in INT8 unless `--precision` says otherwise, and stays in `--graphs` for the next run. All grids cover the same
ground in finer cells. The instant is a keyframe of the data set: its cameras once more, turned, beyond those that it has; its points in part, or
repeated with 0.3 m of noise. All settings and both engines answer in turn, round by round, so that a machine that is busy for a while is busy
for all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads of torch would take the cores from the engine's

import cv2
import numpy as np
from interaction_growth import fitted

from fusion.checkpoint import load_checkpoint, resolve_model, save_checkpoint
from fusion.data.open import open_source
from fusion.data.readers import decode_rgb
from fusion.errors import UserError
from fusion.evaluate.markdown import aligned
from fusion.export.manifest import MANIFEST, sha256
from fusion.export.ports import named_inputs
from fusion.export.run import export_model
from fusion.files import replacing, write_text
from fusion.inputs import prepare_inputs
from fusion.model import ModelConfig
from fusion.runtime.backends.open import open_backend
from fusion.runtime.perceiver import Perceiver
from fusion.sensors.preprocess import to_batch
from fusion.types import SensorSet

MOST_POINTS = 400_000
SERIES = {"cameras": (1, 2, 3, 4, 5, 6, 7, 8), "points": (10_000, 25_000, 50_000, 100_000, 200_000, 400_000), "cells": (128, 192, 256, 384, 512)}
"""Values by what grows; cells along one side of the grid."""

TITLES = {"cameras": "cameras", "points": "points", "cells": "BEV cells"}


@dataclass(frozen=True)
class Setting:
    """One point of a curve; without points, the sweep is as it was recorded."""

    cameras: int = 6
    cells: int = 256
    points: int | None = None

    @property
    def graph(self) -> str:
        """Folder of what is exported for it."""
        return f"{self.cameras}x{self.cells}"


def settings_of(name: str) -> dict[float, Setting]:
    """Settings of a curve, by what stands on its x axis."""
    found = {value: replace(Setting(), **{name: value}) for value in SERIES[name]}
    return {float(value**2 if name == "cells" else value): setting for value, setting in found.items()}


def configured(config: ModelConfig, setting: Setting) -> ModelConfig:
    """The model's config on a grid of that many cells, for that many points."""
    low, high = config.network.grid.x_range_m
    grid = replace(config.network.grid, cell_m=(high - low) / setting.cells)
    return replace(config, input=replace(config.input, max_points=MOST_POINTS), network=replace(config.network, grid=grid))


def export(setting: Setting, model: str, precision: Any, folder: Path, frame: SensorSet) -> None:
    """Checkpoint and OpenVINO's files of a setting, where they are not there yet."""
    if (folder / "engine" / MANIFEST).is_file():
        return
    print(f"exporting {setting.cameras} cameras, {setting.cells} x {setting.cells} cells", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    config = configured(load_checkpoint(resolve_model(model))[1], setting)
    network, _ = load_checkpoint(resolve_model(model), config)
    save_checkpoint(folder / "model.safetensors", network, config)

    def calibration(config: ModelConfig, cameras: int) -> Iterable[Mapping[str, np.ndarray]]:  # ranges decide answers, not times
        batch = to_batch([frame], config.input)
        yield {name: tensor.numpy() for name, tensor in named_inputs(prepare_inputs(config.network, batch)).items()}

    export_model(folder / "model.safetensors", folder / "engine", format="openvino", precision=precision, cameras=setting.cameras,
                 calibration=calibration if precision == "int8" else None)


def instant(recorded: SensorSet, setting: Setting, seed: int = 0) -> SensorSet:
    """The keyframe with as many cameras and points."""
    rig = list(recorded.cameras.values())
    cameras = {}
    for number in range(setting.cameras):
        reading = rig[number % len(rig)]
        if reading is None or recorded.lidar is None:
            raise UserError(f"keyframe {recorded.token}: a sensor is missing; choose another one")
        turn = np.deg2rad(30.0) * (number // len(rig))
        turned = np.eye(4)
        turned[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        cameras[f"CAM_{number}"] = replace(reading, ego_T_cam=turned @ reading.ego_T_cam)
    assert recorded.lidar is not None
    points = recorded.lidar.points
    if setting.points is not None:
        rng = np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(len(points)) for _ in range(-(-setting.points // len(points)))])[:setting.points]
        noise = np.where(np.arange(len(order)) < len(points), 0.0, 0.3)[:, None] * rng.normal(size=(len(order), 2))
        points = points[order].copy()
        points[:, :2] += noise.astype(np.float32)
    return replace(recorded, cameras=cameras, lidar=replace(recorded.lidar, points=points))


def answering(perceiver: Perceiver, frame: SensorSet) -> Callable[[], float]:
    """A call that answers once from JPEG bytes and returns its milliseconds."""
    files = {name: cv2.imencode(".jpg", np.ascontiguousarray(reading.image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
             for name, reading in frame.cameras.items() if reading is not None}

    def answer() -> float:
        start = time.perf_counter()
        images = {name: decode_rgb(content) for name, content in files.items()}
        cameras = {name: replace(reading, image=images[name]) for name, reading in frame.cameras.items() if reading is not None}
        perceiver.perceive(replace(frame, cameras=cameras))
        return 1e3 * (time.perf_counter() - start)

    return answer


def measure(args: argparse.Namespace, graphs: Path, recorded: SensorSet) -> dict[str, dict[Setting, float]]:
    """Median milliseconds by engine and setting; `graphs` keeps what is exported, for each model and precision apart."""
    graphs = graphs / f"{sha256(resolve_model(args.model))[:12]}-{args.precision}"
    settings = list(dict.fromkeys(setting for name in SERIES for setting in settings_of(name).values()))
    for setting in settings:
        export(setting, args.model, args.precision, graphs / setting.graph, instant(recorded, replace(setting, points=None)))
    engines = {f"OpenVINO {args.precision.upper()}": "engine", "eager torch": "model.safetensors"}
    opened = {(name, graph): Perceiver(open_backend(str(graphs / graph / path), threads=args.threads))
              for name, path in engines.items() for graph in dict.fromkeys(setting.graph for setting in settings)}
    calls = {(name, setting): answering(opened[name, setting.graph], instant(recorded, setting)) for name in engines for setting in settings}
    for call in calls.values():
        call()
    times: dict[tuple[str, Setting], list[float]] = {key: [] for key in calls}
    for _ in range(args.rounds):
        for key, call in calls.items():
            times[key].append(call())
    return {name: {setting: statistics.median(times[name, setting]) for setting in settings} for name in engines}


def table(medians: dict[str, dict[Setting, float]]) -> str:
    """A row for each point of each curve, and what the curves are."""
    rows, fits = [["", *(f"{name}, ms" for name in medians)]], []
    for series in SERIES:
        points = settings_of(series)
        rows += [[f"{TITLES[series]}: {x:,.0f}", *(f"{of[setting]:.1f}" for of in medians.values())] for x, setting in points.items()]
        for name, of in medians.items():
            fit = fitted(list(points), [of[setting] for setting in points.values()])
            each = f"{fit['slope']:.1f} ms a camera" if series == "cameras" else f"{1e3 * fit['slope']:.2g} ms a thousand"
            fits.append(f"- {TITLES[series]}, {name}: {fit['start']:.0f} ms + {each}, which explains {fit['explained']:.3f} of the variance;"
                        f" the part that grows goes with the power {fit['exponent']:.2f}")
    return aligned(rows) + "\n\n" + "\n".join(fits)


def plot(medians: dict[str, dict[Setting, float]], path: Path) -> None:
    """Three curves, both engines in each."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
    for axis, series in zip(axes, SERIES, strict=True):
        points = settings_of(series)
        for colour, (name, of) in enumerate(medians.items()):
            times = [of[setting] for setting in points.values()]
            fit = fitted(list(points), times)
            axis.plot(list(points), times, "o", color=f"C{colour}", label=name)
            ends = np.array([0, max(points)])
            axis.plot(ends, fit["start"] + fit["slope"] * ends, "-", color=f"C{colour}", linewidth=1)
        axis.set(xlabel=TITLES[series], ylabel="ms an answer", xlim=(0, None), ylim=(0, None))
        axis.xaxis.set_major_formatter(lambda x, _: f"{x / 1e3:g}k" if x >= 1000 else f"{x:g}")
    axes[0].legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=90, format="png")
    plt.close(figure)


def main() -> int:
    """Run the benchmark, print a table, write a picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="of the keyframe, the first of the data set")
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--model", default="nano", help="shipped weights or a checkpoint (default: %(default)s)")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="int8", help="of the engine (default: %(default)s)")
    parser.add_argument("--graphs", type=Path, metavar="DIR", help="where exports lie, and stay for the next run (default: nowhere)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="answers of every setting by every engine (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="picture; the table goes beside it, as .md")
    args = parser.parse_args()
    try:
        if args.rounds < 1:
            raise UserError(f"--rounds {args.rounds}: expected at least 1")
        source = open_source(args.dataroot, args.version)
        recorded = source.load(source.tokens(source.scenes()[0])[0])
        with tempfile.TemporaryDirectory() as scratch:
            medians = measure(args, args.graphs or Path(scratch), recorded)
    except UserError as error:
        print(f"edge_growth: error: {error}", file=sys.stderr)
        return 2
    text = table(medians)
    print(text)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        plot(medians, args.out)
        write_text(args.out.with_suffix(".md"), text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
