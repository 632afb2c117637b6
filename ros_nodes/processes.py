"""Node processes: started together, their output passed on under their names, ended together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO

_SET_PARENT_DEATH_SIGNAL = 1  # of prctl(2)
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec a child should do next to nothing


class NodeProcess:
    """One running node. Its output, errors included, goes line by line to `show`, on a thread.

    It is in a process group of its own, so that Ctrl-C in the terminal reaches only us and we decide who ends when; should this
    process be killed, the kernel interrupts the node.
    """

    def __init__(self, name: str, command: Sequence[str], *, show: Callable[[str, str], None], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**(os.environ if environment is None else environment), "PYTHONUNBUFFERED": "1"}, start_new_session=True,
            preexec_fn=_interrupt_when_the_parent_dies if sys.platform == "linux" else None)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=_pass_on, args=(self._process.stdout, name, show), name=f"output of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; else as a shell says it: 128 + N if signal N ended it."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end and the rest of its output; whether it ended in time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self._reader.join(1.0)  # not for ever: a grandchild could still hold the pipe
        return True


class ProcessGroup:
    """The nodes of one bring-up. As a context manager it leaves no process behind."""

    def __init__(self, show: Callable[[str, str], None]) -> None:
        self._show = show
        self.members: list[NodeProcess] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> NodeProcess:
        """Start a node."""
        process = NodeProcess(name, command, show=self._show, environment=environment)
        self.members.append(process)
        return process

    def ended(self) -> tuple[str, int] | None:
        """Name and exit code of a node that has ended; None while all run."""
        for process in self.members:
            code = process.exit_code()
            if code is not None:
                return process.name, code
        return None

    def end(self, grace_s: float = 10.0) -> list[str]:
        """End all that still run: interrupt as Ctrl-C does, then terminate, then kill.

        Args:
            grace_s: how long they have before the next, harder signal.

        Returns:
            Names of those that had to be killed.
        """
        killed = _end(self.members, grace_s)
        self.members = []
        return killed

    def end_one(self, process: NodeProcess, grace_s: float = 10.0) -> None:
        """End one of them in the same way; the others go on."""
        self.members.remove(process)
        _end([process], grace_s)

    def kill(self, process: NodeProcess) -> None:
        """End one as a crash would: it cannot say goodbye."""
        self.members.remove(process)
        process.send(signal.SIGKILL)
        process.wait(10.0)

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()


def _end(processes: Sequence[NodeProcess], grace_s: float) -> list[str]:
    running = [process for process in processes if process.exit_code() is None]
    killed: list[str] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if number is signal.SIGKILL:
            killed = [process.name for process in running]
        for process in running:
            process.send(number)
        deadline = time.monotonic() + grace_s
        running = [process for process in running if not process.wait(max(0.0, deadline - time.monotonic()))]
    return killed


def _pass_on(pipe: IO[str], name: str, show: Callable[[str, str], None]) -> None:
    with pipe:
        for line in pipe:
            show(name, line.rstrip("\n"))


def _interrupt_when_the_parent_dies() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a parent in the background of a shell ignores it, and would hand that down
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)
