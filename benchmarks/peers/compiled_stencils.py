"""Numba kernels of the filters that need the samples themselves: on images that are padded by half a window.

Loops run along rows and vectorise where the method lets them. A kernel does the rows from `top` to `bottom`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_FAST = {"contract", "arcp", "nsz"}
_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_CHUNK = 256
"""Pixels of a row that are sorted at once: their samples stay in the nearest cache."""


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _moments(padded, y, size, first, mean, variance):
    """Of the size x size samples from row y on; windows start at column `first` + x."""
    width, count = mean.size, np.float32(size * size)
    total = np.zeros(width + size, np.float32)
    square = np.zeros(width + size, np.float32)
    for dy in range(size):
        row = padded[y + dy, first:]
        for x in range(width + size - 1):
            total[x] += row[x]
            square[x] += row[x] * row[x]
    for x in range(width):
        s, q = _ZERO, _ZERO
        for k in range(size):
            s += total[x + k]
            q += square[x + k]
        mean[x] = s / count
        variance[x] = (q - s * mean[x]) / (count - _ONE)


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _class_sums(padded, y, classes, sums):
    """Sums of the samples at each distance from the centre."""
    sums[:] = 0
    width = sums.shape[1]
    for dy in range(classes.shape[0]):
        for dx in range(classes.shape[1]):
            row, own = padded[y + dy, dx:], sums[classes[dy, dx]]
            for x in range(width):
                own[x] += row[x]


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _decayed(sums, distance, count, decay, out):
    """Means weighted by exp(-decay distance), the weights taken once for each distance."""
    norm = np.zeros(out.size, np.float32)
    out[:] = 0
    for k in range(distance.size):
        d, n, own = distance[k], count[k], sums[k]
        for x in range(out.size):
            weight = np.exp(-decay[x] * d)
            out[x] += weight * own[x]
            norm[x] += weight * n
    for x in range(out.size):
        out[x] /= norm[x]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def frost(padded, classes, distance, count, damping, top, bottom, out):
    width = out.shape[1]
    sums = np.empty((distance.size, width), np.float32)
    mean, variance, decay = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(top, bottom):
        _moments(padded, y, classes.shape[0], 0, mean, variance)
        for x in range(width):
            decay[x] = damping * max(variance[x], _ZERO) / (mean[x] * mean[x])
        _class_sums(padded, y, classes, sums)
        _decayed(sums, distance, count, decay, out[y])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def frost_enhanced(padded, classes, distance, count, damping, looks, top, bottom, out):
    width = out.shape[1]
    half = classes.shape[0] // 2
    low, high = np.sqrt(_ONE / looks), np.sqrt(_ONE + _TWO / looks)
    sums = np.empty((distance.size, width), np.float32)
    mean, variance = np.empty(width, np.float32), np.empty(width, np.float32)
    local, decay = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(top, bottom):
        _moments(padded, y, classes.shape[0], 0, mean, variance)
        for x in range(width):
            local[x] = np.sqrt(max(variance[x], _ZERO)) / mean[x]
            decay[x] = damping * max(local[x] - low, _ZERO) / max(high - local[x], np.float32(1e-30))
        _class_sums(padded, y, classes, sums)
        _decayed(sums, distance, count, decay, out[y])
        for x in range(width):
            value = padded[y + half, x + half] if local[x] >= high else out[y, x]
            out[y, x] = value if local[x] > low else mean[x]


@njit(nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _mmse(x, mean, variance, noise):
    b = (variance - mean * mean * noise) / ((_ONE + noise) * variance)
    b = b if (variance > 0) & (b > 0) else _ZERO
    return mean + b * (x - mean)


@njit(cache=True, nogil=True, error_model="numpy")
def point_centres(padded, half, bright, target_count, top, bottom, out):
    """Bright pixels with enough bright ones in their 3 x 3; `out` has a rim of one pixel."""
    width = out.shape[1]
    for y in range(top, bottom):
        for x in range(width):
            out[y, x] = 0
            if padded[y + half - 1, x + half - 1] > bright:
                crowd = 0
                for dy in range(-2, 1):
                    for dx in range(-2, 1):
                        crowd += padded[y + half + dy, x + half + dx] > bright
                out[y, x] = crowd >= target_count


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def lee_sigma(padded, size, centres, bright, looks, low, high, deviation, top, bottom, out):
    width = out.shape[1]
    half, noise = size // 2, deviation * deviation
    mean, variance = np.empty(width, np.float32), np.empty(width, np.float32)
    least, most = np.empty(width, np.float32), np.empty(width, np.float32)
    sums = np.empty((3, width), np.float32)
    n, s, q = sums[0], sums[1], sums[2]
    for y in range(top, bottom):
        own = padded[y + half, half:]
        _moments(padded, y + half - 1, 3, half - 1, mean, variance)
        for x in range(width):
            start = _mmse(own[x], mean[x], variance[x], _ONE / looks)
            least[x], most[x] = low * start, high * start
        sums[:] = 0
        for dy in range(size):
            for dx in range(size):
                row = padded[y + dy, dx:]
                for x in range(width):
                    inside = (row[x] >= least[x]) & (row[x] <= most[x])
                    value = row[x] if inside else _ZERO
                    n[x] += _ONE if inside else _ZERO
                    s[x] += value
                    q[x] += value * value
        for x in range(width):
            m = s[x] / n[x]
            spread = (q[x] - s[x] * m) / (n[x] - _ONE)
            value = _mmse(own[x], m, spread, noise)
            out[y, x] = value if n[x] > 0 else own[x]
        _keep_targets(own, centres, y, bright, out[y])


@njit(nogil=True, error_model="numpy")
def _keep_targets(own, centres, y, bright, out):
    for x in range(out.size):
        if own[x] > bright:
            for dy in range(3):
                for dx in range(3):
                    if centres[y + dy, x + dx]:
                        out[x] = own[x]


@njit(nogil=True, error_model="numpy", inline="always")
def _five_smallest(values):
    """Their mean; sorts the nine."""
    for i in range(1, 9):
        value, k = values[i], i
        while k > 0 and values[k - 1] > value:
            values[k] = values[k - 1]
            k -= 1
        values[k] = value
    return (values[0] + values[1] + values[2] + values[3] + values[4]) / np.float32(5)


@njit(nogil=True, error_model="numpy", inline="always")
def _direction(m):
    """Which of eight half windows lies on the side of the centre."""
    gradient = (abs(m[3] - m[5]), abs(m[2] - m[6]), abs(m[1] - m[7]), abs(m[0] - m[8]))
    best = 0
    for k in range(1, 4):
        best = k if gradient[k] > gradient[best] else best
    one, other = ((m[3], m[5]), (m[2], m[6]), (m[1], m[7]), (m[0], m[8]))[best]
    return 2 * best + (0 if abs(one - m[4]) < abs(m[4] - other) else 1)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def refined_lee(padded, rows, columns, top, bottom, out):
    """`rows` and `columns` of the 28 samples of each half window; 3 x 3 statistics are taken once for each pixel."""
    width = out.shape[1]
    mean = np.empty((bottom - top + 4, width + 4), np.float32)
    ratio = np.empty((bottom - top + 4, width + 4), np.float32)
    m, r = np.empty(9, np.float32), np.empty(9, np.float32)
    for y in range(mean.shape[0]):
        _moments(padded, top + y, 3, 0, mean[y], ratio[y])
        for x in range(width + 4):
            ratio[y, x] /= mean[y, x] * mean[y, x]
    for y in range(top, bottom):
        for x in range(width):
            for k in range(9):
                m[k] = mean[y - top + k // 3 * 2, x + k % 3 * 2]
                r[k] = ratio[y - top + k // 3 * 2, x + k % 3 * 2]
            side = _direction(m)
            s, q, centre = _ZERO, _ZERO, m[4]
            for k in range(28):
                value = padded[y + rows[side, k], x + columns[side, k]] - centre
                s += value
                q += value * value
            own = s / np.float32(28)
            spread = (q - s * own) / np.float32(27)
            out[y, x] = _mmse(padded[y + 3, x + 3], centre + own, spread, _five_smallest(r))


@njit(nogil=True, error_model="numpy")
def _exchange(samples, i, j, width):
    """Smaller samples into row i, larger into row j."""
    a, b = samples[i], samples[j]
    for x in range(width):
        p, q = a[x], b[x]
        less = p < q
        a[x] = p if less else q
        b[x] = q if less else p


@njit(nogil=True)
def _ends_apart(samples, active, width):
    """Of the first `active` rows, the smallest samples into the first row and the largest into the last."""
    for i in range(active // 2):
        _exchange(samples, i, active - 1 - i, width)
    for i in range(1, (active + 1) // 2):
        _exchange(samples, 0, i, width)
    for i in range(active // 2, active - 1):
        _exchange(samples, i, active - 1, width)


@njit(cache=True, nogil=True, error_model="numpy")
def median(padded, size, top, bottom, out):
    """Forgetful selection: of half the samples and two, the smallest and the largest cannot be the median: drop them, go on."""
    width = out.shape[1]
    count = size * size
    kept = count // 2 + 2
    samples = np.empty((kept, _CHUNK), np.float32)
    for y in range(top, bottom):
        for left in range(0, width, _CHUNK):
            span = min(_CHUNK, width - left)
            for k in range(kept):
                _load(padded[y + k // size, left + k % size :], samples[k], span)
            active = kept
            for k in range(kept, count + 1):
                _ends_apart(samples, active, span)
                active -= 1
                if k < count:
                    _load(padded[y + k // size, left + k % size :], samples[0], span)
            _load(samples[1], out[y, left:], span)


@njit(nogil=True, inline="always")
def _load(source, target, width):
    for x in range(width):
        target[x] = source[x]
