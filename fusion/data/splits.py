"""Scenes of data sets in nuScenes' format by name, and by the names of splits: nobody types the 700 scenes of `train`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fusion.data.source import unknown
from fusion.errors import UserError

SPLITS_FILE = "splits.json"
"""Beside the tables: split -> names of its scenes, as the devkit reads it too."""


def choose_by_name(known: Sequence[str], wanted: Iterable[str] | None, folder: Path) -> list[str]:
    """Names of scenes, each once, in the order given; the scenes of a split stand in place of its name.

    Args:
        known: the scenes of the tables.
        wanted: names of scenes, of splits in `folder/splits.json`, or of official ones (`train`, `val`, `mini_val`, ...); None takes all scenes.
        folder: of the tables.

    Raises:
        UserError: a name that is neither, a split without scenes or with one that is not in these tables, or an unreadable `splits.json`.
    """
    if wanted is None:
        return list(known)
    scenes, splits = set(known), None
    chosen: dict[str, None] = {}
    for name in wanted:
        if name in scenes:
            chosen[name] = None
            continue
        splits = _splits(folder) if splits is None else splits
        if name not in splits:
            raise unknown("scene", name, known, str(folder))
        absent = [member for member in splits[name] if member not in scenes]
        if not splits[name]:
            raise UserError(f"split {name!r}: holds no scene; name single scenes instead")
        if absent:
            raise UserError(f"split {name!r}: {len(absent)} of its {len(splits[name])} scenes are not in these tables, for example {absent[0]!r};"
                            " name single scenes instead")
        chosen |= dict.fromkeys(splits[name])
    return list(chosen)


def _splits(folder: Path) -> dict[str, list[str]]:
    """Split -> scenes: the data set's own, then nuScenes'."""
    from nuscenes.utils.splits import create_splits_scenes  # seconds, for whoever names a split

    own: Any = {}
    path = folder / SPLITS_FILE
    try:
        own = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); restore the file, or name scenes") from None
    if not isinstance(own, dict) or not all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in own.values()):
        raise UserError(f"{path}: expected split -> list of scene names; restore the file, or name scenes")
    return {**create_splits_scenes(), **own}
