"""Numba kernels of the filters over time, of grown regions, of diffusion and of patches.

A kernel does the rows from `top` to `bottom`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from peers.compiled_moments import mirrored

_FAST = {"contract", "arcp", "nsz"}
_ZERO, _QUARTER, _HALF, _ONE = np.float32(0), np.float32(0.25), np.float32(0.5), np.float32(1)


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _mean_row(image, y, half, total, out):
    """Means of the windows of one row, mirrored at the edges; column sums first."""
    height, width = image.shape
    total[:] = 0
    for dy in range(-half, half + 1):
        row = image[mirrored(y + dy, height)]
        for x in range(width):
            total[x + half] += row[x]
    for x in range(half):
        total[half - 1 - x] = total[half + x]
        total[half + width + x] = total[half + width - 1 - x]
    size = 2 * half + 1
    share = _ONE / np.float32(size * size)
    for x in range(width):
        s = _ZERO
        for k in range(x, x + size):
            s += total[k]
        out[x] = s * share


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def quegan(stack, half, top, bottom, out):
    """The means of one row of all dates stay in the cache until their ratios are added up."""
    dates, width = stack.shape[0], stack.shape[2]
    total = np.empty(width + 2 * half, np.float32)
    means, ratio = np.empty((dates, width), np.float32), np.empty(width, np.float32)
    for y in range(top, bottom):
        ratio[:] = 0
        for t in range(dates):
            _mean_row(stack[t], y, half, total, means[t])
            for x in range(width):
                ratio[x] += stack[t, y, x] / means[t, x]
        for x in range(width):
            ratio[x] /= np.float32(dates)
        for t in range(dates):
            for x in range(width):
                out[t, y, x] = means[t, x] * ratio[x]


@njit(nogil=True, error_model="numpy")
def _seed(image, y, x, block):
    height, width = image.shape
    n = 0
    for v in range(max(y - 1, 0), min(y + 2, height)):
        for u in range(max(x - 1, 0), min(x + 2, width)):
            value, k = image[v, u], n
            while k > 0 and block[k - 1] > value:
                block[k] = block[k - 1]
                k -= 1
            block[k] = value
            n += 1
    return 0.5 * (block[(n - 1) // 2] + block[n // 2])


@njit(nogil=True, error_model="numpy")
def _grow(image, y, x, least, most, size, stamp, mark, region, rejected):
    """Flat places of the region and of the neighbours that were not taken; their numbers."""
    height, width = image.shape
    n, out = 0, 0
    if least < image[y, x] < most:
        region[0] = y * width + x
        n = 1
    else:
        rejected[0] = y * width + x
        out = 1
    stamp[y, x] = mark
    place, front = y * width + x, n
    while n < size:
        row, column = place // width, place % width
        for v in range(max(row - 1, 0), min(row + 2, height)):
            for u in range(max(column - 1, 0), min(column + 2, width)):
                if stamp[v, u] == mark or n >= size:
                    continue
                stamp[v, u] = mark
                if least < image[v, u] < most:
                    region[n] = v * width + u
                    n += 1
                else:
                    rejected[out] = v * width + u
                    out += 1
        if front >= n:
            break
        place = region[front]
        front += 1
    return n, out


@njit(cache=True, nogil=True, error_model="numpy")
def idan(image, looks, size, top, bottom, out):
    height, width = image.shape
    deviation, noise = 1 / np.sqrt(looks), 1 / looks
    flat = image.reshape(-1)
    stamp = np.full((height, width), -1, np.int32)
    region, rejected = np.empty(size, np.int64), np.empty(9 * size + 9, np.int64)
    block = np.empty(9)
    for y in range(top, bottom):
        for x in range(width):
            seed = _seed(image, y, x, block)
            band = seed * deviation * 2 / 3
            n, more = _grow(image, y, x, seed - band, seed + band, size, stamp, y * width + x, region, rejected)
            total, square, origin = 0.0, 0.0, float(image[y, x])
            for k in range(n):
                value = flat[region[k]] - origin
                total += value
                square += value * value
            seed = origin + total / n if n > 0 else seed
            band = seed * deviation * 2
            for k in range(more):
                value = flat[rejected[k]]
                if abs(value - seed) < band:
                    total += value - origin
                    square += (value - origin) ** 2
                    n += 1
            if n == 0:
                out[y, x] = origin
                continue
            mean = origin + total / n
            variance = (square - total * total / n) / (n - 1) if n > 1 else 0.0
            b = max((variance - mean * mean * noise) / (1 + noise), 0.0) / variance if variance > 0 else 0.0
            out[y, x] = mean + b * (origin - mean)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def diffusion(image, noise, top, bottom, out):
    """Coefficients of anisotropic diffusion, with a row and a column more than the image."""
    height, width = image.shape
    sharpness = _ONE / (noise * (_ONE + noise))
    for y in range(top, bottom):
        up, here, down = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
        for x in range(width):
            centre = here[x]
            n, s = up[x] - centre, down[x] - centre
            w, e = here[max(x - 1, 0)] - centre, here[min(x + 1, width - 1)] - centre
            laplacian = (n + s + w + e) * _QUARTER
            mean = centre + laplacian
            q2 = ((n * n + s * s + w * w + e * e) * _HALF - laplacian * laplacian) / (mean * mean)
            out[y, x] = _ONE / (_ONE + max(q2 - noise, _ZERO) * sharpness)
        out[y, width] = out[y, width - 1]
        if y == height - 1:
            out[height] = out[y]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def diffuse(image, coefficient, flow, top, bottom, out):
    height, width = image.shape
    for y in range(top, bottom):
        up, here, down = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
        own, below = coefficient[y], coefficient[y + 1]
        for x in range(width):
            centre = here[x]
            n, s = up[x] - centre, down[x] - centre
            w, e = here[max(x - 1, 0)] - centre, here[min(x + 1, width - 1)] - centre
            out[y, x] = centre + flow * (own[x] * (n + w) + below[x] * s + own[x + 1] * e)


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _unlikeness(power, before, first, scale, trust, top, dy, dx, out):
    """What the patch sums of pairs one shift apart are made of, from row `top` on; zero outside of the image."""
    height, width = power.shape
    out[:] = 0
    for k in range(out.shape[0]):
        y = top + k
        if not (0 <= y < height and 0 <= y + dy < height):
            continue
        for x in range(max(0, -dx), min(width, width - dx)):
            a, b = power[y, x], power[y + dy, x + dx]
            out[k, x] = scale * np.log((a + b) * _HALF / np.sqrt(a * b))
            if not first:
                r, q = before[y, x], before[y + dy, x + dx]
                out[k, x] += trust * (r - q) * (r - q) / (r * q)


@njit(nogil=True, inline="always")
def _overlap(centre, shift, patch, size):
    """How many places of a patch lie inside together with their partners one shift away."""
    first = max(centre - patch, 0, -shift)
    return min(centre + patch, size - 1, size - 1 - shift) - first + 1


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def ppb_iteration(power, before, first, search, patch, scale, trust, top, bottom, out):
    """Every shift of the search window: unlikeness, its patch means, weights."""
    height, width = power.shape
    side = 2 * patch + 1
    unlike = np.empty((bottom - top + 2 * patch, width), np.float32)
    total = np.zeros(width + 2 * patch, np.float32)
    sums = np.zeros((3, bottom - top, width), np.float32)
    for dy in range(-search, search + 1):
        for dx in range(-search, search + 1):
            if dy == 0 and dx == 0:
                continue
            _unlikeness(power, before, first, scale, trust, top - patch, dy, dx, unlike)
            for y in range(max(top, -dy), min(bottom, height - dy)):
                total[:] = 0
                for k in range(side):
                    row = unlike[y - top + k]
                    for x in range(width):
                        total[x + patch] += row[x]
                rows = _overlap(y, dy, patch, height)
                weighted, norm, largest = sums[0, y - top], sums[1, y - top], sums[2, y - top]
                for x in range(max(0, -dx), min(width, width - dx)):
                    s = _ZERO
                    for k in range(side):
                        s += total[x + k]
                    weight = np.exp(-s / np.float32(rows * _overlap(x, dx, patch, width)))
                    weighted[x] += weight * power[y + dy, x + dx]
                    norm[x] += weight
                    largest[x] = max(largest[x], weight)
    for y in range(top, bottom):
        weighted, norm, largest = sums[0, y - top], sums[1, y - top], sums[2, y - top]
        for x in range(width):
            value = (weighted[x] + largest[x] * power[y, x]) / (norm[x] + largest[x])
            out[y, x] = value if largest[x] > 0 else power[y, x]
