"""Reflectance: how the digital numbers of an optical band become it, and the refusal to do so twice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, threads
from kararaster.errors import InvalidInputError, InvalidTypeError, MissingVariableError, UnitsError
from kararaster.lazy import Window

Obj = TypeVar("Obj", xr.Dataset, xr.DataArray)

OPTICAL_BANDS = (
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22",
)  # fmt: skip
"""Variables that hold reflectance: the common names of STAC for the bands of Sentinel-2."""
_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
SCALE_ATTRIBUTES = ("scale_factor", "add_offset", "_FillValue", "nodata", "saturated_value")

Scaling = tuple[float, float, tuple[float, ...]]
"""(scale, offset, invalid): reflectance = digital number * scale + offset; `invalid` numbers are no measurement."""


def reflectance(obj: Obj) -> Obj:
    """Digital numbers of optical bands to reflectance, lazily: ``dn * scale_factor + add_offset``.

    Indices and composites take digital numbers as they are, so this is for reading values, for writing files without scale,
    and for joining products whose offsets differ. Negative reflectance (down to -0.0999 for number 1) is kept.

    Parameters
    ----------
    obj : Dataset or DataArray
        Of a Dataset the optical bands (`coastal` to `swir22`, or `quantity` "surface_reflectance" or "toa_reflectance") are
        converted, everything else (`scl` ...) is kept. Any dimensions; integers or floats whose attributes state
        `scale_factor` and `add_offset`, and may state `_FillValue` and `saturated_value`.

    Returns
    -------
    Same type, bands float32, units "1", without the attributes that scale; computed in float64. NaN where the number is NaN,
    infinite, nodata or saturated. The coordinate `boa_offset_applied` becomes True and `boa_add_offset` 0 where they exist.

    Raises
    ------
    UnitsError
        A band is reflectance already, or holds integers whose scale is not stated; the offset is not that of every date.
    MissingVariableError
        No optical band.
    InvalidTypeError
        Neither a Dataset nor a DataArray; a band that holds no numbers.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    >>> red = xr.DataArray(np.array([1200, 1, 0], np.uint16), dims="x", attrs=attrs, name="red")
    >>> kr.reflectance(red).values
    array([ 0.02  , -0.0999,     nan], dtype=float32)
    """
    if isinstance(obj, xr.DataArray):
        return conventions.add_history(_offset_applied(_reflectance(obj)), "reflectance()")
    if not isinstance(obj, xr.Dataset):
        raise InvalidTypeError(f"obj: got {type(obj).__name__}, want an xarray.Dataset or DataArray")
    bands = {name: _reflectance(obj[name]) for name in obj.data_vars if is_optical(obj[name])}
    if not bands:
        raise MissingVariableError(
            f"no optical band: the Dataset has {sorted(map(str, obj.data_vars))}, want some of {', '.join(OPTICAL_BANDS)}"
        )
    return conventions.add_history(_offset_applied(obj.assign(bands)), "reflectance()")


def is_optical(band: xr.DataArray) -> bool:
    """Whether `band` holds reflectance or digital numbers of it, by its name or its attribute `quantity`."""
    return band.name in OPTICAL_BANDS or _states_reflectance(band)


def _states_reflectance(band: xr.DataArray) -> bool:
    return str(band.attrs.get("quantity", "")).endswith("_reflectance")


def _reflectance(band: xr.DataArray) -> xr.DataArray:
    if not scaled(band):
        raise UnitsError(
            f"{band.name}: is reflectance already ({band.dtype} without scale_factor); use it as it is"
            if band.dtype.kind == "f"
            else without_scale(band)
        )
    kernel = _Reflectance(scaling_of(band))
    out = band.copy(data=blocks.elementwise(kernel, readable(band).data, dtype=np.float32))
    out.attrs = {name: value for name, value in band.attrs.items() if name not in SCALE_ATTRIBUTES} | {"units": "1"}
    return out


def without_scale(band: xr.DataArray) -> str:
    """What to say of digital numbers that nobody can turn into reflectance."""
    return (
        f"{band.name}: got {band.dtype} without scale_factor, want to know the scale; set attrs['scale_factor'] (0.0001 for "
        "Sentinel-2), attrs['add_offset'] (-0.1 if the source left the offset of baseline 04.00 and later in, else 0) and "
        "attrs['_FillValue'] (0)"
    )


def _offset_applied(obj: Obj) -> Obj:
    """`obj` whose coordinates say that nothing is left to be added."""
    stated = {"boa_offset_applied": True, "boa_add_offset": 0}
    return obj.assign_coords({n: xr.full_like(obj.coords[n], v) for n, v in stated.items() if n in obj.coords})


@dataclass(frozen=True)
class _Reflectance:
    scaling: Scaling

    def __call__(self, numbers: npt.NDArray[Any], *, window: Window) -> npt.NDArray[np.float32]:
        out = np.empty(numbers.shape, np.float32)
        _kernels.reflectance(numbers, out, scaling=self.scaling, num_threads=threads.resolve())
        return out


def scaling_of(band: xr.DataArray) -> Scaling:
    """The scaling that the attributes of `band` state: `scale_factor`, `add_offset`, `_FillValue` and `saturated_value`.

    Raises InvalidInputError where they are no numbers, UnitsError where the coordinates say that this scaling is not that of
    every date, or that the source has applied the offset already.
    """
    scale, offset = _number(band, "scale_factor", 1.0), _number(band, "add_offset", 0.0)
    fill = "_FillValue" if "_FillValue" in band.attrs else "nodata"
    marks = [name for name in (fill, "saturated_value") if band.attrs.get(name) is not None]
    if scale == 0 or not math.isfinite(scale):
        raise InvalidInputError(f"{band.name}: got attrs['scale_factor'] {scale}, want a finite number other than 0")
    if scaled(band):
        _require_one_offset(band, offset / scale)
    else:
        _require_no_mixture(band)
    return scale, offset, tuple(_number(band, mark, math.nan) for mark in marks)


def _number(band: xr.DataArray, name: str, default: float) -> float:
    """The attribute `name`, which some writers keep as text or as an array of one."""
    value = band.attrs.get(name, default)
    try:
        return float(np.asarray(value).item())
    except (TypeError, ValueError):
        raise InvalidInputError(f"{band.name}: got attrs[{name!r}] {value!r}, want a number; correct it") from None


def readable(band: xr.DataArray) -> xr.DataArray:
    """`band` in a dtype that the optical kernels take."""
    if band.dtype.kind not in "iuf":
        raise InvalidTypeError(f"{band.name}: got dtype {band.dtype}, want numbers")
    return band if band.dtype.isnative and band.dtype.name in _DTYPES else band.astype(np.float64)


def scaled(band: xr.DataArray) -> bool:
    """Whether `band` holds digital numbers that its attributes turn into reflectance."""
    return "scale_factor" in band.attrs or "add_offset" in band.attrs


def with_pending_offset(ds: xr.Dataset) -> xr.Dataset:
    """`ds` with the coordinate `boa_add_offset` where it lacks it and the attributes of its reflectance bands state one offset.

    Files of single bands cannot keep coordinates, and without this one a join with another offset would pass unseen.
    """
    if {"boa_add_offset", "boa_offset_applied"} & set(ds.coords):
        return ds
    bands = [band for band in ds.data_vars.values() if scaled(band) and _states_reflectance(band)]
    pending = {round(offset / scale) for scale, offset, _ in map(scaling_of, bands)}
    if len(pending) != 1:
        return ds
    return ds.assign_coords(boa_add_offset=("time", np.full(ds.sizes["time"], pending.pop())))


def _require_one_offset(band: xr.DataArray, offset: float) -> None:
    """Attributes do not survive `xr.concat` of products with different offsets; the coordinate `boa_add_offset` does."""
    stated = _values(band, "boa_add_offset")
    if stated.size and (np.abs(stated - offset) > 0.5).any():
        raise UnitsError(
            f"{band.name}: add_offset is {offset:g} digital numbers, but the dates need {sorted(set(stated.tolist()))} "
            "(coordinate boa_add_offset); products of several baselines were joined: open them with sentinel2_stack, "
            "or call .kara.reflectance() on each before joining"
        )
    applied = _values(band, "boa_offset_applied").astype(bool)
    if offset and applied.any():
        raise UnitsError(
            f"{band.name}: add_offset is {offset:g} digital numbers, but boa_offset_applied says that the source has applied "
            "it already; set attrs['add_offset'] = 0 if that is true"
        )


def _require_no_mixture(band: xr.DataArray) -> None:
    """`xr.concat` of reflectance and digital numbers has the attributes of the first: nothing else tells them apart."""
    pending = sorted(set(_values(band, "boa_add_offset").tolist()))
    if len(pending) > 1:
        raise UnitsError(
            f"{band.name}: has no scale_factor, but to its dates {pending} are to be added (coordinate boa_add_offset): "
            "reflectance and digital numbers were joined; call .kara.reflectance() on each before joining"
        )


def _values(band: xr.DataArray, name: str) -> Any:
    return np.atleast_1d(band.coords[name].values) if name in band.coords else np.empty(0)
