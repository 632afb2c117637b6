"""`bevduet evaluate`: official scores of a results file, or of a model with each modality missing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fusion.cli.model_options import add_model_options, chosen_perceiver
from fusion.cli.names import scene_names
from fusion.errors import UserError

EXAMPLE = """examples:
  bevduet evaluate --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103,scene-0916 \\
      --results out/perceive/results_nusc.json --out out/evaluate
  bevduet evaluate --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --modality-use --model nano --out out/use
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "evaluate", help="score a results file with the official nuScenes devkit",
        description="Score a results file with the official nuScenes devkit. Writes metrics_summary.json and metrics_details.json"
                    " as the devkit does, report.md with a table, and plots. With --modality-use, score a model instead: with both sensors and"
                    " with each modality missing, so that its use of each is seen; writes modality_use.md and modality_use.json.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="nuScenes root, the folder above v1.0-...")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--scenes", help="names of scenes or splits, comma-separated (default: every scene of the tables)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--results", type=Path, help="results_nusc.json of `bevduet perceive`")
    what.add_argument("--modality-use", action="store_true", help="how much --model uses the cameras and the LiDAR, by class")
    add_model_options(parser, "with --modality-use: ")
    parser.add_argument("--out", type=Path, required=True, help="folder for the metrics, made if needed")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; raises UserError on bad input."""
    from fusion.data.open import LABEL_LIMITS, NOT_NUSCENES

    if args.version in NOT_NUSCENES:
        why = f" ({LABEL_LIMITS[args.version]})" if args.version in LABEL_LIMITS else ""
        raise UserError(f"--version {args.version}: the nuScenes devkit scores data sets in nuScenes' format only{why}; expected a folder of tables")
    scenes = scene_names(args.scenes)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {args.out}: cannot be made ({error.strerror}); give a folder that can be written") from None
    return _modality_use(args, scenes) if args.modality_use else _results(args, scenes)


def _results(args: argparse.Namespace, scenes: list[str] | None) -> int:
    from fusion.evaluate.nuscenes_eval import score_detections, write_metrics
    from fusion.evaluate.report import headline, table, write_report

    evaluation = score_detections(args.dataroot, args.version, scenes, args.results)
    write_metrics(evaluation, args.out)
    write_report(evaluation, args.out)
    print(table(evaluation.summary, evaluation.ground_truth))
    print(f"\n{headline(evaluation.summary)}  ({evaluation.num_samples} keyframes)  ->  {args.out / 'report.md'}")
    return 0


def _modality_use(args: argparse.Namespace, scenes: list[str] | None) -> int:
    from fusion.data.open import open_source
    from fusion.evaluate.modality_use import modality_use, use_sentence, use_table, write_use

    perceiver = chosen_perceiver(args)
    source = open_source(args.dataroot, args.version, scenes)
    use = modality_use(source, perceiver, args.dataroot, args.version, args.out)
    write_use(use, args.out, {"model": args.model, "dataroot": str(args.dataroot), "version": args.version})
    print(f"{use_table(use)}\n\n{use_sentence(use)}  ->  {args.out / 'modality_use.md'}")
    return 0
