"""The worker: always the newest item, no exception ends it, and it ends when told. Steps are events, never sleeps."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

import pytest

from fusion.runtime.worker import LatestWorker, WorkerCounts

WAIT_S = 10.0


class Bench:
    """A worker whose work waits for a permit, and tells when it began and when it has reported."""

    def __init__(self) -> None:
        self.begun, self.permits, self.reported = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
        self.results: list[tuple[object, object]] = []
        self.errors: list[tuple[object, str]] = []
        self.fail_in_callbacks = False
        self.threads: set[threading.Thread] = set()
        self.worker: LatestWorker[object, object] = LatestWorker(self._work, on_result=self._result, on_error=self._error, name="bench")

    def _work(self, item: object) -> object:
        self.threads.add(threading.current_thread())
        self.begun.release()
        assert self.permits.acquire(timeout=WAIT_S)
        if isinstance(item, str):
            raise RuntimeError(item)
        return item

    def _result(self, item: object, result: object) -> None:
        self.results.append((item, result))
        if self.fail_in_callbacks:
            raise RuntimeError("callback")
        self.reported.release()

    def _error(self, item: object, error: Exception) -> None:
        self.errors.append((item, str(error)))
        self.reported.release()
        if self.fail_in_callbacks:
            raise RuntimeError("in on_error")

    def await_begin(self) -> None:
        assert self.begun.acquire(timeout=WAIT_S)

    def finish_one(self) -> None:
        self.permits.release()
        assert self.reported.acquire(timeout=WAIT_S)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.permits.release(100)
    assert bench.worker.stop(WAIT_S)


def test_only_the_newest_waiting_item_is_worked_on(bench: Bench) -> None:
    assert bench.worker.submit(1) is False
    bench.await_begin()
    assert [bench.worker.submit(item) for item in (2, 3, 4)] == [False, True, True]
    assert bench.worker.busy
    bench.finish_one()
    bench.await_begin()
    bench.finish_one()
    bench.permits.release(9)
    assert bench.worker.stop(WAIT_S)
    assert bench.results == [(1, 1), (4, 4)]
    assert bench.worker.counts() == WorkerCounts(submitted=4, done=2, failed=0, dropped=2)
    assert not bench.worker.busy
    assert bench.threads.isdisjoint({threading.current_thread()})


def test_exceptions_are_reported_and_the_thread_goes_on(bench: Bench) -> None:
    for item in ("bad image", 2):
        bench.worker.submit(item)
        bench.await_begin()
        bench.finish_one()
    assert bench.errors == [("bad image", "bad image")]
    assert bench.results == [(2, 2)]
    assert len(bench.threads) == 1


def test_exceptions_of_callbacks_do_not_end_the_thread(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.fail_in_callbacks = True
    for item in (1, "two", 3):
        bench.worker.submit(item)
        bench.await_begin()
        bench.finish_one()
    bench.permits.release(9)
    assert bench.worker.stop(WAIT_S)
    assert bench.errors == [(1, "callback"), ("two", "two"), (3, "callback")]
    assert bench.worker.counts() == WorkerCounts(submitted=3, done=0, failed=3, dropped=0)
    assert len(bench.threads) == 1
    assert "on_error failed for: two" in caplog.text


def test_stop_drops_what_waits_and_what_is_in_work(bench: Bench) -> None:
    bench.worker.submit(1)
    bench.await_begin()
    bench.worker.submit(2)
    assert bench.worker.stop(timeout_s=0.01) is False  # still at work
    bench.permits.release(2)
    assert bench.worker.stop(WAIT_S) is True
    assert bench.worker.submit(3) is True
    assert bench.results == bench.errors == []
    assert bench.worker.counts() == WorkerCounts(submitted=3, done=0, failed=0, dropped=3)


def test_stop_in_an_idle_moment_and_from_a_callback() -> None:
    assert LatestWorker(int, on_result=lambda item, result: None, on_error=lambda item, error: None).stop(WAIT_S)
    stopped = threading.Event()

    def stop(item: str, result: int) -> None:
        worker.stop()
        stopped.set()

    worker: LatestWorker[str, int] = LatestWorker(int, on_result=stop, on_error=lambda item, error: None)
    worker.submit("1")
    assert stopped.wait(WAIT_S)
    assert worker.stop(WAIT_S)


def test_items_are_not_held_after_their_work(bench: Bench) -> None:
    class Image:
        pass

    image: Image | None = Image()
    gone = threading.Event()
    weakref.finalize(image, gone.set)
    bench.worker.submit(image)
    bench.await_begin()
    bench.finish_one()
    bench.results.clear()
    image = None
    assert gone.wait(WAIT_S)
