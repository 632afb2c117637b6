"""Train a grid of variants of a network, each with several seeds at one budget, score each in every sensor state, and table the means.

    python tools/ablation.py --grid configs/ablation/interaction.yaml --dataroot data/sim --version v1.0-sim --scenes 140 \\
        --val-dataroot data/val --val-version v1.0-sim --out out/ablation [--seeds 0,1,2] [--variants concat,intra] [--jobs 2]
    python tools/ablation.py --grid configs/ablation/interaction.yaml --out out/ablation --report out/ablation/report.md

All variants with the first seed come first, then the second, and so on. Each cell is a process of its own with a log, `OUT/VARIANT/SEED/log.txt`.
A finished one has left `result.json` there and is skipped, one that another process is making is left to it; a broken off one goes on from its last
epoch when the same command is given again.
The variants of a grid see the same samples; a seed changes fresh weights, order, augmentation and dropout of sensors.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fusion.cli.names import split_names
from fusion.config import load_yaml
from fusion.errors import UserError
from fusion.evaluate.ablation_table import Row, ablation_report
from fusion.files import write_text
from fusion.process import settle

NUSCENES = ("v1.0-trainval", "v1.0-mini")
RESULT, LOG, CLOCK, FEATURES = "result.json", "log.txt", "clock.json", "features"
FREE_TO_DIFFER = {"seed", "dropout", "workers", "cache", "log_every"}
"""Settings of training that are no part of a cell's budget."""
MADE, FOUND, BUSY = 0, 70, 75
OUTCOMES = {MADE: "done", FOUND: "finished by another process in the meantime", BUSY: "left to another process, which is making it"}
"""What became of a cell that did not fail, by the exit code of its process."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid file.

    Attributes:
        base: config that every variant changes.
        init, init_parts: weights that every variant starts from, and the parts taken where a variant has them; or None.
        frozen_versions: where above 0, the encoders of `init` stay as they are: what they make of so many drawings of every sample is computed
            once, into OUT/features, and all else trains.
        init_also: variant -> further parts that it takes.
        rows: the variants, for the table.
        sets: variant -> its `a.b=value` changes.
    """

    base: str
    init: str | None
    init_parts: tuple[str, ...]
    rows: tuple[Row, ...]
    sets: dict[str, list[str]]
    frozen_versions: int = 0
    init_also: dict[str, list[str]] = field(default_factory=dict)

    def untrained(self, variant: str) -> bool:
        """Whether it is scored as it starts, with one seed, as there is nothing to draw."""
        return any(row.untrained for row in self.rows if row.name == variant)


def load_grid(path: Path) -> Grid:
    """Read a grid file; UserError for a key that it does not know."""
    mapping = load_yaml(path)
    variants = mapping.get("variants") or {}
    of_variant = {"title", "control", "set", "init_also", "untrained"}
    for where, keys, known in [("", mapping, {"base", "init", "init_parts", "frozen_versions", "variants"}),
                               *((f"variants.{name}.", variant, of_variant) for name, variant in variants.items())]:
        for key in keys:
            if key not in known:
                raise UserError(f"{path}: {where}{key}: unknown key; expected some of {sorted(known)}")
    if not variants or "base" not in mapping:
        raise UserError(f"{path}: expected base and at least one of variants")
    rows = tuple(Row(name=name, title=variant.get("title", name), control=variant.get("control"),
                     untrained=bool(variant.get("untrained", False))) for name, variant in variants.items())
    sets = {name: [f"{key}={json.dumps(value)}" for key, value in variant.get("set", {}).items()] for name, variant in variants.items()}
    for row in rows:
        if row.untrained and not mapping.get("init"):
            raise UserError(f"{path}: variants.{row.name}.untrained: expected init, the weights to score, got none")
    frozen = int(mapping.get("frozen_versions", 0))
    if frozen and not {"camera", "lidar"} <= set(mapping.get("init_parts", ())):
        raise UserError(f"{path}: frozen_versions: expected camera and lidar among init_parts, the encoders that stay as they are")
    return Grid(base=mapping["base"], init=mapping.get("init"), init_parts=tuple(mapping.get("init_parts", ())), rows=rows, sets=sets,
                frozen_versions=frozen,
                init_also={name: list(variant.get("init_also", ())) for name, variant in variants.items()})


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Whether this process alone works in the folder; the lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def clocked(path: Path) -> Iterator[dict[str, float]]:
    """Seconds spent within, by the wall and by the processor (loaders included), on top of those of broken off runs."""
    spent = json.loads(path.read_text()) if path.is_file() else {"wall_seconds": 0.0, "cpu_seconds": 0.0}

    def processor() -> float:
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

    wall, cpu = time.monotonic(), processor()
    try:
        yield spent
    finally:
        spent["wall_seconds"] += time.monotonic() - wall
        spent["cpu_seconds"] += processor() - cpu
        write_text(path, json.dumps(spent))


