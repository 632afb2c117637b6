"""Readings of many sensors into bundles of one instant: what arrived by the deadline, and never what is too old or from the future."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

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
        enough_ns: a reading this close to the reference stamp is not waited to be bettered; 0 waits for the closest one.
    """

    sensors: tuple[str, ...]
    reference: str
    deadline_ns: int = 50_000_000
    max_age_ns: int = 100_000_000
    offsets_ns: Mapping[str, int] = field(default_factory=dict)
    takeover_ns: int = 200_000_000
    jump_ns: int = 1_000_000_000
    enough_ns: int = 0


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


class Collector(Generic[T]):
    """Collects readings and closes bundles. Reads no clock: every `now_ns` is an argument, of any clock that the caller keeps to.

    Not thread-safe: one thread offers and asks. After each `offer`, and at `next_due_ns`, take what `due` has until it is None.
    Stamps of bundles strictly increase, except after a jump of time or `reset`.
    """

    def __init__(self, config: SyncConfig) -> None:
        raise NotImplementedError

    def offer(self, name: str, stamp_ns: int, now_ns: int, item: T) -> Offer:
        """Hand in a reading that has just arrived.

        Args:
            name: its sensor; ValueError for one that is not in the config.
            stamp_ns: the time it was taken, as its sensor says.
            now_ns: the time it arrived.
            item: the reading; kept only as long as a bundle may need it.

        Returns:
            TAKEN; JUMP, taken after time had jumped back; or what stood against it: LATE, DUPLICATE (the stamp that this sensor gave
            before).
        """
        raise NotImplementedError

    def due(self, now_ns: int) -> Bundle[T] | None:
        """The oldest bundle that is complete (nothing better can come before its deadline) or past its deadline; else None."""
        raise NotImplementedError

    def next_due_ns(self) -> int | None:
        """When `due` should be asked next if nothing is offered before; None where nothing is under way."""
        raise NotImplementedError

    def expect(self, names: Iterable[str]) -> None:
        """Name the sensors worth waiting for (all, at first); the others are used when they come. A sensor whose reading is taken is
        expected again from then on. ValueError for a name that is not in the config."""
        raise NotImplementedError

    @property
    def expected(self) -> tuple[str, ...]:
        """The sensors that are waited for, in the order of the config."""
        raise NotImplementedError

    @property
    def driver(self) -> str:
        """The sensor that opens bundles now."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all readings and times, as after a jump of time; counters and the expected sensors stay."""
        raise NotImplementedError

    def counts(self) -> dict[str, dict[Offer, int]]:
        """Sensor -> how many readings ended in which way since the start."""
        raise NotImplementedError
