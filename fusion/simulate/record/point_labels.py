"""What each point of a keyframe lies on, as nuScenes-lidarseg keeps it: a table, and a file of one byte per point for each of its rows.

The devkit refuses a root whose folder has another number of files than its table has rows. So the files of a scene wait in a folder of
their own until the tables that name them are written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusion.simulate.record.vocabulary import VERSION, Record

TABLE = "lidarseg"
"""Name of the table and of the folder."""


def label_row(reading: str) -> Record:
    """The row of a cloud, given its token in `sample_data`, by which the devkit looks it up."""
    return {"token": reading, "sample_data_token": reading, "filename": f"{TABLE}/{VERSION}/{reading}_lidarseg.bin"}


def waiting_path(root: Path, scene: str, row: Record) -> Path:
    """Where the file of a row waits until its scene is finished and in the tables."""
    return root / TABLE / scene / Path(row["filename"]).name


def label_bytes(labels: np.ndarray) -> bytes:
    """A file's content: `(P,)` indices into `POINT_CLASSES`, in the order of the cloud's points."""
    return np.ascontiguousarray(labels, np.uint8).tobytes()


def publish(root: Path, scenes: Sequence[str]) -> None:
    """Move the files of finished scenes to where their rows say that they are."""
    folder = root / TABLE / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    for waiting in [root / TABLE / scene for scene in scenes]:
        if waiting.is_dir():
            for entry in list(os.scandir(waiting)):
                os.replace(entry.path, folder / entry.name)
            waiting.rmdir()


def discard(root: Path, scenes: Sequence[str]) -> None:
    """Delete the files of scenes that were not finished."""
    for waiting in [root / TABLE / scene for scene in scenes]:
        if waiting.is_dir():
            shutil.rmtree(waiting)