def run_cell(grid: Grid, variant: str, args: argparse.Namespace, seed: int, folder: Path) -> None:
    """Train, score and leave `result.json`."""
    import torch

    from fusion.checkpoint import load_checkpoint, resolve_model
    from fusion.config import to_mapping
    from fusion.data.open import open_source
    from fusion.evaluate.by_state import answer_states, half_cameras_lost, score_states, sensor_states
    from fusion.evaluate.state_table import states_mapping
    from fusion.network import build_network
    from fusion.runtime.backends.open import is_shipped
    from fusion.runtime.backends.torch_eager import TorchBackend
    from fusion.runtime.perceiver import Perceiver
    from fusion.train.frozen import FrozenSamples
    from fusion.train.init import take_weights
    from fusion.train.recipe import load_recipe
    from fusion.train.run import RESUME_FILE, train

    recipe = load_recipe(grid.base, [*grid.sets[variant], *args.set, f"train.seed={seed}"])
    scenes = open_source(args.dataroot, args.version).scenes()
    scenes = scenes[:args.scenes or len(scenes)]
    resume = (folder / RESUME_FILE).is_file()
    init = None if grid.init is None or resume else resolve_model(grid.init)
    parts = [*grid.init_parts, *grid.init_also.get(variant, ())]
    with clocked(folder / CLOCK) as spent:
        if grid.untrained(variant):
            assert init is not None
            network, config = build_network(recipe.model.network).eval(), recipe.model
            take_weights(network, *load_checkpoint(init), init, parts)
        else:
            source = (FrozenSamples(args.out / FEATURES, recipe) if grid.frozen_versions
                      else open_source(args.dataroot, args.version, scenes, labelled_only=True))
            model = train(recipe, source, folder, resume=resume, init=init, init_parts=parts if init else None, progress=False)
            network, config = load_checkpoint(model)
    print(f"trained: {spent['wall_seconds']:.0f} s, {spent['cpu_seconds']:.0f} s of the processor", flush=True)
    validation = open_source(args.val_dataroot, args.val_version)
    sensors = validation.sensors()
    external = args.version not in NUSCENES or (grid.init is not None and is_shipped(grid.init))
    backend = TorchBackend(network, config, device="cuda" if torch.cuda.is_available() else "cpu")
    runs = answer_states(validation, Perceiver(backend, external=external), validation.scenes(),
                         (*sensor_states(sensors), half_cameras_lost(sensors)), folder / "states")
    scored = states_mapping(score_states(args.val_dataroot, args.val_version, validation.scenes(), runs))
    budget = {"train": {k: v for k, v in to_mapping(recipe.train).items() if k not in FREE_TO_DIFFER}, "train_scenes": len(scenes),
              "init": grid.init, "init_parts": list(grid.init_parts), "frozen_versions": grid.frozen_versions,
              "val_keyframes": scored["num_keyframes"]}
    result = {"variant": variant, "seed": seed, **spent, "parameters": sum(p.numel() for p in network.parameters()), "budget": budget,
              "set": grid.sets[variant], **scored}
    write_text(folder / RESULT, json.dumps(result, indent=1) + "\n")
    print({state: round(scored["states"][state]["mAP"], 4) for state in scored["states"]}, flush=True)


