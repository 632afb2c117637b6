"""A clock that is only read by others: whether it stepped back."""

from __future__ import annotations

CLOCK_STEP_NS = 100_000_000
"""The caller's clock may step back by this much, as one being disciplined does, or /clock of two publishers, before time has jumped."""


class RunningClock:
    """Follows a caller's clock.

    Attributes:
        now_ns: its latest time; None before the first, and after `clear`.
    """

    def __init__(self) -> None:
        self.now_ns: int | None = None

    def clear(self) -> None:
        """Forget the time."""
        self.now_ns = None

    def follow(self, now_ns: int) -> bool:
        """Take the time; whether it stepped back by more than `CLOCK_STEP_NS`. By less, it stands still until it is past where it was."""
        stepped = self.now_ns is not None and now_ns < self.now_ns - CLOCK_STEP_NS
        self.now_ns = now_ns if self.now_ns is None or stepped else max(now_ns, self.now_ns)
        return stepped
