"""`bevduet launch`: nodes to active, watched, ended together; shown with a node that does nothing but fail as told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fusion.cli.main import build_parser
from fusion.errors import UserError
from ros_nodes import bringup
from ros_nodes.launch_arguments import SHORTCUTS, NodePlan, plan
from ros_nodes.processes import ProcessGroup

TINY = Path(__file__).with_name("tiny_lifecycle_node.py")
NO_SHORTCUTS: dict[str, str | None] = {}
pytestmark = pytest.mark.usefixtures("needs_ros")


class Heard:
    """What the nodes and the bring-up said, from any thread."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._changed = threading.Condition()

    def __call__(self, name: str, line: str) -> None:
        with self._changed:
            self.lines.append((name, line))
            self._changed.notify_all()

    def wait(self, name: str, part: str, timeout_s: float = 60.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.has(name, part), timeout_s), self.lines

    def has(self, name: str, part: str) -> bool:
        return any(who == name and part in line for who, line in self.lines)


def tiny(name: str, fails: str = "") -> NodePlan:
    return NodePlan(name=name, command=(sys.executable, str(TINY), "--ros-args", "-r", f"__node:={name}", "-p", f"fails:='{fails}'"))


def after(heard: Heard, name: str, part: str, act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=lambda: (heard.wait(name, part), act()))
    thread.start()
    return thread


def test_nodes_become_active_in_order_and_ctrl_c_ends_them() -> None:
    heard, before = Heard(), signal.getsignal(signal.SIGINT)
    thread = after(heard, "launch", "active", lambda: os.kill(os.getpid(), signal.SIGINT))
    code = bringup.bring_up([tiny("first"), tiny("second")], timeout_s=60.0, show=heard)
    thread.join()
    assert code == 0, heard.lines
    said = [(name, *line.split(" at ")) for name, line in heard.lines if line.startswith(("configured at", "activated at"))]
    steps = [(name, step) for name, step, when_ns in sorted(said, key=lambda entry: int(entry[2]))]  # lines of two pipes may swap, steps may not
    assert sorted(steps[:2]) == [("first", "configured"), ("second", "configured")]
    assert sorted(steps[2:]) == [("first", "activated"), ("second", "activated")]
    assert {name for name, line in heard.lines if line == "ended in order"} == {"first", "second"}
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("fails", "code", "says"), [
    ("die", 3, "second ended with exit code 3; ending the others"), ("configure", 1, "second: configure failed; the reason is in its output above")])
def test_one_failing_node_ends_the_others(fails: str, code: int, says: str) -> None:
    heard = Heard()
    assert bringup.bring_up([tiny("first"), tiny("second", fails)], timeout_s=60.0, show=heard) == code
    assert heard.has("launch", says)
    assert heard.has("first", "ended in order")
    if fails == "configure":
        assert heard.has("second", "deadline_ms: expected above 0, got -1")


def test_a_node_that_cannot_start_is_named_with_its_error() -> None:
    heard = Heard()
    nodes = [tiny("first"), NodePlan(name="absent", command=(sys.executable, "-m", "ros_nodes.no_such_node"))]
    assert bringup.bring_up(nodes, timeout_s=60.0, show=heard) == 1
    assert heard.has("absent", "No module named ros_nodes.no_such_node")
    assert heard.has("launch", "absent ended with exit code 1")


def test_a_replay_is_over_when_the_player_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup, "LAST_ANSWERS_S", 0.1)
    heard = Heard()
    assert bringup.bring_up([tiny("player_node", "finish")], timeout_s=60.0, show=heard) == 0
    assert heard.lines.index(("launch", "the replay is over")) < heard.lines.index(("player_node", "ended in order"))


def test_services_that_never_come_are_given_up() -> None:
    heard = Heard()
    silent = NodePlan(name="silent", command=(sys.executable, "-c", "import time; time.sleep(600)"))
    assert bringup.bring_up([silent], timeout_s=0.5, show=heard) == 1
    assert heard.has("launch", "silent: no answer from its lifecycle services within 0.5 s")


