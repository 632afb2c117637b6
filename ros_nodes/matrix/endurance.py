"""Judges what concerns no single fault: whether a node that was restarted is whole again."""

from __future__ import annotations

from collections.abc import Sequence

from ros_nodes.matrix.notes import Heard
from ros_nodes.matrix.verdict import RECOVERY_KEYFRAMES, Verdict

STEADY_ANSWERS = 6
"""So many answers are looked at: the first may lack sensors, the others not."""


def steady_answers(heard: Sequence[Heard]) -> list[Heard]:
    """The answers but the first `RECOVERY_KEYFRAMES` of each further pass: there time jumps back, and all starts anew."""
    kept: list[Heard] = []
    since, number = RECOVERY_KEYFRAMES, heard[0].number if heard else 0
    for answer in heard:
        since, number = (0 if answer.number != number else since + 1), answer.number
        if since >= RECOVERY_KEYFRAMES:
            kept.append(answer)
    return kept


def judge_steady(heard: Sequence[Heard], sensors: Sequence[str]) -> Verdict:
    """Whether every sensor is in an answer after at most `RECOVERY_KEYFRAMES` others, and in all from there on."""
    whole = [set(answer.used) == set(sensors) for answer in steady_answers(heard)[:STEADY_ANSWERS]]
    if len(whole) < STEADY_ANSWERS:
        return Verdict(ok=False, text=f"{len(whole)} answers after it, expected {STEADY_ANSWERS}")
    first = whole.index(True) if any(whole) else STEADY_ANSWERS
    if first > RECOVERY_KEYFRAMES:
        return Verdict(ok=False, text=f"not whole in {RECOVERY_KEYFRAMES + 1} answers")
    if not all(whole[first:]):
        return Verdict(ok=False, text="whole, then not: sensors were lost again")
    return Verdict(ok=True, text=f"ok, whole from answer {first + 1} on")
