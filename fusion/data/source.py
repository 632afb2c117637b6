"""What every data set offers, so that the stack does not know which one it reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Protocol

from fusion.errors import BadSensorData, UserError
from fusion.types import GroundTruth, SensorSet

MAX_SWEEPS = 10


class SceneSource(Protocol):
    """Scenes of instants, each with sensor readings and perhaps annotations."""

    def scenes(self) -> list[str]:
        """Names of the scenes."""
        ...

    def tokens(self, scene: str) -> list[str]:
        """Names of a scene's instants in time order; UserError for an unknown scene."""
        ...

    def sensors(self) -> tuple[str, ...]:
        """Names of the rig's sensors: cameras in rig order, LiDAR last."""
        ...

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        """The readings of one instant.

        Args:
            token: the instant's name.
            num_sweeps: earlier LiDAR sweeps to merge into the cloud, 0 to 10, where the data set has them.
            cameras: read images; False gives None for each camera, without warnings.
            lidar: read points; False gives None, without a warning.

        Returns:
            The readings; None and one warning line where one cannot be used.

        Raises:
            UserError: unknown token, or `num_sweeps` out of range.
        """
        ...

    def ground_truth(self, token: str) -> GroundTruth | None:
        """Annotations of one instant in the ego frame at the reference stamp; None where the data set has none."""
        ...


def check_sweeps(num_sweeps: int) -> None:
    """UserError unless 0 <= num_sweeps <= 10."""
    if not 0 <= num_sweeps <= MAX_SWEEPS:
        raise UserError(f"num_sweeps: got {num_sweeps}; expected 0 to {MAX_SWEEPS}")


def choose_scenes(known: Sequence[str], wanted: Iterable[str] | None, where: str) -> list[str]:
    """The wanted scene names in the order given (all for None); UserError naming the known ones for an unknown name."""
    if wanted is None:
        return list(known)
    chosen = list(dict.fromkeys(wanted))
    for name in chosen:
        if name not in known:
            raise unknown("scene", name, known, where)
    return chosen


def unknown(kind: str, name: str, known: Sequence[str], where: str) -> UserError:
    """The error for a name that is not there; of many known names it shows the one that may be meant, or the first few."""
    close = difflib.get_close_matches(name, known, n=1) if len(known) > 10 else []
    if close:
        return UserError(f"{kind} {name!r}: not in {where}; did you mean {close[0]!r}?")
    shown = ", ".join(known[:10]) + (f" ... ({len(known)} in all)" if len(known) > 10 else "")
    return UserError(f"{kind} {name!r}: not in {where}; expected one of {shown or '(none)'}")


class WarningLog:
    """Collects one line per reading that cannot be used."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, sensor: str, error: BadSensorData) -> None:
        """Note that `sensor` gave nothing."""
        self.lines.append(f"{sensor}: {error}")
