"""The life of tracks: born from a detection that nobody claims, ended when it was missed for too long; ids are never given twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from fusion.tracking.motion import MotionState

S = TypeVar("S", bound=MotionState)


@dataclass(kw_only=True)
class Track(Generic[S]):
    """One object.

    Attributes:
        id: > 0.
        state: where it is.
        score: of its latest detection.
        born_ns: stamp of its first detection.
        seen_ns: stamp of its latest detection.
        hits: detections so far.
    """

    id: int
    state: S
    score: float
    born_ns: int
    seen_ns: int
    hits: int = 1


class TrackRegister(Generic[S]):
    """The living tracks in order of birth."""

    def __init__(self, max_unseen_s: float) -> None:
        self._max_unseen_ns = round(max_unseen_s * 1e9)
        self._tracks: list[Track[S]] = []
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._tracks)

    def __iter__(self) -> Iterator[Track[S]]:
        return iter(self._tracks)

    def __getitem__(self, index: int) -> Track[S]:
        return self._tracks[index]

    def bear(self, state: S, score: float, stamp_ns: int) -> None:
        """Begin a track under a new id."""
        self._tracks.append(Track(id=self._next_id, state=state, score=score, born_ns=stamp_ns, seen_ns=stamp_ns))
        self._next_id += 1

    def end_missed(self, stamp_ns: int) -> None:
        """End the tracks whose latest detection is too long ago at `stamp_ns`."""
        self._tracks = [track for track in self._tracks if stamp_ns - track.seen_ns <= self._max_unseen_ns]

    def end_all(self) -> None:
        """End every track; later ones still get new ids."""
        self._tracks = []
