"""Numba kernels of the filters of local mean and variance: fused, row by row, vectorised."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)


@njit(nogil=True, inline="always")
def mirrored(index, size):
    if index < 0:
        return -index - 1
    return 2 * size - index - 1 if index >= size else index


@njit(nogil=True, error_model="numpy", inline="always")
def boxcar(x, mean, variance, looks):
    return mean


@njit(nogil=True, error_model="numpy", inline="always")
def lee(x, mean, variance, looks):
    weight = _ONE - mean * mean / (looks * variance)
    weight = weight if (variance > 0) & (weight > 0) else _ZERO
    return mean + weight * (x - mean)


@njit(nogil=True, error_model="numpy", inline="always")
def kuan(x, mean, variance, looks):
    weight = (_ONE - mean * mean / (looks * variance)) * (looks / (looks + _ONE))
    weight = weight if (variance > 0) & (weight > 0) else _ZERO
    return mean + weight * (x - mean)


@njit(nogil=True, error_model="numpy", inline="always")
def gamma_map(x, mean, variance, looks):
    speckle, local = _ONE / looks, variance / (mean * mean)
    alpha = (_ONE + speckle) / (local - speckle)
    b = (alpha - looks - _ONE) * mean
    value = (b + np.sqrt(b * b + _TWO * _TWO * alpha * looks * mean * x)) / (_TWO * alpha)
    value = x if local >= _TWO * speckle else value
    return value if local > speckle else mean


@njit(nogil=True, error_model="numpy", inline="always")
def lee_enhanced(x, mean, variance, looks):
    low, high = np.sqrt(_ONE / looks), np.sqrt(_ONE + _TWO / looks)
    local = np.sqrt(variance) / mean
    weight = np.exp((low - local) / (high - local))
    value = x if local >= high else weight * mean + (_ONE - weight) * x
    return value if local > low else mean


POINTS = {"boxcar": boxcar, "lee": lee, "kuan": kuan, "gamma_map": gamma_map, "lee_enhanced": lee_enhanced}
"""What each filter makes of a sample, the mean and the variance around it, and the number of looks."""


@cache
def moment_filter(name: str, *, holes: bool) -> Callable[..., None]:
    """A filter of rows in one pass; what it makes of the moments and `holes` are constants to the compiler."""
    square = name != "boxcar"
    add_row, finish_row = _row_adder(square, holes), _row_finisher(POINTS[name], square, holes)

    @njit(nogil=True, error_model="numpy")
    def kernel(image, half, looks, top, bottom, out):
        height, width = image.shape
        sums = np.empty((3, width + 2 * half), np.float32)
        for y in range(top, bottom):
            # Fresh column sums for each row: running ones drift beside bright targets, and these vectorise.
            sums[:] = 0
            for dy in range(-half, half + 1):
                add_row(image[mirrored(y + dy, height)], half, sums)
            for x in range(half):
                sums[:, half - 1 - x] = sums[:, half + x]
                sums[:, half + width + x] = sums[:, half + width - 1 - x]
            finish_row(image[y], half, looks, sums, out[y])

    return kernel


def _row_adder(square: bool, holes: bool) -> Callable[..., None]:
    @njit(nogil=True, error_model="numpy", inline="always")
    def add_row(row, half, sums):
        total, squares, count = sums[0], sums[1], sums[2]
        for x in range(row.size):
            value = row[x]
            if holes:
                valid = value == value
                value = value if valid else _ZERO
                count[x + half] += _ONE if valid else _ZERO
            total[x + half] += value
            if square:
                squares[x + half] += value * value

    return add_row


def _row_finisher(point: Callable[..., float], square: bool, holes: bool) -> Callable[..., None]:
    @njit(nogil=True, error_model="numpy", inline="always")
    def finish_row(row, half, looks, sums, out):
        total, squares, count = sums[0], sums[1], sums[2]
        size = 2 * half + 1
        for x in range(row.size):
            s, q = _ZERO, _ZERO
            n = _ZERO if holes else np.float32(size * size)
            for k in range(x, x + size):
                s += total[k]
                if square:
                    q += squares[k]
                if holes:
                    n += count[k]
            mean = s / n
            out[x] = point(row[x], mean, (q - s * mean) / (n - _ONE), looks)

    return finish_row


@cache
def weigh(name: str) -> Callable[..., None]:
    """The second half of a filter: image, mean, mean square and n / (n - 1) to the result, in one fused loop."""
    point = POINTS[name]

    @njit(nogil=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
    def kernel(image, mean, square, unbiased, looks, out):
        for y in range(image.shape[0]):
            for x in range(image.shape[1]):
                m = mean[y, x]
                out[y, x] = point(image[y, x], m, (square[y, x] - m * m) * unbiased, looks)

    return kernel
