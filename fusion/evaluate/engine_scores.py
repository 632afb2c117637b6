"""What an engine or a lower precision costs in official scores, beside the same model in float32 on the same frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion.evaluate.markdown import aligned

MAP_BAR = 0.5
"""Points of mAP on simulated scenes that an engine may lie below float32, with every sensor state."""

CAR_BAR = 1.0
"""Points of car AP on real scenes that an engine may lie below float32, with every sensor state."""


@dataclass(frozen=True, kw_only=True)
class EngineScore:
    """Scores of one engine on one data set.

    Attributes:
        engine: how it was asked for.
        what: what it says of itself.
        by_state: score by the title of a sensor state; mAP or one class's AP, 0 to 1.
        ms: median milliseconds of an answer with both sensors.
    """

    engine: str
    what: str
    by_state: Mapping[str, float]
    ms: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Engines on one data set, the first being what the others are compared with.

    Attributes:
        title: of the score, such as `simulated mAP`.
        bar: points that an engine may lie below the first.
        scores: of every engine.
    """

    title: str
    bar: float
    scores: tuple[EngineScore, ...]

    def differences(self, score: EngineScore) -> dict[str, float]:
        """Points above the first engine, by sensor state."""
        return {state: 100 * (value - self.scores[0].by_state[state]) for state, value in score.by_state.items()}

    def missed(self) -> list[str]:
        """What lies further below the first engine than the bar allows, a line each."""
        return [f"{score.engine}: {self.title}, {state}: {points:+.2f} points, expected at least {-self.bar:+.1f}"
                for score in self.scores[1:] for state, points in self.differences(score).items() if not points >= -self.bar]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"title": self.title, "bar_points": self.bar, "engines": {
            score.engine: {"what": score.what, "score": dict(score.by_state), "difference_points": self.differences(score), "median_ms": score.ms}
            for score in self.scores}}


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """A markdown table: an engine a row, and of every score its value by state with the points that it lies above the first engine."""
    head = ["engine", *(f"{one.title}, {state}" for one in comparisons for state in one.scores[0].by_state)]
    rows = []
    for index, first in enumerate(comparisons[0].scores):
        cells = [first.engine]
        for one in comparisons:
            score = one.scores[index]
            for state, points in one.differences(score).items():
                cells.append(f"{score.by_state[state]:.3f}" + (f" ({points:+.1f})" if index else ""))
        rows.append(cells)
    return aligned([head, *rows])
