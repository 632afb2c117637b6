"""What goes on and on is logged now and then, with a count: a full log hides what matters, and fills the disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

SAY_S = 10.0
"""The same failure is told at most this often."""

HOPELESS = 20
"""After so many failures in a row nothing but a restart will help."""

QUIET_S = 5.0
"""A sensor's changes of state are told at most this often."""


class FailureLog:
    """Failures of one kind of work, which succeeds in between or not. For one thread.

    Attributes:
        in_a_row: failures since the last success.
    """

    def __init__(self) -> None:
        self.in_a_row = 0
        self._untold, self._told_s, self._told_kind = 0, -math.inf, ""

    def succeeded(self) -> None:
        """What fails next is the first in a row."""
        self.in_a_row = 0

    def failed(self, text: str, kind: str, trace: str, now_s: float) -> str:
        """What to log, "" for nothing: the first of a kind with its trace, later ones as a line with their number.

        Args:
            text: one line.
            kind: of the failure, such as the exception's type.
            trace: where it came from.
            now_s: by a clock that nobody sets.
        """
        self.in_a_row += 1
        self._untold += 1
        if now_s - self._told_s < SAY_S and self.in_a_row != HOPELESS:
            return ""
        new, count = kind != self._told_kind, self._untold
        self._untold, self._told_s, self._told_kind = 0, now_s, kind
        if new and self.in_a_row < HOPELESS:
            return f"{text}\n{trace}"
        return f"{text}{f' ({count} failures since the last line)' if count > 1 else ''}{hopeless(self.in_a_row)}"


def hopeless(in_a_row: int) -> str:
    """What to say of so many failures in a row, "" for few."""
    return f"; {in_a_row} failures in a row: the node needs a restart" if in_a_row >= HOPELESS else ""


@dataclass
class _Told:
    seen: str
    told: str
    told_s: float = -math.inf
    changes: int = 0


class StateLog:
    """Changes of the sensors' states: at once where there was none for a while, else as a sum."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def look(self, states: Mapping[str, tuple[str, str]], now_s: float) -> list[str]:
        """The lines to log now.

        Args:
            states: sensor -> its state and the reason for it, "" for none.
            now_s: by a clock that nobody sets.
        """
        lines = []
        for name, (state, reason) in states.items():
            known = self._told.setdefault(name, _Told(seen=state, told=state))
            known.changes += state != known.seen
            known.seen = state
            if known.changes and now_s - known.told_s >= QUIET_S:
                change = f"{known.told} -> {state}" if known.told != state else state
                often = f" ({known.changes} changes in {now_s - known.told_s:.0f} s)" if known.changes > 1 else ""
                lines.append(f"{name}: {change}{f': {reason}' if reason else ''}{often}")
                known.told, known.told_s, known.changes = state, now_s, 0
        return lines
