"""Whether `/diagnostics` told what was wrong with a sensor while it was, and that all was well again after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ros_nodes.matrix.cells import LEAD_NS, RIG, Cell

OK = "ok"


@dataclass(frozen=True, kw_only=True)
class Told:
    """A report of `/diagnostics`: in which pass, its stamp, and the state of every sensor."""

    number: int
    stamp_ns: int
    states: Mapping[str, str]


def complaint(cell: Cell, stamps_ns: Sequence[int], told: Sequence[Told], *, used: bool = False) -> str:
    """What the reports lack; "" where they are right. A cell of the whole rig, or of a kind that names no state, asks for none.

    Args:
        cell: what happened when.
        stamps_ns: of the drive's keyframes.
        told: of all passes, in the order of arrival.
        used: whether answers rest on the sensor during the fault, as they may on one that is late: where it is late by less than the node
            allows (see `Kind.told_used`), it may well be told as ok.
    """
    wanted, sensor = cell.kind.told, cell.sensor
    if sensor == RIG or not wanted:
        return ""
    own = [report for report in told if report.number == cell.number and sensor in report.states]
    begin_ns, end_ns, until_ns = stamps_ns[cell.begin] - LEAD_NS, stamps_ns[cell.end], stamps_ns[cell.until] - LEAD_NS
    during = list(dict.fromkeys(report.states[sensor] for report in own if begin_ns <= report.stamp_ns <= end_ns))
    if (cell.kind.told_used or not used) and not set(during) & set(wanted):
        return f"/diagnostics told {', '.join(during) or 'nothing'} of it, not {' or '.join(wanted)}"
    last = [report.states[sensor] for report in own if end_ns < report.stamp_ns <= until_ns][-1:]
    return "" if last == [OK] else f"/diagnostics tells {last[0] if last else 'nothing'} after it, not {OK}"
