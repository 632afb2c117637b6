"""What a method of tracking has to offer: how one track moves, and which detections are which tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np


@dataclass(kw_only=True)
class MotionState:
    """Where one object is taken to be.

    Attributes:
        box: `(9,)` float64, columns `BOX_FIELDS`, fixed frame, at the tracker's latest stamp.
        name: its class.
        label: its class as a number; only equal labels are associated.
        unseen_s: seconds since its latest detection.
    """

    box: np.ndarray
    name: str
    label: int
    unseen_s: float = 0.0


S = TypeVar("S", bound=MotionState)


class Motion(Protocol[S]):
    """A method; states belong to the method that started them."""

    def start(self, box: np.ndarray, name: str, label: int) -> S:
        """The state of an object detected for the first time; `box` is `(9,)`."""
        ...

    def match(self, states: Sequence[S], boxes: np.ndarray, labels: np.ndarray, dt_s: float) -> np.ndarray:
        """Associate detections with tracks; changes nothing.

        Args:
            states: T tracks at the time of the update before.
            boxes: `(D, 9)` detections, best first.
            labels: `(D,)` int64.
            dt_s: seconds between the update before and the detections.

        Returns:
            `(D,)` int64 index of the track, -1 without one; no track twice.
        """
        ...

    def seen(self, state: S, box: np.ndarray, dt_s: float) -> None:
        """Move a track on by `dt_s` to its detection `(9,)`."""
        ...

    def unseen(self, state: S, dt_s: float) -> None:
        """Move a track on by `dt_s` without a detection."""
        ...
