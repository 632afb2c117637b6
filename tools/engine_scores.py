"""What engines and precisions cost in official scores: each against the first one, usually the checkpoint, on the same frames.

    python tools/engine_scores.py --models nano out/nano-onnx@openvino out/nano-onnx@openvino+bf16 out/nano-fp16 out/nano-int8 \\
        --simulated data/val --real data/nuscenes --out out/engine-scores

Official mAP on simulated scenes and car AP on real ones, with both sensors, LiDAR only and cameras only. Exit code 1 if an engine lies more
than 0.5 points of mAP or 1 point of car AP below the first. A model is what `--model` of every command takes, with `@BACKEND` for another
backend than its own and `+bf16` for bfloat16. Writes `scores.md` and `scores.json`, and beneath, per engine, the submissions.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.cli.names import scene_names
from fusion.errors import UserError
from fusion.files import write_text

if TYPE_CHECKING:
    from fusion.evaluate.engine_scores import Comparison

STATES = ("both", "lidar_only", "camera_only")


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", required=True, metavar="MODEL[@BACKEND][+bf16]", help="the first is what others are compared with")
    parser.add_argument("--simulated", type=Path, metavar="DATAROOT", help="for mAP, version v1.0-sim")
    parser.add_argument("--real", type=Path, metavar="DATAROOT", help="for car AP")
    parser.add_argument("--version", default="v1.0-mini", help="of the real data set (default: %(default)s)")
    parser.add_argument("--scenes", help="of the real data set, names of scenes or splits, comma-separated (default: all)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of each engine (default: 0, the backend chooses)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, made if needed")
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported
    from fusion.evaluate.engine_scores import CAR_BAR, MAP_BAR, comparison_table

    try:
        if args.simulated is None and args.real is None:
            raise UserError("nothing to score on: give --simulated, --real or both")
        comparisons = []
        if args.simulated is not None:
            comparisons.append(compared(args, args.simulated, "v1.0-sim", None, None, "simulated mAP", MAP_BAR))
        if args.real is not None:
            scenes = scene_names(args.scenes)
            comparisons.append(compared(args, args.real, args.version, scenes, "car", "real car AP", CAR_BAR))
    except UserError as error:
        print(f"engine_scores: error: {error}", file=sys.stderr)
        return 2
    missed = [line for one in comparisons for line in one.missed()]
    table = comparison_table(comparisons)
    write_text(args.out / "scores.md", "\n".join([table, "", *(f"- {line}" for line in missed)]) + "\n")
    write_text(args.out / "scores.json", json.dumps([one.plain() for one in comparisons], indent=1) + "\n")
    print(table)
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


def compared(
    args: argparse.Namespace, dataroot: Path, version: str, scenes: list[str] | None, name: str | None, title: str, bar: float
) -> Comparison:
    """Every model on one data set: AP of class `name`, or mAP."""
    from fusion.data.open import open_source
    from fusion.evaluate.by_state import StateAnswers, answer_states, score_states, sensor_states
    from fusion.evaluate.engine_scores import Comparison, EngineScore
    from fusion.runtime.backends.open import is_shipped, open_spec, split_spec
    from fusion.runtime.perceiver import Perceiver

    source = open_source(dataroot, version, scenes)
    states = [state for state in sensor_states(source.sensors()) if state.name in STATES]
    runs: list[StateAnswers] = []
    said: list[str] = []
    for number, model in enumerate(args.models):
        perceiver = Perceiver(open_spec(model, threads=args.threads), external=is_shipped(split_spec(model)[0]))
        said.append(perceiver.backend.describe())
        print(f"{model}: {said[-1]}", file=sys.stderr, flush=True)
        runs += answer_states(source, perceiver, source.scenes(), states, args.out / title.replace(" ", "_") / str(number))
    scores = score_states(dataroot, version, source.scenes(), runs)
    engines = []
    for number, model in enumerate(args.models):
        mine = scores[number * len(states):(number + 1) * len(states)]
        by_state = {score.answers.state.title: score.mean_ap if name is None else float(score.class_ap[name] or 0) for score in mine}
        engines.append(EngineScore(engine=model, what=said[number], by_state=by_state, ms=mine[0].answers.timer.summary()["total"]["median_ms"]))
    return Comparison(title=title, bar=bar, scores=tuple(engines))


if __name__ == "__main__":
    sys.exit(main())
