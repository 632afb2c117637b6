"""The demo from drive to page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fusion.demo.drive import Drive
from fusion.demo.page import page_html
from fusion.demo.recorder import Recorder
from fusion.demo.schedule import demo_states, schedule
from fusion.demo.story import Story
from fusion.errors import UserError
from fusion.evaluate.by_state import answer_states, score_states
from fusion.evaluate.state_table import write_states
from fusion.files import write_text
from fusion.runtime.perceiver import Perceiver

PAGE = "index.html"


@dataclass(kw_only=True)
class Clock:
    """Seconds by part of the demo, in order."""

    took_s: dict[str, float]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time the block."""
        start = time.perf_counter()
        yield
        self.took_s[name] = time.perf_counter() - start


def run_demo(drive: Drive, perceiver: Perceiver, out: Path, *, model: str, command: str, seed: int | None, clock: Clock,
             min_score: float = 0.3) -> Story:
    """Perceive a drive while sensors die, score it, and write `out/index.html`, `states.md`, `states.json` and each state's submission.

    Args:
        drive: one scene.
        perceiver: the model.
        out: folder, made if needed.
        model, command, seed: told on the page.
        clock: goes on counting what it has begun to count.
        min_score: boxes below are neither drawn nor counted as found.

    Raises:
        UserError: a model that reads one kind of sensor only, a rig or drive that does not fit, results that cannot be scored or written.
    """
    network = perceiver.config.network
    if network.camera is None or network.lidar is None:
        raise UserError(f"model {model!r}: reads {'LiDAR' if network.camera is None else 'cameras'} only; the demo takes sensors away from one that"
                        " reads both")
    states = demo_states(drive.source.sensors())
    phases = schedule(states, len(drive.source.tokens(drive.scene)))
    recorder = Recorder(source=drive.source, phases=phases, min_score=min_score)
    with clock.part("perceiving and drawing"):
        answers = answer_states(drive.source, perceiver, [drive.scene], states, out / "states", watch=recorder.watch)
    with clock.part("scoring"):
        scores = score_states(drive.dataroot, drive.version, [drive.scene], answers)
    write_states(scores, out, {"model": model, "dataroot": str(drive.dataroot), "version": drive.version})
    story = Story(drive=drive, model=model, command=command, seed=seed, phases=phases, frames=recorder.frames, found=recorder.found, scores=scores,
                  min_score=min_score, took_s=clock.took_s)
    write_text(out / PAGE, page_html(story))
    return story
