"""Peers of `boxcar` and `lee`. Edge rules differ (these mirror), so results are compared inside of the rim."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

import numpy as np

from contest import Array, Contestant, Params, Rasters, in_strips

Box = Callable[[Array, int], Array]
_ROWS = 64
"""Rows of a block whose intermediate images stay in the cache."""


def _scipy_box(image: Array, window: int) -> Array:
    from scipy.ndimage import uniform_filter

    return uniform_filter(image, window, mode="reflect")


def _opencv_box(image: Array, window: int) -> Array:
    import cv2

    cv2.setNumThreads(1)
    return cv2.blur(image, (window, window), borderType=cv2.BORDER_REFLECT)


def _boxcar(box: Box) -> Callable[[Rasters, Params, int], Array]:
    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        window = params["window"]
        return in_strips(lambda image: box(image, window), threads, window, rasters["image"])

    return run


def _lee(box: Box) -> Callable[[Rasters, Params, int], Array]:
    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        def strip(image: Array) -> Array:
            moments = _moments_of_valid if params["holes"] else _moments
            return _weighted(image, *moments(box, image, params["window"]), params["looks"])

        return in_strips(strip, threads, params["window"], rasters["image"])

    return run


def _moments(box: Box, image: Array, window: int) -> tuple[Array, Array]:
    mean = box(image, window)
    variance = box(image * image, window)
    variance -= mean * mean
    variance *= _unbiased(window)
    return mean, variance


def _moments_of_valid(box: Box, image: Array, window: int) -> tuple[Array, Array]:
    valid = np.isfinite(image)
    filled = np.where(valid, image, np.float32(0))
    share = box(valid.astype(np.float32), window)
    count = share * np.float32(window * window)
    with np.errstate(all="ignore"):
        mean = box(filled, window) / share
        variance = (box(filled * filled, window) / share - mean * mean) * (count / (count - 1))
    return mean, variance


def _weighted(image: Array, mean: Array, variance: Array, looks: float) -> Array:
    with np.errstate(all="ignore"):
        weight = np.maximum(1 - mean * mean / (np.float32(looks) * variance), 0)
        weight = np.where(variance > 0, weight, np.float32(0))
    return mean + weight * (image - mean)


def _unbiased(window: int) -> np.float32:
    count = window * window
    return np.float32(count / (count - 1))


def lee_opencv_numexpr(rasters: Rasters, params: Params, threads: int) -> Array:
    """Box sums of OpenCV and one fused expression of numexpr, on blocks of rows."""
    import numexpr

    numexpr.set_num_threads(1)
    expression = "m + where(q - m*m > m*m/l, 1 - m*m/(l*(q - m*m)), 0*m)*(x - m)"

    def weigh(image: Array, mean: Array, square: Array, looks: np.float32, out: Array) -> None:
        names = {"x": image, "m": mean, "q": square, "l": looks}
        numexpr.evaluate(expression, names, out=out, casting="unsafe")

    return _lee_in_blocks(weigh, rasters, params, threads)


def lee_opencv_numba(rasters: Rasters, params: Params, threads: int) -> Array:
    """Box sums of OpenCV and one fused loop of Numba, on blocks of rows: the best mix of installed parts we know."""
    from peers import compiled

    return _lee_in_blocks(compiled.lee_weigh, rasters, params, threads)


def _lee_in_blocks(weigh: Callable[..., None], rasters: Rasters, params: Params, threads: int) -> Array:
    window, half = params["window"], params["window"] // 2
    looks = np.float32(params["looks"]) * _unbiased(window)

    def strip(image: Array) -> Array:
        out = np.empty_like(image)
        for top in range(0, image.shape[0], _ROWS):
            rows = slice(top, top + _ROWS)
            first = max(0, top - half)
            grown = image[first : top + _ROWS + half]
            inner = slice(top - first, top - first + len(out[rows]))
            mean, square = _opencv_box(grown, window)[inner], _opencv_box(grown * grown, window)[inner]
            weigh(image[rows], mean, square, looks, out[rows])
        return out

    return in_strips(strip, threads, window, rasters["image"])


def lee_findpeaks(rasters: Rasters, params: Params, threads: int) -> Array:
    from findpeaks import stats

    with contextlib.redirect_stdout(io.StringIO()):
        return stats.lee_filter(rasters["image"] * 1e4, params["window"], params["looks"] ** -0.5) / 1e4


def numba(filters: str) -> Callable[[Rasters, Params, int], Array]:
    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        from numba import set_num_threads

        from peers import compiled

        set_num_threads(threads)
        image, window = rasters["image"], params["window"]
        out = np.empty_like(image)
        kernel = compiled.moment_filter(lee=filters == "lee", holes=params["holes"])
        kernel(image, window // 2, np.float32(params["looks"]), threads, out)
        return out

    return run


def _complete(params: Params) -> bool:
    return not params["holes"]


PEERS = [
    Contestant("boxcar", "OpenCV blur", _boxcar(_opencv_box), ("cv2",)),
    Contestant("boxcar", "scipy uniform_filter", _boxcar(_scipy_box), ("scipy",)),
    Contestant("boxcar", "numba, hand-written", numba("boxcar"), ("numba",)),
    Contestant("lee", "numpy + scipy", _lee(_scipy_box), ("scipy",), side=2048),
    Contestant("lee", "numpy + OpenCV", _lee(_opencv_box), ("cv2",)),
    Contestant("lee", "OpenCV + numexpr, in blocks", lee_opencv_numexpr, ("cv2", "numexpr"), takes=_complete),
    Contestant("lee", "OpenCV + numba, in blocks", lee_opencv_numba, ("cv2", "numba"), takes=_complete),
    Contestant("lee", "numba, hand-written", numba("lee"), ("numba",)),
    Contestant(
        "lee",
        "findpeaks",
        lee_findpeaks,
        ("findpeaks",),
        threads=(1,),
        side=64,
        differs="rounds to integers, its window is one short",
        takes=_complete,
    ),
]
