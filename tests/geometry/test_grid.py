"""The BEV grid's arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.geometry.grid import BevGrid

GRID = BevGrid(x_range_m=(-2, 6), y_range_m=(-4, 4), z_range_m=(-1, 1), cell_m=0.5)


def test_shape_and_coarser() -> None:
    assert GRID.shape == (16, 16)
    assert BevGrid().shape == (256, 256)
    coarse = GRID.coarser(4)
    assert coarse.shape == (4, 4)
    assert (coarse.x_range_m, coarse.cell_m) == (GRID.x_range_m, 2.0)
    with pytest.raises(ValueError, match="cell_m"):
        GRID.coarser(3)


def test_cells_and_metres_are_inverse() -> None:
    np.testing.assert_array_equal(GRID.metres_to_cells(np.array([[-2, -4], [0, 0.25]])), [[0, 0], [4, 8.5]])
    xy = np.random.default_rng(0).uniform(-10, 10, (3, 5, 2))
    np.testing.assert_allclose(GRID.cells_to_metres(GRID.metres_to_cells(xy)), xy, atol=1e-12)


def test_centres_first_index_is_forward() -> None:
    centres = GRID.cell_centres_m()
    assert centres.shape == (16, 16, 2)
    assert centres.dtype == np.float32
    np.testing.assert_array_equal(centres[0, 0], [-1.75, -3.75])
    np.testing.assert_array_equal(centres[3, 0], [-0.25, -3.75])
    np.testing.assert_array_equal(centres[0, 3], [-1.75, -2.25])
    np.testing.assert_array_equal(np.floor(GRID.metres_to_cells(centres[5, 7])), [5, 7])


def test_inside_is_half_open() -> None:
    points = np.array([[-2, -4, -1], [6, 0, 0], [0, 4, 0], [0, 0, 1], [5.999, 3.999, 0.999], [np.nan, 0, 0]])
    np.testing.assert_array_equal(GRID.inside(points), [True, False, False, False, True, False])


def test_what_the_grid_holds_is_half_open_at_whatever_height() -> None:
    np.testing.assert_array_equal(GRID.holds(np.array([[-2, -4], [6, 0], [0, 4], [5.999, 3.999], [-2.001, 0], [np.nan, 0]])),
                                  [True, False, False, True, False, False])


@pytest.mark.parametrize(("change", "message"), [
    ({"x_range_m": (1.0, 1.0)}, r"x_range_m: expected \(min, max\) with min < max, got \(1.0, 1.0\)"),
    ({"y_range_m": (0.0, 1.1), "cell_m": 0.4}, "cell_m: expected y_range_m"),
])
def test_bad_grids_raise(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BevGrid(**({"x_range_m": (-2.0, 6.0)} | change))  # type: ignore[arg-type]
