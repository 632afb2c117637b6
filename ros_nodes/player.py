"""Sends messages on time: made ahead on one thread, sent from another."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable

from ros_nodes.player_events import Event

TICK_NS = 10_000_000
"""The clock is told at least this often while playing, in real time."""

_AHEAD = 64  # messages that are ready: about three keyframes of six raw images
_STALL_NS = 500_000_000  # later than this, nothing is caught up: the rest is played with its true spacing, later


class Player:
    """Plays a stream of messages at their spacing divided by `rate`.

    Args:
        events: the messages; iterated on a thread of its own, ahead of time.
        send: sends one message; called on the playing thread.
        tick: takes the recording's time in nanoseconds, regularly and before each message of a later time; None: nobody is told.
        ended: called once on the playing thread with the error that ended it, or None at the regular end; not called by `stop`.
        rate: 2 plays twice as fast.
    """

    def __init__(self, events: Iterable[Event], send: Callable[[Event], object], *, tick: Callable[[int], object] | None = None,
                 ended: Callable[[BaseException | None], object] = lambda error: None, rate: float = 1.0) -> None:
        self._events, self._send, self._tick, self._ended, self._rate = events, send, tick, ended, rate
        self._ready: queue.Queue[Event | BaseException | None] = queue.Queue(_AHEAD)
        self._change = threading.Condition()
        self._stopped, self._paused = False, True
        self._base_ns: int | None = None  # the real time at which play_ns 0 is due; unknown until the first message and after a pause
        self._offset_ns = 0
        self._told_ns: int | None = None
        self._played_ns = 0
        self.sent, self.stalls, self.latest_ns = 0, 0, 0
        self._threads = [threading.Thread(target=self._prepare, name="player ahead", daemon=True),
                         threading.Thread(target=self._play, name="player", daemon=True)]
        for thread in self._threads:
            thread.start()  # the first messages are being made before anybody asks for them

    def resume(self) -> None:
        """Start, or go on after a pause; time goes on where it stood."""
        self._set_paused(False)

    def pause(self) -> None:
        """Stand still, the clock too."""
        self._set_paused(True)

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    def stop(self, timeout_s: float = 5.0) -> None:
        """End without sending anything more; may be called twice, but not from `send`, `tick` or `ended`."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join(timeout_s)

    def _set_paused(self, paused: bool) -> None:
        with self._change:
            self._paused = paused
            self._change.notify_all()

    # --- ahead

    def _prepare(self) -> None:
        end: BaseException | None = None
        try:
            for event in self._events:
                if not self._put(event):
                    return
        except Exception as error:
            end = error
        self._put(end)

    def _put(self, item: Event | BaseException | None) -> bool:
        while not self._stopped:
            try:
                self._ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    # --- on time

    def _play(self) -> None:
        error: BaseException | None = None
        with self._change:  # nothing ends before it began: whoever is told of the end may not know this player yet
            self._change.wait_for(lambda: self._stopped or not self._paused)
        try:
            while (item := self._next()) is not None:
                if not isinstance(item, Event):
                    error = item
                    break
                if not self._wait_for(item):
                    return
                self._tell(item.clock_ns)
                self._send(item)
                self.sent += 1
                self._offset_ns = item.clock_ns - item.play_ns
        except Exception as failure:
            error = failure
        if not self._stopped:
            self._ended(error)

    def _next(self) -> Event | BaseException | None:
        while not self._stopped:
            try:
                return self._ready.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def _wait_for(self, event: Event) -> bool:
        """Until the message is due; False where it is to be sent no more."""
        while True:
            with self._change:
                if self._stopped:
                    return False
                if self._paused:
                    self._base_ns = None
                    self._change.wait()
                    continue
                now_ns = time.monotonic_ns()
                if self._base_ns is None:
                    self._base_ns = now_ns - round((self._played_ns if self.sent else event.play_ns) / self._rate)
                left_ns = self._base_ns + round(event.play_ns / self._rate) - now_ns
                if left_ns <= 0:
                    self._played_ns = event.play_ns
                    self.latest_ns = max(self.latest_ns, -left_ns)
                    if left_ns < -_STALL_NS:
                        self.stalls += 1
                        self._base_ns -= left_ns
                    return True
                self._played_ns = round((now_ns - self._base_ns) * self._rate)
                if self._tick is None or not self.sent:
                    self._change.wait(left_ns * 1e-9)
                    continue
                self._change.wait(min(left_ns, TICK_NS) * 1e-9)
                reached_ns = min(round((time.monotonic_ns() - self._base_ns) * self._rate), event.play_ns)
            if not self._paused and reached_ns < event.play_ns:
                self._tell(reached_ns + self._offset_ns)

    def _tell(self, clock_ns: int) -> None:
        if self._tick is not None and clock_ns != self._told_ns:
            self._told_ns = clock_ns
            self._tick(clock_ns)
