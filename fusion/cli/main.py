"""`bevduet`: one command, one subcommand per job."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from fusion.errors import UserError

SUBCOMMANDS = ("demo", "simulate", "perceive", "evaluate", "train", "show_config")

EXAMPLES = """examples:
  bevduet demo
  bevduet perceive --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --model best.safetensors --out out/perceive
  bevduet perceive --dataroot data/nuscenes --version v1.0-mini --model best.safetensors --drop CAM_FRONT,LIDAR_TOP --out out/dropped
  bevduet evaluate --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --results out/perceive/results_nusc.json --out out/scores
  bevduet show-config nano --set model.num_sweeps=2

`bevduet COMMAND --help` explains a command.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands; imports nothing heavy."""
    parser = argparse.ArgumentParser(prog="bevduet", description="Camera-LiDAR 3D object detection in bird's-eye view.",
                                     epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in SUBCOMMANDS:
        importlib.import_module(f"fusion.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 2 bad input, 130 interrupted."""
    args = build_parser().parse_args(argv)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"bevduet: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bevduet: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output left, as in `bevduet show-config nano | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
