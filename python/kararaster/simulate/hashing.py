"""Numbers that depend on a place only: the same for every window, order and process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def uniform(place: npt.NDArray[np.uint64], *, seed: int) -> npt.NDArray[np.float64]:
    """A number in (0, 1) for every place: 64-bit integers mixed with `seed` (finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = place * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed & 0xFFFFFFFF) * np.uint64(0xD1342543DE82EF95)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def uniform_grid(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.float64]:
    """`uniform` for every crossing of `rows` and `columns` (whole numbers, negative ones too), broadcast."""
    with np.errstate(over="ignore"):
        place = rows.astype(np.uint64) * np.uint64(0x100000001) + columns.astype(np.uint64)
    return uniform(place, seed=seed)


def by_cell(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.float64]:
    """`uniform_grid` for cell numbers that repeat from pixel to pixel: each cell is drawn once."""
    (row_cells, i), (column_cells, j) = (np.unique(cells, return_inverse=True) for cells in (rows, columns))
    return uniform_grid(row_cells[:, np.newaxis], column_cells, seed=seed)[i[:, np.newaxis], j]


def value_noise(
    v: npt.NDArray[np.float64], u: npt.NDArray[np.float64], frequency: float, *, seed: int
) -> npt.NDArray[np.float64]:
    """Smooth noise in (0, 1) at rows `v` and columns `u`: random numbers on a lattice, joined by smoothsteps."""
    (i0, fv), (j0, fu) = _lattice(v * frequency), _lattice(u * frequency)
    lattice_rows, lattice_columns = (np.arange(i.min(), i.max() + 2) for i in (i0, j0))
    lattice = uniform_grid(lattice_rows[:, np.newaxis], lattice_columns, seed=seed)
    i, j, fv = i0 - i0.min(), j0 - j0.min(), fv[:, np.newaxis]
    along = lattice[i] * (1 - fv) + lattice[i + 1] * fv
    noise: npt.NDArray[np.float64] = along[:, j] * (1 - fu) + along[:, j + 1] * fu
    return noise


def _lattice(at: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    whole = np.floor(at)
    part = at - whole
    return whole.astype(np.int64), part * part * (3 - 2 * part)
