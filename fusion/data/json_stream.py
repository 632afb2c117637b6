"""A JSON array of records, one record after another: memory does not grow with the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fusion.errors import UserError

Record = dict[str, Any]

_CHUNK = 4 << 20
_LONGEST = 64 << 20  # characters without a complete record after which a file is called broken instead of being read on
_GAP = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def iterate_records(path: Path, remedy: str) -> Iterator[Record]:
    """The objects of the array in `path`.

    Args:
        path: a UTF-8 JSON file that holds one array of objects.
        remedy: what to do about a missing or broken file; ends the error's line.

    Raises:
        UserError: the file is missing, unreadable, not valid JSON, or something else than an array of objects.
    """
    try:
        yield from _Reader(path).records()
    except FileNotFoundError:
        raise UserError(f"{path}: table not found; {remedy}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except _NotRecords:
        raise UserError(f"{path}: expected a list of records; {remedy}") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise UserError(f"{path}: not valid JSON ({error}); {remedy}") from None


class _NotRecords(Exception):
    """Valid so far, but no array of objects."""


class _Reader:
    """A window that slides over the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text, self._at, self._passed, self._ended = "", 0, 0, False

    def records(self) -> Iterator[Record]:
        with self._path.open(encoding="utf-8") as self._file:
            self._expect("[", _NotRecords())
            first = True
            while (mark := self._next_mark()) != "]":
                if not first:
                    if mark != ",":
                        raise self._error("expected ',' or ']'")
                    self._at += 1
                    mark = self._next_mark()
                if mark != "{":
                    raise _NotRecords if mark else self._error("the file ends within the list")
                yield self._object()
                first = False
            self._at += 1
            if self._next_mark():
                raise self._error("text after the end of the list")

    def _object(self) -> Record:
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:  # invalid, or only not complete yet
                if len(self._text) - self._at > _LONGEST or not self._more():
                    raise self._error(error.msg) from None
                continue
            assert isinstance(value, dict)
            return value

    def _next_mark(self) -> str:
        """The next character that is no white space, not yet passed; "" at the end of the file."""
        while True:
            match = _GAP.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _expect(self, mark: str, otherwise: Exception) -> None:
        found = self._next_mark()
        if not found:
            raise self._error("the file is empty")
        if found != mark:
            raise otherwise
        self._at += 1

    def _more(self) -> bool:
        """Read on, dropping what is passed; False at the end of the file."""
        chunk = self._file.read(_CHUNK)
        self._passed += self._at
        self._text, self._at = self._text[self._at:] + chunk, 0
        return bool(chunk)

    def _error(self, problem: str) -> ValueError:
        return ValueError(f"{problem} at character {self._passed + self._at}")
