"""Slow work on a thread of its own, always on the newest item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 -- input and output
O = TypeVar("O")  # noqa: E741


@dataclass(frozen=True, kw_only=True)
class WorkerCounts:
    """What became of the items: submitted = done + failed + dropped + waiting (0 or 1) + in work (0 or 1)."""

    submitted: int
    done: int
    failed: int
    dropped: int


class LatestWorker(Generic[I, O]):
    """Runs `work` on its own thread behind a slot that holds one item: a newer one replaces an item that is still waiting.

    An exception of `work` or of a callback is handed to `on_error` and the thread goes on.

    Args:
        work: item -> result; called on the worker's thread, as are the callbacks.
        on_result: called with (item, result).
        on_error: called with (item, exception).
        name: of the thread.
    """

    def __init__(self, work: Callable[[I], O], *, on_result: Callable[[I, O], None],
                 on_error: Callable[[I, Exception], None], name: str = "worker") -> None:
        raise NotImplementedError

    def submit(self, item: I) -> bool:
        """Hand in an item, without blocking. True where an item was dropped: the one that waited or, after `stop`, this one."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether an item is waiting or in work."""
        raise NotImplementedError

    def counts(self) -> WorkerCounts:
        """What became of the items so far."""
        raise NotImplementedError

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Drop the waiting item and end the thread after the item in work.

        No callback begins after this was called from outside the thread and returned. May be called again, and from a callback.

        Returns:
            Whether the thread has ended; False where `work` still runs after `timeout_s` (its result will be dropped).
        """
        raise NotImplementedError
