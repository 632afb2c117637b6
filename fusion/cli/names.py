"""Lists of names on the command line."""

from __future__ import annotations

from fusion.errors import UserError


def split_names(text: str) -> list[str]:
    """The names of a comma-separated list, such as of --drop; blanks and empty places are left out."""
    return [name.strip() for name in text.split(",") if name.strip()]


def scene_names(text: str | None) -> list[str] | None:
    """The names given to --scenes; None, for all scenes, where the option was left away.

    Raises:
        UserError: an empty list, as of a shell variable that is not set: it must not mean all.
    """
    if text is None:
        return None
    names = split_names(text)
    if not names:
        raise UserError(f"--scenes {text!r}: names none; name scenes or splits, or leave the option away for all")
    return names
