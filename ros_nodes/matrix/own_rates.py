"""Judges a cell of a drive that is played at its sensors' own rates: not every reading is answered, so every answer is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from ros_nodes.matrix.cells import LEAD_NS, RIG, Cell
from ros_nodes.matrix.told import Told, complaint
from ros_nodes.matrix.verdict import ON_THE_WAY_MS, RECOVERY_KEYFRAMES, Seen, Verdict

EN_ROUTE_NS = 20_000_000
"""A reading taken this short a time before an answer's stamp may come too late for it."""

SETTLED_NS = 1_000_000_000
"""So long after a fault its traces are no longer seen in the pace of answers."""

BUSY_S = 1.0
"""What answers may come later where a fault keeps the node busy, or makes it begin anew."""


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """When a pass has readings, and how long the node waits.

    Attributes:
        readings_ns: sensor -> stamps, increasing; the sensor that calls for answers last.
        max_age_ns: readings farther than this from an answer's stamp are not in it.
        deadline_ms: how long an answer waits for readings.
        takeover_ms: silence of the last sensor after which another calls for answers.
    """

    readings_ns: Mapping[str, Sequence[int]]
    max_age_ns: int = 100_000_000
    deadline_ms: float = 60.0
    takeover_ms: float = 300.0

    @property
    def reference(self) -> str:
        """The sensor that calls for answers."""
        return list(self.readings_ns)[-1]

    def period_ns(self, *names: str) -> int:
        """Median distance of readings, of the fastest of these sensors."""
        return min(round(median(after - before for before, after in pairwise(self.readings_ns[name]))) for name in names)

    def near(self, name: str, from_ns: int, to_ns: int) -> list[int]:
        """A sensor's stamps from one time to another, both included."""
        return [stamp for stamp in self.readings_ns[name] if from_ns <= stamp <= to_ns]


def judge_at_rates(cell: Cell, stamps_ns: Sequence[int], rhythm: Rhythm, answers: Sequence[Seen], *, told: Sequence[Told] | None = None,
                   rate: float = 1.0) -> Verdict:
    """One cell: no answer rests on a dead sensor, answers go on coming, and two sweeps after the fault every sensor that has a reading is in them.

    Args:
        cell: what happened when.
        stamps_ns: of the drive's keyframes.
        rhythm: of the drive.
        answers: of all passes, in the order of arrival.
        told: the reports of `/diagnostics`, of all passes; None: they are not judged.
        rate: of the player.
    """
    begin_ns, end_ns, until_ns = (stamps_ns[index] - LEAD_NS for index in (cell.begin, cell.end, cell.until))
    if not cell.begin:
        begin_ns = min(stamps[0] for stamps in rhythm.readings_ns.values())
    own = [seen for seen in straightened([seen for seen in answers if seen.number == cell.number], cell.kind.back_ns) if seen.stamp_ns < until_ns]
    during = [seen for seen in own if begin_ns <= seen.stamp_ns < end_ns]
    resting = [seen for seen in during if cell.sensor in seen.used]
    if cell.kind.dead and cell.sensor != RIG:
        lies = [seen for seen in resting if not _sound(cell.sensor, seen.stamp_ns, rhythm, begin_ns, end_ns, both_sides=True)]
        if lies:
            return Verdict(ok=False, text=f"{len(lies)} answers rest on it")
    gap_s = _longest_gap_s(own, begin_ns, end_ns)
    allowed_s = _calm_gap_s(own, begin_ns, end_ns) + _extra_s(cell, rhythm) / rate
    if gap_s > allowed_s:
        return Verdict(ok=False, text=f"no answer for {gap_s:.2f} s, expected one within {allowed_s:.2f} s")
    first_ns = min(rhythm.near(cell.sensor, end_ns, until_ns), default=until_ns) if cell.sensor != RIG else end_ns
    due_ns = first_ns + RECOVERY_KEYFRAMES * rhythm.period_ns(rhythm.reference)
    after = [seen for seen in own if seen.stamp_ns >= due_ns]
    lacking: dict[str, int] = {}
    for seen in after:
        for name in rhythm.readings_ns:
            if name not in seen.used and _sound(name, seen.stamp_ns, rhythm, begin_ns, end_ns):
                lacking[name] = lacking.get(name, 0) + 1
    if not after or lacking:
        text = ", ".join(f"{name} lacks in {count}" for name, count in lacking.items()) or "none came"
        return Verdict(ok=False, text=f"not back after {RECOVERY_KEYFRAMES} sweeps: of {len(after)} answers {text}")
    lack = "" if told is None else complaint(cell, stamps_ns, told, used=bool(resting))
    if lack:
        return Verdict(ok=False, text=lack)
    used = "" if cell.kind.dead or cell.sensor == RIG else f", used {len(resting)}/{len(during)}"
    return Verdict(ok=True, text=f"ok{used}, {gap_s * 1e3:.0f} ms")


def straightened(answers: Sequence[Seen], back_ns: int) -> list[Seen]:
    """The answers with the stamps that they would have without a clock that was back by so much for a time; in the order of arrival."""
    found: list[Seen] = []
    shift_ns, last_ns = 0, None
    for seen in answers:
        if back_ns and last_ns is not None and abs(seen.stamp_ns - last_ns) > back_ns // 2:
            shift_ns = back_ns if seen.stamp_ns < last_ns else 0
        last_ns = seen.stamp_ns
        found.append(replace(seen, stamp_ns=seen.stamp_ns + shift_ns))
    return found


def _sound(name: str, stamp_ns: int, rhythm: Rhythm, begin_ns: int, end_ns: int, *, both_sides: bool = False) -> bool:
    """Whether a sensor has a reading from outside of the fault for an answer: one that surely arrived in time, or any that may be in it."""
    late_ns = -rhythm.max_age_ns if both_sides else EN_ROUTE_NS
    return any(not begin_ns <= reading < end_ns for reading in rhythm.near(name, stamp_ns - rhythm.max_age_ns, stamp_ns - late_ns))


def _longest_gap_s(own: Sequence[Seen], begin_ns: int, end_ns: int) -> float:
    """Between two answers of which one is for a time of the fault, or which have it between them; to the first, where there is none before."""
    touched = [after.at_s - before.at_s for before, after in pairwise(own) if after.stamp_ns >= begin_ns and before.stamp_ns < end_ns]
    return max(touched, default=float("inf"))


def _calm_gap_s(own: Sequence[Seen], begin_ns: int, end_ns: int) -> float:
    calm = [after.at_s - before.at_s for before, after in pairwise(own)
            if after.stamp_ns < begin_ns or before.stamp_ns >= end_ns + SETTLED_NS]
    return max(calm, default=0.0)


def _extra_s(cell: Cell, rhythm: Rhythm) -> float:
    """What a fault may add to the calm distance of answers, at rate 1."""
    extra_s = 1e-3 * (rhythm.deadline_ms + ON_THE_WAY_MS)
    if cell.sensor in (rhythm.reference, RIG):
        others = [name for name in rhythm.readings_ns if name != rhythm.reference]
        extra_s += 1e-3 * (rhythm.takeover_ms + cell.kind.fault.get("ms", 0.0)) + (2e-9 * rhythm.period_ns(*others) if others else 0.0)
    return extra_s + (0.0 if cell.kind.timed else BUSY_S)
