"""Lists of names on the command line."""

from __future__ import annotations


def split_names(text: str) -> list[str]:
    """The names of a comma-separated list, such as of --scenes; blanks and empty places are left out."""
    return [name.strip() for name in text.split(",") if name.strip()]
