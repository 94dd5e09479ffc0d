"""Peers of the filters of local mean and variance. Edge rules differ (these mirror): compared inside of the rim."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from contest import Array, Contestant, Params, Rasters, Run, in_rows, in_strips

Box = Callable[[Array, int], Array]
ROWS = 64
"""Rows of a block whose intermediate images stay in the cache."""


def scipy_box(image: Array, window: int) -> Array:
    from scipy.ndimage import uniform_filter

    return uniform_filter(image, window, mode="reflect")


def opencv_box(image: Array, window: int) -> Array:
    import cv2

    cv2.setNumThreads(1)
    return cv2.blur(image, (window, window), borderType=cv2.BORDER_REFLECT)


def _boxcar(box: Box) -> Run:
    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        window = params["window"]
        return in_strips(lambda image: box(image, window), threads, window, rasters["image"])

    return run


def _whole(name: str, box: Box) -> Run:
    """NumPy on whole images."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        def strip(image: Array) -> Array:
            moments = moments_of_valid if params["holes"] else moments_of_all
            with np.errstate(all="ignore"):
                return _WEIGHED[name](image, *moments(box, image, params["window"]), np.float32(params["looks"]))

        return in_strips(strip, threads, params["window"], rasters["image"])

    return run


def moments_of_all(box: Box, image: Array, window: int) -> tuple[Array, Array]:
    mean = box(image, window)
    variance = box(image * image, window)
    variance -= mean * mean
    variance *= unbiased(window)
    return mean, variance


def moments_of_valid(box: Box, image: Array, window: int) -> tuple[Array, Array]:
    valid = np.isfinite(image)
    filled = np.where(valid, image, np.float32(0))
    share = box(valid.astype(np.float32), window)
    count = share * np.float32(window * window)
    mean = box(filled, window) / share
    variance = (box(filled * filled, window) / share - mean * mean) * (count / (count - 1))
    return mean, variance


def unbiased(window: int) -> np.float32:
    count = window * window
    return np.float32(count / (count - 1))


def _lee(x: Array, mean: Array, variance: Array, looks: np.float32) -> Array:
    return mean + _own_share(mean, variance, looks) * (x - mean)


def _kuan(x: Array, mean: Array, variance: Array, looks: np.float32) -> Array:
    return mean + _own_share(mean, variance, looks) * (looks / (looks + 1) * (x - mean))


def _own_share(mean: Array, variance: Array, looks: np.float32) -> Array:
    weight = np.maximum(1 - mean * mean / (looks * variance), 0)
    return np.where(variance > 0, weight, np.float32(0))


def _gamma_map(x: Array, mean: Array, variance: Array, looks: np.float32) -> Array:
    local = variance / (mean * mean)
    alpha = (1 + 1 / looks) / (local - 1 / looks)
    b = (alpha - looks - 1) * mean
    middle = (b + np.sqrt(b * b + 4 * alpha * looks * mean * x)) / (2 * alpha)
    return np.where(local <= 1 / looks, mean, np.where(local >= 2 / looks, x, middle))


def _lee_enhanced(x: Array, mean: Array, variance: Array, looks: np.float32) -> Array:
    low, high = np.sqrt(1 / looks), np.sqrt(1 + 2 / looks)
    local = np.sqrt(variance) / mean
    weight = np.exp((low - local) / (high - local))
    return np.where(local <= low, mean, np.where(local >= high, x, weight * mean + (1 - weight) * x))


_WEIGHED = {"lee": _lee, "kuan": _kuan, "gamma_map": _gamma_map, "lee_enhanced": _lee_enhanced}


def in_blocks(filtered: Callable[[Array], Array], image: Array, half: int) -> Array:
    """Run a filter on blocks of rows, each grown by half a window, so that what lies between stays in the cache."""
    out = np.empty_like(image)
    for top in range(0, image.shape[0], ROWS):
        rows = slice(top, top + ROWS)
        first = max(0, top - half)
        grown = filtered(image[first : top + ROWS + half])
        out[rows] = grown[top - first : top - first + len(out[rows])]
    return out


Weigh = Callable[[Array, Array, Array, np.float32, np.float32], Array]


