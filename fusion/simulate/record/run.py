"""Making a whole data root: scenes in workers, tables merged as they finish, resumed where an earlier run stopped."""

from __future__ import annotations

import errno
import json
import shutil
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fusion.config import to_mapping
from fusion.errors import UserError
from fusion.files import write_text
from fusion.simulate.record.drive import Request
from fusion.simulate.record.fragments import finished, finished_indices, merge
from fusion.simulate.record.parts import Parts, real_parts
from fusion.simulate.record.scene import remove_scenes
from fusion.simulate.record.vocabulary import fixed_tables
from fusion.simulate.record.workers import make_scenes

SETTINGS = "simulate.json"
FORMAT = 3  # raise whenever the same request gives other bytes (3: the own car as sweeps see it, ground that darkens where it is grazed)
MERGE_SHARE = 0.05
"""Merging the tables takes at most this share of the time."""

MAX_FAILED = 5
"""So many failed scenes end the run."""


def simulate(root: Path, request: Request, *, workers: int = 1, resume: bool = False, parts: Parts | None = None) -> list[str]:
    """Make a data root, or go on with one.

    Args:
        root: folder, absent or empty unless `resume`.
        request: what to make.
        workers: processes.
        resume: keep the finished scenes of an earlier run with the same request, but for the number of scenes: no scene depends on it.
        parts: the simulators; None for the real ones.

    Returns:
        Names of all scenes.

    Raises:
        UserError: a folder that is not empty or holds another request's scenes, or more of them than are asked for, a full disk, scenes
            that failed; the finished scenes are valid in every case.
    """
    if workers < 1:
        raise UserError(f"--workers {workers}: expected at least 1")
    names = [request.name(index) for index in range(request.scenes)]
    try:
        _prepare(root, request, resume)
        failed = _make(root, request, names, workers, parts or real_parts())
    except OSError as error:
        count = len(finished(root, names))
        what = "no space left" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"cannot be written ({error.strerror})"
        raise UserError(f"{root}: {what}; {count} finished scene(s) of {len(names)} stay valid: mend it and go on with --resume") from None
    if failed:
        first = min(failed)
        raise UserError(f"{root}: {len(failed)} scene(s) could not be made, for example {first}: {failed[first]}; "
                        f"{len(finished(root, names))} of {len(names)} are finished and valid; tracebacks above")
    return names


def _prepare(root: Path, request: Request, resume: bool) -> None:
    """Check the folder, and record what is made in it."""
    asked: dict[str, Any] = json.loads(json.dumps({"format": FORMAT, **to_mapping(request)}))
    if not request.lidarseg:
        del asked["lidarseg"]  # roots without point labels are what they were before there were any
    root.mkdir(parents=True, exist_ok=True)
    path = root / SETTINGS
    if path.is_file() and resume:
        _check_same(path, asked)
        last = max(finished_indices(root, request), default=-1)
        if last >= request.scenes:
            raise UserError(f"--resume: {root} holds the finished scene {request.name(last)}; ask for at least --scenes {last + 1}")
        for leftover in root.glob(".tables-*"):
            shutil.rmtree(leftover)
        remove_scenes(root, request, _missing(root, request))
    elif any(root.iterdir()):
        raise UserError(f"--out {root}: " + (f"not empty, and without the {SETTINGS} of an earlier run; give a new folder" if resume else
                                             "not empty; give a new folder, or --resume to finish what an earlier run began there"))
    write_text(path, json.dumps(asked, indent=1) + "\n")


def _check_same(path: Path, asked: dict[str, Any]) -> None:
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); give a new folder") from None
    for key in dict.fromkeys([*asked, *made]):
        if key == "scenes":
            continue
        was, now = made.get(key), asked.get(key)
        if was != now:
            option = f"--{key.removesuffix('_s').replace('_', '-')}"
            what = f"with {option} {was}, not {now}"
            if isinstance(was, bool) or isinstance(now, bool):
                what = f"{'with' if was else 'without'} {option}"
            what = {"rig": "with another --rig", "exact_rig": "with another --rig", "format": "with another version of the simulator"}.get(key, what)
            raise UserError(f"--resume: {path.parent} was begun {what}; ask for the same, or give a new folder")


def _missing(root: Path, request: Request) -> list[int]:
    return [index for index in range(request.scenes) if not finished(root, [request.name(index)])]


def _make(root: Path, request: Request, names: list[str], workers: int, parts: Parts) -> dict[str, str]:
    """Make what is missing; returns name -> last line of the error of the scenes that failed."""
    per_scene = len(request.keyframes_s())
    missing = _missing(root, request)
    failed: dict[str, str] = {}
    merger = _Merger(root, request, names)
    with tqdm(total=len(names) * per_scene, initial=(len(names) - len(missing)) * per_scene, unit="keyframe", disable=None,
              smoothing=0.05) as bar:
        try:
            with closing(make_scenes(root, request, missing, workers, parts, bar.update)) as scenes:
                for index, failure in scenes:
                    if failure is not None:
                        tqdm.write(f"bevduet: warning: {names[index]} failed:\n{failure}", file=sys.stderr)
                        failed[names[index]] = str(failure).strip().splitlines()[-1]
                        if len(failed) >= MAX_FAILED:
                            break
                    merger.merge_if_cheap()
        finally:
            if left := _missing(root, request):  # of a worker that was killed
                remove_scenes(root, request, left)
            merger.merge()
    return failed


class _Merger:
    """Merges rarely enough to cost little."""

    def __init__(self, root: Path, request: Request, names: list[str]) -> None:
        self._root, self._request, self._names = root, request, names
        cameras = tuple(camera.name for camera in request.rig.cameras)
        self._fixed = fixed_tables(cameras, None if request.rig.lidar is None else request.rig.lidar.name, request.lidarseg)
        self._ended, self._took_s, self._merged = time.monotonic(), 0.0, 0

    def merge_if_cheap(self) -> None:
        if self._took_s <= MERGE_SHARE * (time.monotonic() - self._ended):
            self.merge()

    def merge(self) -> None:
        """Nothing new, nothing written; nothing finished, no tables."""
        done = finished(self._root, self._names)
        if len(done) > self._merged:
            began = time.monotonic()
            merge(self._root, self._request, done, self._fixed)
            self._ended, self._merged = time.monotonic(), len(done)
            self._took_s = self._ended - began
