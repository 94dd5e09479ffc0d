"""Slow, obvious float64 oracles in NumPy and SciPy. They share no code with the package."""

from __future__ import annotations

import numpy as np
from scipy import stats


def windows(image: np.ndarray, y: int, x: int) -> np.ndarray:
    """(rows, columns, y * x) samples around each pixel; outside and invalid samples are NaN."""
    if 0 in image.shape:
        return np.empty((*image.shape, y * x))
    image = np.where(np.isfinite(image), image, np.nan).astype(np.float64)
    padded = np.pad(image, ((y // 2, y // 2), (x // 2, x // 2)), constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, (y, x)).reshape(*image.shape, y * x)


def moments(image: np.ndarray, y: int, x: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    around = windows(image, y, x)
    count = np.isfinite(around).sum(-1)
    with np.errstate(all="ignore"):
        mean = np.nansum(around, -1) / count
        spread = np.nansum((around - mean[..., None]) ** 2, -1)
        variance = np.where(count > 1, spread / (count - 1), 0.0)
    return mean, variance, count


def boxcar(image: np.ndarray, y: int, x: int) -> np.ndarray:
    return np.where(np.isfinite(image), moments(image, y, x)[0], np.nan)


def lee(image: np.ndarray, y: int, x: int, enl: float) -> np.ndarray:
    mean, variance, _ = moments(image, y, x)
    with np.errstate(all="ignore"):
        weight = np.where((mean > 0) & (variance > 0), 1 - mean**2 / enl / variance, 0.0)
        weight = np.maximum(weight, 0.0)
        value = np.where(weight > 0, mean + weight * (image - mean), mean)
    return np.where(np.isfinite(image), value, np.nan)


def fourth_root(power: np.ndarray) -> np.ndarray:
    """Fourth root where it exists, NaN elsewhere."""
    power = np.asarray(power, np.float64)
    good = np.isfinite(power) & (power > 0)
    return np.where(good, np.where(good, power, 1.0) ** 0.25, np.nan)


def hotelling_ln_p(pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """ln p of Hotelling's T2 for arrays (bands, dates, pixels) without NaN."""
    q, n1, pixels = pre.shape
    n2 = post.shape[1]
    out = np.empty(pixels)
    for i in range(pixels):
        a, b = pre[:, :, i], post[:, :, i]
        pooled = ((n1 - 1) * np.cov(a).reshape(q, q) + (n2 - 1) * np.cov(b).reshape(q, q)) / (n1 + n2 - 2)
        d = b.mean(1) - a.mean(1)
        t2 = n1 * n2 / (n1 + n2) * d @ np.linalg.solve(pooled, d)
        out[i] = stats.f.logsf((n1 + n2 - q - 1) / (q * (n1 + n2 - 2)) * t2, q, n1 + n2 - q - 1)
    return out


def fisher_ln_p(ln_p: np.ndarray) -> np.ndarray:
    """ln p of Fisher's joined test over the first axis."""
    return stats.chi2.logsf(-2 * ln_p.sum(0), 2 * len(ln_p))


def benjamini_hochberg(p: np.ndarray, q: float) -> np.ndarray:
    """Which p-values are rejected at false discovery rate q."""
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= q * np.arange(1, p.size + 1) / p.size)
    reject = np.zeros(p.size, bool)
    if passed.size:
        reject[order[: passed[-1] + 1]] = True
    return reject


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Area under the ROC curve as a rank statistic, ties count one half."""
    ranks = stats.rankdata(score)
    positive = label.astype(bool)
    n1, n0 = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))
