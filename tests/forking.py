"""Commands in processes of their own that begin with the heavy libraries imported already: `python tests/forking.py` reads jobs and forks.

Importing them takes longer than most commands do on small data. Nothing of this project is imported before the fork, so that a command which
forgets an import still fails.
"""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HEAVY = ("torch", "torch.export", "numba.core.typed_passes", "cv2", "matplotlib.figure", "lightning.pytorch", "nuscenes.eval.detection.evaluate")
LIMIT_S = 600.0
"""A command that takes longer is killed."""


class Forking:
    """The process that forks, from the outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, words: Sequence[str], output: Path) -> int:
        """Run `python WORDS` in the current folder, in the environment that the forking process was started in; returns its exit code, and
        writes what it said to `output`.

        `words` begin with `-m MODULE`, `-c CODE` or a script's path, as Python's own arguments do.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(words), os.getcwd(), str(output)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forking() -> Iterator[Forking]:
    """Start it; it ends with the block."""
    command = [sys.executable, "-W", "ignore", __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Forking(process)


def _run_here(words: Sequence[str]) -> None:
    """What `python WORDS` does."""
    if words[0] == "-m":
        sys.argv, sys.path[0] = ["", *words[2:]], os.getcwd()
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *words[2:]], ""
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = list(words), str(Path(words[0]).resolve().parent)
        runpy.run_path(words[0], run_name="__main__")


def _become(words: Sequence[str], folder: str, output: str) -> None:
    """In the child: what `python WORDS >OUTPUT 2>&1 </dev/null` in the folder does."""
    os.chdir(folder)
    for path, flags, streams in ((output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, (1, 2)), (os.devnull, os.O_RDONLY, (0,))):
        file = os.open(path, flags)
        for stream in streams:
            os.dup2(file, stream)
        os.close(file)
    _run_here(words)


def _serve() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()  # so that no child copies these pages by counting what is on them
    for line in sys.stdin:
        child = multiprocessing.get_context("fork").Process(target=_become, args=json.loads(line))
        child.start()
        child.join(LIMIT_S)
        if child.is_alive():
            child.kill()
            child.join()
        print(child.exitcode, flush=True)


if __name__ == "__main__":
    _serve()
