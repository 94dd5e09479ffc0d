"""Peers of the filters over time (`quegan`, mirrored edges), of grown regions, of diffusion and of patches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from contest import Array, Contestant, Params, Rasters, Run, in_rows, in_strips
from peers.moments import ROWS, Box, opencv_box, scipy_box
from speckle_cases import likeness_above_mean


def _quegan(box: Box, rows_at_once: int | None = None) -> Run:
    """Means of all dates, their ratios, and a product, in NumPy; on blocks of rows if so many are given."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        window, stack = params["window"], rasters["stack"]

        def strip(dates: Array) -> Array:
            out = np.empty_like(dates)
            rows = rows_at_once or dates.shape[1]
            for top in range(0, dates.shape[1], rows):
                first, last = max(0, top - window // 2), min(top + rows, dates.shape[1])
                grown = dates[:, first : last + window // 2]
                out[:, top:last] = _ratios_kept(box, window, grown, slice(top - first, last - first))
            return out

        return in_strips(strip, threads, window, stack, layers=(len(stack),))

    return run


def _ratios_kept(box: Box, window: int, dates: Array, rows: slice) -> Array:
    means = np.stack([box(date, window)[rows] for date in dates])
    ratio = np.zeros(means.shape[1:], np.float32)
    for date, mean in zip(dates[:, rows], means, strict=True):
        ratio += date / mean
    ratio /= np.float32(len(dates))
    means *= ratio
    return means


def _quegan_numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from peers import compiled_wide

    stack, half = rasters["stack"], params["window"] // 2
    out = np.empty_like(stack)
    in_rows(lambda top, bottom: compiled_wide.quegan(stack, half, top, bottom, out), threads, stack.shape[1])
    return out


def _called(kernel: Callable[..., None], given: tuple[object, ...], out: Array, top: int, bottom: int) -> None:
    kernel(*given, top, bottom, out)


def _idan_numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from peers import compiled_wide

    image, own = rasters["image"], params["own"]
    given, out = (image, own["enl"], own["size"]), np.empty_like(image)
    in_rows(lambda top, bottom: compiled_wide.idan(*given, top, bottom, out), threads, len(image))
    return out


def _speckle_left(own: Params) -> list[np.float32]:
    """The squared coefficient of variation of speckle at each iteration."""
    return [np.float32(np.exp(-own["step"] * k / 3) / own["enl"]) for k in range(own["iterations"])]


def _srad_numpy(rasters: Rasters, params: Params, threads: int) -> Array:
    now, own = rasters["image"], params["own"]
    for noise in _speckle_left(own):
        around = np.pad(now, 1, mode="edge")
        n, s, w, e = (around[rows, columns] - now for rows, columns in _SIDES)
        laplacian = (n + s + w + e) / 4
        q2 = ((n * n + s * s + w * w + e * e) / 2 - laplacian * laplacian) / (now + laplacian) ** 2
        c = np.pad(1 / (1 + np.maximum(q2 - noise, 0) / (noise * (1 + noise))), 1, mode="edge")
        flow = c[1:-1, 1:-1] * (n + w) + c[2:, 1:-1] * s + c[1:-1, 2:] * e
        now = now + np.float32(own["step"] / 4) * flow
    return now


_MIDDLE, _BEFORE, _AFTER = slice(1, -1), slice(None, -2), slice(2, None)
_SIDES = ((_BEFORE, _MIDDLE), (_AFTER, _MIDDLE), (_MIDDLE, _BEFORE), (_MIDDLE, _AFTER))


def _srad_numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from peers import compiled_wide

    image, own = rasters["image"], params["own"]
    coefficient = np.empty((image.shape[0] + 1, image.shape[1] + 1), np.float32)
    flow, now, height = np.float32(own["step"] / 4), image, len(image)
    spare = [np.empty_like(image), np.empty_like(image)]
    for k, noise in enumerate(_speckle_left(own)):
        out = spare[k % 2]
        in_rows(partial(_called, compiled_wide.diffusion, (now, noise), coefficient), threads, height)
        in_rows(partial(_called, compiled_wide.diffuse, (now, coefficient, flow), out), threads, height)
        now = out
    return now


def _ppb_scales(own: Params) -> tuple[np.float32, np.float32]:
    """What the logarithm and the squared difference of a pair are multiplied by."""
    area = (2 * own["patch"] + 1) ** 2
    data = 1 / likeness_above_mean(own["enl"], area, own["quantile"])
    return np.float32(data), np.float32(own["enl"] / own["temperature"])


def _ppb_numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from peers import compiled_wide

    power, own = rasters["image"], params["own"]
    sizes, scales = (own["search"], own["patch"]), _ppb_scales(own)
    estimate = power
    for iteration in range(own["iterations"]):
        given, out = (power, estimate, iteration == 0, *sizes, *scales), np.empty_like(power)
        in_rows(partial(_called, compiled_wide.ppb_iteration, given, out), threads, len(power))
        estimate = out
    return estimate


def _ppb_opencv(rasters: Rasters, params: Params, threads: int) -> Array:
    """Every pair of pixels once, both of which get its weight; patch sums by OpenCV."""
    power, own = rasters["image"], params["own"]
    estimate = None
    for _ in range(own["iterations"]):
        estimate = _ppb_iteration(power, estimate, own)
    return estimate


def _ppb_iteration(power: Array, before: Array | None, own: Params) -> Array:
    scale, trust = _ppb_scales(own)
    total, norm, largest = np.zeros_like(power), np.zeros_like(power), np.zeros_like(power)
    for here, there in _pairs(power.shape, own["search"]):
        a, b = power[here], power[there]
        unlike = scale * np.log((a + b) / (2 * np.sqrt(a * b)))
        if before is not None:
            r, q = before[here], before[there]
            unlike += trust * (r - q) ** 2 / (r * q)
        weight = np.exp(-_patch_mean(unlike, 2 * own["patch"] + 1))
        for own_place, other in ((here, there), (there, here)):
            total[own_place] += weight * power[other]
            norm[own_place] += weight
            np.maximum(largest[own_place], weight, out=largest[own_place])
    with np.errstate(all="ignore"):
        return np.where(largest > 0, (total + largest * power) / (norm + largest), power)


def _pairs(shape: tuple[int, int], search: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Half of the shifts: the pixels that have a partner, and their partners."""
    height, width = shape
    for dy in range(search + 1):
        for dx in range(-search if dy else 1, search + 1):
            here = slice(0, height - dy), slice(max(0, -dx), min(width, width - dx))
            yield here, (slice(dy, height), slice(max(0, dx), min(width, width + dx)))


def _patch_mean(image: Array, side: int) -> Array:
    import cv2

    def added(values: Array) -> Array:
        return cv2.boxFilter(values, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)

    return added(image) / added(np.ones_like(image))


def _non_local_means(rasters: Rasters, params: Params, threads: int) -> Array:
    from skimage.restoration import denoise_nl_means

    own = params["own"]
    sizes = {"patch_size": 2 * own["patch"] + 1, "patch_distance": own["search"]}
    spread = own["enl"] ** -0.5
    logs = denoise_nl_means(np.log(rasters["image"]), h=0.8 * spread, sigma=spread, fast_mode=True, **sizes)
    return np.exp(logs)


_NUMBA = "numba, hand-written"

PEERS = [
    Contestant("quegan", "numpy + scipy", _quegan(scipy_box), ("scipy",), side=512),
    Contestant("quegan", "numpy + OpenCV", _quegan(opencv_box), ("cv2",)),
    Contestant("quegan", "numpy + OpenCV, in blocks", _quegan(opencv_box, ROWS), ("cv2",)),
    Contestant("quegan", _NUMBA, _quegan_numba, ("numba",)),
    Contestant("srad", "numpy", _srad_numpy, threads=(1,)),
    Contestant("srad", _NUMBA, _srad_numba, ("numba",)),
    Contestant("idan", _NUMBA, _idan_numba, ("numba",), side=256),
    Contestant("ppb", "numpy + OpenCV", _ppb_opencv, ("cv2",), threads=(1,), side=128),
    Contestant("ppb", _NUMBA, _ppb_numba, ("numba",), side=128),
    Contestant(
        "ppb",
        "scikit-image denoise_nl_means of logarithms",
        _non_local_means,
        ("skimage",),
        threads=(1,),
        differs="Euclidean non-local means in one pass",
    ),
]
