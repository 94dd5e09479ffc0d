"""Speckle: gamma-distributed, unit mean, any part of an endless sheet at once and always the same.

Two ways to the same distribution. `speckle` draws from a NumPy generator. `SpeckleSheet` is for scenes that are too
large to keep: every pixel of every date has its own place in a counter-based random sequence (Philox), so a window
needs no neighbours and no history. Sixteen random bits choose one of 65536 equally likely cells of the distribution and
the pixel gets that cell's mean; only the outer cells, where one mean would cut the tail off, are drawn exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, log, sqrt

import numpy as np
import numpy.typing as npt

from kararaster.errors import InvalidInputError
from kararaster.simulate.hashing import uniform

_CELLS = 1 << 16
_OUTER = 8
"""Cells at either end that are drawn exactly: the means of the others are a fine enough ladder."""
_COLUMNS = 128
"""Columns that share one random sequence; a row of them is a whole number of Philox steps."""
_STEPS = _COLUMNS * 2 // 32
"""Philox steps (32 bytes each) for one row of two-byte numbers."""
_ROWS = 256
"""Rows drawn at once, so that the numbers stay in the processor's cache."""


def speckle(shape: tuple[int, ...], *, enl: float = 4.4, rng: np.random.Generator | int = 0) -> npt.NDArray[np.float32]:
    """Independent fully developed speckle: Gamma with `enl` looks and mean 1, float32, no unit, no NaN.

    `enl`: equivalent number of looks, a real number above 0. `rng`: a NumPy generator, or the seed for a new one.
    Raises InvalidInputError where `enl` is not above 0.
    """
    check_enl(enl)
    generator = np.random.default_rng(rng)
    return generator.standard_gamma(enl, shape, dtype=np.float32) / np.float32(enl)


def check_enl(enl: float) -> None:
    """Raise InvalidInputError unless `enl` is a finite number above 0."""
    if not (np.isfinite(enl) and enl > 0):
        raise InvalidInputError(f"enl: got {enl!r}, want a number of looks above 0 (Sentinel-1 IW GRD: 4.4)")


@dataclass(frozen=True)
class _Gamma:
    """Unit-mean Gamma: the mean of each of 65536 equally likely cells, and both tails for exact draws."""

    means: npt.NDArray[np.float32]
    lower: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
    upper: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@lru_cache(maxsize=16)
def _gamma(looks: float) -> _Gamma:
    """Integrate the density of ln x on a fine grid: no quantile function is needed, and the means are exact."""
    start = (log(1e-12) + lgamma(looks + 1)) / looks
    stop = log(looks + 12 * sqrt(looks) + 40)
    t = np.linspace(start, stop, 400_001)
    x = np.exp(t)
    density = np.exp(looks * t - x - lgamma(looks))
    mass = (density[1:] + density[:-1]) * (0.5 * (t[1] - t[0]))
    below = np.concatenate([[exp(looks * start - lgamma(looks + 1))], mass]).cumsum()
    above = np.concatenate([mass, [1e-18]])[::-1].cumsum()[::-1]
    moment = np.concatenate([[0.0], (density[1:] * x[1:] + density[:-1] * x[:-1]) * (0.5 * (t[1] - t[0]))]).cumsum()
    edges = np.interp(np.arange(_CELLS + 1) / _CELLS, below / below[-1], moment)
    edges[0], edges[-1] = 0.0, moment[-1]
    means = (np.diff(edges) * (_CELLS / moment[-1])).astype(np.float32)
    return _Gamma(means=means, lower=(np.log(below), t - log(looks)), upper=(np.log(above[::-1]), t[::-1] - log(looks)))


@dataclass(frozen=True)
class SpeckleSheet:
    """Endless unit-mean speckle, one sheet a date and stream. Equal arguments give equal numbers, whatever the
    window."""

    seed: int
    enl: float

    def read(self, date: int, stream: int, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        """The speckle of `rows` x `columns` of one date of one stream (streams are independent of each other)."""
        out = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        for block in range(columns.start // _COLUMNS, -(-columns.stop // _COLUMNS)):
            left = block * _COLUMNS
            start, stop = max(left, columns.start), min(left + _COLUMNS, columns.stop)
            target = out[:, start - columns.start : stop - columns.start]
            for top in range(rows.start, rows.stop, _ROWS):
                bottom = min(top + _ROWS, rows.stop)
                strip = self._strip(date, stream, block, top, bottom)
                target[top - rows.start : bottom - rows.start] = strip[:, start - left : stop - left]
        return out

    def _strip(self, date: int, stream: int, block: int, top: int, bottom: int) -> npt.NDArray[np.float32]:
        """Rows `top` to `bottom` of one block of columns."""
        bits = np.random.Philox(key=[self.seed, stream], counter=[top * _STEPS, block, date, 0])
        cells = bits.random_raw((bottom - top) * _COLUMNS // 4).view(np.uint16)
        gamma = _gamma(self.enl)
        out = np.empty(cells.shape, np.float32)
        gamma.means.take(cells, out=out, mode="clip")
        outer = np.flatnonzero((cells - np.uint16(_OUTER)) >= _CELLS - 2 * _OUTER)
        if outer.size:
            place = outer.astype(np.uint64) + np.uint64(top * _COLUMNS + (block << 40) + (date << 52))
            inside = uniform(place, seed=self.seed * 8 + stream)
            out[outer] = _outer_quantile(gamma, cells[outer], inside)
        return out.reshape(bottom - top, _COLUMNS)


def _outer_quantile(
    gamma: _Gamma, cells: npt.NDArray[np.uint16], inside: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Quantiles at `cells + inside` of 65536, interpolated in the logarithm of the nearer tail."""
    low = cells < _OUTER
    tail = np.log(np.where(low, cells + inside, _CELLS - 1 - cells.astype(np.float64) + inside) / _CELLS)
    return np.exp(np.where(low, np.interp(tail, *gamma.lower), np.interp(tail, *gamma.upper)))
