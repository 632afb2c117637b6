"""What a grid of trained variants shows: mean and spread over seeds, in every sensor state."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fusion.errors import UserError
from fusion.evaluate.markdown import aligned

STATES = {"both": "both", "lidar_only": "LiDAR only", "camera_only": "camera only", "one_camera_lost": "one camera lost",
          "half_cameras_lost": "half the cameras lost"}
"""Columns: names of sensor states, and how they are headed."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant.

    Attributes:
        name: as in the grid.
        title: for people.
        control: the one state that it is a control for, or None for a variant of the ladder.
        untrained: it is what the others start from, and no step of the ladder.
    """

    name: str
    title: str
    control: str | None = None
    untrained: bool = False


def ablation_report(rows: Sequence[Row], results: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: mAP by variant and state, then differences between variants, seed by seed.

    Args:
        rows: in order; the first one of the ladder is the baseline that the others are compared with.
        results: of single cells, as `tools/ablation.py` writes them: `variant`, `seed`, `budget`, `cpu_seconds` and per state its scores.

    Raises:
        UserError: no results, or cells of different budgets.
    """
    if not results:
        raise UserError("no cell is finished yet; run the grid first")
    budgets = sorted({str(result["budget"]) for result in results})
    if len(budgets) > 1:
        raise UserError(f"cells of {len(budgets)} different budgets: {' against '.join(budgets)}; give each grid a folder of its own")
    by_variant = {row.name: {int(r["seed"]): r for r in results if r["variant"] == row.name} for row in rows}
    done = [row for row in rows if by_variant[row.name]]
    header = ["", "seeds", *STATES.values()]
    scores = [[row.title, str(len(by_variant[row.name])),
               *(_spread([_score(r, state) for r in by_variant[row.name].values()]) for state in STATES), _minutes(by_variant[row.name])]
              for row in done]
    lines = ["# Ablation", "", _about(results[0]), "", aligned([[*header, "processor minutes"], *scores]), "",
             "mAP of the ten classes, official devkit: mean ± standard deviation over the seeds. Processor minutes: training alone."]
    for metric, title in (("car", "AP of cars"), ("pedestrian", "AP of pedestrians"), ("NDS", "NDS")):
        cells = [[row.title, str(len(by_variant[row.name])),
                  *(_spread([_score(r, state, metric) for r in by_variant[row.name].values()]) for state in STATES)] for row in done]
        lines += ["", f"{title}:", "", aligned([header, *cells])]
    lines += ["", "Differences in points of mAP between networks of the same seed:", "", aligned([header, *_differences(rows, by_variant)])]
    return "\n".join(lines) + "\n"


def _about(result: Mapping[str, Any]) -> str:
    budget = result["budget"]
    train, start = budget["train"], f"{', '.join(budget['init_parts'])} of `{budget['init']}`, the rest" if budget["init"] else "all"
    frozen = budget.get("frozen_versions", 0)
    alike = not budget["init"] or frozen or train.get("lr_inherited", 1.0) == 1.0
    slower = "" if alike else f", {train['lr'] * train['lr_inherited']:g} for what is not fresh"
    stays = f"; both encoders stay as they are, of {frozen} drawings of every sample" if frozen else ""
    return (f"Every network: {train['epochs']} epochs over {budget['train_scenes']} scenes in batches of {train['batch_size']}, peak learning rate"
            f" {train['lr']:g}{slower}; {start} fresh{stays}. Scored on {budget['val_keyframes']} keyframes. A seed changes fresh weights, order,"
            f" {'which drawing of a sample is taught' if frozen else 'augmentation'} and which sensors are withheld.")


def _differences(rows: Sequence[Row], by_variant: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> list[list[str]]:
    """Each step of the ladder against the one before, its end against its start, and against the controls in their states."""
    ladder = [row for row in rows if row.control is None and not row.untrained]
    pairs = [(after, before, tuple(STATES)) for before, after in pairwise(ladder)]
    pairs += [(row, ladder[0], tuple(STATES)) for row in ladder[2:]]
    pairs += [(row, control, (control.control,)) for control in rows if control.control for row in ladder]
    table = []
    for after, before, states in pairs:
        seeds = sorted(by_variant[after.name].keys() & by_variant[before.name].keys())
        if seeds:
            gains = {state: [100 * (_score(by_variant[after.name][s], state) - _score(by_variant[before.name][s], state)) for s in seeds]
                     for state in states}
            table.append([f"{after.title}, less {before.title}", str(len(seeds)),
                          *(_spread(gains[state], signed=True) if state in gains else "" for state in STATES)])
    return table


def _score(result: Mapping[str, Any], state: str, metric: str = "mAP") -> float:
    scores = result["states"][state]
    return float(scores[metric] if metric in scores else scores["AP"][metric] or 0.0)


def _spread(values: Sequence[float], *, signed: bool = False) -> str:
    """Mean and sample standard deviation; of one value, the value."""
    mean = statistics.mean(values)
    text = f"{mean:+.1f}" if signed else f"{mean:.3f}"
    if len(values) < 2:
        return text
    spread = statistics.stdev(values)
    return f"{text} ± {spread:.1f}" if signed else f"{text} ± {spread:.3f}"


def _minutes(results: Mapping[int, Mapping[str, Any]]) -> str:
    return f"{statistics.mean(float(r['cpu_seconds']) for r in results.values()) / 60:.1f}"

