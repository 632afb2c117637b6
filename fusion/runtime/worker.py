"""Slow work on a thread of its own, always on the newest item."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread, current_thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class WorkerCounts:
    """What became of the items: submitted = done + failed + dropped + waiting (0 or 1) + in work (0 or 1)."""

    submitted: int
    done: int
    failed: int
    dropped: int


class LatestWorker(Generic[Item, Result]):
    """Runs `work` on its own thread behind a slot that holds one item: a newer one replaces an item that is still waiting.

    An exception of `work` or of `on_result` is handed to `on_error` and counts the item as failed; one of `on_error` is logged. The
    thread goes on in any case.

    Args:
        work: item -> result; called on the worker's thread, as are the callbacks.
        on_result: called with (item, result).
        on_error: called with (item, exception).
        name: of the thread.
    """

    def __init__(self, work: Callable[[Item], Result], *, on_result: Callable[[Item, Result], None],
                 on_error: Callable[[Item, Exception], None], name: str = "worker") -> None:
        self._work, self._on_result, self._on_error = work, on_result, on_error
        self._changed = Condition()
        self._slot: list[Item] = []  # none or one
        self._working = self._stopped = False
        self._submitted = self._done = self._failed = self._dropped = 0
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> bool:
        """Hand in an item, without blocking. True where an item was dropped: the one that waited or, after `stop`, this one."""
        with self._changed:
            self._submitted += 1
            dropped = self._stopped or bool(self._slot)
            self._dropped += dropped
            if not self._stopped:
                self._slot = [item]
                self._changed.notify()
            return dropped

    @property
    def busy(self) -> bool:
        """Whether an item is waiting or in work."""
        with self._changed:
            return self._working or bool(self._slot)

    def counts(self) -> WorkerCounts:
        """What became of the items so far."""
        with self._changed:
            return WorkerCounts(submitted=self._submitted, done=self._done, failed=self._failed, dropped=self._dropped)

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Drop the waiting item, and end the thread after the item in work, whose result is dropped too.

        No callback begins after this was called. May be called again, and from a callback (the thread then ends with the callback).

        Returns:
            Whether the thread has ended; False where `work` or a callback still runs after `timeout_s`.
        """
        with self._changed:
            self._stopped = True
            self._dropped += len(self._slot)
            self._slot = []
            self._changed.notify()
        if current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or bool(self._slot))
                if self._stopped:
                    return
                self._working = True
                slot, self._slot = self._slot, []
            outcome = self._process(slot.pop())  # popped, so that no name here holds the item while waiting for the next
            with self._changed:
                self._working = False
                self._done += outcome == "done"
                self._failed += outcome == "failed"
                self._dropped += outcome == "dropped"

    def _process(self, item: Item) -> str:
        """Work on one item and hand on what came of it: "done", "failed" or "dropped"."""
        try:
            result = self._work(item)
            with self._changed:
                if self._stopped:
                    return "dropped"
            self._on_result(item, result)
            return "done"
        except Exception as error:
            self._fail(item, error)
            return "failed"

    def _fail(self, item: Item, error: Exception) -> None:
        with self._changed:
            if self._stopped:
                return
        try:
            self._on_error(item, error)
        except Exception:
            logging.getLogger(__name__).exception("on_error failed for: %s", error)
