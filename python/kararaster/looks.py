"""The equivalent number of looks."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import xarray as xr

from kararaster import blocks, conventions
from kararaster.errors import InvalidInputError
from kararaster.reductions import LogCumulantLooks, LogMode, MomentLooks
from kararaster.speckle import SpeckleKernel
from kararaster.windows import window as window_of

Obj = TypeVar("Obj", xr.Dataset, xr.DataArray)
Estimator = Literal["mode", "moment", "log_cumulant"]

_REGION: dict[str, blocks.Reduction] = {"moment": MomentLooks(), "log_cumulant": LogCumulantLooks()}


def enl(obj: Obj, method: Estimator = "mode", *, window: int | tuple[int, int] = 7) -> Obj:
    """Equivalent number of looks, lazily: of a scene, or of homogeneous ground.

    Take it on linear power, before any filter. Neighbouring pixels of a product are correlated, so the mean of n of them has
    fewer than n times the looks.

    Parameters
    ----------
    obj : Dataset or DataArray
        float32 or float64 linear power (units "1"), dimensions (..., rows, columns).
    method : {"mode", "moment", "log_cumulant"}
        "mode": for whole scenes. In every window that is inside the image and free of NaN, mean squared over variance; texture
        and edges only lower it, so homogeneous ground makes the mode of its histogram, which is returned. "moment": mean
        squared over variance (n - 1) of all pixels; for a region you know to be homogeneous (`ds.isel(...)` first).
        "log_cumulant": the looks L whose speckle has the observed variance of the logarithm, trigamma(L) = var(ln I)
        (Nicolas 2002, Traitement du Signal 19(3)); for a homogeneous region too, and less affected by the bright tail of
        texture. Power of zero or less is left out.
    window : int or (int, int)
        Full odd window size, for "mode".

    Returns
    -------
    float64, units "1"; NaN where nothing is usable. With "mode" one number for each band, all dates together; with the others one
    for each image (dimensions before rows and columns are kept). NaN and infinite samples are not used. The number of a
    region varies by rounding (1e-14) with the chunks.

    Raises
    ------
    UnitsError
        Decibel given.
    InvalidTypeError
        Not floating point.
    InvalidInputError
        Unknown method, even window.
    MissingVariableError
        A Dataset without radar bands.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> speckle = xr.DataArray(np.random.default_rng(0).gamma(4.4, 1 / 4.4, (512, 512)), dims=("y", "x"))
    >>> bool(abs(kr.enl(speckle) - 4.4) < 0.6), bool(abs(kr.enl(speckle, "log_cumulant") - 4.4) < 0.1)
    (True, True)
    """
    if method != "mode" and method not in _REGION:
        known = ", ".join(map(repr, ("mode", *_REGION)))
        raise InvalidInputError(f"method: got {method!r}, want one of {known}")
    size = window_of(window)
    if isinstance(obj, xr.Dataset):
        bands = {name: enl(obj[name], method, window=window) for name in conventions.radar_bands(obj)}
        return xr.Dataset(bands, attrs=dict(obj.attrs))
    conventions.require_linear_power(obj)
    band = conventions.rows_columns_last(obj)
    attributes = conventions.attributes("enl")
    if method == "mode":
        kernel = SpeckleKernel("enl", size, "shrink", 1, ())
        local = blocks.halo(kernel, band.data, size.half, band.dtype)
        return xr.DataArray(blocks.global_number(LogMode(), local, np.float64), name=obj.name, attrs=attributes)
    numbers = blocks.image_numbers(_REGION[method], band.data, np.float64)
    front = band.dims[:-2]
    coords = {name: coord for name, coord in band.coords.items() if set(coord.dims) <= set(front)}
    return xr.DataArray(numbers, coords, front, name=obj.name, attrs=attributes)
