"""`bevduet evaluate`: official scores of a results file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fusion.errors import UserError

EXAMPLE = """example:
  bevduet evaluate --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103,scene-0916 \\
      --results out/perceive/results_nusc.json --out out/evaluate
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "evaluate", help="score a results file with the official nuScenes devkit",
        description="Score a results file with the official nuScenes devkit. Writes metrics_summary.json and metrics_details.json"
                    " as the devkit does, report.md with a table, and plots.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="nuScenes root, the folder above v1.0-...")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--scenes", help="scene names or official splits, comma-separated (default: every scene of the tables)")
    parser.add_argument("--results", type=Path, required=True, help="results_nusc.json of `bevduet perceive`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the metrics, made if needed")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.evaluate.nuscenes_eval import score_detections, write_metrics
    from fusion.evaluate.report import headline, table, write_report

    scenes = None if args.scenes is None else [name.strip() for name in args.scenes.split(",") if name.strip()]
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {args.out}: cannot be made ({error.strerror}); give a folder that can be written") from None
    evaluation = score_detections(args.dataroot, args.version, scenes, args.results)
    write_metrics(evaluation, args.out)
    write_report(evaluation, args.out)
    print(table(evaluation.summary, evaluation.ground_truth))
    print(f"\n{headline(evaluation.summary)}  ({evaluation.num_samples} keyframes)  ->  {args.out / 'report.md'}")
    return 0
