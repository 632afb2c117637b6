"""What counts as a rigid transform."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.types.checks import check_rigid


def turned(degrees: float) -> np.ndarray:
    """About z, and moved."""
    angle = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = [3, -4, 1e5]
    return matrix


def changed(row: int, column: int, value: float) -> np.ndarray:
    matrix = turned(30)
    matrix[row, column] += value
    return matrix


@pytest.mark.parametrize("matrix", [np.eye(4), turned(30), turned(180), turned(30).astype(np.float32), changed(0, 0, 4e-4), changed(3, 1, 5e-6)])
def test_rigid_transforms_pass(matrix: np.ndarray) -> None:
    before = matrix.copy()
    check_rigid("ego_T_cam", matrix)
    assert np.array_equal(matrix, before)


@pytest.mark.parametrize(("matrix", "words"), [
    (np.eye(3), r"expected \(4, 4\)"), (changed(1, 3, np.nan), "finite"), (changed(0, 0, np.inf), "finite"),
    (changed(0, 0, 0.1), "rotation in the upper-left"), (changed(0, 2, 0.01), "rotation in the upper-left"), (2 * np.eye(4), "rotation"),
    (np.diag([1.0, 1, 0, 1]), "rotation"), (np.diag([1.0, 1, -1, 1]), "rotation"), (np.diag([1.0, 1, 1, 2]), "last row"),
    (changed(3, 1, 0.01), "last row")])
def test_others_say_what_is_wrong(matrix: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=f"ego_T_cam: .*{words}"):
        check_rigid("ego_T_cam", matrix)
