"""`bevduet simulate`: drives through a made world, recorded in nuScenes' own format."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  bevduet simulate --out data/sim --scenes 10 --seed 1
  bevduet simulate --out data/sim-small --scenes 200 --seed 7 --weather day --image-scale 0.25 --duration 6 --resume
  bevduet simulate --out data/sim-robot --scenes 2 --seed 3 --rig configs/rigs/robot.yaml --sweeps
  bevduet simulate --out data/sim-points --scenes 10 --seed 5 --lidarseg

then, as with any nuScenes root:
  bevduet perceive --dataroot data/sim --version v1.0-sim --scenes sim-1-0009 --model best.safetensors --out out/perceive
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "simulate", help="make a data set of simulated drives in nuScenes' format",
        description="Make a data set of simulated drives in nuScenes' format: the tables in OUT/v1.0-sim, readings in OUT/samples and OUT/sweeps,"
                    " map masks in OUT/maps. The official devkit loads it as it is. The same options give the same bytes on the same kind of"
                    " processor. OUT/v1.0-sim/splits.json holds the splits sim_train and sim_val (the last tenth of the scenes).",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set, new or empty")
    parser.add_argument("--scenes", type=int, required=True, metavar="N", help="number of scenes; they are named sim-SEED-0000 and so on")
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="another seed gives other worlds")
    parser.add_argument("--weather", choices=("mixed", "day", "night", "rain", "fog"), default="mixed", help="default: %(default)s")
    parser.add_argument("--rig", type=Path, metavar="RIG.yaml",
                        help="sensors, mounted exactly so in every scene (default: nuScenes' car, mounted a little differently in every scene)")
    parser.add_argument("--sweeps", action="store_true", help="also record the LiDAR's sweeps between keyframes (not the cameras')")
    parser.add_argument("--lidarseg", action="store_true",
                        help="also label every point of the keyframes, as nuScenes-lidarseg does: 32 classes, files in OUT/lidarseg")
    parser.add_argument("--image-scale", type=float, default=1.0, metavar="F", help="of the images' sides, such as 0.25 (default: %(default)s)")
    parser.add_argument("--duration", type=float, default=20.0, metavar="S", help="seconds of a scene, two keyframes each (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="N",
                        help="record every N-th keyframe only; velocities are known up to N = 3 (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (default: %(default)s)")
    parser.add_argument("--resume", action="store_true",
                        help="keep the finished scenes of an earlier run with the same options, make the others; --scenes may be more than then")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.simulate.record.drive import Request
    from fusion.simulate.record.run import simulate
    from fusion.simulate.record.vocabulary import VERSION
    from fusion.simulate.rig import nuscenes_rig
    from fusion.simulate.rig_file import load_rig

    rig = nuscenes_rig() if args.rig is None else load_rig(args.rig)
    request = Request(scenes=args.scenes, seed=args.seed, rig=rig, weather=args.weather, exact_rig=args.rig is not None, sweeps=args.sweeps,
                      lidarseg=args.lidarseg, image_scale=args.image_scale, duration_s=args.duration, every=args.every)
    names = simulate(args.out, request, workers=args.workers, resume=args.resume)
    print(f"{len(names)} scenes, {len(names) * len(request.keyframes_s())} keyframes -> --dataroot {args.out} --version {VERSION}")
    if rig.lidar is None:
        print("no LiDAR in this rig: the devkit's evaluator, which takes ego poses from LIDAR_TOP, cannot score it")
    return 0
