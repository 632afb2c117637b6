"""One checker for the shapes of every stage type, so that all errors read alike."""

from __future__ import annotations

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
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name}: expected finite numbers, got {matrix.tolist()}")
    rotation = matrix[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=tolerance) or np.linalg.det(rotation) < 0:
        raise ValueError(f"{name}: expected a rotation in the upper-left 3x3 block, got {rotation.tolist()}")
    if not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise ValueError(f"{name}: expected last row [0, 0, 0, 1], got {matrix[3].tolist()}")
