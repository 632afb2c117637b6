"""Show whether a model looks at its cameras: turn all their extrinsics by some degrees and score by the official devkit at each angle.

    python tools/decalibration.py --model nano --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --out out/decalibration

Writes `decalibration.md`, `decalibration.json`, `decalibration.png`, and per angle and state the submission and the devkit's two files.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from fusion.cli.model_options import add_model_options, chosen_perceiver
from fusion.cli.names import scene_names
from fusion.errors import UserError
from fusion.process import settle


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_options(parser)
    parser.add_argument("--dataroot", type=Path, required=True, help="a data set in nuScenes' format")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--scenes", help="names of scenes or splits, comma-separated (default: all)")
    parser.add_argument("--yaw-deg", default="0,2,5,10", metavar="DEGREES", help="angles, the first as reference (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, made if needed")
    args = parser.parse_args()
    settle()
    from fusion.data.open import open_source
    from fusion.evaluate.decalibration import decalibrate, decalibration_table, write_decalibration

    try:
        yaws = _angles(args.yaw_deg)
        perceiver = chosen_perceiver(args)
        if perceiver.config.network.camera is None:
            raise UserError(f"--model {args.model}: reads no camera; expected one that does")
        wanted = scene_names(args.scenes)
        source = open_source(args.dataroot, args.version, wanted)
        result = decalibrate(source, perceiver, yaws, args.dataroot, args.version, args.out)
        write_decalibration(result, args.out, {"model": args.model, "dataroot": str(args.dataroot), "version": args.version})
    except UserError as error:
        print(f"decalibration: error: {error}", file=sys.stderr)
        return 2
    print(f"{decalibration_table(result)}\n\n-> {args.out / 'decalibration.md'}")
    return 0


def _angles(text: str) -> list[float]:
    try:
        angles = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        angles = []
    if not angles or len(set(angles)) < len(angles) or not all(map(math.isfinite, angles)):
        raise UserError(f"--yaw-deg {text!r}: expected different numbers separated by commas, such as 0,2,5,10")
    return angles


if __name__ == "__main__":
    sys.exit(main())
