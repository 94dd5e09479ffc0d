"""Peers of `ndvi`: from uint16 digital numbers with scale, offset and nodata."""

from __future__ import annotations

import numpy as np

from cases import NODATA, OFFSET, SCALE
from contest import Array, Contestant, Params, Rasters, in_strips

NAN = np.float32(np.nan)


def _reflectance(numbers: Array) -> Array:
    scaled = numbers.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)
    return np.where(numbers == NODATA, NAN, scaled)


def numpy_arithmetic(rasters: Rasters, params: Params, threads: int) -> Array:
    def strip(nir: Array, red: Array) -> Array:
        nir, red = _reflectance(nir), _reflectance(red)
        return (nir - red) / (nir + red)

    return in_strips(strip, threads, 0, rasters["nir"], rasters["red"])


def spyndex(rasters: Rasters, params: Params, threads: int) -> Array:
    """The library knows neither scale nor nodata: NumPy does that first."""
    import spyndex

    def strip(nir: Array, red: Array) -> Array:
        return spyndex.computeIndex("NDVI", params={"N": _reflectance(nir), "R": _reflectance(red)})

    return in_strips(strip, threads, 0, rasters["nir"], rasters["red"])


def numexpr(rasters: Rasters, params: Params, threads: int) -> Array:
    import numexpr as ne

    ne.set_num_threads(threads)
    constants = {"s": np.float32(SCALE), "o": np.float32(OFFSET), "nan": NAN, "hole": np.int32(NODATA)}
    ratio = "((nir*s+o) - (red*s+o)) / ((nir*s+o) + (red*s+o))"
    out = np.empty(rasters["nir"].shape, np.float32)
    expression = f"where((nir != hole) & (red != hole), {ratio}, nan)"
    return ne.evaluate(expression, {**rasters, **constants}, out=out, casting="unsafe")


def numba(rasters: Rasters, params: Params, threads: int) -> Array:
    from numba import set_num_threads

    from peers import compiled

    set_num_threads(threads)
    out = np.empty(rasters["nir"].shape, np.float32)
    compiled.normalized_difference(rasters["nir"], rasters["red"], np.float32(SCALE), np.float32(OFFSET), NODATA, out)
    return out


PEERS = [
    Contestant("ndvi", "numpy", numpy_arithmetic),
    Contestant("ndvi", "numexpr", numexpr, ("numexpr",)),
    Contestant("ndvi", "spyndex after numpy scaling", spyndex, ("spyndex",)),
    Contestant("ndvi", "numba, hand-written", numba, ("numba",)),
]
