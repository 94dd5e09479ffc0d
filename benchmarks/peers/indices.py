"""Peers of `ndvi`, `ibi` and `twelve`: from uint16 digital numbers with scale, offset and nodata."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from cases import BANDS, NODATA, OFFSET, SCALE, squeezed
from contest import Array, Contestant, Params, Rasters, in_strips

NAN = np.float32(np.nan)
NAMES = ("ndvi", "ibi", "twelve")
Several = Callable[[Mapping[str, Array]], list[Array]]
"""From reflectance by symbol to the indices."""


def _after_numpy_scaling(several: Several, rasters: Rasters, params: Params, threads: int) -> Array:
    used = [symbol for symbol, name in BANDS.items() if name in rasters]

    def strip(*bands: Array) -> Array:
        images = several({symbol: _reflectance(band) for symbol, band in zip(used, bands, strict=True)})
        return images[0] if len(images) == 1 else np.stack(images)

    layers = () if len(params) == 1 else (len(params),)
    return in_strips(strip, threads, 0, *(rasters[BANDS[symbol]] for symbol in used), layers=layers)


def _reflectance(numbers: Array) -> Array:
    scaled = numbers.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)
    return np.where(numbers == NODATA, NAN, scaled)


def numpy_arithmetic(rasters: Rasters, params: Params, threads: int) -> Array:
    def several(bands: Mapping[str, Array]) -> list[Array]:
        return [eval(formula, {}, bands) for formula in params.values()]

    return _after_numpy_scaling(several, rasters, params, threads)


def spyndex(rasters: Rasters, params: Params, threads: int) -> Array:
    """The library knows neither scale nor nodata: NumPy does that first. BSI is its BI, and BUI a difference of two."""
    import spyndex

    def one(name: str, bands: Mapping[str, Array]) -> Array:
        constants = {"L": 1.0 if name == "EVI" else 0.5, "g": 2.5, "C1": 6.0, "C2": 7.5}
        return spyndex.computeIndex({"BSI": "BI"}.get(name, name), params={**bands, **constants})

    def several(bands: Mapping[str, Array]) -> list[Array]:
        images = {name: one(name, bands) for name in params if name != "BUI"}
        if "BUI" in params:
            images["BUI"] = images["NDBI"] - images["NDVI"]
        return [images[name] for name in params]

    return _after_numpy_scaling(several, rasters, params, threads)


def xarray_spatial(rasters: Rasters, params: Params, threads: int) -> Array:
    """The library knows neither scale nor nodata: NumPy does that first."""
    import xarray as xr
    from xrspatial.multispectral import ndvi

    def several(bands: Mapping[str, Array]) -> list[Array]:
        nir, red = (xr.DataArray(bands[symbol], dims=("y", "x")) for symbol in ("N", "R"))
        return [ndvi(nir, red).values]

    return _after_numpy_scaling(several, rasters, params, threads)


def numexpr(rasters: Rasters, params: Params, threads: int) -> Array:
    """One formula after the other, each in one pass over its bands."""
    import numexpr as ne

    ne.set_num_threads(threads)
    out = np.empty((len(params), *next(iter(rasters.values())).shape), np.float32)
    names = {"s": np.float32(SCALE), "o": np.float32(OFFSET), "nan": NAN, "hole": np.int32(NODATA)}
    for formula, image in zip(params.values(), out, strict=True):
        used = {symbol: rasters[name] for symbol, name in BANDS.items() if re.search(rf"\b{symbol}\b", formula)}
        expression, single = _in_single_precision(formula)
        expression = re.sub(r"\b(B|G|R|N|S1|S2)\b", r"(\1*s+o)", expression)
        valid = " & ".join(f"({symbol} != hole)" for symbol in used)
        ne.evaluate(f"where({valid}, {expression}, nan)", {**used, **names, **single}, out=image, casting="unsafe")
    return squeezed(out)


def _in_single_precision(formula: str) -> tuple[str, dict[str, np.float32]]:
    """With names instead of numbers, because numexpr computes in float64 where a number is written out."""
    single = {f"k{i}": number for i, number in enumerate(dict.fromkeys(re.findall(r"\b\d[\d.]*", formula)))}
    name_of = {number: name for name, number in single.items()}
    expression = re.sub(r"\b\d[\d.]*", lambda found: name_of[found[0]], formula)
    return expression, {name: np.float32(number) for name, number in single.items()}


def numba_ndvi(rasters: Rasters, params: Params, threads: int) -> Array:
    return _compiled("normalized_difference", rasters, ("nir", "red"), (), threads)


def numba_ibi(rasters: Rasters, params: Params, threads: int) -> Array:
    return _compiled("ibi", rasters, ("green", "red", "nir", "swir16"), (), threads)


def numba_twelve(rasters: Rasters, params: Params, threads: int) -> Array:
    return _compiled("twelve", rasters, tuple(BANDS.values()), (len(params),), threads)


def _compiled(function: str, rasters: Rasters, names: tuple[str, ...], layers: tuple[int, ...], threads: int) -> Array:
    from numba import set_num_threads

    from peers import compiled

    set_num_threads(threads)
    bands = [rasters[name] for name in names]
    out = np.empty((*layers, *bands[0].shape), np.float32)
    getattr(compiled, function)(*bands, np.float32(SCALE), np.float32(OFFSET), NODATA, out)
    return out


PEERS = [
    *(Contestant(kernel, "numpy", numpy_arithmetic) for kernel in NAMES),
    *(Contestant(kernel, "numexpr", numexpr, ("numexpr",)) for kernel in NAMES),
    *(Contestant(kernel, "spyndex after numpy scaling", spyndex, ("spyndex",)) for kernel in NAMES),
    Contestant("ndvi", "xarray-spatial after numpy scaling", xarray_spatial, ("xrspatial",)),
    Contestant("ndvi", "numba, hand-written", numba_ndvi, ("numba",)),
    Contestant("ibi", "numba, hand-written, float32", numba_ibi, ("numba",)),
    Contestant("twelve", "numba, hand-written, float32", numba_twelve, ("numba",)),
]
