"""Everything the demo's page tells, gathered before a line of it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusion.demo.drive import Drive
from fusion.demo.found import MATCH_M, Found
from fusion.demo.recorder import Frame
from fusion.demo.schedule import Phase
from fusion.evaluate.by_state import StateScore


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happened.

    Attributes:
        drive: what was perceived.
        model: name or path of the weights.
        command: the command line that made the page.
        seed: of the drive; None for a recorded one.
        phases: the schedule.
        frames: one for each keyframe that could be read.
        found: state -> counts over the whole drive.
        scores: the devkit's, state by state.
        min_score: boxes below are neither drawn nor counted.
        took_s: part of the demo -> seconds.
    """

    drive: Drive
    model: str
    command: str
    seed: int | None
    phases: Sequence[Phase]
    frames: Sequence[Frame]
    found: Mapping[str, Found]
    scores: Sequence[StateScore]
    min_score: float
    took_s: Mapping[str, float]

    def headline(self) -> str:
        """The demo in one sentence."""
        (camera,) = next(p.state.lost for p in self.phases if p.state.name == "one_camera_lost")
        both, one, two = (self.found[name].share for name in ("both", "one_camera_lost", "camera_and_lidar_lost"))
        return (f"{both:.0%} of the objects found with every sensor, {one:.0%} without {camera}, "
                f"{two:.0%} with the LiDAR gone as well.")

    def explanation(self) -> str:
        """What the numbers of the headline are."""
        return (f"Over the whole drive of {len(self.frames)} keyframes: an object is found by a box of its class, score at least {self.min_score:g}, "
                f"within {MATCH_M:g} m. Objects are those in their class's official range with a LiDAR or radar point inside.")
