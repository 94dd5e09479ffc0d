"""The data model in one place: dimension names, CF attributes, unit checks, history.

Nothing else in this package writes an attribute string or decides what a variable is called.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster.errors import InvalidInputError, InvalidTypeError, MissingVariableError, UnitsError

Obj = TypeVar("Obj", xr.Dataset, xr.DataArray)

RADAR_DIMS = ("azimuth_time", "ground_range")
MAP_DIMS = ("y", "x")
POLARIZATIONS = ("vv", "vh", "hh", "hv")
MOST_BANDS = 2
"""Bands that moments and tests take: the polarisations of one product, or two indices."""
QUANTITIES = ("sigma0", "beta0", "gamma0", "gamma0_rtc")

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "sigma0": {
        "long_name": "radar backscatter coefficient, sigma nought",
        "standard_name": "surface_backwards_scattering_coefficient_of_radar_wave",
    },
    "beta0": {"long_name": "radar brightness, beta nought"},
    "gamma0": {"long_name": "radar backscatter coefficient, gamma nought"},
    "gamma0_rtc": {"long_name": "terrain-flattened gamma nought"},
    "enl": {"long_name": "equivalent number of looks", "units": "1"},
    "ndvi": {"standard_name": "normalized_difference_vegetation_index"},
    "statistic": {"long_name": "change statistic", "units": "1"},
    "p_value": {"long_name": "probability of a statistic at least this extreme if nothing changed", "units": "1"},
    "neg_log10_p": {"long_name": "minus decimal logarithm of the p-value", "units": "1"},
    "magnitude": {"long_name": "backscatter after over before the event", "units": "dB"},
    "direction": {
        "long_name": "direction of change",
        "units": "1",
        "flag_values": [-1, 0, 1],
        "flag_meanings": "darker undecided brighter",
    },
    "n_pre": {"long_name": "valid observations before the event", "units": "1"},
    "n_post": {"long_name": "valid observations after the event", "units": "1"},
    "n_valid": {"long_name": "valid dates in the composite", "units": "1"},
    "n_orbits": {"long_name": "relative orbits in which the pixel could be tested", "units": "1"},
    "changed": {"long_name": "changed at the stated error rate", "units": "1"},
    "change_time": {"long_name": "first date of the largest break"},
    "change_count": {"long_name": "number of breaks", "units": "1"},
    "n_obs": {"long_name": "valid observations", "units": "1"},
    "index_magnitude": {"long_name": "mean index after minus before the event", "units": "1"},
    "index_direction": {
        "long_name": "direction of change",
        "units": "1",
        "flag_values": [-1, 0, 1],
        "flag_meanings": "lower undecided higher",
    },
    "vegetation_direction": {
        "long_name": "direction of change",
        "units": "1",
        "flag_values": [-1, 0, 1],
        "flag_meanings": "less_vegetation undecided more_vegetation",
    },
    "break_statistic": {
        "long_name": "mean size of the residuals of the largest break in units of the rmse",
        "units": "1",
    },
    "break_magnitude": {"long_name": "mean residual of the observations that made the largest break", "units": "1"},
    "broken": {"long_name": "left its seasonal course", "units": "1"},
}


def attributes(name: str, **more: Any) -> dict[str, Any]:
    """A fresh copy of the attributes of `name`, with `more` on top."""
    return {**ATTRIBUTES.get(name, {}), **more}


def add_history(obj: Obj, line: str) -> Obj:
    """`obj` with one more line in `attrs["history"]`; attributes are copied, data are shared."""
    obj = obj.copy(deep=False)
    obj.attrs["history"] = "\n".join(part for part in (obj.attrs.get("history"), line) if part)
    return obj


def carry_spatial_ref(result: Obj, source: xr.Dataset | xr.DataArray) -> Obj:
    """`result` with the coordinate reference system of `source`."""
    if "spatial_ref" in source.coords and "spatial_ref" not in result.coords:
        result = result.assign_coords(spatial_ref=source.coords["spatial_ref"])
    return result


def spatial_dims(array: xr.DataArray) -> tuple[Hashable, Hashable]:
    """The row and column dimensions: (y, x) on a map grid, (azimuth_time, ground_range) on a radar grid."""
    for dims in (MAP_DIMS, RADAR_DIMS):
        if all(dim in array.dims for dim in dims):
            return dims
    raise InvalidInputError(
        f"{array.name or 'array'}: got dimensions {array.dims}, want {MAP_DIMS} (map grid) or {RADAR_DIMS} (radar grid); "
        "rename them first"
    )


def rows_columns_last(array: xr.DataArray) -> xr.DataArray:
    """`array` with rows and columns as its last two dimensions."""
    dims = spatial_dims(array)
    return array if array.dims[-2:] == dims else array.transpose(..., *dims)


def is_spatial(array: xr.DataArray) -> bool:
    """Whether `array` has rows and columns, on a map grid or a radar grid."""
    return any(all(dim in array.dims for dim in dims) for dims in (MAP_DIMS, RADAR_DIMS))


def require_dataset(ds: Any) -> None:
    """Raise unless `ds` is an xarray Dataset."""
    if not isinstance(ds, xr.Dataset):
        hint = "; make it one: array.to_dataset(name='vv')" if isinstance(ds, xr.DataArray) else ""
        raise InvalidTypeError(f"ds: got {type(ds).__name__}, want an xarray.Dataset{hint}")


def positive_number(name: str, value: Any) -> float:
    """`value` as a finite number above 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InvalidInputError(f"{name}: got {value!r}, want a number above 0")
    return number


