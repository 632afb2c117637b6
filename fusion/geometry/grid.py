"""The BEV grid: the one owner of all metres <-> cells arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class BevGrid:
    """A regular grid over the ego ground plane. First index forward (x), second left (y).

    Attributes:
        x_range_m, y_range_m, z_range_m: `(min, max)` metres in the ego frame.
        cell_m: edge of a square cell.
    """

    x_range_m: tuple[float, float] = (-51.2, 51.2)
    y_range_m: tuple[float, float] = (-51.2, 51.2)
    z_range_m: tuple[float, float] = (-3.0, 5.0)
    cell_m: float = 0.4

    def __post_init__(self) -> None:
        for name in ("x_range_m", "y_range_m", "z_range_m"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(f"{name}: expected (min, max) with min < max, got ({low}, {high})")
            object.__setattr__(self, name, (float(low), float(high)))
        if not self.cell_m > 0:
            raise ValueError(f"cell_m: expected a positive length, got {self.cell_m}")
        for name in ("x_range_m", "y_range_m"):
            low, high = getattr(self, name)
            cells = (high - low) / self.cell_m
            if abs(cells - round(cells)) > 1e-6:
                raise ValueError(f"cell_m: expected {name} {low, high} to be whole cells, got {cells} of {self.cell_m} m")

    @property
    def shape(self) -> tuple[int, int]:
        """(X, Y) cells."""
        return (round((self.x_range_m[1] - self.x_range_m[0]) / self.cell_m),
                round((self.y_range_m[1] - self.y_range_m[0]) / self.cell_m))

    def coarser(self, stride: int) -> BevGrid:
        """The grid of the same area whose cells are `stride` times as long."""
        return BevGrid(x_range_m=self.x_range_m, y_range_m=self.y_range_m, z_range_m=self.z_range_m, cell_m=self.cell_m * stride)

    def metres_to_cells(self, xy_m: np.ndarray) -> np.ndarray:
        """`(..., 2)` metres -> continuous cells; the centre of cell i is at i + 0.5."""
        return np.asarray((xy_m - np.array([self.x_range_m[0], self.y_range_m[0]])) / self.cell_m)

    def cells_to_metres(self, cells: np.ndarray) -> np.ndarray:
        """`(..., 2)` continuous cells -> metres."""
        return np.asarray(cells * self.cell_m + np.array([self.x_range_m[0], self.y_range_m[0]]))

    def cell_centres_m(self) -> np.ndarray:
        """`(X, Y, 2)` float32 centre of every cell in metres."""
        index = np.stack(np.meshgrid(*(np.arange(n) for n in self.shape), indexing="ij"), axis=-1)
        return self.cells_to_metres(index + 0.5).astype(np.float32)

    def holds(self, xy_m: np.ndarray) -> np.ndarray:
        """`(..., 2)` metres -> bool: in a cell of the grid, at whatever height."""
        cells = self.metres_to_cells(xy_m.astype(np.float64))
        return np.asarray(((cells >= 0) & (cells < self.shape)).all(axis=-1))

    def inside(self, xyz_m: np.ndarray) -> np.ndarray:
        """`(..., 3)` metres -> bool: within the half-open ranges of all three axes."""
        low = np.array([self.x_range_m[0], self.y_range_m[0], self.z_range_m[0]])
        high = np.array([self.x_range_m[1], self.y_range_m[1], self.z_range_m[1]])
        return np.asarray(((xyz_m >= low) & (xyz_m < high)).all(axis=-1))
