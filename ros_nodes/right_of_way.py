"""Short work that another thread must not hold up: taking messages waits for it.

Python runs one thread at a time, and taking an image of 4 MB keeps the others from running for 2 ms. Between two readings and an answer the
thread that answers asks for its turn a dozen times; each time it may wait that long. So it announces its short stretches of Python, and the
executor takes no message meanwhile.
"""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Any

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

PATIENCE_S = 0.01
"""What has the right of way for longer is no short work, as decoding JPEGs: messages are taken beside it."""


class RightOfWay:
    """Held as a context by one thread at a time; `give_way` is for the others."""

    def __init__(self) -> None:
        self._held = Lock()
        self._holds = 0
        self._outlasted = -1  # the hold that lasted longer than someone waited

    def __enter__(self) -> None:
        self._held.acquire()
        self._holds += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._held.release()

    def give_way(self, at_most_s: float = PATIENCE_S) -> bool:
        """Wait until nobody holds it; False where somebody still does after `at_most_s` seconds, and from then on at once for that hold."""
        hold = self._holds
        if hold == self._outlasted and self._held.locked():
            return False
        free = self._held.acquire(timeout=at_most_s)
        if free:
            self._held.release()
        else:
            self._outlasted = hold
        return free


class GivingWay(SingleThreadedExecutor):
    """Takes messages and calls back on the thread that spins, but never begins to while another has the right of way.

    Args:
        right_of_way: of the node that it runs.
        context: of rclpy; None: the default one.
        failed: called with what a callback raised, and the executor goes on; None: it is raised.
    """

    def __init__(self, right_of_way: RightOfWay, *, context: Context | None = None, failed: Callable[[Exception], None] | None = None) -> None:
        super().__init__(context=context)
        self._right_of_way, self._failed = right_of_way, failed
        self._waiting = True

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> Any:
        """The next callback that is ready; its message is taken when it is run, after this."""
        self._waiting = True
        ready = super().wait_for_ready_callbacks(*args, **kwargs)
        self._waiting = False
        self._right_of_way.give_way()
        return ready

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for a callback and run it. What goes wrong while waiting is raised in any case: it would again and again."""
        try:
            super().spin_once(timeout_sec)
        except Exception as error:
            if self._waiting or self._failed is None:
                raise
            self._failed(error)
