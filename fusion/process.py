"""What a program wants of its process before it does heavy work: threads that wait quietly, memory that is not handed back and forth, and an
orderly end."""

from __future__ import annotations

import ctypes
import os
import signal
import threading

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT_BYTES = 1 << 30
_LARGEST_IN_HEAP = 32 << 20  # glibc takes no more


def settle() -> None:
    """Call it first in `main`, before torch is imported; what the environment says already stays so.

    SIGTERM then ends the program as Ctrl-C does, by a KeyboardInterrupt.
    """
    # Read when torch is imported. Threads that spin at barriers are ten times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_memory()
    # By default nothing is cleaned up: half-written files would stay. A handler can only be set by the main thread.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def keep_memory() -> bool:
    """Keep what tensors leave for the next ones, where the C library is glibc; returns whether it could be asked to.

    By default it gives large blocks back to the system and takes them anew, page by page: an eighth of an answer in PyTorch.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    settings = ((_MMAP_THRESHOLD, _LARGEST_IN_HEAP), (_TRIM_THRESHOLD, _KEPT_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
