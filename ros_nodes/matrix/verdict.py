"""Judges a cell by the answers that came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ros_nodes.matrix.cells import RIG, Cell

NEAR_NS = 200_000_000
"""An answer belongs to the keyframe whose stamp is this near: without the LiDAR answers have a camera's stamp."""

RECOVERY_KEYFRAMES = 2
MISSED_KEYFRAMES = 1
"""So many keyframes of a fault may stay without an answer: the node first has to notice that its reference is silent."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An answer: the pass in which it came, its stamp, and the sensors that it rests on."""

    number: int
    stamp_ns: int
    used: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a cell is green, and in a few words why."""

    ok: bool
    text: str


def judge(cell: Cell, stamps_ns: Sequence[int], sensors: Sequence[str], answers: Sequence[Seen]) -> Verdict:
    """One cell of the matrix.

    Args:
        cell: what happened when.
        stamps_ns: of the drive's keyframes.
        sensors: all that there are.
        answers: of all passes.
    """
    back_ns = cell.kind.back_ns
    during = [_at(cell, stamps_ns[index] - back_ns, answers, again=back_ns > 0) for index in range(cell.begin, cell.end)]
    after = [_at(cell, stamps_ns[index], answers) for index in range(cell.end, cell.until)]
    answered = [used for used in during if used is not None]
    allowed = RECOVERY_KEYFRAMES if back_ns or cell.sensor not in (*sensors[:-1], RIG) else MISSED_KEYFRAMES
    if cell.kind.dead and cell.sensor != RIG and any(cell.sensor in used for used in answered):
        return Verdict(ok=False, text=f"{sum(cell.sensor in used for used in answered)} answers rest on it")
    if len(answered) < len(during) - allowed:
        return Verdict(ok=False, text=f"{len(answered)} answers for {len(during)} keyframes")
    for index, used in enumerate(after):
        if used is not None and set(used) == set(sensors):
            if index > RECOVERY_KEYFRAMES:
                break
            rest = [used for used in after[max(index, RECOVERY_KEYFRAMES):] if used is None or set(used) != set(sensors)]
            if rest:
                return Verdict(ok=False, text="lost again after its recovery")
            used_during = sum(cell.sensor in used for used in answered)
            return Verdict(ok=True, text="ok" if cell.kind.dead or cell.sensor == RIG else f"ok, used {used_during}/{len(during)}")
    lacking = sorted(set(sensors) - set(after[-1] or ()))
    return Verdict(ok=False, text=f"not back after {RECOVERY_KEYFRAMES} sweeps: {', '.join(lacking) or 'late'}")


def _at(cell: Cell, stamp_ns: int, answers: Sequence[Seen], *, again: bool = False) -> tuple[str, ...] | None:
    """The sensors of all answers at a keyframe in the cell's pass; None where there is none. `again`: this time was there before."""
    near = [seen.used for seen in answers if seen.number == cell.number and abs(seen.stamp_ns - stamp_ns) <= NEAR_NS]
    near = near[int(again):]
    return tuple(dict.fromkeys(name for used in near for name in used)) if near else None
