"""`bevduet verify`: is an exported model still the checkpoint that it was made from."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.cli.model_options import add_model_options, open_chosen
from fusion.cli.names import scene_names, split_names
from fusion.errors import UserError

if TYPE_CHECKING:
    from fusion.data.source import SceneSource
    from fusion.runtime.backends.torch_eager import TorchBackend
    from fusion.types import SensorSet

EXAMPLE = """examples:
  bevduet verify --model out/nano-onnx
  bevduet verify --model out/nano-onnx --backend openvino --dataroot data/nuscenes --version v1.0-mini --frames 5 --subsets all
"""

SIMULATION_SEED = 77


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "verify", help="compare an exported model with its checkpoint",
        description="Answer frames by an exported model and by the checkpoint it was made from, with and without sensors; print how far tensors and"
                    " detections differ. The exit code is 0 within tolerance, 1 outside, 2 where they cannot be compared.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_options(parser)
    parser.add_argument("--against", metavar="CHECKPOINT", help="the checkpoint (default: the shipped weights that --model was made from)")
    parser.add_argument("--dataroot", type=Path, help="take frames from a data set (default: simulate some)")
    parser.add_argument("--version", default="v1.0-mini", help="of the data set, as of perceive (default: %(default)s)")
    parser.add_argument("--scenes", help="names of scenes or splits, comma-separated (default: all)")
    parser.add_argument("--frames", type=int, default=3, metavar="N", help="how many, spread over the scenes (default: %(default)s)")
    parser.add_argument("--subsets", default="some", metavar="WHICH",
                        help="some: all sensors, each kind alone, each camera lost, none; all: every subset; or which sensors are there, such as"
                             " CAM_FRONT+LIDAR_TOP,LIDAR_TOP (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.evaluate.parity import TOLERANCES, compare, parity_table
    from fusion.export.manifest import read_manifest
    from fusion.runtime.backends.open import is_exported

    if args.frames < 1:
        raise UserError(f"--frames {args.frames}: expected at least 1")
    if args.scenes is not None and args.dataroot is None:
        raise UserError(f"--scenes {args.scenes}: names scenes of --dataroot, which is missing; leave --scenes away for simulated frames")
    if not is_exported(args.model):
        raise UserError(f"--model {args.model}: expected an exported model, a folder that `bevduet export` wrote")
    manifest, _ = read_manifest(Path(args.model))
    reference = _reference(args)
    engine = open_chosen(args)
    slots = engine.cameras
    with tempfile.TemporaryDirectory() as scratch:
        source = _source(args, Path(scratch))
        names = source.sensors() if slots is None or args.dataroot else (*source.sensors()[:-1][:slots], source.sensors()[-1])
        subsets = _subsets(args.subsets, names)
        tolerance = TOLERANCES["bf16" if args.bf16 and manifest.precision != "int8" else manifest.precision]
        print(f"{engine.describe()}\nagainst {reference.describe()}: {args.frames} frames, {len(subsets)} subsets of {', '.join(names)}", flush=True)
        parity = compare(reference, engine, _frames(source, args.frames, manifest.model.num_sweeps, names), subsets, tolerance)
    print(f"\n{parity_table(parity)}")
    outside = parity.outside()
    for line in outside:
        print(f"outside tolerance: {line}")
    if not outside:
        print("within tolerance")
    return 1 if outside else 0


def _reference(args: argparse.Namespace) -> TorchBackend:
    """The checkpoint in eager torch, by the config of the export; UserError for another one than the export was made from."""
    from fusion.checkpoint import load_checkpoint, resolve_model, shipped_models
    from fusion.export.manifest import read_manifest, sha256
    from fusion.runtime.backends.torch_eager import TorchBackend

    manifest, _ = read_manifest(Path(args.model))
    if args.against is None and manifest.name not in shipped_models():
        raise UserError(f"--model {args.model}: made from {manifest.name!r}, no shipped weights; name the checkpoint by --against")
    path = resolve_model(args.against or manifest.name)
    if not path.is_file():
        raise UserError(f"--against {path}: no such checkpoint; expected the .safetensors file that {args.model} was made from")
    found = sha256(path)
    if found != manifest.checkpoint_sha256:
        raise UserError(f"{args.model}: stale: made from a checkpoint {manifest.name!r} with sha256 {manifest.checkpoint_sha256[:12]}..., but {path}"
                        f" has {found[:12]}...; export again, or name the right checkpoint by --against")
    return TorchBackend(*load_checkpoint(path, manifest.model))


def _source(args: argparse.Namespace, scratch: Path) -> SceneSource:
    if args.dataroot is not None:
        from fusion.data.open import open_source

        return open_source(args.dataroot, args.version, scene_names(args.scenes))
    from fusion.demo.drive import simulated_drive

    print("simulating a short drive", flush=True)
    return simulated_drive(scratch, seed=SIMULATION_SEED, duration_s=0.5 * args.frames, image_scale=0.25).source


def _frames(source: SceneSource, count: int, num_sweeps: int, names: tuple[str, ...]) -> Iterator[SensorSet]:
    """Keyframes spread evenly over the scenes, with the cameras of `names` alone."""
    tokens = [token for scene in source.scenes() for token in source.tokens(scene)]
    if not tokens:
        raise UserError("no keyframes to compare on; choose other scenes")
    for index in range(min(count, len(tokens))):
        frame = source.load(tokens[index * len(tokens) // min(count, len(tokens))], num_sweeps=num_sweeps)
        yield replace(frame, cameras={name: reading for name, reading in frame.cameras.items() if name in names})


def _subsets(text: str, names: tuple[str, ...]) -> list[tuple[bool, ...]]:
    from fusion.evaluate.parity import sensor_subsets

    if text in ("some", "all"):
        return sensor_subsets(len(names) - 1, every=text == "all")
    chosen = []
    for part in split_names(text):
        there = [name.strip() for name in part.split("+")]
        unknown = [name for name in there if name not in names]
        if unknown:
            raise UserError(f"--subsets {text}: {unknown[0]!r} is not a sensor of this rig; expected some, all, or some of {', '.join(names)}")
        chosen.append(tuple(name in there for name in names))
    if not chosen:
        raise UserError("--subsets: names none; expected some, all, or sensors such as CAM_FRONT+LIDAR_TOP,LIDAR_TOP")
    return chosen