def make_features(grid: Grid, args: argparse.Namespace) -> None:
    """What the frozen encoders make of every sample, for all cells."""
    from fusion.checkpoint import load_checkpoint, resolve_model
    from fusion.data.open import open_source
    from fusion.network import build_network
    from fusion.train.frozen import INDEX_FILE, write_features
    from fusion.train.init import take_weights
    from fusion.train.recipe import load_recipe

    with locked(args.out / FEATURES) as mine:
        if not mine:
            raise UserError(f"{args.out / FEATURES}: another process is writing there; start again when it has ended")
        if (args.out / FEATURES / INDEX_FILE).is_file():
            return
        assert grid.init is not None
        recipe, init = load_recipe(grid.base, args.set), resolve_model(grid.init)
        network = build_network(recipe.model.network)
        take_weights(network, *load_checkpoint(init), init, ["camera", "lidar"])
        scenes = open_source(args.dataroot, args.version).scenes()
        source = open_source(args.dataroot, args.version, scenes[:args.scenes or len(scenes)], labelled_only=True)
        write_features(args.out / FEATURES, network, recipe, source, grid.frozen_versions, progress=True)


def start_cell(arguments: list[str], variant: str, seed: int, folder: Path, threads: int) -> tuple[str, bool]:
    """Run a cell in a process of its own; returns what became of it, for people, and whether it failed."""
    folder.mkdir(parents=True, exist_ok=True)
    # One thread wastes least: on a busy machine, bf16 convolutions of several threads spin while they wait for each other.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "OMP_NUM_THREADS": str(threads)}
    with (folder / LOG).open("a") as log:
        code = subprocess.run([sys.executable, "-W", "ignore", __file__, *arguments, "--cell", f"{variant}:{seed}"],
                              stdout=log, stderr=subprocess.STDOUT, env=environment, check=False).returncode
    return OUTCOMES.get(code, f"failed ({code}); {folder / LOG} says why"), code not in OUTCOMES


def results_of(out: Path) -> list[dict[str, Any]]:
    """Results of all finished cells."""
    return [json.loads(path.read_text()) for path in sorted(out.glob(f"*/*/{RESULT}"))]


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", type=Path, required=True, help="YAML file of variants")
    parser.add_argument("--dataroot", type=Path, help="data set to train on")
    parser.add_argument("--version", default="v1.0-sim", help="its tables (default: %(default)s)")
    parser.add_argument("--scenes", type=int, help="train on its first SCENES scenes (default: all)")
    parser.add_argument("--val-dataroot", type=Path, help="data set to score on, in nuScenes' format")
    parser.add_argument("--val-version", default="v1.0-sim", help="its tables (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the grid's results")
    parser.add_argument("--variants", help="comma-separated (default: all of the grid)")
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change every variant, as train.epochs=1")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of a cell (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="train nothing; write the table of what is finished to this file")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    args = parser.parse_args()
    try:
        return _run(args)
    except UserError as error:
        print(f"ablation: error: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    grid = load_grid(args.grid)
    if args.report:
        write_text(args.report, ablation_report(grid.rows, results_of(args.out)))
        print(args.report.read_text())
        return 0
    if args.dataroot is None or args.val_dataroot is None:
        raise UserError("--dataroot, --val-dataroot: expected a data set to train on and one to score on, or --report")
    if args.cell:
        variant, seed = args.cell.split(":")
        folder = args.out / variant / seed
        settle()
        with locked(folder) as mine:
            if not mine:
                return BUSY
            if (folder / RESULT).is_file():
                return FOUND
            run_cell(grid, variant, args, int(seed), folder)
        return MADE
    variants = split_names(args.variants) if args.variants else [row.name for row in grid.rows]
    for name in variants:
        if name not in grid.sets:
            raise UserError(f"--variants {name}: not in {args.grid}; expected some of {', '.join(grid.sets)}")
    seeds = [int(seed) for seed in split_names(args.seeds)]
    cells = [(variant, seed) for seed in seeds for variant in variants if seed == seeds[0] or not grid.untrained(variant)]
    waiting = [(variant, seed) for variant, seed in cells if not (args.out / variant / str(seed) / RESULT).is_file()]
    print(f"{len(cells)} cells, {len(cells) - len(waiting)} of them finished before", flush=True)
    if grid.frozen_versions and waiting:
        make_features(grid, args)
    any_failed = False
    with ThreadPoolExecutor(args.jobs) as pool:
        started = pool.map(lambda cell: start_cell(sys.argv[1:], *cell, args.out / cell[0] / str(cell[1]), args.threads), waiting)
        for (variant, seed), (outcome, failed) in zip(waiting, started, strict=True):
            print(f"{variant} seed {seed}: {outcome}", flush=True)
            any_failed |= failed
    return 1 if any_failed else 0


if __name__ == "__main__":
    sys.exit(main())
