"""Peers of `composite_median` and `composite_geomedian`: of uint16 digital numbers over time, with scale, offset and nodata."""

from __future__ import annotations

import warnings

import numpy as np

from cases import NODATA, OFFSET, SCALE
from contest import Array, Contestant, Params, Rasters, in_strips

_STEPS, _TOLERANCE = 100, 1e-6


def _reflectance(numbers: Array) -> Array:
    scaled = numbers.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)
    return np.where(numbers == NODATA, np.float32(np.nan), scaled)


def numpy_nanmedian(rasters: Rasters, params: Params, threads: int) -> Array:
    def strip(numbers: Array) -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.nanmedian(_reflectance(numbers), axis=0)

    return in_strips(strip, threads, 0, rasters["red"])


def bottleneck_nanmedian(rasters: Rasters, params: Params, threads: int) -> Array:
    import bottleneck

    return in_strips(lambda numbers: bottleneck.nanmedian(_reflectance(numbers), axis=0), threads, 0, rasters["red"])


def numba_median(rasters: Rasters, params: Params, threads: int) -> Array:
    from numba import set_num_threads

    from peers import compiled

    set_num_threads(threads)
    out = np.empty(rasters["red"].shape[1:], np.float32)
    compiled.median(rasters["red"], np.float32(SCALE), np.float32(OFFSET), NODATA, out)
    return out


def numpy_weiszfeld(rasters: Rasters, params: Params, threads: int) -> Array:
    """All pixels iterate together until the last has converged."""
    x = np.stack([_reflectance(band) for band in rasters.values()])
    x[:, np.isnan(x).any(0)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        estimate = np.nanmedian(x, axis=1)
    for _ in range(_STEPS):
        weights = 1 / np.maximum(np.sqrt(((x - estimate[:, None]) ** 2).sum(0)), np.float32(1e-9))
        before, estimate = estimate, np.nansum(x * weights, 1) / np.nansum(weights, 0)
        if np.nanmax(((estimate - before) ** 2).sum(0)) < _TOLERANCE**2:
            break
    return estimate


def numba_weiszfeld(rasters: Rasters, params: Params, threads: int) -> Array:
    from numba import set_num_threads

    from peers import compiled

    set_num_threads(threads)
    x = np.stack(list(rasters.values()))
    out = np.empty((len(x), *x.shape[2:]), np.float32)
    compiled.geomedian(x, SCALE, OFFSET, NODATA, _STEPS, _TOLERANCE, out)
    return out


PEERS = [
    Contestant("composite_median", "numpy.nanmedian", numpy_nanmedian, side=512),
    Contestant("composite_median", "bottleneck.nanmedian after numpy scaling", bottleneck_nanmedian, ("bottleneck",)),
    Contestant("composite_median", "numba, hand-written", numba_median, ("numba",)),
    Contestant("composite_geomedian", "numpy", numpy_weiszfeld, threads=(1,), side=128),
    Contestant("composite_geomedian", "numba, hand-written", numba_weiszfeld, ("numba",)),
]
