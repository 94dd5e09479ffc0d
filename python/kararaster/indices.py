"""Spectral indices: scale, offset and nodata applied in the same pass as the formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, threads
from kararaster.errors import GeometryError, MissingVariableError, UnitsError
from kararaster.lazy import Window
from kararaster.optical import Scaling, scaling_of

_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")


def ndvi(ds: xr.Dataset) -> xr.DataArray:
    """Normalized difference vegetation index, ``(nir - red) / (nir + red)``, lazily.

    Rouse et al. 1974 (NASA SP-351). Bands may be undecoded integers: `scale_factor`, `add_offset` and `_FillValue` in their
    attributes are applied in the same pass.

    Parameters
    ----------
    ds : Dataset
        Bands `nir` and `red`, any shape, both on one grid; uint8, uint16, int16, float32 or float64.

    Returns
    -------
    DataArray, float32, units "1", in [-1, 1] for non-negative reflectance. NaN where a band is NaN or nodata and where the
    denominator is 0; computed in float64.

    Raises
    ------
    MissingVariableError
        A band is not there.
    GeometryError
        The bands differ in shape.
    UnitsError
        One band is decoded and the other is not (one has scale attributes, or is an integer).

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> ds = xr.Dataset({"nir": ("x", np.float32([0.35])), "red": ("x", np.float32([0.06]))})
    >>> kr.ndvi(ds).values.round(6)
    array([0.707317], dtype=float32)
    """
    return _normalized_difference(ds, "nir", "red", "ndvi")


def ndbi(ds: xr.Dataset) -> xr.DataArray:
    """Normalized difference built-up index, ``(swir16 - nir) / (swir16 + nir)``, lazily.

    Zha, Gao and Ni 2003 (doi 10.1080/01431160304987).

    Parameters
    ----------
    ds : Dataset
        Bands `swir16` and `nir`, any shape, both on one grid; dtypes and attributes as for `ndvi`.

    Returns
    -------
    DataArray as from `ndvi`, with the same rule for NaN and nodata.

    Raises
    ------
    MissingVariableError, GeometryError, UnitsError
        As for `ndvi`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> ds = xr.Dataset({"nir": ("x", np.float32([0.35])), "swir16": ("x", np.float32([0.20]))})
    >>> kr.ndbi(ds).values.round(6)
    array([-0.272727], dtype=float32)
    """
    return _normalized_difference(ds, "swir16", "nir", "ndbi")


def _normalized_difference(ds: xr.Dataset, first: str, second: str, name: str) -> xr.DataArray:
    conventions.require_dataset(ds)
    missing = [band for band in (first, second) if band not in ds]
    if missing:
        raise MissingVariableError(
            f"{name}: needs the bands {first!r} and {second!r}, the Dataset lacks {missing}; it has "
            f"{sorted(map(str, ds.data_vars))} (names as in STAC: nir is B8, red is B4, swir16 is B11)"
        )
    a, b = ds[first], ds[second]
    if a.dims != b.dims or a.shape != b.shape:
        raise GeometryError(
            f"{name}: {first} is {dict(a.sizes)} and {second} is {dict(b.sizes)}; resample them to one grid first"
        )
    kernel = _NormalizedDifference(scaling_of(a), scaling_of(b))
    a, b = _one_dtype(name, a, b)
    data = blocks.elementwise(kernel, a.data, b.data, dtype=np.float32)
    out = xr.DataArray(data, dims=a.dims, coords=a.coords, name=name, attrs=conventions.attributes(name))
    return conventions.add_history(out, f"{name}()")


def _one_dtype(name: str, a: xr.DataArray, b: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Both bands in one dtype that the kernel takes; one decoded and one undecoded band are refused."""
    scaled = ["scale_factor" in band.attrs or "add_offset" in band.attrs for band in (a, b)]
    if scaled[0] != scaled[1]:
        raise UnitsError(f"{name}: only one of {a.name} and {b.name} has a scale_factor; decode both or neither")
    if (a.dtype.kind == "f") != (b.dtype.kind == "f"):
        raise UnitsError(f"{name}: {a.name} is {a.dtype} and {b.name} is {b.dtype}; decode both or neither")
    if a.dtype == b.dtype and a.dtype.isnative and a.dtype.name in _DTYPES:
        return a, b
    return a.astype(np.float64), b.astype(np.float64)


@dataclass(frozen=True)
class _NormalizedDifference:
    first: Scaling
    second: Scaling

    def __call__(self, a: npt.NDArray[Any], b: npt.NDArray[Any], *, window: Window) -> npt.NDArray[np.float32]:
        out = np.empty(a.shape, np.float32)
        _kernels.normalized_difference(a, b, out, scaling=(self.first, self.second), num_threads=threads.resolve())
        return out
