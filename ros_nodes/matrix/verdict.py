"""Judges a cell by the answers that came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ros_nodes.matrix.cells import RIG, Cell
from ros_nodes.matrix.same_boxes import Rows
from ros_nodes.matrix.told import Told, complaint

NEAR_NS = 200_000_000
"""An answer belongs to the keyframe whose stamp is this near: without the LiDAR answers have a camera's stamp."""

RECOVERY_KEYFRAMES = 2
MISSED_KEYFRAMES = 1
"""So many keyframes of a fault may stay without an answer: the node first has to notice that its reference is silent."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An answer.

    Attributes:
        number: the pass in which it came.
        stamp_ns: its stamp.
        used: the sensors that it rests on.
        late_ms: its arrival, counted from the time at which the player was at its stamp, without the network's share.
        rows: its boxes; None where they were not received.
        at_s: the second of its arrival, by a clock of the listener.
    """

    number: int
    stamp_ns: int
    used: tuple[str, ...]
    late_ms: float = 0.0
    rows: Rows | None = None
    at_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a cell is green, and in a few words why."""

    ok: bool
    text: str


ON_THE_WAY_MS = 100.0
"""What an answer may take beside its deadline and the network: messages under way, on a machine that also plays them."""


def judge(cell: Cell, stamps_ns: Sequence[int], sensors: Sequence[str], answers: Sequence[Seen], *, told: Sequence[Told] | None = None,
          deadline_ms: float = 60.0, rate: float = 1.0) -> Verdict:
    """One cell of the matrix.

    Args:
        cell: what happened when.
        stamps_ns: of the drive's keyframes.
        sensors: all that there are.
        answers: of all passes.
        told: the reports of `/diagnostics`, of all passes; None: they are not judged.
        deadline_ms: of the node; `rate` of the player, which its deadlines follow.
    """
    back_ns = cell.kind.back_ns
    first_ns = stamps_ns[0] - NEAR_NS
    during = [_at(cell, stamp - back_ns, answers, again=0 < back_ns <= stamp - first_ns) for stamp in stamps_ns[cell.begin:cell.end]]
    after = [_fullest(cell, stamps_ns[index], answers) for index in range(cell.end, cell.until)]
    answered = [used for used in during if used is not None]
    allowed = RECOVERY_KEYFRAMES if back_ns or cell.sensor not in (*sensors[:-1], RIG) else MISSED_KEYFRAMES
    if cell.kind.dead and cell.sensor != RIG and any(cell.sensor in used for used in answered):
        return Verdict(ok=False, text=f"{sum(cell.sensor in used for used in answered)} answers rest on it")
    if len(answered) < len(during) - allowed:
        return Verdict(ok=False, text=f"{len(answered)} answers for {len(during)} keyframes")
    answers_to = [_near(cell, stamp, answers) for stamp in stamps_ns[cell.begin:cell.end]]
    late_ms = sorted(min(seen.late_ms for seen in near) for near in answers_to if near)
    limit_ms = (deadline_ms + (cell.kind.fault.get("ms", 0.0) if cell.sensor == sensors[-1] else 0.0)) / rate + ON_THE_WAY_MS
    in_time = [ms for ms in late_ms if ms <= limit_ms]
    if cell.kind.timed and len(in_time) < len(during) - allowed:
        return Verdict(ok=False, text=f"{len(in_time)} of {len(during)} answers in time; the others after {late_ms[-1]:.0f} ms and the network's")
    for index, used in enumerate(after):
        if used is not None and set(used) == set(sensors):
            if index > RECOVERY_KEYFRAMES:
                break
            rest = [used for used in after[max(index, RECOVERY_KEYFRAMES):] if used is None or set(used) != set(sensors)]
            if rest:
                return Verdict(ok=False, text="lost again after its recovery")
            used_during = sum(cell.sensor in used for used in answered)
            lack = "" if told is None else complaint(cell, stamps_ns, told, used=used_during > 0)
            if lack:
                return Verdict(ok=False, text=lack)
            text = "ok" if cell.kind.dead or cell.sensor == RIG else f"ok, used {used_during}/{len(during)}"
            return Verdict(ok=True, text=text + (f", {in_time[-1]:.0f} ms" if cell.kind.timed else ""))
    lacking = sorted(set(sensors) - set(after[-1] or ()))
    return Verdict(ok=False, text=f"not back after {RECOVERY_KEYFRAMES} sweeps: {', '.join(lacking) or 'late'}")


def _at(cell: Cell, stamp_ns: int, answers: Sequence[Seen], *, again: bool = False) -> tuple[str, ...] | None:
    """The sensors of all answers at a keyframe in the cell's pass; None where there is none. `again`: this time was there before."""
    near = _near(cell, stamp_ns, answers)[int(again):]
    return tuple(dict.fromkeys(name for seen in near for name in seen.used)) if near else None


def _fullest(cell: Cell, stamp_ns: int, answers: Sequence[Seen]) -> tuple[str, ...] | None:
    """The sensors of the answer at a keyframe that rests on most: one with the cameras and one with the LiDAR are no fusion."""
    return max((seen.used for seen in _near(cell, stamp_ns, answers)), key=len, default=None)


def _near(cell: Cell, stamp_ns: int, answers: Sequence[Seen]) -> list[Seen]:
    return [seen for seen in answers if seen.number == cell.number and abs(seen.stamp_ns - stamp_ns) <= NEAR_NS]
