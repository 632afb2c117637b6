"""Score a model with both sensors, LiDAR only, cameras only and one camera lost, by the official devkit.

    python tools/score_states.py --model nano --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --out out/states

Writes `states.md` and `states.json`, and per state the submission and the devkit's two files. With `--by-view` also `by_view.md`: the scores of the
objects that the lost camera sees, and of the others.
"""

from __future__ import annotations

import argparse
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
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, made if needed")
    parser.add_argument("--by-view", action="store_true", help="also score apart what the lost camera sees and what it does not")
    args = parser.parse_args()
    settle()
    from fusion.data.open import open_source
    from fusion.evaluate.by_state import answer_states, score_states, sensor_states
    from fusion.evaluate.by_view import lost_camera, score_by_view
    from fusion.evaluate.nuscenes_eval import open_tables
    from fusion.evaluate.state_table import states_table, write_states
    from fusion.evaluate.view_table import view_mapping, view_table, write_view

    try:
        perceiver = chosen_perceiver(args)
        wanted = scene_names(args.scenes)
        source = open_source(args.dataroot, args.version, wanted)
        states = sensor_states(source.sensors())
        if args.by_view:
            lost_camera(states)  # refuses a rig without one before the work
        runs = answer_states(source, perceiver, source.scenes(), states, args.out)
        facts = {"model": args.model, "dataroot": str(args.dataroot), "version": args.version}
        tables = open_tables(args.dataroot, args.version)
        scores = score_states(args.dataroot, args.version, source.scenes(), runs, tables=tables)
        view = score_by_view(args.dataroot, args.version, source.scenes(), runs, tables=tables) if args.by_view else None
        write_states(scores, args.out, facts, {"by_view": view_mapping(view)} if view else None)
        if view:
            write_view(view, args.out, facts)
    except UserError as error:
        print(f"score_states: error: {error}", file=sys.stderr)
        return 2
    print(f"{states_table(scores)}\n\n-> {args.out / 'states.md'}")
    if view:
        print(f"\n{view_table(view)}\n\n-> {args.out / 'by_view.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
