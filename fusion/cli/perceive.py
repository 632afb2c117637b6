"""`bevduet perceive`: recorded scenes in; an official submission, pictures, videos and timing out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.cli.device import check_device
from fusion.cli.model_options import add_model_options, chosen_perceiver
from fusion.cli.names import scene_names, split_names
from fusion.errors import UserError

if TYPE_CHECKING:
    from fusion.runtime.backends.protocol import Backend
    from fusion.runtime.perceiver import Perceiver

EXAMPLE = """examples:
  bevduet perceive --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --model best.safetensors --out out/both
  bevduet perceive --dataroot data/nuscenes --version v1.0-mini --model best.safetensors --sensors camera --no-pictures --out out/camera
  bevduet perceive --dataroot data/kitti --version kitti --model nano --untrained --out out/smoke
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "perceive", help="detect objects in recorded scenes",
        description="Detect objects at every keyframe. Writes results_nusc.json (an official detection submission), pictures/,"
                    " a video per scene, and timing.json.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="root folder of the data set")
    parser.add_argument("--version", default="v1.0-mini",
                        help="folder of nuScenes tables, or `kitti`, or `dgp` (default: %(default)s)")
    parser.add_argument("--scenes", help="names of scenes or splits, comma-separated (default: all)")
    add_model_options(parser)
    parser.add_argument("--untrained", action="store_true",
                        help="read --model as a config and use random weights: tries the machinery, detects nothing real")
    parser.add_argument("--sensors", choices=("camera+lidar", "lidar", "camera"), default="camera+lidar",
                        help="sensors to use (default: %(default)s)")
    parser.add_argument("--drop", default="", metavar="NAMES", help="sensors to treat as missing, comma-separated, such as CAM_FRONT,LIDAR_TOP")
    parser.add_argument("--external", action="store_true",
                        help="the model learnt from other data than nuScenes', which results_nusc.json then tells (use_external), as its rules"
                             " ask; of shipped weights, which learnt from simulation, it always does")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, made if needed")
    parser.add_argument("--no-pictures", action="store_true", help="write neither pictures nor videos")
    parser.add_argument("--every", type=_positive, default=1, metavar="N", help="draw every N-th keyframe only (all are detected)")
    parser.add_argument("--score-threshold", type=_fraction, default=0.3, metavar="S",
                        help="draw boxes from this score on; results_nusc.json holds all (default: %(default)s)")
    parser.add_argument("--num-sweeps", type=int, metavar="N", help="LiDAR sweeps to accumulate, 0 to 10 (default: the model's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.cli.perceive_job import PerceiveJob, run_job
    from fusion.data.open import LABEL_LIMITS, open_source

    perceiver = _load_perceiver(args)
    source = open_source(args.dataroot, args.version, scene_names(args.scenes))
    if args.version in LABEL_LIMITS and not args.no_pictures:
        print(f"bevduet: warning: --version {args.version}: {LABEL_LIMITS[args.version]}", file=sys.stderr)
    drop = split_names(args.drop)
    for name in drop:
        if name not in source.sensors():
            raise UserError(f"--drop {name}: not a sensor of this rig; expected some of {', '.join(source.sensors())}")
    job = PerceiveJob(
        scenes=tuple(source.scenes()), out=args.out, cameras="camera" in args.sensors, lidar="lidar" in args.sensors, drop=tuple(drop),
        num_sweeps=perceiver.config.num_sweeps if args.num_sweeps is None else args.num_sweeps,
        draw_every=0 if args.no_pictures else args.every, draw_min_score=args.score_threshold,
    )
    summary = run_job(source, perceiver, job, model_name=args.model)
    print(f"{summary.samples} keyframes, {summary.boxes} boxes, {summary.warnings} warnings -> {args.out / 'results_nusc.json'}")
    return 0


def _load_perceiver(args: argparse.Namespace) -> Perceiver:
    from fusion.runtime.perceiver import Perceiver

    perceiver = Perceiver(_untrained(args), external=args.external) if args.untrained else chosen_perceiver(args, external=args.external)
    network = perceiver.config.network
    reads_camera, reads_lidar = network.camera is not None, network.lidar is not None
    if not (reads_camera and "camera" in args.sensors) and not (reads_lidar and "lidar" in args.sensors):
        raise UserError(f"--sensors {args.sensors}: model {args.model!r} reads {'cameras' if reads_camera else 'LiDAR'} only;"
                        f" pass --sensors {'camera' if reads_camera else 'lidar'} or another model")
    return perceiver


def _untrained(args: argparse.Namespace) -> Backend:
    import torch

    from fusion.model import load_model_config
    from fusion.network import build_network
    from fusion.runtime.backends.torch_eager import TorchBackend

    check_device(args.device)
    if args.backend not in (None, "torch") or args.bf16 or args.threads:
        raise UserError("--untrained: runs in torch as it is; leave --backend, --bf16 and --threads away")
    config = load_model_config(args.model)
    torch.manual_seed(0)
    print("bevduet: warning: --untrained: random weights, the boxes mean nothing", file=sys.stderr)
    return TorchBackend(build_network(config.network), config, device=args.device)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return value


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected 0 to 1, got {text}")
    return value
