"""What engines cost, by hand: differences in points, what misses a bar, and the table."""

from __future__ import annotations

import pytest

from fusion.evaluate.engine_scores import Comparison, EngineScore, comparison_table


def score(engine: str, both: float, lidar: float) -> EngineScore:
    return EngineScore(engine=engine, what=f"{engine} on a CPU", by_state={"both sensors": both, "LiDAR only": lidar}, ms=10.0)


COMPARISON = Comparison(title="simulated mAP", bar=0.5,
                        scores=(score("nano", 0.400, 0.300), score("int8", 0.396, 0.294), score("bf16", 0.420, 0.301)))


def test_points_are_hundredths_and_below_is_negative() -> None:
    assert COMPARISON.differences(COMPARISON.scores[1]) == pytest.approx({"both sensors": -0.4, "LiDAR only": -0.6})
    assert COMPARISON.differences(COMPARISON.scores[0]) == {"both sensors": 0.0, "LiDAR only": 0.0}


def test_what_lies_too_far_below_is_named_and_better_is_no_fault() -> None:
    assert COMPARISON.missed() == ["int8: simulated mAP, LiDAR only: -0.60 points, expected at least -0.5"]


def test_a_score_that_is_no_number_misses() -> None:
    broken = Comparison(title="a", bar=1.0, scores=(score("nano", 0.4, 0.3), score("b", float("nan"), 0.3)))
    assert len(broken.missed()) == 1


def test_table_and_json() -> None:
    real = Comparison(title="real car AP", bar=1.0, scores=tuple(score(name, 0.5, 0.4) for name in ("nano", "int8", "bf16")))
    lines = comparison_table([COMPARISON, real]).splitlines()
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == [
        "engine", "simulated mAP, both sensors", "simulated mAP, LiDAR only", "real car AP, both sensors", "real car AP, LiDAR only"]
    assert [cell.strip() for cell in lines[3].strip("|").split("|")] == ["int8", "0.396 (-0.4)", "0.294 (-0.6)", "0.500 (+0.0)", "0.400 (+0.0)"]
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["nano", "0.400", "0.300", "0.500", "0.400"]
    plain = COMPARISON.plain()
    assert plain["bar_points"] == 0.5 and plain["engines"]["bf16"]["difference_points"]["both sensors"] == pytest.approx(2.0)
