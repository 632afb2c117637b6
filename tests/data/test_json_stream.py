"""Streaming a table gives what `json` gives, wherever the chunks end, and errors that name the file and the remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fusion.data import json_stream
from fusion.data.json_stream import iterate_records
from fusion.errors import UserError

RECORDS: list[dict[str, Any]] = [{"token": "a", "n": [1, -2.5e3, None]}, {}, {"text": 'brace } , { "quote" \\ é', "deep": {"x": [{}]}}]


@pytest.mark.parametrize("chunk", [1, 2, 7, 4096])
@pytest.mark.parametrize("indent", [None, 0, 2])
def test_equals_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    for records in (RECORDS, [], RECORDS * 5):
        path = tmp_path / "table.json"
        path.write_text(json.dumps(records, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
        assert list(iterate_records(path, "do this")) == records


@pytest.mark.parametrize(("content", "problem"), [
    (b"", "not valid JSON .the file is empty at character 0"), (b"[", "the file ends within the list at character 1"),
    (b'[{"a": 1}', "expected ',' or ']' at character 9"), (b'[{"a": 1},', "the file ends within the list"),
    (b'[{"a": 1} {}]', "expected ',' or ']' at character 10"), (b'[{"a": 1}, {"b": ', "Expecting value at character 11"),
    (b'[{"a": 1}] x', "text after the end of the list at character 11"), (b'[{"a": "\xff"}]', "not valid JSON .'utf-8' codec"),
    (b"{}", "expected a list of records"), (b"[1]", "expected a list of records"), (b"[{}, null]", "expected a list of records"),
])
def test_broken_files_are_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=problem) as caught:
        list(iterate_records(path, "do this"))
    line = str(caught.value)
    assert line.startswith(str(path)) and line.endswith("; do this") and "\n" not in line


def test_records_before_a_fault_come_first(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('[{"a": 1}, {"a": ')
    stream = iterate_records(path, "do this")
    assert next(stream) == {"a": 1}
    with pytest.raises(UserError):
        next(stream)


def test_a_record_without_an_end_is_not_read_on_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 10)
    monkeypatch.setattr(json_stream, "_LONGEST", 30)
    path = tmp_path / "table.json"
    path.write_text('[{"a": "' + "x" * 1000)
    with pytest.raises(UserError, match="at character 1"):
        list(iterate_records(path, "do this"))
