"""Peers of the filters that need the samples themselves. Edge rules differ (these mirror): compared inside of the rim."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from contest import Array, Contestant, Params, Rasters, Run, in_rows, in_strips
from peers.moments import in_blocks, moments_of_all, opencv_box
from speckle_cases import sigma_range


def _strips(filtered: Callable[[Array, Params], Array], block: bool = True) -> Run:
    """A filter of one image on strips for threads, and in blocks of rows if what lies between should stay in the cache."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        window = params["window"]

        def strip(image: Array) -> Array:
            if not block:
                return filtered(image, params)
            with np.errstate(all="ignore"):
                return in_blocks(lambda rows: filtered(rows, params), image, window // 2)

        return in_strips(strip, threads, window, rasters["image"])

    return run


def distance_classes(window: int) -> tuple[Array, Array, Array]:
    """The class of each place of the window, the distance of each class from the centre, and how many are in it."""
    away = np.abs(np.arange(window) - window // 2)
    distance, classes, count = np.unique(np.hypot(away[:, None], away), return_inverse=True, return_counts=True)
    return classes.reshape(window, window), distance.astype(np.float32), count.astype(np.float32)


def _frost_opencv(image: Array, params: Params) -> Array:
    mean, variance = moments_of_all(opencv_box, image, params["window"])
    decay = np.float32(params["own"]["damping"]) * np.maximum(variance, 0) / (mean * mean)
    return _decayed(image, decay, params["window"])


def _frost_enhanced_opencv(image: Array, params: Params) -> Array:
    low, high = (np.float32(c) for c in (params["looks"] ** -0.5, (1 + 2 / params["looks"]) ** 0.5))
    mean, variance = moments_of_all(opencv_box, image, params["window"])
    local = np.sqrt(np.maximum(variance, 0)) / mean
    decay = np.maximum(local - low, 0) / np.maximum(high - local, np.float32(1e-30))
    value = _decayed(image, np.float32(params["own"]["damping"]) * decay, params["window"])
    return np.where(local <= low, mean, np.where(local >= high, image, value))


def _decayed(image: Array, decay: Array, window: int) -> Array:
    """Samples are added up for each distance first, so that a weight is taken once for each."""
    import cv2

    total, norm = np.zeros_like(image), np.zeros_like(image)
    classes, distances, counts = distance_classes(window)
    for k, (distance, count) in enumerate(zip(distances, counts, strict=True)):
        kernel = (classes == k).astype(np.float32)
        weight = np.exp(-distance * decay)
        total += weight * cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)
        norm += count * weight
    return total / norm


def _frost_generic(rasters: Rasters, params: Params, threads: int) -> Array:
    from scipy.ndimage import generic_filter

    window, damping = params["window"], params["own"]["damping"]
    away = np.abs(np.arange(window) - window // 2)
    distance = np.hypot(away[:, None], away).ravel()

    def value(samples: Array) -> float:
        weight = np.exp(-damping * samples.var(ddof=1) / samples.mean() ** 2 * distance)
        return (weight * samples).sum() / weight.sum()

    return generic_filter(rasters["image"], value, size=window)


def _shifted(image: Array, half: int) -> list[Array]:
    """The image as each place of the window sees it."""
    padded = np.pad(image, half, mode="symmetric")
    rows, columns = image.shape
    places = range(2 * half + 1)
    return [padded[dy : dy + rows, dx : dx + columns] for dy in places for dx in places]


def _mmse(x: Array, mean: Array, variance: Array, noise: float | Array) -> Array:
    b = np.maximum((variance - mean * mean * noise) / ((1 + noise) * variance), 0)
    return mean + np.where(variance > 0, b, np.float32(0)) * (x - mean)


def _lee_sigma_numpy(image: Array, params: Params) -> Array:
    low, high, deviation = (np.float32(c) for c in sigma_range(params["looks"], params["own"]["sigma"]))
    start = _mmse(image, *moments_of_all(opencv_box, image, 3), np.float32(1 / params["looks"]))
    least, most = low * start, high * start
    n, s, q = np.zeros_like(image), np.zeros_like(image), np.zeros_like(image)
    for sample in _shifted(image, params["window"] // 2):
        inside = (sample >= least) & (sample <= most)
        kept = sample * inside
        n += inside
        s += kept
        q += kept * kept
    mean = s / n
    value = _mmse(image, mean, (q - s * mean) / (n - 1), deviation**2)
    return np.where((n > 0) & ~_targets(image, params["own"]), value, image)


def _targets(image: Array, own: Params) -> Array:
    import cv2

    bright = image > np.float32(own["z98"])
    block = np.ones((3, 3), np.float32)
    crowd = cv2.filter2D(bright.astype(np.float32), -1, block, borderType=cv2.BORDER_REFLECT)
    centres = (bright & (crowd >= own["target_count"])).astype(np.uint8)
    return bright & (cv2.dilate(centres, np.ones((3, 3), np.uint8)) > 0)


def half_windows() -> Array:
    """Eight windows of 7 x 7, 28 of whose samples are set: both sides of edges in four directions."""
    y, x = np.mgrid[:7, :7]
    return np.array([x <= 3, x >= 3, x >= y, x <= y, y <= 3, y >= 3, x <= 6 - y, x >= 6 - y])


def _refined_lee_opencv(image: Array, params: Params) -> Array:
    """All eight half windows by convolution, then the one on the side of the centre."""
    import cv2

    mean, variance = moments_of_all(opencv_box, image, 3)
    nine = [shifted for k, shifted in enumerate(_shifted(mean, 2)) if k // 5 % 2 == 0 and k % 5 % 2 == 0]
    ratios = [s for k, s in enumerate(_shifted(variance / (mean * mean), 2)) if k // 5 % 2 == 0 and k % 5 % 2 == 0]
    noise = np.partition(np.stack(ratios), 4, axis=0)[:5].mean(0)
    gradients = np.stack([np.abs(nine[a] - nine[b]) for a, b in _OPPOSITE])
    best = gradients.argmax(0)
    one, other = (np.choose(best, [nine[pair[i]] for pair in _OPPOSITE]) for i in (0, 1))
    side = 2 * best + (np.abs(one - mean) >= np.abs(mean - other))
    own, square, squared = np.empty_like(image), np.empty_like(image), image * image
    for k, window in enumerate(half_windows()):
        kernel, here = window.astype(np.float32) / 28, side == k
        np.copyto(own, cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT), where=here)
        np.copyto(square, cv2.filter2D(squared, -1, kernel, borderType=cv2.BORDER_REFLECT), where=here)
    return _mmse(image, own, (square - own * own) * np.float32(28 / 27), noise)


_OPPOSITE = ((3, 5), (2, 6), (1, 7), (0, 8))


def _numba(kernel: str, *arguments: Callable[[Params], list[object]]) -> Run:
    """A compiled kernel on the image with mirrored edges."""

    def run(rasters: Rasters, params: Params, threads: int) -> Array:
        from peers import compiled_stencils

        image, compiled = rasters["image"], getattr(compiled_stencils, kernel)
        padded = np.pad(image, params["window"] // 2, mode="symmetric")
        given = [value for argument in arguments for value in argument(params)]
        out = np.empty_like(image)
        in_rows(lambda top, bottom: compiled(padded, *given, top, bottom, out), threads, len(image))
        return out

    return run


def _frost_arguments(params: Params) -> list[object]:
    return [*distance_classes(params["window"]), np.float32(params["own"]["damping"])]


def _half_window_arguments(params: Params) -> list[object]:
    places = np.array([np.argwhere(window) for window in half_windows()])
    return [np.ascontiguousarray(places[..., axis]) for axis in (0, 1)]


def _lee_sigma_numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from peers.compiled_stencils import lee_sigma, point_centres

    image, window, own = rasters["image"], params["window"], params["own"]
    padded, bright = np.pad(image, window // 2, mode="symmetric"), np.float32(own["z98"])
    centres = np.empty((image.shape[0] + 2, image.shape[1] + 2), np.uint8)
    marked = (padded, window // 2, bright, own["target_count"])
    in_rows(lambda top, bottom: point_centres(*marked, top, bottom, centres), threads, len(centres))
    constants = [np.float32(c) for c in (params["looks"], *sigma_range(params["looks"], own["sigma"]))]
    given, out = (padded, window, centres, bright, *constants), np.empty_like(image)
    in_rows(lambda top, bottom: lee_sigma(*given, top, bottom, out), threads, len(image))
    return out


def _median_opencv(image: Array, params: Params) -> Array:
    import cv2

    cv2.setNumThreads(1)
    return cv2.medianBlur(image, params["window"])


def _median_scipy(image: Array, params: Params) -> Array:
    from scipy.ndimage import median_filter

    return median_filter(image, params["window"])


def _median_medfilt(image: Array, params: Params) -> Array:
    from scipy.signal import medfilt2d

    return medfilt2d(image, params["window"])


def _median_skimage(image: Array, params: Params) -> Array:
    from skimage.filters import median

    return median(image, np.ones((params["window"], params["window"])))


def _seven(params: Params) -> bool:
    return params["window"] == 7


def _small(params: Params) -> bool:
    return params["window"] <= 5


def _upto_seven(params: Params) -> bool:
    return params["window"] <= 7


_MIX, _NUMBA = "numpy + OpenCV, in blocks", "numba, hand-written"

PEERS = [
    Contestant("frost", "scipy generic_filter", _frost_generic, ("scipy",), threads=(1,), side=64, takes=_seven),
    Contestant("frost", _MIX, _strips(_frost_opencv), ("cv2",), side=512),
    Contestant("frost", _NUMBA, _numba("frost", _frost_arguments), ("numba",), side=1024),
    Contestant("frost_enhanced", _MIX, _strips(_frost_enhanced_opencv), ("cv2",), side=512),
    Contestant(
        "frost_enhanced",
        _NUMBA,
        _numba("frost_enhanced", _frost_arguments, lambda params: [np.float32(params["looks"])]),
        ("numba",),
        side=1024,
    ),
    Contestant("refined_lee", _MIX, _strips(_refined_lee_opencv), ("cv2",), side=512),
    Contestant("refined_lee", _NUMBA, _numba("refined_lee", _half_window_arguments), ("numba",), side=1024),
    Contestant("lee_sigma", _MIX, _strips(_lee_sigma_numpy), ("cv2",), side=512),
    Contestant("lee_sigma", _NUMBA, _lee_sigma_numba, ("numba",), side=1024),
    Contestant("median", "OpenCV medianBlur", _strips(_median_opencv, block=False), ("cv2",), takes=_small),
    Contestant("median", "scipy.ndimage.median_filter", _strips(_median_scipy, block=False), ("scipy",), side=256),
    Contestant("median", "scipy.signal.medfilt2d", _strips(_median_medfilt, block=False), ("scipy",), side=256),
    Contestant(
        "median",
        "scikit-image (scipy inside)",
        _strips(_median_skimage, block=False),
        ("skimage",),
        side=256,
        takes=_upto_seven,
    ),
    Contestant("median", _NUMBA, _numba("median", lambda params: [params["window"]]), ("numba",), side=256),
]
