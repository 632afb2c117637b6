"""What work costs a thread: its own CPU time, and the time that it was ready to run while others had the cores."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_SCHEDULER = Path("/proc/thread-self/schedstat")  # nanoseconds on a core, nanoseconds ready without one, turns


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Seconds.

    Attributes:
        cpu_s: computing.
        starved_s: ready to compute, but every core was taken; 0 where the system does not tell. What is left of the time on the wall was
            spent waiting for another thread of this process, or for the interpreter's lock.
    """

    cpu_s: float = 0.0
    starved_s: float = 0.0

    @classmethod
    def so_far(cls) -> Effort:
        """Of the calling thread since its start."""
        try:
            starved_ns = int(_SCHEDULER.read_bytes().split()[1])
        except (OSError, IndexError):
            starved_ns = 0
        return cls(cpu_s=time.thread_time(), starved_s=1e-9 * starved_ns)

    def __add__(self, other: Effort) -> Effort:
        """Of both, one after the other."""
        return Effort(cpu_s=self.cpu_s + other.cpu_s, starved_s=self.starved_s + other.starved_s)

    def __sub__(self, earlier: Effort) -> Effort:
        """Since then, on the same thread."""
        return Effort(cpu_s=self.cpu_s - earlier.cpu_s, starved_s=self.starved_s - earlier.starved_s)

    def beside(self, others: list[Effort]) -> Effort:
        """With others that ran side by side while this thread waited for them: all that was computed, and the longest wait for a core."""
        return Effort(cpu_s=self.cpu_s + sum(other.cpu_s for other in others),
                      starved_s=self.starved_s + max((other.starved_s for other in others), default=0.0))
