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
from fusion.simulate.record import point_labels
from fusion.simulate.record.drive import Request
from fusion.simulate.record.tables import scene_tables
from fusion.simulate.record.vocabulary import VERSION, Record

FOLDER = "scenes"
"""Folder of the fragments."""


def fragment_path(root: Path, name: str) -> Path:
    """Where a scene's fragment is."""
    return root / FOLDER / f"{name}.tables"


def write_fragment(root: Path, name: str, rows: Mapping[str, Sequence[Record]]) -> None:
    """One line per table, in the order of `scene_tables`: its records, as JSON, without the brackets of a list."""
    lines = [",".join(json.dumps(record) for record in records) for records in rows.values()]
    write_text(fragment_path(root, name), "\n".join(lines) + "\n")


def finished(root: Path, names: Sequence[str]) -> list[str]:
    """Those of the scenes that are complete, in the given order."""
    return [name for name in names if fragment_path(root, name).is_file()]


def finished_indices(root: Path, request: Request) -> list[int]:
    """Indices of all scenes of a request that are complete, also of those beyond its number of scenes."""
    stems = {path.stem for path in (root / FOLDER).glob("*.tables")}
    numbers = {int(number) for number in (stem.rpartition("-")[2] for stem in stems) if number.isdigit()}
    return sorted(index for index in numbers if request.name(index) in stems)


def merge(root: Path, request: Request, names: Sequence[str], fixed: Mapping[str, Sequence[Record]]) -> None:
    """Write all tables anew from the fragments of `names`, without ever holding more than one fragment.

    Args:
        root: data root.
        request: what is made in it.
        names: of the finished scenes.
        fixed: tables that are the same for all scenes.

    Raises:
        OSError: nothing is changed if the new tables cannot be written.
    """
    folder = root / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    growing = scene_tables(request)
    with tempfile.TemporaryDirectory(dir=root, prefix=".tables-") as temporary, ExitStack() as stack:
        made = Path(temporary)
        for table, records in fixed.items():
            (made / f"{table}.json").write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n", encoding="utf-8")
        (made / "splits.json").write_text(json.dumps(request.split(list(names)), indent=1) + "\n", encoding="utf-8")
        files = [stack.enter_context((made / f"{table}.json").open("w", encoding="utf-8")) for table in growing]
        _write(files, [fragment_path(root, name) for name in names])
        for file in files:
            file.close()
        for table in (*fixed, *growing[:-1], "splits", growing[-1]):
            if table == point_labels.TABLE:
                point_labels.publish(root, names)
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