def whole_number(name: str, value: Any, least: int) -> int:
    """`value` as a whole number, `least` or more."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise InvalidInputError(f"{name}: got {value!r}, want a whole number, {least} or more")
    return number


def has_radar(ds: xr.Dataset) -> bool:
    """Whether `ds` has a band of radar by its usual name."""
    return any(name in ds for name in POLARIZATIONS)


def radar_bands(ds: xr.Dataset, names: str | Iterable[str] | None = None) -> list[str]:
    """Names of the radar bands of `ds`, co-polarised first."""
    if names is not None:
        names = [names] if isinstance(names, str) else list(names)
        if not names or any(name not in ds for name in names):
            raise MissingVariableError(f"bands: got {names}, but the Dataset has {sorted(map(str, ds.data_vars))}")
        if len(set(names)) < len(names):
            raise InvalidInputError(f"bands: got {names}, want each band once")
        return names
    found = [name for name in POLARIZATIONS if name in ds]
    if not found:
        raise MissingVariableError(
            f"no radar band: the Dataset has {sorted(map(str, ds.data_vars))}, want one of {', '.join(POLARIZATIONS)}"
        )
    return found


def require_float(array: xr.DataArray) -> None:
    """Raise unless `array` is a DataArray of float32 or float64."""
    if not isinstance(array, xr.DataArray):
        raise InvalidTypeError(f"got {type(array).__name__}, want an xarray.DataArray or Dataset")
    if array.dtype not in (np.float32, np.float64):
        raise InvalidTypeError(
            f"{array.name or 'array'}: got dtype {array.dtype}, want float32 or float64"
            + (" (digital numbers? call calibrate() or reflectance() first)" if array.dtype.kind in "iu" else "")
        )


def require_linear_power(array: xr.DataArray) -> None:
    """Raise unless the data are floating point linear power. Data that state no units are taken at the caller's word."""
    require_float(array)
    units = array.attrs.get("units", "1") or "1"
    if units == "1" and mostly(array, lambda sample: sample < 0):  # decibel that lost its units
        raise UnitsError(
            f"{array.name or 'array'}: most values are negative, so this is no linear power whatever its units say; if it is "
            'decibel, set attrs["units"] = "dB" and call .kara.from_db()'
        )
    if units != "1":
        hint = "; call .kara.from_db() first" if units == "dB" else ""
        raise UnitsError(f'{array.name or "array"}: got units {units!r}, want linear power (units "1"){hint}')


def mostly(array: xr.DataArray, holds: Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_]]) -> bool:
    """Whether nine tenths of a sample are as `holds` says. Lazy arrays are not looked at."""
    data = array.data
    if not isinstance(data, np.ndarray):
        return False
    sample = data[tuple(slice(None, None, max(1, n // 16)) for n in data.shape)]
    sample = sample[np.isfinite(sample)]
    return bool(sample.size and holds(sample).mean() > 0.9)


def require_independent_dates(array: xr.DataArray) -> None:
    """Raise where a filter made the dates of a stack share their speckle: a test would take them for so many witnesses."""
    if "despeckle('quegan'" in array.attrs.get("history", ""):
        raise InvalidInputError(
            f"{array.name or 'array'}: filtered by 'quegan', whose dates lend each other looks; a test over dates takes them as "
            "independent and would find change nearly everywhere. Test the stack before that filter, or after one of single "
            "dates, such as 'lee'"
        )


def require_index(array: xr.DataArray) -> None:
    """Raise unless the data are a floating point index: numbers without units."""
    require_float(array)
    units = array.attrs.get("units", "1")
    if units != "1":
        raise UnitsError(f'{array.name or "array"}: got units {units!r}, want an index (units "1")')


def time_stacks(
    ds: xr.Dataset, names: list[str], require: Callable[[xr.DataArray], None] = require_linear_power
) -> list[xr.DataArray]:
    """The bands as stacks (time, rows, columns) of what is required, in one dtype; at most two."""
    if len(names) > MOST_BANDS:
        raise InvalidInputError(f"bands: got {names}, want at most {MOST_BANDS}; choose them with bands=(...)")
    stacks = []
    for name in names:
        band = ds[name]
        require(band)
        require_independent_dates(band)
        dims = ("time", *spatial_dims(band))
        if set(band.dims) != set(dims):
            raise InvalidInputError(f"{name}: got dimensions {band.dims}, want {dims}; select one of the others first")
        stacks.append(band.transpose(*dims))
    common = np.result_type(*(stack.dtype for stack in stacks))
    return [stack if stack.dtype == common else stack.astype(common) for stack in stacks]


def require_decibel(array: xr.DataArray) -> None:
    """Raise unless the data are floating point decibel."""
    require_float(array)
    units = array.attrs.get("units")
    if units != "dB":
        raise UnitsError(
            f'{array.name or "array"}: got units {units!r}, want "dB"; if the values are decibel, '
            'say so: array.attrs["units"] = "dB"'
        )
