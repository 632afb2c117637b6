"""What synchronisation takes and gives: its settings, what became of a reading, and the bundle of one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from fusion.errors import UserError

T = TypeVar("T")


class Offer(Enum):
    """What became of a reading that was offered.

    The last is only counted, for a reading that had been taken: SUPERSEDED left without having been in a bundle.
    """

    TAKEN = "taken"
    LATE = "late"
    DUPLICATE = "duplicate"
    JUMP = "jump"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, kw_only=True)
class SyncConfig:
    """Which sensors make a bundle, and when it is closed.

    Attributes:
        sensors: all names; the order is the order in which they may take over as the reference.
        reference: the sensor whose readings open bundles, usually the LiDAR.
        deadline_ns: a bundle is closed this long after its reference reading arrived, complete or not.
        max_age_ns: a reading belongs to a bundle when its corrected stamp is at most this far before or after the bundle's.
        offsets_ns: sensor -> what is added to its stamps (a clock that runs late has a positive offset); 0 where not given.
        takeover_ns: after this long without the reference another sensor opens the bundles (longer for a reference that is slow by
            nature: at least two of its periods).
        jump_ns: stamps that step back by more than this are a jump of time; by less, readings out of order.
        ahead_ns: a bundle does not wait for a closer reading that is taken later than this after its stamp; it does, where the sensor
            would be missing otherwise.

    Raises:
        UserError: no sensor, one twice, an unknown one, or a time that cannot be.
    """

    sensors: tuple[str, ...]
    reference: str
    deadline_ns: int = 50_000_000
    max_age_ns: int = 100_000_000
    offsets_ns: Mapping[str, int] = field(default_factory=dict)
    takeover_ns: int = 200_000_000
    jump_ns: int = 1_000_000_000
    ahead_ns: int = 10_000_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensors", tuple(self.sensors))
        twice = sorted({name for name in self.sensors if self.sensors.count(name) > 1})
        if not self.sensors or twice:
            raise UserError(f"sensors: got {list(self.sensors)}; expected at least one name" + (f", {twice} only once" if twice else ""))
        for what, names in (("reference", [self.reference]), ("offsets_ns", self.offsets_ns)):
            for name in names:
                if name not in self.sensors:
                    raise UserError(f"{what}: got the sensor {name!r}; expected one of {list(self.sensors)}")
        for what, least in (("deadline_ns", 0), ("max_age_ns", 1), ("takeover_ns", 1), ("jump_ns", 1), ("ahead_ns", 0)):
            value = getattr(self, what)
            if value < least:
                raise UserError(f"{what}: got {value} ns; expected at least {least} ns")


@dataclass(frozen=True, kw_only=True)
class Bundle(Generic[T]):
    """Readings of one instant.

    Attributes:
        stamp_ns: the corrected stamp of the reference reading (its stamp plus its sensor's offset).
        reference: the sensor that gave the stamp; not the configured one while another has taken over.
        items: sensor -> the reading closest to `stamp_ns`, in the order of `SyncConfig.sensors`.
        skew_ns: sensor -> its corrected stamp minus `stamp_ns`; so `stamp_ns + skew_ns[name]` is when the reading was really taken.
        missing: the sensors without a reading here, in the order of `SyncConfig.sensors`.
    """

    stamp_ns: int
    reference: str
    items: Mapping[str, T]
    skew_ns: Mapping[str, int]
    missing: tuple[str, ...]
