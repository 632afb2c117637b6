"""`bevduet demo`: sensors die on a drive and come back; one page tells what was still seen."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fusion.cli.model_options import add_model_options, chosen_perceiver, model_words
from fusion.errors import UserError

SIMULATED: Mapping[str, Any] = MappingProxyType({"seed": 404, "weather": "day", "duration": 16.0})
"""Options of a simulated drive, and what they are unless asked for."""

EXAMPLES = """examples:
  bevduet demo
  bevduet demo --seed 23 --weather night --out out/night
  bevduet demo --dataroot data/nuscenes --version v1.0-mini --scene scene-0103 --out out/real
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "demo", help="simulate a drive, kill sensors, and show what is still seen",
        description="Simulate a short drive (or take a recorded one), perceive it while a camera dies, then the LiDAR, then both come back, score"
                    " it by the official devkit in every sensor state, and write it all to one HTML page. Nothing is downloaded.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the page and its data, made if needed (default: %(default)s)")
    add_model_options(parser)
    parser.add_argument("--seed", type=int, metavar="S", help=f"another seed simulates another world (default: {SIMULATED['seed']})")
    parser.add_argument("--weather", choices=("day", "night", "rain", "fog", "mixed"), help=f"of the simulation (default: {SIMULATED['weather']})")
    parser.add_argument("--duration", type=float, metavar="S", help=f"seconds of the simulated drive (default: {SIMULATED['duration']:g})")
    parser.add_argument("--dataroot", type=Path, help="take a recorded drive: a data set in nuScenes' format")
    parser.add_argument("--version", default="v1.0-mini", help="its table folder (default: %(default)s)")
    parser.add_argument("--scene", help="its scene (default: the first)")
    parser.add_argument("--score-threshold", type=float, default=0.3, metavar="T",
                        help="draw and count boxes from this score on; the official scores use all (default: %(default)s)")
    parser.add_argument("--no-open", action="store_true", help="do not open the page in a browser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.demo.drive import can_open_pages, recorded_drive, simulated_drive
    from fusion.demo.run import PAGE, Clock, run_demo
    from fusion.evaluate.state_table import states_table

    if args.scene is not None and args.dataroot is None:
        raise UserError(f"--scene {args.scene}: names a scene of --dataroot, which is missing; leave --scene away for a simulated drive")
    for name, usual in SIMULATED.items():
        value = getattr(args, name)
        if value is None:
            setattr(args, name, usual)
        elif args.dataroot is not None:
            raise UserError(f"--{name} {value}: of a simulated drive, and --dataroot takes a recorded one; leave one of them away")
    if not 0 <= args.score_threshold <= 1:
        raise UserError(f"--score-threshold {args.score_threshold}: expected 0 to 1")
    perceiver = chosen_perceiver(args)  # before the long work, so that a wrong name costs nothing
    clock = Clock(took_s={})
    if args.dataroot is not None:
        drive = recorded_drive(args.dataroot, args.version, args.scene)
    else:
        print(f"simulating a drive of {args.duration:g} s (seed {args.seed}, {args.weather})", flush=True)
        with clock.part("simulating"):
            drive = simulated_drive(args.out, seed=args.seed, weather=args.weather, duration_s=args.duration)
    print(f"perceiving {drive.scene} while sensors die and come back", flush=True)
    story = run_demo(drive, perceiver, args.out, model=args.model, command=_command(args),
                     seed=None if args.dataroot is not None else args.seed, clock=clock, min_score=args.score_threshold)
    page = (args.out / PAGE).resolve()
    print(f"\n{states_table(story.scores)}\n\n{story.headline()}\n-> {page}")
    if not args.no_open and can_open_pages():
        import webbrowser

        webbrowser.open(page.as_uri())
    return 0


def _command(args: argparse.Namespace) -> str:
    """The command line that makes this page again."""
    words = ["bevduet", "demo", *model_words(args), "--out", str(args.out)]
    if args.dataroot is None:
        words += ["--seed", str(args.seed), "--weather", args.weather, "--duration", f"{args.duration:g}"]
    else:
        words += ["--dataroot", str(args.dataroot), "--version", args.version] + (["--scene", args.scene] if args.scene else [])
    if args.score_threshold != 0.3:
        words += ["--score-threshold", f"{args.score_threshold:g}"]
    return shlex.join(words)
