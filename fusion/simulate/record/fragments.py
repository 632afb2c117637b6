"""Each finished scene's rows in a file of their own, and the tables made of them.

A scene exists once its fragment does, which appears by a rename. The tables are written anew from all fragments and renamed one
by one, referred-to tables first and the scenes last: whenever the machine stops, what `scene.json` lists is complete.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from fusion.files import write_text
from fusion.simulate.record.tables import SCENE_TABLES
from fusion.simulate.record.vocabulary import Record

VERSION = "v1.0-sim"
"""Folder of the tables."""

FOLDER = "scenes"
"""Folder of the fragments."""


def fragment_path(root: Path, name: str) -> Path:
    """Where a scene's fragment is."""
    return root / FOLDER / f"{name}.tables"


def write_fragment(root: Path, name: str, rows: Mapping[str, Sequence[Record]]) -> None:
    """One line per table of `SCENE_TABLES`: its records, as JSON, without the brackets of a list."""
    lines = [",".join(json.dumps(record) for record in rows[table]) for table in SCENE_TABLES]
    write_text(fragment_path(root, name), "\n".join(lines) + "\n")


def finished(root: Path, names: Sequence[str]) -> list[str]:
    """Those of the scenes that are complete, in the given order."""
    return [name for name in names if fragment_path(root, name).is_file()]


def merge(root: Path, names: Sequence[str], fixed: Mapping[str, Sequence[Record]], splits: Mapping[str, Sequence[str]]) -> None:
    """Write all tables anew from the fragments of `names`, without ever holding more than one fragment.

    Raises:
        OSError: nothing is changed if the new tables cannot be written.
    """
    folder = root / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".tables-") as temporary, ExitStack() as stack:
        made = Path(temporary)
        for table, records in fixed.items():
            (made / f"{table}.json").write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n", encoding="utf-8")
        (made / "splits.json").write_text(json.dumps(splits, indent=1) + "\n", encoding="utf-8")
        files = [stack.enter_context((made / f"{table}.json").open("w", encoding="utf-8")) for table in SCENE_TABLES]
        _write(files, [fragment_path(root, name) for name in names])
        for file in files:
            file.close()
        for table in (*fixed, *SCENE_TABLES[:-1], "splits", SCENE_TABLES[-1]):
            os.replace(made / f"{table}.json", folder / f"{table}.json")


def _write(files: Sequence[IO[str]], fragments: Sequence[Path]) -> None:
    empty = [True] * len(files)
    for file in files:
        file.write("[\n")
    for fragment in fragments:
        with fragment.open(encoding="utf-8") as lines:
            for table, (file, line) in enumerate(zip(files, lines, strict=True)):
                rows = line.rstrip("\n")
                if rows:
                    file.write(("" if empty[table] else ",\n") + rows)
                    empty[table] = False
    for file in files:
        file.write("\n]\n")
