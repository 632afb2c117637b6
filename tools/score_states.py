"""Score a model with both sensors, LiDAR only, cameras only and one camera lost, by the official devkit.

    python tools/score_states.py --model nano --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --out out/states

Writes `states.md` and `states.json`, and per state the submission and the devkit's two files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fusion.cli.model_options import add_model_options, open_chosen
from fusion.cli.names import split_names
from fusion.errors import UserError
from fusion.process import settle


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_options(parser)
    parser.add_argument("--dataroot", type=Path, required=True, help="a data set in nuScenes' format")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--scenes", help="scene names, comma-separated (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, made if needed")
    args = parser.parse_args()
    settle()
    from fusion.data.open import open_source
    from fusion.evaluate.by_state import answer_states, score_states, sensor_states
    from fusion.evaluate.state_table import states_table, write_states
    from fusion.runtime.perceiver import Perceiver

    try:
        perceiver = Perceiver(open_chosen(args))
        wanted = split_names(args.scenes) if args.scenes else None
        source = open_source(args.dataroot, args.version, wanted)
        runs = answer_states(source, perceiver, source.scenes(), sensor_states(source.sensors()), args.out)
        scores = score_states(args.dataroot, args.version, source.scenes(), runs)
        write_states(scores, args.out, {"model": args.model, "dataroot": str(args.dataroot), "version": args.version})
    except UserError as error:
        print(f"score_states: error: {error}", file=sys.stderr)
        return 2
    print(f"{states_table(scores)}\n\n-> {args.out / 'states.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
