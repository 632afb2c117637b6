"""`bevduet train`: train a named config on a data set."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from fusion.cli.names import scene_names, split_names

EXAMPLES = """examples:
  bevduet train --config nano --dataroot data/nuscenes --version v1.0-trainval --scenes train --out runs/nano
  bevduet train --config nano --dataroot data/nuscenes --version v1.0-trainval --scenes train --out runs/nano --resume
  bevduet train --config nano --init nano --dataroot data/mine --version v1.0-mini --out runs/tuned
  bevduet train --config nano --dataroot data/nuscenes --version v1.0-mini --scenes scene-0061,scene-0103 \\
      --set train.epochs=2 --set train.lr=5e-4 --devices 2 --out runs/small
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the `train` subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train", help="train a network", description="Train a network; writes model.safetensors, last.ckpt and a CSV log.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="name of a shipped config, or a YAML file")
    parser.add_argument("--dataroot", required=True, type=Path, help="folder of the data set")
    parser.add_argument("--version", required=True, help="nuScenes version such as v1.0-trainval, or kitti, or dgp")
    parser.add_argument("--scenes", help="names of scenes or splits (train, mini_train, ...), comma-separated (default: all, those of val too)")
    parser.add_argument("--out", required=True, type=Path, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.ckpt")
    parser.add_argument("--init", metavar="MODEL", help="fine-tune: start from shipped weights by name, or from a .safetensors file")
    parser.add_argument("--init-parts", metavar="PARTS",
                        help="take only these parts of --init, comma-separated, as lidar,trunk (MINE=THEIRS where it differs); others start fresh")
    parser.add_argument("--devices", type=int, default=1,
                        help="GPUs, or CPU processes without a GPU, train.batch_size samples each in a step, batch-normalised by themselves; train.lr"
                             " stays as it is (default 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets", help="override, as train.epochs=2")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Train as the arguments say; returns the exit code."""
    from fusion.checkpoint import resolve_model
    from fusion.data.open import open_source
    from fusion.train.recipe import load_recipe
    from fusion.train.run import train

    recipe = load_recipe(args.config, args.sets)
    scenes = scene_names(args.scenes)
    source = open_source(args.dataroot, args.version, scenes, labelled_only=True)
    path = train(recipe, source, args.out, resume=args.resume, devices=args.devices,
                 init=None if args.init is None else resolve_model(args.init),
                 init_parts=None if args.init_parts is None else split_names(args.init_parts))
    if os.environ.get("LOCAL_RANK", "0") == "0":  # the other processes of this command answer nothing
        print(f"wrote {path} and {path.with_suffix('.yaml')}")
    return 0
