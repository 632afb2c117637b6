"""A program's process: what its environment says stays, and freed memory is not handed back page by page."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")

FAULTS = """
import resource, sys
from fusion.process import settle
if sys.argv[1] == "settled":
    settle()
import numpy as np
def work():
    for _ in range(40):
        for blocks in [[np.ones(1 << 20) for _ in range(8)]]:  # 8 MB each
            del blocks
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "OMP_WAIT"))}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=clean | environment, check=True, capture_output=True, text=True).stdout


@glibc
def test_memory_is_kept_for_the_next_tensors() -> None:
    pages = 40 * 8 * (8 << 20) // os.sysconf("SC_PAGE_SIZE")
    plain, settled = (int(run(FAULTS, how)) for how in ("plain", "settled"))
    assert plain > pages // 8
    assert settled < pages // 50


def test_what_the_environment_says_stays_so() -> None:
    code = "import os; from fusion.process import *; settle(); print(os.environ['OMP_WAIT_POLICY'], keep_memory())"
    assert run(code, OMP_WAIT_POLICY="ACTIVE", MALLOC_TRIM_THRESHOLD_="131072") == "ACTIVE False\n"
    assert run(code, GLIBC_TUNABLES="glibc.malloc.arena_max=2") == "PASSIVE False\n"


def test_a_signal_that_somebody_heeds_already_stays_theirs() -> None:
    code = "import signal, fusion.process as p; {}; p.settle(); print(signal.getsignal(signal.SIGTERM) is {})"
    assert run(code.format("0", "signal.default_int_handler")) == "True\n"
    assert run(code.format("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "signal.SIG_IGN")) == "True\n"


def test_nothing_heavy_is_imported() -> None:
    assert run("import sys, fusion.process; print('torch' in sys.modules, 'numpy' in sys.modules)") == "False False\n"
