"""Numba kernels as a careful user would write them: fused, row by row, vectorised, parallel over rows."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

_FAST = {"contract", "arcp", "nsz"}
"""Relaxed arithmetic that still knows NaN."""


@njit(nogil=True, inline="always")
def _vector_at(lines, values, line, out):
    k = 0
    while k < lines.size - 2 and lines[k + 1] <= line:
        k += 1
    weight = np.float32((line - lines[k]) / (lines[k + 1] - lines[k]))
    for i in range(out.size):
        out[i] = values[k, i] * (np.float32(1) - weight) + values[k + 1, i] * weight


@njit(nogil=True, inline="always")
def _spread(nodes, values, out):
    for k in range(nodes.size - 1):
        first, end = int(nodes[k]), min(int(nodes[k + 1]), out.size)
        if first >= out.size:
            break
        step = (values[k + 1] - values[k]) / np.float32(nodes[k + 1] - nodes[k])
        for x in range(first, end):
            out[x] = values[k] + step * np.float32(x - first)
    for x in range(int(nodes[-1]), out.size):
        out[x] = values[-1]


@njit(cache=True, parallel=True, nogil=True, fastmath=_FAST, error_model="numpy")
def calibrate(dn, gain_line, gain_pixel, gain, noise_line, noise_pixel, noise, azimuth_line, azimuth, swath_end, out):
    height, width = dn.shape
    for y in prange(height):
        gain_nodes, noise_nodes = np.empty(gain_pixel.size, np.float32), np.empty(noise_pixel.size, np.float32)
        local, level = np.empty(width, np.float32), np.empty(width, np.float32)
        _vector_at(gain_line, gain, y, gain_nodes)
        _spread(gain_pixel, gain_nodes, local)
        _vector_at(noise_line, noise, y, noise_nodes)
        _spread(noise_pixel, noise_nodes, level)
        k = min(np.searchsorted(azimuth_line, y, "right") - 1, azimuth_line.size - 2)
        weight = np.float32((y - azimuth_line[k]) / (azimuth_line[k + 1] - azimuth_line[k]))
        first = 0
        for swath in range(swath_end.size):
            factor = azimuth[swath, k] * (np.float32(1) - weight) + azimuth[swath, k + 1] * weight
            end = min(swath_end[swath], width)
            for x in range(first, end):
                number = np.float32(dn[y, x])
                power = (number * number - level[x] * factor) / (local[x] * local[x])
                out[y, x] = power if number > 0 else np.float32(np.nan)
            first = end


@njit(cache=True, parallel=True, nogil=True, fastmath=_FAST, error_model="numpy")
def normalized_difference(a, b, scale, offset, nodata, out):
    for y in prange(a.shape[0]):
        for x in range(a.shape[1]):
            p = np.float32(a[y, x]) * scale + offset
            q = np.float32(b[y, x]) * scale + offset
            value = (p - q) / (p + q)
            out[y, x] = np.float32(np.nan) if (a[y, x] == nodata) | (b[y, x] == nodata) else value


@njit(cache=True, parallel=True, nogil=True, error_model="numpy")
def ibi(green, red, nir, swir, scale, offset, nodata, out):
    """In single precision; arithmetic is not relaxed, because x / 0 must stay what it is."""
    one, half = np.float32(1), np.float32(0.5)
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            g, r = np.float32(green[y, x]) * scale + offset, np.float32(red[y, x]) * scale + offset
            n, s = np.float32(nir[y, x]) * scale + offset, np.float32(swir[y, x]) * scale + offset
            built = (s - n) / (s + n)
            rest = half * ((one + half) * (n - r) / (n + r + half) + (g - s) / (g + s))
            value = (built - rest) / (built + rest)
            hole = (green[y, x] == nodata) | (red[y, x] == nodata) | (nir[y, x] == nodata) | (swir[y, x] == nodata)
            out[y, x] = np.float32(np.nan) if hole else value


@njit(nogil=True, error_model="numpy", inline="always")
def _reflectance_row(numbers, scale, offset, nodata, out):
    for x in range(out.size):
        value = np.float32(numbers[x]) * scale + offset
        out[x] = np.float32(np.nan) if numbers[x] == nodata else value


@njit(nogil=True, error_model="numpy", inline="always")
def _ratio_row(p, q, out):
    for x in range(out.size):
        out[x] = (p[x] - q[x]) / (p[x] + q[x])


@njit(cache=True, parallel=True, nogil=True, error_model="numpy")
def twelve(blue, green, red, nir, swir, swir2, scale, offset, nodata, out):
    """In single precision, row by row, so that the loops vectorise and the rows stay in the cache."""
    one, half, width = np.float32(1), np.float32(0.5), out.shape[2]
    for y in prange(out.shape[1]):
        rows = np.empty((6, width), np.float32)
        b, g, r, n, s, t = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
        _reflectance_row(blue[y], scale, offset, nodata, b)
        _reflectance_row(green[y], scale, offset, nodata, g)
        _reflectance_row(red[y], scale, offset, nodata, r)
        _reflectance_row(nir[y], scale, offset, nodata, n)
        _reflectance_row(swir[y], scale, offset, nodata, s)
        _reflectance_row(swir2[y], scale, offset, nodata, t)
        _ratio_row(n, r, out[0, y])
        _ratio_row(g, s, out[3, y])
        _ratio_row(n, s, out[4, y])
        _ratio_row(n, t, out[5, y])
        ndvi, savi, mndwi, ndmi = out[0, y], out[2, y], out[3, y], out[4, y]
        for x in range(width):
            out[1, y, x] = (
                np.float32(2.5) * (n[x] - r[x]) / (n[x] + np.float32(6) * r[x] - np.float32(7.5) * b[x] + one)
            )
        for x in range(width):
            savi[x] = (one + half) * (n[x] - r[x]) / (n[x] + r[x] + half)
        for x in range(width):
            out[6, y, x] = (s[x] + r[x] - n[x] - b[x]) / (s[x] + r[x] + n[x] + b[x])
        for x in range(width):
            out[7, y, x] = -ndmi[x]
        for x in range(width):
            out[8, y, x] = -out[5, y, x]
        for x in range(width):
            out[9, y, x] = -ndmi[x] - ndvi[x]
        for x in range(width):
            rest = half * (savi[x] + mndwi[x])
            out[10, y, x] = (-ndmi[x] - rest) / (rest - ndmi[x])
        for x in range(width):
            out[11, y, x] = (s[x] - t[x] - n[x]) / (s[x] + t[x] + n[x]) + half


@njit(nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _fold(a, b, y, dates, n, shift, sums):
    """Sums of the fourth roots less those of the first date, their squares and product, over one period."""
    sums[:] = 0
    n[:] = 0
    for t in range(dates.start, dates.stop):
        for x in range(n.size):
            p, q = a[t, y, x], b[t, y, x]
            valid = (p > 0) & (q > 0)
            p = np.sqrt(np.sqrt(p if valid else np.float32(0))) - shift[0, x]
            q = np.sqrt(np.sqrt(q if valid else np.float32(0))) - shift[1, x]
            p = p if valid else np.float32(0)
            q = q if valid else np.float32(0)
            n[x] += np.float32(1) if valid else np.float32(0)
            sums[0, x] += p
            sums[1, x] += q
            sums[2, x] += p * p
            sums[3, x] += q * q
            sums[4, x] += p * q


@njit(cache=True, parallel=True, nogil=True, fastmath=_FAST, error_model="numpy")
def hotelling(a, b, before, out):
    dates, height, width = a.shape
    for y in prange(height):
        shift = np.empty((2, width), np.float32)
        n = np.empty((2, width), np.float32)
        sums = np.empty((2, 5, width), np.float32)
        for x in range(width):
            shift[0, x] = np.sqrt(np.sqrt(max(a[0, y, x], np.float32(0))))
            shift[1, x] = np.sqrt(np.sqrt(max(b[0, y, x], np.float32(0))))
        _fold(a, b, y, range(before), n[0], shift, sums[0])
        _fold(a, b, y, range(before, dates), n[1], shift, sums[1])
        for x in range(width):
            n1, n2 = n[0, x], n[1, x]
            m1, k1, m2, k2 = sums[0, 0, x] / n1, sums[0, 1, x] / n1, sums[1, 0, x] / n2, sums[1, 1, x] / n2
            free = n1 + n2 - np.float32(2)
            aa = (sums[0, 2, x] - n1 * m1 * m1 + sums[1, 2, x] - n2 * m2 * m2) / free
            bb = (sums[0, 3, x] - n1 * k1 * k1 + sums[1, 3, x] - n2 * k2 * k2) / free
            ab = (sums[0, 4, x] - n1 * m1 * k1 + sums[1, 4, x] - n2 * m2 * k2) / free
            d, e = m2 - m1, k2 - k1
            t2 = n1 * n2 / (n1 + n2) * (bb * d * d - np.float32(2) * ab * d * e + aa * e * e) / (aa * bb - ab * ab)
            tail = np.log10(np.float32(1) + t2 / free) * (free - np.float32(1)) / np.float32(2)
            out[y, x] = tail if (n1 >= 3) & (n2 >= 2) else np.float32(np.nan)


@njit(cache=True, parallel=True, nogil=True, fastmath=_FAST, error_model="numpy")
def median(numbers, scale, offset, nodata, out):
    """Insertion sort of the valid numbers of each pixel."""
    dates, height, width = numbers.shape
    for y in prange(height):
        valid = np.empty(dates, numbers.dtype)
        for x in range(width):
            n = 0
            for t in range(dates):
                value = numbers[t, y, x]
                if value == nodata:
                    continue
                i = n
                while i > 0 and valid[i - 1] > value:
                    valid[i] = valid[i - 1]
                    i -= 1
                valid[i] = value
                n += 1
            if n == 0:
                out[y, x] = np.nan
            else:
                middle = (np.float32(valid[(n - 1) // 2]) + np.float32(valid[n // 2])) * np.float32(0.5)
                out[y, x] = middle * scale + offset


@njit(cache=True, parallel=True, nogil=True, fastmath=_FAST, error_model="numpy")
def geomedian(numbers, scale, offset, nodata, steps, tolerance, out):
    """Weiszfeld's iteration from the mean of each pixel, over dates valid in all bands."""
    bands, dates, height, width = numbers.shape
    for y in prange(height):
        observed, weights = np.empty((bands, dates)), np.empty(dates)
        estimate = np.empty(bands)
        for x in range(width):
            n = 0
            for t in range(dates):
                good = True
                for b in range(bands):
                    observed[b, n] = numbers[b, t, y, x] * scale + offset
                    good &= numbers[b, t, y, x] != nodata
                n += good
            for b in range(bands):
                estimate[b] = observed[b, :n].sum() / n
            for _ in range(steps if n > 2 else 0):
                weights[:n] = 0.0
                for b in range(bands):
                    for t in range(n):
                        weights[t] += (observed[b, t] - estimate[b]) ** 2
                total = 0.0
                for t in range(n):
                    weights[t] = 1 / max(np.sqrt(weights[t]), 1e-9)
                    total += weights[t]
                moved = 0.0
                for b in range(bands):
                    pulled = 0.0
                    for t in range(n):
                        pulled += observed[b, t] * weights[t]
                    moved += (pulled / total - estimate[b]) ** 2
                    estimate[b] = pulled / total
                if moved < tolerance**2:
                    break
            out[:, y, x] = estimate
