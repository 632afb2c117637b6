"""`bevduet launch`: starts the nodes, leads them to active and keeps watch over them, where ROS 2 is installed by pip alone.

A full ROS 2 does the same with `ros2 launch bevduet fusion.launch.py`.
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fusion.errors import UserError
from ros_nodes.environment import prepare, ros_available
from ros_nodes.launch_arguments import BRINGUPS, SHORTCUTS, NodePlan, plan, show_help

FINISHED_TOPIC = "player_node/finished"
LAST_ANSWERS_S = 2.0  # what the player sent last is still being worked on when it finishes


class _Stop(Exception):
    """The bring-up is over: a node ended, or we were told to end."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "launch", help="run the ROS 2 nodes", add_help=False,
        description="Start ROS 2 nodes, configure and activate them, and end them all when one ends or on Ctrl-C.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=tuple(BRINGUPS), metavar="{" + ",".join(BRINGUPS) + "}",
                        help="; ".join(f"{name}: {', '.join(nodes)}" for name, nodes in BRINGUPS.items()))
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="show this message and the parameters of the nodes, and exit")
    for name, (text, _) in SHORTCUTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", dest=name, help=text)
    parser.add_argument("--param", action="append", default=[], metavar="NODE.NAME=VALUE", dest="params",
                        help="a parameter of a node, as fusion_node.deadline_ms=80.0 or fusion_node.cameras=[CAM_FRONT]; may be repeated")
    parser.add_argument("--params-file", action="append", default=[], type=Path, metavar="FILE", dest="params_files",
                        help="YAML file of parameters in ROS 2's format, for all nodes; may be repeated")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S",
                        help="how long a node may take to start, to configure and to activate (default: %(default)s)")
    parser.set_defaults(run=run)


class _Help(argparse.Action):
    """Help with the nodes' parameters: they are read from the nodes only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        show_help(parser)
        parser.exit()


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; UserError on bad input or where there is no ROS 2."""
    nodes = plan(args.what, {name: getattr(args, name) for name in SHORTCUTS}, args.params, args.params_files)
    prepare()
    reason = ros_available()
    if reason is not None:
        raise UserError(f"launch: {reason}")
    return bring_up(nodes, timeout_s=args.timeout)


def bring_up(nodes: Sequence[NodePlan], *, timeout_s: float, show: Callable[[str, str], None] | None = None) -> int:
    """Start, configure and activate the nodes in their order, then watch them until one ends, a replay is over or a signal comes.

    Args:
        nodes: what to run; a node is activated when all before it are active, so sources of data come last.
        timeout_s: for each node's start, configuration and activation.
        show: takes the name of a node and a line of its output, on any thread; prints both unless given.

    Returns:
        0 after a signal or the end of a replay; else the exit code of the node that ended first, 1 if a node could not be
        brought up or had to be killed.
    """
    from ros_nodes.lifecycle_client import LifecycleClient, TransitionFailed
    from ros_nodes.processes import ProcessGroup

    show = show or _printer()
    with _signals() as stop, ProcessGroup(show) as group:
        try:
            for node in nodes:
                group.start(node.name, node.command)
            with LifecycleClient(check=lambda: _check(group, stop)) as client:
                _activate(client, nodes, timeout_s, show)
                _watch(client, any(node.name == "player_node" for node in nodes), show)
            code = 0
        except _Stop as reached:
            code = reached.code
            if not stop.is_set():
                name, _ = group.ended() or ("a node", code)
                show("launch", f"{name} ended with exit code {code}; ending the others")
        except TransitionFailed as error:
            show("launch", str(error))
            code = 1
        killed = group.end()
    if killed:
        show("launch", f"had to kill {', '.join(killed)}")
    return code or int(bool(killed))


def _activate(client: Any, nodes: Sequence[NodePlan], timeout_s: float, show: Callable[[str, str], None]) -> None:
    for node in nodes:
        client.state(node.name, timeout_s)
    for node in nodes:
        client.configure(node.name, timeout_s)
    for node in nodes:
        client.activate(node.name, timeout_s)
    show("launch", f"{', '.join(node.name for node in nodes)}: active; Ctrl-C ends")


def _watch(client: Any, replay: bool, show: Callable[[str, str], None]) -> None:
    """Until something ends: `client` raises for a node or a signal; a replay ends when the player says so."""
    over: list[float] = []
    if replay:
        client.watch(FINISHED_TOPIC, lambda finished: over.append(time.monotonic()) if finished else None)
    while not over or time.monotonic() < over[0] + LAST_ANSWERS_S:
        client.spin()
    show("launch", "the replay is over")


def _check(group: Any, stop: threading.Event) -> None:
    if stop.is_set():
        raise _Stop(0)
    ended = group.ended()
    if ended is not None:
        raise _Stop(ended[1])


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; as a second Ctrl-C does no more than the first, every end is an orderly one."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _printer() -> Callable[[str, str], None]:
    lock = threading.Lock()

    def show(name: str, line: str) -> None:
        with lock:
            print(f"[{name}] {line}", flush=True)

    return show
