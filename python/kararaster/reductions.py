"""Numbers of a whole scene: how many looks it has, how bright its brightest part is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class LogMode:
    """Mode of positive numbers: the fullest bin of a logarithmic histogram, smoothed over about 10 %.

    Of the logarithm, because the estimate of L from n samples is about L times (n - 1) over a chi-square, whose logarithm has its
    mode at L; and because a count per unit lets the few windows of one bright target win, whose estimates are small and alike.
    """

    edges = np.geomspace(0.05, 5000.0, 1025)
    smoothing = np.ones(9) / 9

    def __dask_tokenize__(self) -> object:
        return ("log-mode", 2)

    def partial(self, block: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        return np.histogram(block[np.isfinite(block)], self.edges)[0]

    def merge(self, parts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        total: npt.NDArray[np.int64] = np.sum(parts, axis=0)
        return total

    def total(self, part: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        if not part.any():
            return np.array(np.nan)
        best = int(np.argmax(np.convolve(part, self.smoothing, mode="same")))
        return np.array(np.sqrt(self.edges[best] * self.edges[best + 1]))


class Spread(NamedTuple):
    """Number of samples, their mean, the sum of squares about it."""

    n: int
    mean: float
    m2: float


class MomentLooks:
    """Mean squared over variance: the number of looks of homogeneous ground, from its intensities."""

    def __dask_tokenize__(self) -> object:
        return ("moment-looks", 1)

    def partial(self, block: npt.NDArray[Any]) -> Spread:
        return _spread(block[np.isfinite(block)].astype(np.float64))

    def merge(self, parts: list[Spread]) -> Spread:
        return _joined(parts)

    def total(self, part: Spread) -> npt.NDArray[np.float64]:
        usable = part.n > 1 and part.m2 > 0
        return np.array(part.mean**2 * (part.n - 1) / part.m2 if usable else np.nan)


class LogCumulantLooks:
    """The number of looks whose speckle has the observed variance of the logarithm."""

    def __dask_tokenize__(self) -> object:
        return ("log-cumulant-looks", 1)

    def partial(self, block: npt.NDArray[Any]) -> Spread:
        return _spread(np.log(block[np.isfinite(block) & (block > 0)].astype(np.float64)))

    def merge(self, parts: list[Spread]) -> Spread:
        return _joined(parts)

    def total(self, part: Spread) -> npt.NDArray[np.float64]:
        usable = part.n > 1 and part.m2 > 0
        return np.array(inverse_trigamma(part.m2 / (part.n - 1)) if usable else np.nan)


def _spread(values: npt.NDArray[np.float64]) -> Spread:
    if not values.size:
        return Spread(0, 0.0, 0.0)
    mean = float(values.mean())
    return Spread(values.size, mean, float(np.square(values - mean).sum()))


def _joined(parts: list[Spread]) -> Spread:
    """The spread of all samples together (Chan, Golub, LeVeque 1983, doi 10.1080/00031305.1983.10483115)."""
    n = sum(part.n for part in parts)
    if n == 0:
        return Spread(0, 0.0, 0.0)
    mean = sum(part.n * part.mean for part in parts) / n
    return Spread(n, mean, sum(part.m2 + part.n * (part.mean - mean) ** 2 for part in parts))


def inverse_trigamma(variance: float) -> float:
    """The argument at which the trigamma function is `variance`, by Newton's iteration on its reciprocal, which is nearly
    straight."""
    x = 0.5 + 1.0 / variance
    for _ in range(50):
        first, second = _trigamma(x)
        step = first * (1.0 - first / variance) / second
        x += step
        if abs(step) < 1e-14 * x:
            break
    return x


def _trigamma(x: float) -> tuple[float, float]:
    """Trigamma function and its derivative: recurrence up to 12, then the asymptotic series."""
    first = second = 0.0
    while x < 12.0:
        first += x**-2
        second -= 2.0 * x**-3
        x += 1.0
    bernoulli = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730)
    first += 1.0 / x + 0.5 / x**2
    second -= 1.0 / x**2 + 1.0 / x**3
    for k, b in enumerate(bernoulli, start=1):
        first += b * x ** -(2 * k + 1)
        second -= (2 * k + 1) * b * x ** -(2 * k + 2)
    return first, second


class UpperQuantile:
    """The power that 2 % of the valid samples exceed.

    Counted by the upper 20 bits of float32, so that the number is the same however the scene was cut; that is 0.002 dB too
    high at most.
    """

    share = 0.98
    bits = 12

    def __dask_tokenize__(self) -> object:
        return ("upper-quantile", self.share, self.bits)

    def partial(self, block: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        power = block.astype(np.float32, copy=False)
        valid = power[np.isfinite(power)]
        valid = np.where(valid > 0, valid, np.float32(0))
        counts = np.bincount(valid.view(np.uint32) >> self.bits)
        keys = np.flatnonzero(counts)
        return np.stack([keys, counts[keys]])

    def merge(self, parts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        keys, counts = np.concatenate(parts, axis=1)
        unique, place = np.unique(keys, return_inverse=True)
        total = np.bincount(place, weights=counts, minlength=unique.size)
        return np.stack([unique, total.astype(np.int64)])

    def total(self, part: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        keys, counts = part
        if not keys.size:
            return np.array(np.inf)
        before = np.cumsum(counts)
        rank = max(0, int(np.floor(self.share * before[-1])) - 1)
        key = int(keys[np.searchsorted(before, rank, side="right")])
        highest = (key << self.bits) | ((1 << self.bits) - 1)
        return np.array(np.uint32(highest).view(np.float32) if key else 0.0, np.float64)
