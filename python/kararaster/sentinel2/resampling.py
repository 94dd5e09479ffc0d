"""One grid for all bands: pixels of a coarse file repeated, pixels of a fine one averaged or picked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kararaster.lazy import LazyArray, Window


@dataclass(frozen=True, eq=False)
class _Rescaled(LazyArray):
    """The pixels of `source` on a grid that is finer or coarser by a whole `factor`."""

    source: LazyArray
    factor: int

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.source.dtype


@dataclass(frozen=True, eq=False)
class Repeated(_Rescaled):
    """Every pixel of `source` as `factor` x `factor` pixels: nearest neighbour on a finer grid."""

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(n * self.factor for n in self.source.shape)

    def read(self, window: Window) -> npt.NDArray[Any]:
        coarse = self.source.read(tuple(slice(p.start // self.factor, -(-p.stop // self.factor)) for p in window))
        rows, columns = (np.arange(p.start, p.stop) // self.factor - p.start // self.factor for p in window)
        fine: npt.NDArray[Any] = coarse.take(rows, axis=0).take(columns, axis=1)
        return fine

    def __dask_tokenize__(self) -> object:
        return ("repeated", self.source, self.factor)


@dataclass(frozen=True, eq=False)
class _Blocks(_Rescaled):
    """One pixel for `factor` x `factor` pixels of `source`."""

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(n // self.factor for n in self.source.shape)

    def _fine(self, window: Window) -> npt.NDArray[Any]:
        """The pixels of `source` under `window`."""
        return self.source.read(tuple(slice(p.start * self.factor, p.stop * self.factor) for p in window))


@dataclass(frozen=True, eq=False)
class Centre(_Blocks):
    """The middle pixel of each block (below and right of the middle where there is none): for class numbers."""

    def read(self, window: Window) -> npt.NDArray[Any]:
        middle = slice(self.factor // 2, None, self.factor)
        return np.ascontiguousarray(self._fine(window)[middle, middle])

    def __dask_tokenize__(self) -> object:
        return ("block centre", self.source, self.factor)


@dataclass(frozen=True, eq=False)
class BlockMean(_Blocks):
    """The mean of the valid numbers of each block, rounded half to even.

    A block without any is `saturated` if one of its numbers is, else `nodata`.
    """

    nodata: int
    saturated: int

    def read(self, window: Window) -> npt.NDArray[Any]:
        fine = self._fine(window)
        rows, columns = (n // self.factor for n in fine.shape)
        total, count = np.zeros((rows, columns), np.uint32), np.zeros((rows, columns), np.uint32)
        saturated = np.zeros((rows, columns), bool)
        for i in range(self.factor):
            for j in range(self.factor):
                part = fine[i :: self.factor, j :: self.factor]
                burnt = part == self.saturated
                valid = (part != self.nodata) & ~burnt
                total += np.where(valid, part, 0)
                count += valid
                saturated |= burnt
        mean = np.rint(total / np.maximum(count, 1))
        return np.where(count > 0, mean, np.where(saturated, self.saturated, self.nodata)).astype(self.dtype)

    def __dask_tokenize__(self) -> object:
        return ("block mean", self.source, self.factor, self.nodata, self.saturated)
