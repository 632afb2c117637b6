"""`bevduet`: one command, one subcommand per job."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fusion.errors import UserError
from fusion.process import settle

SUBCOMMANDS = ("demo", "simulate", "perceive", "track", "evaluate", "train", "export", "verify", "show_config")
OF_THE_USER = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
"""Errors of the system that a person can act on: a full disk, a folder that may not be written."""
COMMAND_GROUP = "bevduet.commands"  # entry points of installed packages, each an `add_parser(subparsers)`: the ROS 2 commands come so

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
    for entry_point in sorted(entry_points(group=COMMAND_GROUP), key=lambda found: found.name):
        if entry_point.name not in subparsers.choices:
            _add_installed_command(subparsers, entry_point)
    return parser


def _add_installed_command(subparsers: Any, entry_point: EntryPoint) -> None:
    """Add a command of another package; one that cannot be loaded says so when it is used and harms no other command."""
    try:
        entry_point.load()(subparsers)
    except Exception as error:
        reason = f"{entry_point.name}: {entry_point.value} cannot be loaded: {type(error).__name__}: {error}"

        def refuse(_: argparse.Namespace) -> int:
            raise UserError(reason)

        # No character starts an option here, so that any arguments are accepted and the reason is what the user reads.
        broken = subparsers.add_parser(entry_point.name, help="(cannot be loaded)", add_help=False, prefix_chars="\0")
        broken.add_argument("arguments", nargs="*")
        broken.set_defaults(run=refuse)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 2 bad input, 130 interrupted."""
    settle()
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
    except OSError as error:
        if error.errno not in OF_THE_USER:
            raise
        print(f"bevduet: error: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
