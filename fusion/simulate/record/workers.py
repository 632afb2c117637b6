"""Scenes made side by side in worker processes that stop cleanly."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import Any

from fusion.errors import UserError
from fusion.simulate.record.drive import Request
from fusion.simulate.record.parts import Parts
from fusion.simulate.record.scene import record_scene

POLL_S = 0.3
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

_shared: dict[str, Any] = {}
"""A worker's counter of keyframes and its sign to stop."""


class Stopped(Exception):
    """Somebody asked the workers to stop."""


class SceneFailed(Exception):
    """The simulators could not make a scene; the message holds their traceback."""


def make_scenes(root: Path, request: Request, indices: Sequence[int], workers: int, parts: Parts,
                after_keyframes: Callable[[int], object]) -> Generator[tuple[int, SceneFailed | None], None, None]:
    """Make scenes; yields the index of each as it ends, in any order, and what failed in it.

    Args:
        root: data root.
        request: what to make.
        indices: of the scenes.
        workers: processes; with one, or one scene, this process does the work.
        parts: the simulators.
        after_keyframes: called with the number of keyframes made since the last call.

    Raises:
        OSError: a file cannot be written; the scenes in work are removed.
        UserError: a worker process died.
    """
    workers = min(workers, len(indices))
    if workers <= 1:
        for index in indices:
            yield index, _made(root, request, index, parts, lambda: after_keyframes(1))
        return
    context = multiprocessing.get_context("spawn")
    counter, stop = context.Value("q", 0), context.Event()
    counted = 0
    with _one_thread_per_worker(), ProcessPoolExecutor(workers, context, _start_worker, (counter, stop)) as pool:
        running: dict[Future[SceneFailed | None], int] = {pool.submit(_work, root, request, index, parts): index for index in indices}
        try:
            while running:
                done, _ = wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
                after_keyframes(counter.value - counted)
                counted = counter.value
                for future in done:
                    index = running.pop(future)
                    yield index, future.result()
        except BrokenProcessPool:
            raise UserError(f"{root}: a worker process was ended from outside, perhaps for lack of memory; finished scenes stay valid: "
                            "go on with --resume and fewer --workers") from None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)  # every half-written scene is gone before anybody hears of the error


def _work(root: Path, request: Request, index: int, parts: Parts) -> SceneFailed | None:
    def after_keyframe() -> None:
        with _shared["counter"].get_lock():
            _shared["counter"].value += 1
        if _shared["stop"].is_set():
            raise Stopped

    return _made(root, request, index, parts, after_keyframe)


def _made(root: Path, request: Request, index: int, parts: Parts, after_keyframe: Callable[[], object]) -> SceneFailed | None:
    try:
        record_scene(root, request, index, parts, after_keyframe)
    except (OSError, UserError, Stopped):
        raise
    except Exception:  # a flaw of one scene must not cost the hundreds after it; the caller reports it
        return SceneFailed(traceback.format_exc())
    return None


def _start_worker(counter: Any, stop: Any) -> None:
    _shared.update(counter=counter, stop=stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _one_thread_per_worker() -> Iterator[None]:
    """Libraries read these when they start, so the workers must find them in their environment."""
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
