"""Checks of single parameter values; each error names the parameter, the value it got and what would be right."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

from fusion.errors import UserError

MOST_MS = 10_000.0
"""No duration that a node is given is longer than this, in milliseconds: a longer one is a mistaken unit."""

BUILT_IN = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""How the names of rclpy's own parameters start."""


def text(key: str, value: Any, *, empty: bool = False) -> str:
    """A text, trimmed; with `empty` it may be empty."""
    if not isinstance(value, str) or not (value.strip() or empty):
        raise UserError(f"{key}: expected a text{'' if empty else ' that is not empty'}, got {value!r}")
    return value.strip()


def texts(key: str, value: Any, expected: str = "a list of texts") -> tuple[str, ...]:
    """A list of texts without empty ones: ROS has no way to write an empty list of texts but [""]."""
    if isinstance(value, (str, bool, int, float)) or not all(isinstance(item, str) for item in value):
        raise UserError(f"{key}: expected {expected}, got {value!r}")
    return tuple(item.strip() for item in value if item.strip())


def choice(key: str, value: Any, options: tuple[str, ...]) -> str:
    """One of the options."""
    if value not in options:
        raise UserError(f"{key}: expected {' or '.join(options)}, got {value!r}")
    return str(value)


def flag(key: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise UserError(f"{key}: expected true or false, got {value!r}")
    return value


def auto_or_flag(key: str, value: Any) -> bool | None:
    """True, false, or None for "auto"."""
    if value == "auto":
        return None
    if not isinstance(value, bool):
        raise UserError(f"{key}: expected auto, true or false, got {value!r}")
    return value


def number(key: str, value: Any, *, least: float = -math.inf, above: float = -math.inf, most: float = math.inf) -> float:
    """A finite number within bounds (`least` and `most` belong to them, `above` does not)."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not known or value < least or value <= above or value > most:
        low = f" of at least {least:g}" if least > -math.inf else f" above {above:g}" if above > -math.inf else ""
        raise UserError(f"{key}: expected a number{low}{f' and at most {most:g}' if most < math.inf else ''}, got {value!r}")
    return float(value)


def ns(key: str, value: Any, *, least: float = -math.inf, above: float = -math.inf) -> int:
    """A duration given in milliseconds, as nanoseconds."""
    return round(number(key, value, least=least, above=above, most=MOST_MS) * 1e6)


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(known)}"
