"""Plays faults at a running fusion node and notes what it answers."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from ros_nodes.lifecycle_client import LifecycleClient
from ros_nodes.matrix.cells import Cell, Plan
from ros_nodes.matrix.endurance import STEADY_ANSWERS, judge_steady, steady_answers
from ros_nodes.matrix.growth import judge_growth
from ros_nodes.matrix.listener import Listener
from ros_nodes.matrix.told import Told
from ros_nodes.matrix.verdict import Seen, Verdict
from ros_nodes.player_events import SCENE_GAP_NS
from ros_nodes.player_root import Recording
from ros_nodes.processes import NodeProcess, ProcessGroup

NODE, PLAYER = "fusion_node", "player_node"
PATIENCE_S = 180.0
LAST_ANSWERS_S = 3.0
DEADLINE_MS = 60.0

LONGER = 3
"""So many times the cycles that were asked for are done at most, while the node's memory is not seen to have settled."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """The scene that is played.

    Attributes:
        dataroot, version, scene: where it is.
        sensors: names, the LiDAR last; `cameras` are those with images.
        stamps_ns: of its keyframes.
        first_ns: stamp at which playing begins.
        pass_ns: from the start of one pass to the start of the next.
        readings_ns: sensor, in the order of `sensors` -> stamps of its readings.
        sweeps: whether those between keyframes are played.
    """

    dataroot: Path
    version: str
    scene: str
    sensors: tuple[str, ...]
    cameras: tuple[str, ...]
    stamps_ns: tuple[int, ...]
    first_ns: int
    pass_ns: int
    readings_ns: Mapping[str, tuple[int, ...]]
    sweeps: bool

    @classmethod
    def of(cls, dataroot: Path, version: str, scene: str | None, *, sweeps: bool = False) -> Drive:
        """A scene of a data root, the first for None; UserError where there is none of that name."""
        recording = Recording(dataroot, version, [scene] if scene else None, sweeps=sweeps)
        first = next(iter(recording.scenes()))
        begin_ns = min(first.readings[0].stamp_ns, first.samples[0][0])
        end_ns = max(first.readings[-1].stamp_ns, first.samples[-1][0])
        cameras = tuple(name for name, kind in recording.sensors.items() if kind == "camera")
        sensors = (*cameras, *(name for name in recording.sensors if name not in cameras))
        return cls(dataroot=dataroot, version=version, scene=first.name, cameras=cameras, sensors=sensors, sweeps=sweeps,
                   readings_ns={name: tuple(reading.stamp_ns for reading in first.readings if reading.sensor == name) for name in sensors},
                   stamps_ns=tuple(stamp for stamp, _ in first.samples), first_ns=begin_ns, pass_ns=end_ns - begin_ns + SCENE_GAP_NS)


class Runner:
    """A fusion node and, for each plan, a player. As a context manager it leaves no process behind.

    Args:
        drive: what is played.
        model: of the node.
        transport: of the images.
        rate: of the player.
        show: takes the name of a node and a line of its output.
    """

    def __init__(self, drive: Drive, *, model: str, transport: str, rate: float, show: Callable[[str, str], None]) -> None:
        self.drive, self._model, self._transport, self._rate, self._show = drive, model, transport, rate, show
        self._group = ProcessGroup(show)
        self._client = LifecycleClient()
        self.listener = Listener(NODE, PLAYER)
        self.node = self.start_node()

    def start_node(self) -> NodeProcess:
        """A fusion node, active."""
        drive = self.drive
        lidars = [name for name in drive.sensors if name not in drive.cameras]
        parameters = {"use_sim_time": True, "model": self._model, "transport": self._transport, "cameras": list(drive.cameras), "lidars": lidars,
                      "deadline_ms": DEADLINE_MS, "overrides": ["model.num_sweeps=0"]}  # keyframes alone have nothing between them to accumulate
        self.node = self._start(NODE, parameters)
        self.bring_up(NODE)
        return self.node

    def bring_up(self, name: str) -> None:
        """unconfigured -> active."""
        self._client.configure(name, PATIENCE_S)
        self._client.activate(name, PATIENCE_S)

    def take_down(self, name: str) -> None:
        """active -> unconfigured."""
        self._client.deactivate(name, PATIENCE_S)
        self._client.cleanup(name, PATIENCE_S)

    def play(self, plan: Plan, *, forget: bool = False) -> tuple[list[Seen], list[Told]]:
        """Play the passes of a plan and return every answer and every report of `/diagnostics`.

        Args:
            plan: with at least one pass.
            forget: let the node forget calibrations and transforms before each cell, which then has a player of its own.
        """
        if forget:
            answers: list[Seen] = []
            told: list[Told] = []
            for cell in plan.cells:
                self.take_down(NODE)
                self.bring_up(NODE)
                heard, reports = self._passes([self._record(replace(cell, number=0))], 1, until_ns=self.drive.stamps_ns[cell.until])
                answers += [replace(seen, number=cell.number) for seen in heard]
                told += [replace(report, number=cell.number) for report in reports]
            return answers, told
        return self._passes([self._record(cell) for cell in plan.cells], plan.passes)

    def _record(self, cell: Cell) -> dict[str, Any]:
        return cell.record(self.drive.stamps_ns, self.drive.first_ns, self.drive.pass_ns)

    def _passes(self, records: Sequence[dict[str, Any]], passes: int, during: Callable[[], None] | None = None,
                until_ns: int | None = None) -> tuple[list[Seen], list[Told]]:
        """Play with these faults; until the end, until `during` returns, or until an answer has a stamp from `until_ns` on."""
        notes = self.listener.begin()
        with tempfile.TemporaryDirectory(prefix="bevduet-") as folder:
            script = Path(folder) / "faults.yaml"
            script.write_text(yaml.safe_dump(list(records)), encoding="utf-8")
            player = self._start(PLAYER, {"dataroot": str(self.drive.dataroot), "version": self.drive.version, "scenes": self.drive.scene,
                                          "transport": self._transport, "rate": self._rate, "loop": passes > 1, "sweeps": self.drive.sweeps,
                                          "faults": str(script) if records else ""})
            self.bring_up(PLAYER)
            if during is not None:
                during()
                self._group.end_one(player)
                return notes.seen(self._rate), list(notes.told)
            limit_s = time.monotonic() + PATIENCE_S + 2 * passes * self.drive.pass_ns * 1e-9 / self._rate
            while notes.passes <= passes and not notes.finished and time.monotonic() < limit_s and self.node.exit_code() is None:
                if until_ns is not None and any(answer.stamp_ns >= until_ns for answer in notes.answers[-1:]):
                    break
                time.sleep(0.05)
            time.sleep(LAST_ANSWERS_S if notes.finished else 0.0)
            self._group.end_one(player)
        return notes.seen(self._rate), list(notes.told)

    def killed_and_restarted(self) -> Verdict:
        """Kill the node amid a drive, start another, and count the sweeps until every sensor is in all answers again."""
        verdicts: list[Verdict] = []

        def during() -> None:
            answers = self.listener.notes.answers
            self._wait(lambda: len(answers) >= 3)
            self._group.kill(self.node)
            self.start_node()
            verdicts.append(self._steady(len(answers)))  # the dead node's last may have been under way until now

        self._passes([], 50, during)
        return verdicts[0]

    def cycled(self, times: int) -> Verdict:
        """Take the node down and bring it up again so many times amid a drive; it must answer after, and not grow.

        Cycles leave time for few frames, so a whole pass goes before them. Even so the size that a drive needs may be reached late, in steps of up to
        57 MB, when a busy machine lets more frames wait at once. Only more cycles tell the last such step from a loss, so they go on while the node
        seems to grow, up to `LONGER` times as many: a leak is still there then.
        """
        self._passes([], 1)
        sizes_mb: list[float] = []
        verdicts: list[Verdict] = []

        def during() -> None:
            for done in range(1, LONGER * times + 1):
                self.take_down(NODE)
                self.bring_up(NODE)
                sizes_mb.append(_resident_mb(self.node.pid))
                if done % times == 0 and judge_growth(sizes_mb).ok:
                    break
            verdicts.append(self._steady(len(self.listener.notes.answers)))

        self._passes([], 50, during)
        steady, growth = verdicts[0], judge_growth(sizes_mb)
        return Verdict(ok=steady.ok and growth.ok, text=f"{steady.text}, {growth.text}")

    def _steady(self, before: int) -> Verdict:
        """Of the answers after so many."""
        answers = self.listener.notes.answers
        self._wait(lambda: len(steady_answers(answers[before:])) >= STEADY_ANSWERS)
        return judge_steady(answers[before:], self.drive.sensors)

    def _wait(self, condition: Callable[[], bool]) -> None:
        limit_s = time.monotonic() + PATIENCE_S
        while not condition() and time.monotonic() < limit_s:
            time.sleep(0.05)

    def _start(self, name: str, parameters: dict[str, Any]) -> NodeProcess:
        words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={yaml.safe_dump(value, default_flow_style=True).strip()}")]
        words = [word.removesuffix("\n...") for word in words]
        process = self._group.start(name, [sys.executable, "-m", f"ros_nodes.{name}", "--ros-args", "-r", f"__node:={name}", *words])
        self._client.state(name, PATIENCE_S)
        return process

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()
        self._group.end()
        self.listener.close()


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