def test_the_command_brings_the_real_node_up_or_says_why_not() -> None:
    done = subprocess.run([sys.executable, "-m", "fusion", "launch", "fusion", "--param", "fusion_node.deadline_ms=-1.0"],
                          capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (1, "")
    said, ours = done.stdout.splitlines()
    assert said.startswith("[fusion_node] ") and "deadline_ms: expected" in said
    assert ours == "[launch] fusion_node: configure failed; the reason is in its output above"


def test_stubborn_processes_are_killed() -> None:
    heard = Heard()
    stubborn = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print('ready', flush=True); time.sleep(600)"
    with ProcessGroup(heard) as group:
        process = group.start("stubborn", [sys.executable, "-c", stubborn])
        heard.wait("stubborn", "ready")
        assert group.end(grace_s=0.2) == ["stubborn"]
        assert process.exit_code() == 128 + signal.SIGKILL


def test_nodes_do_not_outlive_a_killed_bringup() -> None:
    child = "import time; print('up', flush=True); time.sleep(600)"
    parent = ("import sys, time; from ros_nodes.processes import ProcessGroup\n"
              f"print(ProcessGroup(lambda name, line: print(line, flush=True)).start('c', [sys.executable, '-c', {child!r}]).pid, flush=True)\n"
              "time.sleep(600)")
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, up = int(process.stdout.readline()), process.stdout.readline()
        assert up == "up\n"
        process.kill()
    deadline = time.monotonic() + 30.0
    while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def words_of(node: NodePlan) -> set[str]:
    return {node.command[at + 1] for at, word in enumerate(node.command) if word in ("-p", "--params-file")}


def test_plan_of_a_replay() -> None:
    fusion, tracker, player = plan("replay_with_tracker", {"dataroot": "data", "transport": "compressed", "model": None},
                                   ["fusion_node.use_sim_time=false", "player_node.rate=2.0"], [TINY])
    assert (fusion.name, tracker.name, player.name) == ("fusion_node", "tracker_node", "player_node")
    assert words_of(fusion) == {"use_sim_time:=false", "transport:=compressed", str(TINY)}
    assert words_of(tracker) == {"use_sim_time:=true", str(TINY)}
    assert words_of(player) == {"clock:=true", "dataroot:=data", "transport:=compressed", "rate:=2.0", str(TINY)}
    assert player.command[:3] == (sys.executable, "-m", "ros_nodes.player_node")
    assert words_of(*plan("fusion", NO_SHORTCUTS, [], [])) == set()


def test_plan_beside_a_simulator() -> None:
    arguments = build_parser().parse_args(["launch", "fusion_with_tracker", "--use-sim-time", "true"])
    nodes = plan(arguments.what, {name: getattr(arguments, name) for name in SHORTCUTS}, arguments.params, arguments.params_files)
    assert [(node.name, words_of(node)) for node in nodes] == [("fusion_node", {"use_sim_time:=true"}), ("tracker_node", {"use_sim_time:=true"})]


@pytest.mark.parametrize(("shortcuts", "params", "files", "says"), [
    ({}, ["fusion_nod.model=nano"], [], "no node 'fusion_nod' here, did you mean 'fusion_node'?"),
    ({}, ["fusion_node.model"], [], "expected NODE.NAME=VALUE"),
    ({}, ["model=nano"], [], "expected NODE.NAME=VALUE"),
    ({"dataroot": "data"}, [], [], "--dataroot: fusion has no player_node"),
    ({}, [], [Path("/nowhere.yaml")], "--params-file /nowhere.yaml: no such file"),
])
def test_bad_arguments_are_refused(shortcuts: dict[str, str | None], params: list[str], files: list[Path], says: str) -> None:
    with pytest.raises(UserError) as error:
        plan("fusion", shortcuts, params, files)
    assert says in str(error.value)
