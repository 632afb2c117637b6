"""Compare sweeps in numbers and in one picture: real against simulated, or any two data roots.

    python tools/simulation_statistics.py --real DATAROOT --simulated DATAROOT_OR_SEEDS --out FOLDER

A data root is a folder in nuScenes' format. In place of a simulated one, seeds such as `1,2,3` build these sceneries and cast a few sweeps in each,
which takes seconds. Prints a table side by side and writes `statistics.png` and, with `--views`, pictures of single sweeps from above.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from fusion.simulate.lidar.simulator import LidarSimulator
from fusion.simulate.measure.frames import Frame, frames_of_root, frames_of_scenery
from fusion.simulate.measure.statistics import BOX_RANGE_M, HEIGHT_M, INTENSITY, RANGE_M, Statistics, measure
from fusion.simulate.rig import LidarMount
from fusion.types import DETECTION_CLASSES

MOUNT = LidarMount(pitch_deg=2.65, roll_deg=0.17)
"""As in scene-0523."""

COLOURS = {"real": "tab:blue", "simulated": "tab:orange"}


def _version(dataroot: Path) -> str:
    found = sorted(path.name for path in dataroot.glob("v1.0-*") if path.is_dir())
    if not found:
        raise SystemExit(f"{dataroot}: expected a folder v1.0-* with tables, got none")
    return found[0]


def _cast(seeds: Sequence[int], sweeps: int, weather: str) -> Iterator[Frame]:
    from fusion.simulate.world.build import build_scenery

    for seed in seeds:
        scenery = build_scenery(seed, weather)  # type: ignore[arg-type]
        times = np.linspace(1.0, scenery.duration_s - 1.0, sweeps)
        yield from frames_of_scenery(scenery, LidarSimulator(scenery, MOUNT), times.tolist(), np.random.default_rng(seed))


def frames_of(what: str, every: int, sweeps: int, weather: str) -> list[Frame]:
    """Frames of a data root, or of sceneries given by seeds."""
    if Path(what).is_dir():
        return list(frames_of_root(what, _version(Path(what)), every))
    return list(_cast([int(seed) for seed in what.split(",")], sweeps, weather))


def brightness(dataroot: Path, most: int = 120) -> np.ndarray:
    """Grey values of a data root's camera keyframes, `(N,)` means of single images in 0..255."""
    files = sorted(dataroot.glob("samples/CAM_*/*.jpg"))
    chosen = files[::max(len(files) // most, 1)]
    images = [cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8) for path in chosen]
    return np.array([image.mean() for image in images if image is not None])


def table(real: Statistics, simulated: Statistics) -> list[tuple[str, str, str]]:
    """Rows: what, real, simulated."""
    rows: list[tuple[str, str, str]] = []

    def add(name: str, pick: Callable[[Statistics], float], form: str = "{:.0f}") -> None:
        values = [pick(side) for side in (real, simulated)]
        texts = ["-" if np.isnan(value) else form.format(value) for value in values]
        rows.append((name, texts[0], texts[1]))

    add("beams a sweep", lambda s: s.sweep.beams)
    add("  without return", lambda s: s.sweep.silent)
    add("  returns of the own car", lambda s: s.sweep.own)
    for i in range(1, len(RANGE_M) - 1):
        add(f"returns at {RANGE_M[i]:g}-{RANGE_M[i + 1]:g} m", lambda s, i=i: s.sweep.range_counts[i])
    for i in range(len(HEIGHT_M) - 1):
        add(f"returns at height {HEIGHT_M[i]:g}..{HEIGHT_M[i + 1]:g} m", lambda s, i=i: s.sweep.height_counts[i])
    for ring in range(0, len(real.sweep.ring_silent), 2):
        add(f"ring {ring}: share without return", lambda s, ring=ring: s.sweep.ring_silent[ring], "{:.2f}")
    for i in range(len(INTENSITY) - 1):
        add(f"intensity {INTENSITY[i]:g}-{INTENSITY[i + 1] - 1:g}: share", lambda s, i=i: s.sweep.intensity_share[i], "{:.3f}")
    add("roughness along a ring, mm", lambda s: 1000 * s.sweep.roughness_m, "{:.1f}")
    for label, name in enumerate(DETECTION_CLASSES):
        for i in range(len(BOX_RANGE_M) - 1):
            at, where = f"{name} {BOX_RANGE_M[i]:g}-{BOX_RANGE_M[i + 1]:g} m", (label, i)
            if real.box.count[where] + simulated.box.count[where] == 0:
                continue
            add(f"{at}: boxes a frame", lambda s, where=where: s.box.count[where], "{:.2f}")
            add(f"{at}: points (median)", lambda s, where=where: s.box.points[where])
            add(f"{at}: boxes with a point", lambda s, where=where: s.box.seen[where], "{:.2f}")
            for kind in ("returned", "passed", "silent", "hidden"):
                add(f"{at}: beams {kind}", lambda s, where=where, kind=kind: getattr(s.box, kind)[where], "{:.2f}")
    return rows


def _bars(axes: Axes, edges: np.ndarray, sides: dict[str, np.ndarray], title: str) -> None:
    where = np.arange(len(edges) - 1)
    for shift, (name, values) in zip((-0.2, 0.2), sides.items(), strict=True):
        axes.bar(where + shift, values, 0.4, color=COLOURS[name], label=name)
    axes.set_xticks(where - 0.5, [f"{edge:g}" for edge in edges[:-1]], rotation=60, fontsize=7)
    axes.set_title(title, fontsize=9)


def _boxes(grid: Sequence[Axes], sides: dict[str, Statistics]) -> None:
    """Points per box for every class, boxes of all classes, and what becomes of beams aimed at the commonest two."""
    where = np.arange(len(DETECTION_CLASSES))
    for shift, (name, side) in zip((-0.2, 0.2), sides.items(), strict=True):
        grid[0].bar(where + shift, side.box.count.sum(axis=1), 0.4, color=COLOURS[name])
    grid[0].set_xticks(where, [name.replace("_vehicle", "").replace("traffic_", "") for name in DETECTION_CLASSES], rotation=60, fontsize=7)
    grid[0].set_yscale("symlog", linthresh=0.1)
    grid[0].set_title(f"boxes a frame within {BOX_RANGE_M[-1]:g} m", fontsize=9)
    titles = {"points": "points in a box (median)", "returned": "share of open beams that return", "silent": "share of open beams without return"}
    chosen = [(label, "points") for label in DETECTION_CLASSES] + [("car", "returned"), ("car", "silent"), ("pedestrian", "returned")]
    for axes, (label, kind) in zip(grid[1:], chosen, strict=True):
        row = DETECTION_CLASSES.index(label)
        _bars(axes, BOX_RANGE_M, {n: np.nan_to_num(getattr(s.box, kind)[row]) for n, s in sides.items()}, f"{label}: {titles[kind]} by distance (m)")
        if kind == "points":
            axes.set_yscale("symlog")


def draw(path: Path, sides: dict[str, Statistics], images: dict[str, np.ndarray]) -> None:
    """One picture of everything, both sides in each panel."""
    figure, panels = plt.subplots(4, 5, figsize=(24, 17), constrained_layout=True)
    grid = panels.flatten()
    _bars(grid[0], RANGE_M, {n: s.sweep.range_counts for n, s in sides.items()}, "returns a sweep by range (m)")
    _bars(grid[1], HEIGHT_M, {n: s.sweep.height_counts for n, s in sides.items()}, "returns a sweep by height above the LiDAR (m)")
    _bars(grid[2], INTENSITY, {n: s.sweep.intensity_share for n, s in sides.items()}, "share of returns by intensity")
    for name, side in sides.items():
        grid[3].plot(side.sweep.ring_silent, color=COLOURS[name], label=name)
        grid[4].plot(side.sweep.ring_range_m, color=COLOURS[name])
        if len(images.get(name, ())):
            grid[5].hist(images[name], np.arange(0, 256, 12), density=True, color=COLOURS[name], alpha=0.5)
    grid[3].set_title("share of beams without return by ring", fontsize=9)
    grid[4].set_title("median range by ring (m)", fontsize=9)
    grid[5].set_title("mean grey value of images", fontsize=9)
    _boxes(list(grid[6:]), sides)
    grid[3].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70)
    plt.close(figure)


