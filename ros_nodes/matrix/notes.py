"""What is heard of a node while the player plays, and how late each answer was."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ros_nodes.matrix.same_boxes import Rows
from ros_nodes.matrix.told import Told
from ros_nodes.matrix.verdict import Seen


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When the player was at a keyframe: in which pass, at which stamp, at which second of the machine's clock."""

    number: int
    stamp_ns: int
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Heard:
    """An answer as it came: in which pass, its stamp and sensors, the network's share in it, and the second of its arrival."""

    number: int
    stamp_ns: int
    used: tuple[str, ...]
    inference_ms: float
    at_s: float


@dataclass(kw_only=True)
class Notes:
    """What was heard since the player was started.

    Attributes:
        answers: in the order of arrival.
        told: reports of `/diagnostics`, likewise.
        rows: (pass, stamp) -> boxes.
        moments: keyframes that were reached.
        passes: how many have begun.
        finished: whether the player has said so.
    """

    answers: list[Heard] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    rows: dict[tuple[int, int], Rows] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    passes: int = 0
    finished: bool = False

    def seen(self, rate: float) -> list[Seen]:
        """The answers with their boxes, and how late each was; `rate` is the player's."""
        return [Seen(number=heard.number, stamp_ns=heard.stamp_ns, used=heard.used, rows=self.rows.get((heard.number, heard.stamp_ns)),
                     late_ms=self._late_ms(heard, rate), at_s=heard.at_s) for heard in list(self.answers)]

    def _late_ms(self, heard: Heard, rate: float) -> float:
        """From the time at which the player was at the answer's stamp to its arrival, without the network's share."""
        near = min((moment for moment in self.moments if moment.number == heard.number),
                   key=lambda moment: abs(moment.stamp_ns - heard.stamp_ns), default=None)
        if near is None:
            return math.inf
        return 1e3 * (heard.at_s - near.at_s) - 1e-6 * (heard.stamp_ns - near.stamp_ns) / rate - heard.inference_ms
