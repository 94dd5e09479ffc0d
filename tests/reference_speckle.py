"""Slow, obvious float64 oracles of the speckle filters. They share no code with the package.

A window is (rows, columns), full and odd. Invalid samples are NaN or infinite; they are never used and stay NaN.
"""

from __future__ import annotations

import functools
from collections import deque
from typing import NamedTuple

import numpy as np
from scipy import integrate, optimize, special, stats

Size = tuple[int, int]

PUBLISHED_SIGMA = {
    (1, 0.9): (0.084, 3.941, 0.8191),
    (2, 0.9): (0.221, 2.744, 0.5699),
    (3, 0.9): (0.313, 2.320, 0.4624),
    (4, 0.5): (0.694, 1.385, 0.1921),
    (4, 0.6): (0.630, 1.495, 0.2348),
    (4, 0.7): (0.560, 1.627, 0.2825),
    (4, 0.8): (0.480, 1.804, 0.3354),
    (4, 0.9): (0.378, 2.094, 0.3991),
}
"""(looks, sigma) -> low, high, revised noise deviation: Lee et al. 2009, doi 10.1109/TGRS.2008.2002881."""


def finite(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image, np.float64)
    return np.where(np.isfinite(image), image, np.nan)


def around(image: np.ndarray, window: Size, border: str = "shrink") -> np.ndarray:
    """(rows, columns, y, x): the samples around each pixel, NaN where there is none."""
    y, x = window
    if 0 in image.shape:
        return np.empty((*image.shape, y, x))
    half = ((y // 2, y // 2), (x // 2, x // 2))
    if border == "replicate":
        padded = np.pad(finite(image), half, mode="edge")
    else:
        padded = np.pad(finite(image), half, constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, (y, x))


class Local(NamedTuple):
    """What most filters start from: samples, their number, mean, variance and squared coefficient of variation."""

    centre: np.ndarray
    samples: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    ci2: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """Where the mean is the answer whatever the filter."""
        return ~((self.mean > 0) & (self.variance > 0))

    def keep(self, value: np.ndarray, min_valid: int) -> np.ndarray:
        return np.where(np.isfinite(self.centre) & (self.count >= min_valid), value, np.nan)


def local(image: np.ndarray, window: Size, border: str) -> Local:
    samples = around(image, window, border)
    count = np.isfinite(samples).sum((-2, -1))
    with np.errstate(all="ignore"):
        mean = np.nansum(samples, (-2, -1)) / count
        spread = np.nansum((samples - mean[..., None, None]) ** 2, (-2, -1))
        variance = np.where(count > 1, spread / (count - 1), 0.0)
        return Local(finite(image), samples, count, mean, variance, variance / mean**2)


def boxcar(image: np.ndarray, window: Size, *, border: str = "shrink", min_valid: int = 1) -> np.ndarray:
    at = local(image, window, border)
    return at.keep(at.mean, min_valid)


def median(image: np.ndarray, window: Size, *, border: str = "shrink", min_valid: int = 1) -> np.ndarray:
    at = local(image, window, border)
    ordered = np.sort(at.samples.reshape(*at.count.shape, -1), -1)  # NaN comes last
    low, high = np.maximum(at.count - 1, 0) // 2, at.count // 2
    high = np.minimum(high, ordered.shape[-1] - 1)
    middle = [np.take_along_axis(ordered, index[..., None], -1)[..., 0] for index in (low, high)]
    return at.keep((middle[0] + middle[1]) / 2, min_valid)


def lee(image: np.ndarray, window: Size, *, enl: float, border: str = "shrink", min_valid: int = 1) -> np.ndarray:
    at = local(image, window, border)
    with np.errstate(all="ignore"):
        weight = np.maximum(0.0, 1 - 1 / enl / at.ci2)
        value = np.where(at.flat, at.mean, at.mean + weight * (at.centre - at.mean))
    return at.keep(value, min_valid)


def kuan(image: np.ndarray, window: Size, *, enl: float, border: str = "shrink", min_valid: int = 1) -> np.ndarray:
    at = local(image, window, border)
    with np.errstate(all="ignore"):
        weight = np.maximum(0.0, (1 - 1 / enl / at.ci2) / (1 + 1 / enl))
        value = np.where(at.flat, at.mean, at.mean + weight * (at.centre - at.mean))
    return at.keep(value, min_valid)


def _three_classes(at: Local, enl: float, most: float, middle: np.ndarray) -> np.ndarray:
    """Mean where there is only speckle, the sample itself where there is a target, `middle` between."""
    with np.errstate(all="ignore"):
        ci = np.sqrt(at.ci2)
        value = np.where(ci >= most, at.centre, middle)
        return np.where(at.flat | (ci <= np.sqrt(1 / enl)), at.mean, value)


def _enhanced_ratio(at: Local, enl: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        ci = np.sqrt(at.ci2)
        return np.maximum(ci - np.sqrt(1 / enl), 0) / np.maximum(np.sqrt(1 + 2 / enl) - ci, 1e-300)


def lee_enhanced(
    image: np.ndarray, window: Size, *, enl: float, damping: float = 1.0, border: str = "shrink", min_valid: int = 1
) -> np.ndarray:
    at = local(image, window, border)
    with np.errstate(all="ignore"):
        weight = np.exp(np.maximum(-damping * _enhanced_ratio(at, enl), -700.0))
        middle = weight * at.mean + (1 - weight) * at.centre
    return at.keep(_three_classes(at, enl, np.sqrt(1 + 2 / enl), middle), min_valid)


def gamma_map(image: np.ndarray, window: Size, *, enl: float, border: str = "shrink", min_valid: int = 1) -> np.ndarray:
    at = local(image, window, border)
    with np.errstate(all="ignore"):
        alpha = (1 + 1 / enl) / (at.ci2 - 1 / enl)
        b = (alpha - enl - 1) * at.mean
        product = enl * at.mean * at.centre
        root = np.sqrt(b**2 + 4 * alpha * product)
        middle = np.where(b < 0, 2 * product / (root - b), (b + root) / (2 * alpha))
        middle = np.where(np.isnan(root), at.centre, middle)
    return at.keep(_three_classes(at, enl, np.sqrt(2 / enl), middle), min_valid)


def distances(window: Size, distance: str) -> np.ndarray:
    """Of every place of the window from its centre, in pixels."""
    dy = np.abs(np.arange(window[0]) - window[0] // 2)[:, None]
    dx = np.abs(np.arange(window[1]) - window[1] // 2)[None, :]
    return np.hypot(dy, dx) if distance == "euclidean" else np.maximum(dy, dx).astype(float)


def _decaying_mean(at: Local, decay: np.ndarray, distance: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        weight = np.exp(-decay[..., None, None] * distances(at.samples.shape[-2:], distance))
        weight = np.where(np.isfinite(at.samples), weight, 0.0)
        return np.nansum(weight * at.samples, (-2, -1)) / weight.sum((-2, -1))


def frost(
    image: np.ndarray,
    window: Size,
    *,
    damping: float = 2.0,
    distance: str = "euclidean",
    border: str = "shrink",
    min_valid: int = 1,
) -> np.ndarray:
    at = local(image, window, border)
    with np.errstate(all="ignore"):
        value = np.where(at.flat, at.mean, _decaying_mean(at, np.where(at.flat, 0.0, damping * at.ci2), distance))
    return at.keep(value, min_valid)


def frost_enhanced(
    image: np.ndarray,
    window: Size,
    *,
    enl: float,
    damping: float = 1.0,
    distance: str = "euclidean",
    border: str = "shrink",
    min_valid: int = 1,
) -> np.ndarray:
    at = local(image, window, border)
    middle = _decaying_mean(at, damping * _enhanced_ratio(at, enl), distance)
    return at.keep(_three_classes(at, enl, np.sqrt(1 + 2 / enl), middle), min_valid)


def _mmse(samples: np.ndarray, x: float, noise: float) -> float:
    """Linear estimate of x from valid samples with multiplicative noise of this variance."""
    mean = samples.mean()
    variance = samples.var(ddof=1) if samples.size > 1 else 0.0
    if mean <= 0 or variance == 0:
        return mean
    b = max((variance - mean**2 * noise) / (1 + noise), 0.0) / variance
    return mean + b * (x - mean)


def refined_lee_pixel(window: np.ndarray, looks: float | None = None) -> tuple[float, float]:
    """Value of the centre of 7 x 7 samples and the noise variance used (of `looks` if given)."""
    areas = [[window[2 * j : 2 * j + 3, 2 * i : 2 * i + 3] for i in range(3)] for j in range(3)]
    complete = [area for row in areas for area in row if np.isfinite(area).all()]
    if looks is None:
        ratios = sorted(a.var(ddof=1) / a.mean() ** 2 if a.mean() > 0 else 0.0 for a in complete)[:5]
        noise = float(np.mean(ratios)) if ratios else 0.0
    else:
        noise = 1 / looks
    valid = np.isfinite(window)
    if valid.all():
        valid = _half_window([[area.mean() for area in row] for row in areas])
    return _mmse(window[valid], window[3, 3], noise), noise


def _half_window(m: list[list[float]]) -> np.ndarray:
    """Which 28 of the 49 samples lie on the side of the centre, from the means of the nine sub-areas."""
    y, x = np.mgrid[:7, :7]
    pairs = [
        (m[1][0], m[1][2], x <= 3, x >= 3),
        (m[0][2], m[2][0], x >= y, x <= y),
        (m[0][1], m[2][1], y <= 3, y >= 3),
        (m[0][0], m[2][2], x <= 6 - y, x >= 6 - y),
    ]
    gradients = [abs(one - other) for one, other, _, _ in pairs]
    one, other, near_one, near_other = pairs[int(np.argmax(gradients))]
    return near_one if abs(one - m[1][1]) < abs(m[1][1] - other) else near_other


def refined_lee(
    image: np.ndarray,
    window: Size = (7, 7),
    *,
    enl: float = 4.4,
    noise: str = "local",
    border: str = "shrink",
    min_valid: int = 1,
) -> np.ndarray:
    assert window == (7, 7)
    at = local(image, window, border)
    value = np.full(at.count.shape, np.nan)
    for r, c in np.argwhere(np.isfinite(at.centre)):
        value[r, c] = refined_lee_pixel(at.samples[r, c], enl if noise == "looks" else None)[0]
    return at.keep(value, min_valid)


def sigma_range(looks: float, sigma: float) -> tuple[float, float, float]:
    """Low, high and revised noise deviation: the mean of gamma speckle is kept and `sigma` of it lies inside."""
    speckle = stats.gamma(looks, scale=1 / looks)

    def high_of(low: float) -> float:
        return optimize.brentq(lambda u: np.log(u / low) - (u - low), 1.0, 800.0, xtol=1e-15, rtol=1e-15)

    low = optimize.brentq(
        lambda u: speckle.cdf(high_of(u)) - speckle.cdf(u) - sigma, 1e-12, 1 - 1e-9, xtol=1e-16, rtol=1e-15
    )
    high = high_of(low)
    second = stats.gamma(looks + 2, scale=1 / looks)
    variance = (1 + 1 / looks) * (second.cdf(high) - second.cdf(low)) / sigma - 1
    return low, high, float(np.sqrt(variance))


def point_targets(image: np.ndarray, z98: float, target_count: int = 6, border: str = "shrink") -> np.ndarray:
    """Bright pixels that lie in the 3 x 3 of a bright pixel with enough bright pixels around it; repeated pixels beyond the
    edge are pixels like others."""
    padded = np.pad(finite(image), 2, mode="edge") if border == "replicate" and image.size else finite(image)
    with np.errstate(invalid="ignore"):
        bright = padded > z98
        crowd = (around(padded, (3, 3)) > z98).sum((-2, -1))
    centre = np.where(bright & (crowd >= target_count), 1.0, 0.0)
    target = bright & np.nan_to_num(around(centre, (3, 3))).any((-2, -1))
    return target[2:-2, 2:-2] if padded.shape != image.shape else target


def lee_sigma(
    image: np.ndarray,
    window: Size,
    *,
    enl: float,
    sigma: float = 0.9,
    target_count: int = 6,
    z98: float = np.inf,
    table: str = "exact",
    edge: str = "shrink",
    border: str = "shrink",
    min_valid: int = 1,
) -> np.ndarray:
    low, high, deviation = sigma_range(enl, sigma) if table == "exact" else PUBLISHED_SIGMA[enl, sigma]
    at, near = local(image, window, border), around(image, (3, 3), border)
    target = point_targets(image, z98, target_count, border)
    value = np.full(at.count.shape, np.nan)
    for r, c in np.argwhere(np.isfinite(at.centre)):
        x, samples = at.centre[r, c], at.samples[r, c]
        incomplete = not np.isfinite(samples).all()
        samples = samples[np.isfinite(samples)]
        if edge == "snap" and incomplete:
            value[r, c] = _mmse(samples, x, 1 / enl)
            continue
        if target[r, c]:
            value[r, c] = x
            continue
        start = _mmse(near[r, c][np.isfinite(near[r, c])], x, 1 / enl)
        kept = samples[(samples >= low * start) & (samples <= high * start)]
        value[r, c] = _mmse(kept, x, deviation**2) if kept.size else x
    return at.keep(value, min_valid)


def idan(image: np.ndarray, *, enl: float, size: int = 50) -> np.ndarray:
    """Region grown ring by ring: neighbours of each pixel in rows, then columns."""
    image = finite(image)
    value = np.full(image.shape, np.nan)
    for r, c in np.argwhere(np.isfinite(image)):
        region = _grown(image, r, c, 1 / np.sqrt(enl), size)
        value[r, c] = _mmse(np.array(region), image[r, c], 1 / enl) if region else image[r, c]
    return value


def _grown(image: np.ndarray, r: int, c: int, deviation: float, size: int) -> list[float]:
    def block(y: int, x: int) -> list[tuple[int, int]]:
        rows, columns = image.shape
        cells = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        return [(v, u) for v, u in cells if 0 <= v < rows and 0 <= u < columns]

    def near(cell: tuple[int, int], share: float) -> bool:
        return bool(abs(image[cell] - seed) / seed < share * deviation)

    seed = float(np.nanmedian([image[cell] for cell in block(r, c)]))
    region, rejected, seen, front = [], [], {(r, c)}, deque([(r, c)])
    (region if near((r, c), 2 / 3) else rejected).append((r, c))
    while front and len(region) < size:
        for cell in block(*front.popleft()):
            if cell in seen or len(region) >= size:
                continue
            seen.add(cell)
            if near(cell, 2 / 3):
                region.append(cell)
                front.append(cell)
            else:
                rejected.append(cell)
    if region:
        seed = float(np.mean([image[cell] for cell in region]))
    return [float(image[cell]) for cell in region + [cell for cell in rejected if near(cell, 2)]]


def srad(image: np.ndarray, *, enl: float, iterations: int = 20, step: float = 0.05) -> np.ndarray:
    """Yu and Acton 2002; nothing flows across the edge of the image or into a hole."""
    now = finite(image)
    for iteration in range(iterations):
        samples = around(now, (3, 3))
        north, south, west, east = (
            np.nan_to_num(samples[..., y, x] - now) for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))
        )
        with np.errstate(all="ignore"):
            gradient = (north**2 + south**2 + west**2 + east**2) / now**2
            laplacian = (north + south + west + east) / now
            q2 = (gradient / 2 - laplacian**2 / 16) / (1 + laplacian / 4) ** 2
            q02 = np.exp(-step * iteration / 3) / enl
            slowed = np.clip(1 / (1 + (q2 - q02) / (q02 * (1 + q02))), 0, 1)
        below = np.nan_to_num(np.vstack([slowed[1:], slowed[:1]]))
        right = np.nan_to_num(np.hstack([slowed[:, 1:], slowed[:, :1]]))
        now = now + step / 4 * (slowed * north + below * south + slowed * west + right * east)
    return now


@functools.cache
def likeness_above_mean(looks: float, pixels: int, quantile: float) -> float:
    """Quantile, less the expectation, of the mean over a patch of ln(a/b + b/a) between amplitudes of independent speckle.

    With B = a^2 / (a^2 + b^2), which is beta distributed, it is -ln(B (1 - B)) / 2: its characteristic function is a ratio of
    beta functions, and Gil-Pelaez inverts the one of the mean.
    """
    mean = special.digamma(2 * looks) - special.digamma(looks)

    def characteristic(t: np.ndarray) -> np.ndarray:
        shape = looks - 0.5j * t / pixels
        one = 2 * special.loggamma(shape) - special.loggamma(2 * shape)
        return np.exp(pixels * (one - 2 * special.loggamma(looks) + special.loggamma(2 * looks)))

    def below(above: float) -> float:
        def density(t: float) -> float:
            return float((np.exp(-1j * t * (mean + above)) * characteristic(t)).imag / t)

        return 0.5 - integrate.quad(density, 1e-9, 60 * pixels * np.sqrt(looks), limit=2000)[0] / np.pi

    return optimize.brentq(lambda above: below(above) - quantile, 0.0, 2.0, xtol=1e-9)


def ppb(
    image: np.ndarray,
    *,
    enl: float,
    search: int = 10,
    patch: int = 3,
    quantile: float = 0.92,
    temperature: float = 0.2,
    iterations: int = 4,
) -> np.ndarray:
    """Deledalle, Denis, Tupin 2009. Pairs that miss a valid sample above 0 are left out of a patch, the rest stands for all;
    where equal patches weigh 1, weights below 2^-100 are none."""
    area = (2 * patch + 1) ** 2
    h = area * likeness_above_mean(enl, area, quantile)
    power = finite(image)
    power[~(power > 0)] = np.nan
    before = None
    for _ in range(iterations):
        before = _ppb_iteration(power, before, search, patch, h, enl / temperature / area)
    return np.where(np.isfinite(power), before, finite(image))


def _ppb_iteration(
    power: np.ndarray, before: np.ndarray | None, search: int, patch: int, h: float, trust: float
) -> np.ndarray:
    area, window = (2 * patch + 1) ** 2, (2 * search + 1, 2 * search + 1)
    shifted = around(power, window).transpose(2, 3, 0, 1)
    known = None if before is None else around(before, window).transpose(2, 3, 0, 1)
    weights, samples = [], []
    for dy, dx in np.ndindex(window):
        if (dy, dx) == (search, search):
            continue
        other = shifted[dy, dx]
        unlike = np.log((np.sqrt(power / other) + np.sqrt(other / power)) / 2) / h
        if before is not None:
            unlike = unlike + trust * (before - known[dy, dx]) ** 2 / (before * known[dy, dx])
        pairs = around(unlike, (2 * patch + 1, 2 * patch + 1))
        with np.errstate(all="ignore"):
            mean = np.nansum(pairs, (-2, -1)) / np.isfinite(pairs).sum((-2, -1))
            weight = np.exp(-area * mean)
        weights.append(np.where(np.isfinite(other) & (weight > 2.0**-100), weight, 0.0))
        samples.append(np.nan_to_num(other))
    own = np.max(weights, 0)
    own = np.where(own > 0, own, 1.0)
    return (own * power + np.sum(np.multiply(weights, samples), 0)) / (own + np.sum(weights, 0))


def quegan(
    stack: np.ndarray,
    window: Size,
    groups: list[int] | None = None,
    *,
    spatial: str = "boxcar",
    enl: float = 4.4,
    border: str = "shrink",
    min_valid: int = 1,
) -> np.ndarray:
    """Multitemporal filter over the first axis; dates of one group are taken together."""
    stack = finite(stack)
    out = np.full(stack.shape, np.nan)
    labels = np.zeros(len(stack), int) if groups is None else np.asarray(groups)
    rules = {"border": border, "min_valid": min_valid}
    for label in np.unique(labels):
        dates = np.flatnonzero(labels == label)
        means = [
            boxcar(stack[d], window, **rules) if spatial == "boxcar" else lee(stack[d], window, enl=enl, **rules)
            for d in dates
        ]
        with np.errstate(all="ignore"):
            ratio = np.where(np.array(means) > 0, stack[dates] / means, np.nan)
            out[dates] = means * (np.nansum(ratio, 0) / np.isfinite(ratio).sum(0))
    return out
