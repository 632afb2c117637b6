"""One checker for the shapes of every stage type, so that all errors read alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def check_shape(name: str, value: Any, expected: tuple[int | str, ...], dims: dict[str, int]) -> None:
    """Check the shape of an array or tensor and bind named dimensions.

    Args:
        name: field name, used in the error.
        value: anything with a `.shape`.
        expected: sizes; an `int` must match, a name is bound in `dims` at first sight and must match later.
        dims: named sizes seen so far; extended in place.

    Raises:
        ValueError: `cam_T_ego: expected (B, N, 4, 4) with {'B': 2, 'N': 6}, got (2, 5, 4, 4)`.
    """
    got = tuple(getattr(value, "shape", ()))
    known = dict(dims)
    ok = hasattr(value, "shape") and len(got) == len(expected)
    if ok:
        for size, want in zip(got, expected, strict=True):
            if isinstance(want, str):
                ok = ok and dims.setdefault(want, size) == size
            else:
                ok = ok and want == size
    if not ok:
        wanted = "(" + ", ".join(str(e) for e in expected) + ("," if len(expected) == 1 else "") + ")"
        bound = {key: known[key] for key in expected if isinstance(key, str) and key in known}
        seen = got if hasattr(value, "shape") else type(value).__name__
        raise ValueError(f"{name}: expected {wanted}{f' with {bound}' if bound else ''}, got {seen}")


def check_dtype(name: str, value: Any, expected: Any) -> None:
    """Check the dtype of an array or tensor; raises ValueError naming expected and got."""
    if value.dtype != expected:
        raise ValueError(f"{name}: expected dtype {expected}, got {value.dtype}")


def check_rigid(name: str, matrix: np.ndarray, tolerance: float = 1e-3) -> None:
    """Check that a `(4, 4)` float64 matrix is a finite rigid transform (rotation block orthonormal, det +1).

    Raises:
        ValueError: naming the matrix and what is wrong with it.
    """
    check_shape(name, matrix, (4, 4), {})
    rows = matrix.tolist()  # sixteen numbers: NumPy would take ten times as long, on every matrix of every answer
    if not all(math.isfinite(value) for row in rows for value in row):
        raise ValueError(f"{name}: expected finite numbers, got {rows}")
    x, y, z = (row[:3] for row in rows[:3])
    unit = max(abs(_dot(row, row) - 1) for row in (x, y, z))
    square = max(abs(_dot(x, y)), abs(_dot(y, z)), abs(_dot(z, x)))
    cross = (x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0])
    if unit > tolerance or square > tolerance or _dot(cross, z) < 0:
        raise ValueError(f"{name}: expected a rotation in the upper-left 3x3 block, got {[x, y, z]}")
    if max(abs(value - wanted) for value, wanted in zip(rows[3], (0, 0, 0, 1), strict=True)) > 1e-5:
        raise ValueError(f"{name}: expected last row [0, 0, 0, 1], got {rows[3]}")


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))
