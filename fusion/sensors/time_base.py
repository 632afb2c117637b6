"""Whose time a stamp is of: the one that all sensors share, or, after a jump of its own, that of its sensor alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fusion.sensors.cadence import Cadences


class Step(Enum):
    """From a sensor's newest stamp to the next."""

    ONWARD = "onward"
    REPEATED = "repeated"
    """The same stamp again."""
    OUT_OF_ORDER = "out of order"
    """Earlier, by less than a jump."""
    JUMP = "jump"
    """Earlier by more than that; or, of a sensor that opens bundles, so much later that it cannot have come so soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StampTime:
    """What a stamp says of its sensor's time.

    Attributes:
        step: from the sensor's newest stamp, ONWARD for its first.
        apart: whether it opens no bundle, as it is of another time than most others'.
        strayed: whether it was not apart before.
        leads: whether its sensor goes back alone with what all follow: bundles of a later time are to be forgotten.
    """

    step: Step
    apart: bool = False
    strayed: bool = False
    leads: bool = False

    @property
    def jumped(self) -> bool:
        """Whether time jumped with it, the sensor's own or that of all."""
        return self.step is Step.JUMP or self.strayed


class TimeBases:
    """Which sensors are on a time of their own.

    A sensor that jumps alone, as one whose clock broke, is set apart, whoever it is: so it cannot disturb the others. Where most have
    jumped, they are the time that all follow.

    Args:
        cadences: the sensors' last readings; the caller notes each after `judge`.
        jump_ns: stamps that step by more than this are of another time.
    """

    def __init__(self, cadences: Cadences, jump_ns: int) -> None:
        self._cadences, self._jump_ns = cadences, jump_ns
        self._apart: set[str] = set()

    def __contains__(self, name: str) -> bool:
        """Whether the sensor's time jumped and bundles have not followed it."""
        return name in self._apart

    def clear(self) -> None:
        """All are of one time."""
        self._apart.clear()

    def rejoin(self, name: str) -> None:
        """The sensor is on the time of all again."""
        self._apart.discard(name)

    def judge(self, name: str, stamp_ns: int, now_ns: int, *, opens: bool, latest_ns: int | None) -> StampTime:
        """Judge a stamp that arrives now.

        Args:
            name: its sensor.
            stamp_ns: the stamp; `now_ns` the time of its arrival.
            opens: whether its sensor may open bundles: then it is held against the others before it leads them anywhere.
            latest_ns: stamp of the last bundle that was opened, or None.
        """
        newest_ns, lag_ns = self._cadences[name].stamp_ns, self._cadences[name].lag_ns
        back = newest_ns is not None and newest_ns - stamp_ns > self._jump_ns
        if not back and newest_ns is not None and stamp_ns <= newest_ns:
            return StampTime(step=Step.REPEATED if stamp_ns == newest_ns else Step.OUT_OF_ORDER)
        step = Step.JUMP if back or (opens and lag_ns is not None and lag_ns - (now_ns - stamp_ns) > self._jump_ns) else Step.ONWARD
        if not opens:
            if back:
                self._apart.add(name)
            return StampTime(step=step)
        was_apart = name in self._apart
        if step is Step.ONWARD and not was_apart and (newest_ns is not None or latest_ns is None):
            return StampTime(step=step)
        if self._astray(name, now_ns - stamp_ns, now_ns):
            self._apart.add(name)
            return StampTime(step=step, apart=True, strayed=not was_apart)
        self._apart.discard(name)
        return StampTime(step=step, leads=latest_ns is not None and latest_ns - stamp_ns > self._jump_ns)

    def followed(self, name: str, lag_ns: int, now_ns: int) -> bool:
        """Whether a sensor is apart that most others have followed since, by the delay of its newest reading."""
        return name in self._apart and not self._astray(name, lag_ns, now_ns)

    def _astray(self, name: str, lag_ns: int, now_ns: int) -> bool:
        """Whether a delay from stamp to arrival is of another time than those of most others that speak, and of two at least."""
        lags = [self._cadences[other].lag_ns for other in self._cadences.names if other != name and not self._cadences.silent(other, now_ns)]
        apart = [abs(lag_ns - other_ns) > self._jump_ns for other_ns in lags if other_ns is not None]
        return sum(apart) >= 2 and 2 * sum(apart) > len(apart)