def view(path: Path, frames: dict[str, Frame], reach_m: float = 50.0) -> None:
    """Sweeps from above, forward to the top, side by side, coloured by height."""
    figure, grid = plt.subplots(1, len(frames), figsize=(11 * len(frames), 11), constrained_layout=True, squeeze=False)
    for axes, (name, frame) in zip(grid[0], frames.items(), strict=True):
        x, y, z = frame.points[:, :3].T
        axes.scatter(x, y, c=z, s=0.6, cmap="turbo", vmin=-2.5, vmax=4)
        for box in frame.boxes:
            corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1], [1, 1], [0, 0], [1, 0]]) * box[3:5] / 2
            cos, sin = np.cos(box[6]), np.sin(box[6])
            axes.plot(*(corners @ np.array([[cos, sin], [-sin, cos]]) + box[:2]).T, color="magenta", lw=0.7)
        axes.set(xlim=(-reach_m, reach_m), ylim=(-reach_m, reach_m), aspect="equal", title=name)
        axes.set_facecolor("black")
    figure.savefig(path, dpi=70)
    plt.close(figure)


def main() -> None:
    """Read, measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", required=True, help="data root in nuScenes' format")
    parser.add_argument("--simulated", required=True, help="data root, or seeds as 1,2,3")
    parser.add_argument("--weather", default="day", help="of sceneries given by seeds")
    parser.add_argument("--every", type=int, default=2, help="of a data root, every n-th keyframe")
    parser.add_argument("--sweeps", type=int, default=4, help="of a scenery given by its seed")
    parser.add_argument("--views", type=int, default=0, help="so many pictures of single sweeps from above")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    args = parser.parse_args()
    frames = {name: frames_of(what, args.every, args.sweeps, args.weather) for name, what in (("real", args.real), ("simulated", args.simulated))}
    sides = {name: measure(found) for name, found in frames.items()}
    rows = table(sides["real"], sides["simulated"])
    images = {name: brightness(Path(what)) for name, what in (("real", args.real), ("simulated", args.simulated)) if Path(what).is_dir()}
    if all(len(images.get(name, ())) for name in sides):
        rows.append(("mean grey value of images", *(f"{images[name].mean():.0f} +- {images[name].std():.0f}" for name in ("real", "simulated"))))
    for name, *values in [("", "real", "simulated"), *rows]:
        print(f"{name:<44}{values[0]:>14}{values[1]:>14}")
    draw(args.out / "statistics.png", sides, images)
    for number in range(args.views):
        view(args.out / f"sweep_{number}.png", {name: found[number * len(found) // args.views] for name, found in frames.items()})


if __name__ == "__main__":
    main()
