"""How the simulator's loops are compiled: without the interpreter's lock, cached on disk.

Kernels that call each other stand in one file: Numba's cache notices changes of the file a kernel is in, not of the ones it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from numba import njit

Scalar: TypeAlias = Any
"""A number inside a kernel; its width is decided when it is compiled, and float32 and float do not mix for a type checker."""

_F = TypeVar("_F", bound=Callable[..., object])


def exact_kernel(function: _F) -> _F:
    """Compiled with IEEE arithmetic, for geometry whose edges must meet."""
    return cast(_F, njit(cache=True, nogil=True, error_model="numpy")(function))


def fast_kernel(function: _F) -> _F:
    """Compiled without regard for NaN, infinity and the sign of zero, for light and colour.

    Reordering, contraction and approximate division stay off: what they give depends on what the compiler inlines, and so on whether a
    kernel was compiled just now or comes from the cache. Same seed, same bytes.
    """
    return cast(_F, njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz"}, error_model="numpy")(function))
