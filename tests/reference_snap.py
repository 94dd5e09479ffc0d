"""The speckle filters of ESA SNAP, pixel by pixel in its own order of steps, for float64 images without nodata.

Written from what the operators do (microwave toolbox 10 to 13, `eu.esa.sar.sar.gpf.filtering`), to stand beside the oracles of
`reference_speckle`: sums in loops, two passes for a variance, standard deviations instead of squares. Samples outside the image
are nodata.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

NODATA = -99999.0
Square = list[list[float]]


def neighbours(image: np.ndarray, row: int, column: int, rows: int, columns: int) -> Square:
    """The samples around a pixel; NODATA outside the image."""
    height, width = image.shape
    square = []
    for r in range(row - rows // 2, row + rows // 2 + 1):
        line = []
        for c in range(column - columns // 2, column + columns // 2 + 1):
            inside = 0 <= r < height and 0 <= c < width
            line.append(float(image[r, c]) if inside else NODATA)
        square.append(line)
    return square


def valid(square: Square) -> list[float]:
    return [v for line in square for v in line if v != NODATA]


def mean_of(samples: Iterable[float]) -> float:
    total, count = 0.0, 0
    for v in samples:
        total += v
        count += 1
    return total / count


def variance_of(samples: list[float], mean: float) -> float:
    if len(samples) < 2:
        return 0.0
    total = 0.0
    for v in samples:
        total += (v - mean) * (v - mean)
    return total / (len(samples) - 1)


def filtered(image: np.ndarray, window: tuple[int, int], value: Callable[[Square], float]) -> np.ndarray:
    out = np.empty(image.shape)
    for r, c in np.ndindex(*image.shape):
        out[r, c] = value(neighbours(image, r, c, *window))
    return out


def boxcar(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    return filtered(image, window, lambda square: mean_of(valid(square)))


def median(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """The upper of two middle samples."""

    def value(square: Square) -> float:
        ordered = sorted(valid(square))
        return ordered[len(ordered) // 2]

    return filtered(image, window, value)


def lee(image: np.ndarray, window: tuple[int, int], looks: float) -> np.ndarray:
    noise = 1.0 / math.sqrt(looks)

    def value(square: Square) -> float:
        samples = valid(square)
        mean = mean_of(samples)
        variance = variance_of(samples, mean)
        if mean <= 0 or variance <= 0:
            return mean
        seen = math.sqrt(variance) / mean
        if seen < noise:
            return mean
        weight = 1 - noise * noise / (seen * seen)
        return square[window[0] // 2][window[1] // 2] * weight + mean * (1 - weight)

    return filtered(image, window, value)


def gamma_map(image: np.ndarray, window: tuple[int, int], looks: float) -> np.ndarray:
    noise = 1.0 / math.sqrt(looks)

    def value(square: Square) -> float:
        samples = valid(square)
        mean = mean_of(samples)
        variance = variance_of(samples, mean)
        if mean <= 0 or variance <= 0:
            return mean
        seen = math.sqrt(variance) / mean
        if seen <= noise:
            return mean
        centre = square[window[0] // 2][window[1] // 2]
        if seen >= math.sqrt(2) * noise:
            return centre
        alpha = (1 + noise * noise) / (seen * seen - noise * noise)
        b = alpha - looks - 1
        root = mean * mean * b * b + 4 * alpha * looks * mean * centre
        return (b * mean + math.sqrt(root)) / (2 * alpha)

    return filtered(image, window, value)


def frost(image: np.ndarray, window: tuple[int, int], damping: float) -> np.ndarray:
    def value(square: Square) -> float:
        samples = valid(square)
        mean = mean_of(samples)
        variance = variance_of(samples, mean)
        if mean <= 0 or variance <= 0:
            return mean
        decay = damping * variance / (mean * mean)
        total = weights = 0.0
        for i, line in enumerate(square):
            for j, v in enumerate(line):
                if v != NODATA:
                    weight = math.exp(-decay * max(abs(i - window[0] // 2), abs(j - window[1] // 2)))
                    total += weight * v
                    weights += weight
        return total / weights

    return filtered(image, window, value)


def refined_lee(image: np.ndarray, *, all_sorted: bool = True) -> np.ndarray:
    """Older builds (`all_sorted` false) leave the last sub-area out when they sort the noise estimates."""

    def value(square: Square) -> float:
        samples = valid(square)
        whole = len(samples) == 49
        if whole:
            samples = _far_from_the_edge(square)
        mean = mean_of(samples)
        variance = variance_of(samples, mean)
        if variance == 0.0:
            return mean  # the operator writes 0 for a half window without variance
        noise = _noise_variance(square, all_sorted)
        clean = max((variance - mean * mean * noise) / (1 + noise), 0.0)
        return mean + clean / variance * (square[3][3] - mean)

    return filtered(image, (7, 7), value)


def _sub_area(square: Square, j: int, i: int) -> list[float]:
    return [square[y][x] for y in range(2 * j, 2 * j + 3) for x in range(2 * i, 2 * i + 3)]


def _noise_variance(square: Square, all_sorted: bool) -> float:
    found = []
    for j in range(3):
        for i in range(3):
            area = _sub_area(square, j, i)
            if NODATA not in area:
                mean = mean_of(area)
                found.append(variance_of(area, mean) / (mean * mean) if mean > 0 else 0.0)
    if not found:
        return 0.0
    end = len(found) if all_sorted else len(found) - 1
    found[:end] = sorted(found[:end])
    return mean_of(found[:5])


def _far_from_the_edge(square: Square) -> list[float]:
    m = [[mean_of(_sub_area(square, j, i)) for i in range(3)] for j in range(3)]
    gradients = [
        abs(m[1][0] - m[1][2]),
        abs(m[0][2] - m[2][0]),
        abs(m[0][1] - m[2][1]),
        abs(m[0][0] - m[2][2]),
    ]
    direction = 0
    for i in range(1, 4):
        if gradients[i] > gradients[direction]:
            direction = i
    centre = m[1][1]
    if direction == 0:
        columns = range(4) if abs(m[1][0] - centre) < abs(centre - m[1][2]) else range(3, 7)
        return [square[y][x] for y in range(7) for x in columns]
    if direction == 1:
        upper = abs(m[0][2] - centre) < abs(centre - m[2][0])
        return [square[y][x] for y in range(7) for x in (range(y, 7) if upper else range(y + 1))]
    if direction == 2:
        rows = range(4) if abs(m[0][1] - centre) < abs(centre - m[2][1]) else range(3, 7)
        return [square[y][x] for y in rows for x in range(7)]
    upper = abs(m[0][0] - centre) < abs(centre - m[2][2])
    return [square[y][x] for y in range(7) for x in (range(7 - y) if upper else range(6 - y, 7))]


def lee_sigma(
    image: np.ndarray, size: int, looks: int, low: float, high: float, deviation: float, z98: float
) -> tuple[np.ndarray, np.ndarray]:
    """Filtered image and which pixels were taken as targets. Targets are marked during the scan, so those above and to the left
    of the pixel that finds them are filtered already; where the window is incomplete, all its samples are used."""
    height, width = image.shape
    out, target = np.empty(image.shape), np.zeros(image.shape, bool)
    half, noise = size // 2, 1.0 / looks
    for r, c in np.ndindex(height, width):
        x = float(image[r, c])
        if target[r, c]:
            out[r, c] = x
            continue
        around = valid(neighbours(image, r, c, size, size))
        if r < half or c < half or r + half >= height or c + half >= width:
            out[r, c] = _minimum_error(around, x, noise)
            continue
        near = neighbours(image, r, c, 3, 3)
        if x > z98 and sum(v > z98 for v in valid(near)) > 5:
            for j in range(3):
                for i in range(3):
                    target[r + j - 1, c + i - 1] |= near[j][i] > z98
            out[r, c] = x
            continue
        start = _minimum_error(valid(near), x, noise)
        kept = [v for v in around if start * low <= v <= start * high]
        out[r, c] = _minimum_error(kept, x, deviation * deviation) if kept else x
    return out, target


def _minimum_error(samples: list[float], x: float, noise: float) -> float:
    mean = mean_of(samples)
    variance = variance_of(samples, mean)
    b = 0.0
    if variance != 0.0:
        b = max((variance - mean * mean * noise) / (1 + noise), 0.0) / variance
    return (1 - b) * mean + b * x


def multitemporal(stack: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Quegan and Yu with the boxcar: the ratios of all dates are averaged, then multiplied by each date's mean."""
    means = [boxcar(date, window) for date in stack]
    ratio, count = np.zeros(stack.shape[1:]), np.zeros(stack.shape[1:], int)
    for date, mean in zip(stack, means, strict=True):
        for at in np.ndindex(*ratio.shape):
            if mean[at] != 0.0:
                ratio[at] += date[at] / mean[at]
                count[at] += 1
    ratio[count > 0] /= count[count > 0]
    return np.array([mean * ratio for mean in means])
