"""Are the boxes and tracks that came over topics those of the files: keyframe by keyframe, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fusion.types import Detections

BOX_LIMIT, SCORE_LIMIT = 1e-3, 1e-4
"""Metres and radians of x y z l w h yaw; and of the score. Messages carry no velocity."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Boxes of one instant in their order.

    Attributes:
        boxes: `(M, 7)`, x y z l w h yaw.
        scores: `(M,)`.
        names: M: the class, or of a track class and id.
    """

    boxes: np.ndarray
    scores: np.ndarray
    names: Sequence[str]

    @classmethod
    def of(cls, found: Detections) -> Rows:
        """Those of detections."""
        return cls(boxes=found.boxes[:, :7], scores=found.scores, names=[found.classes[label] for label in found.labels])


@dataclass(kw_only=True)
class Comparison:
    """Over all instants.

    Attributes:
        wanted: instants that there should be; `compared` those that came.
        rows: boxes compared.
        box, score: largest differences.
        faults: one line for each instant with other rows than wanted.
    """

    wanted: int
    compared: int = 0
    rows: int = 0
    box: float = 0.0
    score: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether all came, with the same rows, to `BOX_LIMIT` and `SCORE_LIMIT`."""
        return self.compared == self.wanted and not self.faults and self.box <= BOX_LIMIT and self.score <= SCORE_LIMIT

    def line(self) -> str:
        """What a user should know."""
        return (f"{self.compared} of {self.wanted} instants compared, {self.rows} boxes; largest difference {self.box:.1e} in x y z l w h yaw,"
                f" {self.score:.1e} in score; other boxes in {len(self.faults)} instants")


def compare(got: Mapping[int, Rows], wanted: Mapping[int, Rows]) -> Comparison:
    """Compare instants by their stamp."""
    found = Comparison(wanted=len(wanted))
    for stamp_ns, reference in wanted.items():
        answer = got.get(stamp_ns)
        if answer is None:
            continue
        found.compared += 1
        if list(answer.names) != list(reference.names):
            extra = sorted({*answer.names} ^ {*reference.names})[:4]
            found.faults.append(f"{stamp_ns}: {len(answer.names)} boxes, expected {len(reference.names)}{f'; {extra}' if extra else ''}")
            continue
        found.rows += len(reference.names)
        difference = np.abs(answer.boxes.astype(np.float64) - reference.boxes)
        difference[:, 6] = np.abs((difference[:, 6] + np.pi) % (2 * np.pi) - np.pi)
        found.box = max(found.box, float(difference.max(initial=0.0)))
        found.score = max(found.score, float(np.abs(answer.scores.astype(np.float64) - reference.scores).max(initial=0.0)))
    return found
