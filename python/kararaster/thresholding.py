"""From p-values to a decision with a known error rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kararaster import _kernels, blocks

EXACT_UP_TO = 10_000_000
"""Up to so many pixels the false discovery rate is controlled exactly; above, within a histogram bin of 1/4096 decade."""


def critical_value(neg_log10_p: blocks.Array, alpha: float, control: str | None) -> blocks.Array:
    """Smallest -log10 p called changed: at false discovery rate `alpha` over the whole map, or p <= alpha without control.

    Benjamini and Hochberg 1995. NaN are no tests. Infinite where nothing is found. A 0-d float64 array, lazy if the input is.
    """
    if control is None:
        return np.array(-math.log10(alpha))
    exact = math.prod(neg_log10_p.shape) <= EXACT_UP_TO
    return blocks.global_number(_Sorted(alpha) if exact else _Binned(alpha), neg_log10_p, np.float64)


@dataclass(frozen=True)
class _Sorted:
    """All valid p-values, then the exact procedure."""

    q: float

    def partial(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return block[~np.isnan(block)]

    def merge(self, parts: list[Any]) -> npt.NDArray[np.float32]:
        return np.concatenate(parts)

    def total(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.array(_kernels.fdr_threshold(part, self.q), np.float64)


@dataclass(frozen=True)
class _Binned:
    """Counts in bins of 1/4096 decade: memory does not grow with the map."""

    q: float

    def partial(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
        return _kernels.fdr_histogram(block)

    def merge(self, parts: list[Any]) -> npt.NDArray[np.uint64]:
        total: npt.NDArray[np.uint64] = np.sum(parts, axis=0, dtype=np.uint64)
        return total

    def total(self, part: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
        return np.array(_kernels.fdr_threshold_binned(part, self.q), np.float64)
