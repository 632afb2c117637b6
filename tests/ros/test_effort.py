"""What work costs a thread, measured on work of known kind."""

from __future__ import annotations

import threading
import time

import pytest

from ros_nodes.effort import Effort


def spin(cpu_s: float) -> None:
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


def test_computing_counts_and_sleeping_does_not() -> None:
    before = Effort.so_far()
    spin(0.03)
    time.sleep(0.1)
    spent = Effort.so_far() - before
    assert 0.03 <= spent.cpu_s < 0.06


def test_threads_that_share_the_interpreter_do_not_count_for_each_other() -> None:
    thread = threading.Thread(target=spin, args=(0.05,))
    before = Effort.so_far()
    thread.start()
    thread.join()
    assert (Effort.so_far() - before).cpu_s < 0.02


def test_side_by_side_computing_adds_up_and_the_longest_wait_counts() -> None:
    mine = Effort(cpu_s=1, starved_s=2)
    both = mine.beside([Effort(cpu_s=10, starved_s=3), Effort(cpu_s=20, starved_s=4)])
    assert (both.cpu_s, both.starved_s) == (31, 6)
    assert mine.beside([]) == mine
    after = mine + Effort(cpu_s=0.5, starved_s=0.25)
    assert after.cpu_s == pytest.approx(1.5) and (after - mine).starved_s == pytest.approx(0.25)
