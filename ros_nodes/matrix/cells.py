"""What is tried: one cell per fault and sensor, and when in which pass of the drive it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ros_nodes.player_topics import CLOUD, COMPRESSED, IMAGE, READINGS

RIG = "rig"
"""Column of the cells that concern no single sensor."""

FAULT_KEYFRAMES = 4
CALM_KEYFRAMES = 4
FIRST_KEYFRAME = 4
LEAD_NS = 150_000_000
"""A fault begins and ends this long before a keyframe's stamp, when none of its cameras has been triggered yet."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One row of the matrix.

    Attributes:
        title: of the row.
        fault: the record of the player's fault script, without sensor and times.
        dead: whether the sensor must not be in any answer while it lasts.
        back_ns: how far all stamps are moved back while it lasts.
        timed: whether answers must keep their deadline while it lasts.
        told: states of which `/diagnostics` must tell one while it lasts, where no answer rests on the sensor, and ok after; () for none.
        told_used: whether it must where answers rest on the sensor, too.
        boxes: whether the boxes must be those of files with the same calibration.
        of: the message types whose sensors it is tried on.
    """

    title: str
    fault: Mapping[str, Any]
    dead: bool = True
    back_ns: int = 0
    timed: bool = True
    told: tuple[str, ...] = ()
    told_used: bool = False
    boxes: bool = False
    of: tuple[str, ...] = READINGS


SENSOR_KINDS = (
    Kind(title="lost", fault={"fault": "drop"}, told=("missing",)),
    Kind(title="late 50 ms", fault={"fault": "delay", "ms": 50}, dead=False, told=("late", "missing")),
    Kind(title="late 150 ms", fault={"fault": "delay", "ms": 150}, dead=False, told=("late", "missing"), told_used=True),
    Kind(title="late 500 ms", fault={"fault": "delay", "ms": 500}, dead=False, told=("late", "missing"), told_used=True),
    Kind(title="frozen", fault={"fault": "freeze"}, told=("frozen",)),
    Kind(title="corrupt", fault={"fault": "corrupt", "mode": "truncate"}, told=("invalid",)),
    Kind(title="wrong size", fault={"fault": "wrong_size"}, told=("invalid",)),
    Kind(title="noise", fault={"fault": "corrupt", "mode": "noise"}, told=("invalid",), of=(COMPRESSED,)),
    Kind(title="wrong encoding", fault={"fault": "wrong_encoding"}, told=("invalid",)),
    Kind(title="wrong step", fault={"fault": "wrong_step"}, told=("invalid",), of=(IMAGE, CLOUD)),
    Kind(title="points are NaN", fault={"fault": "nan_points"}, told=("invalid",), of=(CLOUD,)),
    Kind(title="mounting changes", fault={"fault": "decalibrate", "yaw_deg": 3.0}, dead=False, boxes=True),
    Kind(title="lens changes", fault={"fault": "intrinsics", "factor": 1.1}, dead=False, boxes=True, of=(IMAGE, COMPRESSED)),
)
RIG_KINDS = (
    Kind(title="TF late 40 ms", fault={"fault": "tf_delay", "ms": 40}, dead=False),
    Kind(title="TF late 300 ms", fault={"fault": "tf_delay", "ms": 300}, dead=False),
    Kind(title="flood at 3x rate", fault={"fault": "flood", "sensor": "all", "times": 3}, dead=False, timed=False),
    Kind(title="clock back 5 s", fault={"fault": "clock_back", "seconds": 5.0}, dead=False, back_ns=5_000_000_000, timed=False),
)
COMING_KINDS = (
    Kind(title="calibration comes later", fault={"fault": "no_info"}, timed=False, told=("uncalibrated",), of=(IMAGE, COMPRESSED)),
    Kind(title="transform comes later", fault={"fault": "tf_missing"}, timed=False, told=("uncalibrated",)),
)
"""These are in force from the start of a pass, at a node that knows nothing yet: also not how much to wait for whom."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell and its place.

    Attributes:
        kind: its row.
        sensor: its column, a sensor's name or `RIG`.
        number: of the pass of the drive in which it happens, from 0.
        begin, end: keyframes of the pass; the fault covers begin to end - 1.
        until: keyframes from `end` to here show the recovery.
    """

    kind: Kind
    sensor: str
    number: int
    begin: int
    end: int
    until: int

    def record(self, stamps_ns: Sequence[int], first_ns: int, pass_ns: int) -> dict[str, Any]:
        """Its line of the fault script.

        Args:
            stamps_ns: of the keyframes.
            first_ns: stamp at which playing begins.
            pass_ns: from the start of one pass to the start of the next.
        """
        start_ns = self.number * pass_ns - first_ns - LEAD_NS
        times = {"from_s": max(start_ns + stamps_ns[self.begin], 0) * 1e-9, "to_s": (start_ns + stamps_ns[self.end]) * 1e-9}
        sensor = {} if self.sensor == RIG else {"sensor": self.sensor}
        return {**self.kind.fault, **sensor, **times}


@dataclass(kw_only=True)
class Plan:
    """Cells, pass after pass.

    Attributes:
        cells: in the order of time.
        passes: how many passes they take.
    """

    cells: list[Cell] = field(default_factory=list)
    passes: int = 0


def plan_cells(sensors: Sequence[str], cameras: Sequence[str], keyframes: int, kinds: Sequence[str] | None = None,
               transport: str = "raw") -> tuple[Plan, Plan]:
    """The cells of a drive with so many keyframes: those of a running node, and those of one that has just been configured.

    Args:
        sensors: all names; `cameras` are those with a calibration of their own.
        keyframes: of the drive; at least 13 are needed for one fault and its recovery.
        kinds: titles of the rows wanted; None for all.
        transport: "raw" or "compressed" images.

    Raises:
        ValueError: too short a drive, or an unknown row.
    """
    every = [kind.title for kind in (*SENSOR_KINDS, *RIG_KINDS, *COMING_KINDS)]
    for title in kinds or ():
        if title not in every:
            raise ValueError(f"row {title!r}: unknown; expected some of {', '.join(every)}")
    step = FAULT_KEYFRAMES + CALM_KEYFRAMES
    starts = list(range(FIRST_KEYFRAME, keyframes - step, step))
    if not starts:
        raise ValueError(f"keyframes: {keyframes} of the drive are too few; expected at least {FIRST_KEYFRAME + step + 1}")
    image = COMPRESSED if transport == "compressed" else IMAGE

    def tried(kind: Kind) -> list[tuple[Kind, str]]:
        return [(kind, name) for name in sensors if (image if name in cameras else CLOUD) in kind.of]

    wanted = [pair for kind in SENSOR_KINDS for pair in tried(kind)] + [(kind, RIG) for kind in RIG_KINDS]
    wanted = [(kind, sensor) for kind, sensor in wanted if kinds is None or kind.title in kinds]
    running, fresh = Plan(), Plan()
    for index, (kind, sensor) in enumerate(wanted):
        begin = starts[index % len(starts)]
        running.cells.append(Cell(kind=kind, sensor=sensor, number=index // len(starts), begin=begin, end=begin + FAULT_KEYFRAMES,
                                  until=begin + step))
    running.passes = -(-len(wanted) // len(starts))
    end = min(2 * FAULT_KEYFRAMES, keyframes - CALM_KEYFRAMES - 1)
    coming = [pair for kind in COMING_KINDS for pair in tried(kind) if kinds is None or kind.title in kinds]
    fresh.cells += [Cell(kind=kind, sensor=sensor, number=number, begin=0, end=end, until=end + CALM_KEYFRAMES)
                    for number, (kind, sensor) in enumerate(coming)]
    fresh.passes = len(fresh.cells)
    return running, fresh