def _blocks(weigh: Callable[[], Weigh]) -> Run:
    """Box sums of OpenCV, and one fused pass over image, mean and mean square, on blocks of rows."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        window, looks = params["window"], np.float32(params["looks"])
        fused, factor = weigh(), unbiased(window)

        def block(image: Array) -> Array:
            return fused(image, opencv_box(image, window), opencv_box(image * image, window), factor, looks)

        return in_strips(lambda image: in_blocks(block, image, window // 2), threads, window, rasters["image"])

    return run


def _numexpr(name: str) -> Weigh:
    import numexpr

    numexpr.set_num_threads(1)

    def weigh(image: Array, mean: Array, square: Array, factor: np.float32, looks: np.float32) -> Array:
        names = {"x": image, "m": mean, "q": square, "u": factor, "l": looks}
        return numexpr.evaluate(_EXPRESSIONS[name], names, out=np.empty_like(image), casting="unsafe")

    return weigh


_LOCAL = "((q - m*m)*u/(m*m))"
_ALPHA = f"((1 + 1/l)/({_LOCAL} - 1/l))"
_B = f"(({_ALPHA} - l - 1)*m)"
_EXPONENT = f"(sqrt(1/l) - sqrt({_LOCAL}))/(sqrt(1 + 2/l) - sqrt({_LOCAL}))"
_EXPRESSIONS = {
    "lee": "m + where((q - m*m)*u*l > m*m, 1 - m*m/((q - m*m)*u*l), 0*m)*(x - m)",
    "kuan": "m + where((q - m*m)*u*l > m*m, 1 - m*m/((q - m*m)*u*l), 0*m)*(l/(l + 1))*(x - m)",
    "gamma_map": f"where({_LOCAL} <= 1/l, m, where({_LOCAL} >= 2/l, x, "
    f"({_B} + sqrt({_B}*{_B} + 4*{_ALPHA}*l*m*x))/(2*{_ALPHA})))",
    "lee_enhanced": f"where({_LOCAL} <= 1/l, m, where({_LOCAL} >= 1 + 2/l, x, x + exp({_EXPONENT})*(m - x)))",
}


def _numba_weigh(name: str) -> Weigh:
    from peers import compiled_moments

    kernel = compiled_moments.weigh(name)

    def weigh(image: Array, mean: Array, square: Array, factor: np.float32, looks: np.float32) -> Array:
        out = np.empty_like(image)
        kernel(image, mean, square, factor, looks, out)
        return out

    return weigh


def _numba(name: str) -> Run:
    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        from peers import compiled_moments

        image, half, looks = rasters["image"], params["window"] // 2, np.float32(params["looks"])
        kernel = compiled_moments.moment_filter(name, holes=params["holes"])
        out = np.empty_like(image)
        in_rows(lambda top, bottom: kernel(image, half, looks, top, bottom, out), threads, len(image))
        return out

    return run


def _complete(params: Params) -> bool:
    return not params["holes"]


def _of(name: str) -> list[Contestant]:
    """Everyone who does a filter that starts from the mean and the variance."""
    numexpr, numba = partial(_numexpr, name), partial(_numba_weigh, name)
    return [
        Contestant(name, "numpy + scipy", _whole(name, scipy_box), ("scipy",), side=1024),
        Contestant(name, "numpy + OpenCV", _whole(name, opencv_box), ("cv2",), side=2048),
        Contestant(
            name, "OpenCV + numexpr, in blocks", _blocks(numexpr), ("cv2", "numexpr"), side=2048, takes=_complete
        ),
        Contestant(name, "OpenCV + numba, in blocks", _blocks(numba), ("cv2", "numba"), takes=_complete),
        Contestant(name, "numba, hand-written", _numba(name), ("numba",), side=2048),
    ]


PEERS = [
    Contestant("boxcar", "OpenCV blur", _boxcar(opencv_box), ("cv2",)),
    Contestant("boxcar", "scipy uniform_filter", _boxcar(scipy_box), ("scipy",), side=2048),
    Contestant("boxcar", "numba, hand-written", _numba("boxcar"), ("numba",), side=2048),
    *(contestant for name in _WEIGHED for contestant in _of(name)),
]
