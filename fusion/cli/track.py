"""`bevduet track`: a detection submission in, the official tracking submission out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fusion.cli.names import scene_names

EXAMPLES = """examples:
  bevduet track --dataroot data/nuscenes --version v1.0-mini --detections out/perceive/results_nusc.json --out out/track --score
  bevduet track --dataroot data/nuscenes --version v1.0-mini --detections out/perceive/results_nusc.json --method greedy \\
      --set use_detected_velocity=true --set min_scores.pedestrian=0.2 --out out/greedy

settings for --set, with their defaults (`fusion/tracking/config.py` explains them):
  method=kalman  use_detected_velocity=false  velocity_std_m_s=1.5  max_unseen_s=1.6  min_hits=1  report_unseen_s=0.0
  classes=[bicycle, bus, car, motorcycle, pedestrian, trailer, truck]
  min_score=0.1  min_scores.CLASS (none)  gates_m.CLASS (none: CenterPoint's)

Kalman filters without detected velocities are the default, because the shipped nano cannot tell a velocity from one sweep. For a detector that
can (error below about 0.5 m/s), try use_detected_velocity=true.
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "track", help="follow detected objects from keyframe to keyframe",
        description="Follow the objects of a detection submission through each scene. Writes tracking_result.json, an official nuScenes tracking"
                    " submission (seven classes, `meta` kept); with --score also the official metrics.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="root folder of the data set")
    parser.add_argument("--version", default="v1.0-mini", help="its table folder (default: %(default)s)")
    parser.add_argument("--detections", type=Path, required=True, help="results_nusc.json of `bevduet perceive`")
    parser.add_argument("--scenes", help="names of scenes or splits, comma-separated (default: those that the detections cover)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, made if needed")
    parser.add_argument("--method", choices=("kalman", "greedy"),
                        help="a Kalman filter for each object (the default), or CenterPoint's greedy matching")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting of the tracker; may be given again")
    parser.add_argument("--score", action="store_true",
                        help="score by the official devkit: metrics_summary.json, metrics_details.json and a table (needs motmetrics and pandas)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.config import apply_sets, from_mapping
    from fusion.data.open import open_source
    from fusion.errors import UserError
    from fusion.evaluate.tracking import (
        score_tracking,
        tracking_headline,
        tracking_scores_unavailable,
        tracking_table,
        write_tracking_metrics,
    )
    from fusion.evaluate.tracking_submission import track_submission
    from fusion.tracking.config import TrackerConfig

    config = from_mapping(TrackerConfig, apply_sets({} if args.method is None else {"method": args.method}, args.sets), "tracker")
    unavailable = tracking_scores_unavailable() if args.score else None
    if unavailable is not None:  # before the work, not after it
        raise UserError(f"--score: {unavailable}")
    scenes = scene_names(args.scenes)
    source = open_source(args.dataroot, args.version, scenes)
    summary = track_submission(source, args.detections, args.out, scenes=None if scenes is None else source.scenes(), config=config)
    print(f"{summary.samples} keyframes of {len(summary.scenes)} scene(s), {summary.tracks} tracks, {summary.boxes} boxes -> {summary.path}")
    if args.score:
        evaluation = score_tracking(args.dataroot, args.version, summary.scenes, summary.path)
        write_tracking_metrics(evaluation, args.out)
        print(f"\n{tracking_table(evaluation.summary)}\n\n{tracking_headline(evaluation.summary)}  ->  {args.out / 'metrics_summary.json'}")
    return 0
