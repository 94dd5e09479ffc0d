"""Composites: one image from many dates, free of clouds where any date was."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from kararaster import _kernels, blocks, conventions, optical, periods, threads
from kararaster.errors import InvalidInputError, MissingVariableError, NoDatesError, UnitsError
from kararaster.optical import Scaling

CompositeMethod = Literal["median", "percentile", "mean", "max_ndvi", "geomedian"]
METHODS = ("median", "percentile", "mean", "max_ndvi", "geomedian")
_JOINT = ("max_ndvi", "geomedian")
"""Methods that take a date only where all bands are valid, and so need all bands in one unit."""


def composite(
    ds: xr.Dataset,
    method: CompositeMethod = "median",
    *,
    period: Any = None,
    q: float | None = None,
    bands: str | Iterable[str] | None = None,
) -> xr.Dataset:
    """One image from many dates, of all of them or for each period, lazily.

    Mask clouds first (`mask_clouds`). Scale, offset and nodata of undecoded integers are applied in the same pass; results do
    not depend on chunks, and memory does not grow with the number of dates.

    Parameters
    ----------
    ds : Dataset
        Bands with dimensions (time, y, x): reflectance, or integers with `scale_factor`, `add_offset` and `_FillValue`.
    method : {"median", "percentile", "mean", "max_ndvi", "geomedian"}
        "median", "percentile" (linear between order statistics) and "mean" take each band by itself. "max_ndvi" takes all bands
        of the date with the largest ``(nir - red) / (nir + red)``, the first of equal ones (Holben 1986,
        doi 10.1080/01431168608948945). "geomedian" is the point with the least sum of distances to the band vectors of the
        dates (Roberts et al. 2017, doi 10.1109/TGRS.2017.2723896), by Weiszfeld's iteration to 1e-6 or 100 steps; of one or
        two dates their mean. The last two take only dates that are valid in all bands.
    period : frequency or list of (start, stop), optional
        A pandas frequency ("MS", "QS", "90D") or half-open periods (UTC): one composite for each that has a date. A length such
        as "90D" is counted from the day of the first date. Default: one of all dates.
    q : float, optional
        Percentile, 0 to 100; needed by "percentile", refused by the others.
    bands : names, optional
        Default: all optical bands; without any, the radar bands, which must be linear power.

    Returns
    -------
    Dataset: each band float32 in reflectance, units "1" (other floats stay what they are), NaN where no date is valid, and
    `n_valid` (band, y, x), uint16, the dates that a value comes from. `time` is gone; with `period` it is the first dimension,
    the start of each period, beside the coordinate `period_end`. NaN, infinite, nodata and saturated samples are left out.

    Raises
    ------
    InvalidInputError
        Unknown method; `q` missing, out of range or not wanted; a period that is none.
    MissingVariableError
        No band, or no `red` and `nir` for "max_ndvi"; no dimension `time`.
    UnitsError
        Optical bands of integers without `scale_factor`; the dates differ in offset, some bands are decoded and some not,
        radar in decibel.
    NoDatesError
        No date, or none in any period.

    Examples
    --------
    >>> import numpy as np, xarray as xr, kararaster as kr
    >>> attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    >>> red = np.array([1500, 0, 1700, 9000], np.uint16).reshape(4, 1, 1)
    >>> time = np.array(["2024-05-03", "2024-05-08", "2024-05-13", "2024-05-18"], "datetime64[ns]")
    >>> ds = xr.Dataset({"red": (("time", "y", "x"), red, attrs)}, coords={"time": time})
    >>> result = kr.composite(ds)
    >>> result.red.values, result.n_valid.values
    (array([[0.07]], dtype=float32), array([[[3]]], dtype=uint16))
    """
    conventions.require_dataset(ds)
    percentile = _percentile(method, q)
    ds = periods.in_date_order(ds)
    names = _band_names(ds, bands)
    stacks = _stacks(ds, names, method)
    index = _greenness(names) if method == "max_ndvi" else None
    plan = _Composite(method, percentile, tuple(map(optical.scaling_of, stacks)), index)
    data = _one_dtype(stacks)
    if period is None:
        if not ds.sizes["time"]:
            raise NoDatesError("time: the Dataset has no date; nothing to make a composite of")
        arrays = blocks.series(plan, [band.data for band in data])
        return _dataset(arrays, stacks, None, _history(method, q, period), ds)
    found = _dated_periods(period, ds["time"].values)
    each = [blocks.series(plan, [band.isel(time=dates).data for band in data]) for _, dates in found]
    arrays = {key: np.stack([one[key] for one in each]) for key in plan.outputs}
    return _dataset(arrays, stacks, [p for p, _ in found], _history(method, q, period), ds)


def _percentile(method: str, q: float | None) -> float:
    if method not in METHODS:
        raise InvalidInputError(f"method: got {method!r}, want one of {', '.join(map(repr, METHODS))}")
    if method != "percentile":
        if q is not None:
            raise InvalidInputError(f"q: got {q!r}, but {method!r} takes none; want method='percentile'")
        return 50.0
    if not isinstance(q, Real) or isinstance(q, bool) or not 0 <= q <= 100:
        raise InvalidInputError(f"q: got {q!r}, want a percentile from 0 to 100")
    return float(q)


def _band_names(ds: xr.Dataset, bands: str | Iterable[str] | None) -> list[str]:
    optical_bands = [
        str(name) for name, band in ds.data_vars.items() if optical.is_optical(band) and "time" in band.dims
    ]
    if bands is None and optical_bands:
        return sorted(optical_bands, key=_place)
    if bands is None and not conventions.has_radar(ds):
        raise MissingVariableError(
            f"no band: the Dataset has {sorted(map(str, ds.data_vars))}, want optical bands with dates (red, nir ...) or radar "
            f"bands ({', '.join(conventions.POLARIZATIONS)}); anything else by name: bands=('ndvi',)"
        )
    return conventions.radar_bands(ds, bands)


def _place(name: str) -> tuple[int, str]:
    """By wavelength, then by name: stores hand out their variables in any order, and sums over bands depend on it."""
    known = name in optical.OPTICAL_BANDS
    return optical.OPTICAL_BANDS.index(name) if known else len(optical.OPTICAL_BANDS), name


def _stacks(ds: xr.Dataset, names: list[str], method: str) -> list[xr.DataArray]:
    """The bands as (time, rows, columns), in units that the method may take together."""
    stacks = []
    for name in names:
        band = ds[name]
        dims = ("time", *conventions.spatial_dims(band))
        if set(band.dims) != set(dims):
            raise InvalidInputError(f"{name}: got dimensions {band.dims}, want {dims}; select one of the others first")
        if name in conventions.POLARIZATIONS:
            conventions.require_linear_power(band)
        _require_scale(band)
        stacks.append(optical.readable(band.transpose(*dims)))
    if len(shapes := {(stack.dims, stack.shape) for stack in stacks}) > 1:
        raise InvalidInputError(
            f"bands: got the shapes {sorted(map(str, shapes))}, want one; put them on one grid first"
        )
    decoded = {name: not optical.scaled(ds[name]) for name in names}
    if method in _JOINT and len(set(decoded.values())) > 1:
        plain = [name for name in names if decoded[name]]
        raise UnitsError(
            f"{method}: {', '.join(plain)} without scale_factor beside bands that have one; decode all or none"
        )
    return stacks


def _require_scale(band: xr.DataArray) -> None:
    """Refuse integers that would be passed off as reflectance."""
    if optical.is_optical(band) and band.dtype.kind in "iu" and not optical.scaled(band):
        raise UnitsError(optical.without_scale(band))


def _one_dtype(stacks: list[xr.DataArray]) -> list[xr.DataArray]:
    dtypes = {stack.dtype for stack in stacks}
    return stacks if len(dtypes) == 1 else [stack.astype(np.float64) for stack in stacks]


def _greenness(names: list[str]) -> tuple[int, int]:
    """Positions of red and near infrared."""
    if missing := [band for band in ("red", "nir") if band not in names]:
        raise MissingVariableError(f"max_ndvi: needs the bands 'red' and 'nir', got {names} without {missing}")
    return names.index("red"), names.index("nir")


@dataclass(frozen=True)
class _Composite:
    method: str
    percentile: float
    scaling: tuple[Scaling, ...]
    index: tuple[int, int] | None

    @property
    def outputs(self) -> dict[str, blocks.Output]:
        """The bands by their position, and `n_valid`."""
        bands = {str(i): blocks.Output(np.dtype(np.float32)) for i in range(len(self.scaling))}
        return {**bands, "n_valid": blocks.Output(np.dtype(np.uint16), (len(self.scaling),))}

    def compute(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        shape = bands[0].shape[1:]
        out = [np.empty(shape, np.float32) for _ in bands]
        count = [np.empty(shape, np.uint16) for _ in bands]
        _kernels.composite(
            bands,
            out,
            count,
            method=self.method,
            percentile=self.percentile,
            scaling=self.scaling,
            index=self.index,
            num_threads=threads.resolve(),
        )
        return {**{str(i): values for i, values in enumerate(out)}, "n_valid": np.stack(count)}


def _dated_periods(period: Any, times: periods.Dates) -> list[tuple[periods.Period, npt.NDArray[np.intp]]]:
    """The periods that have dates, with the positions of these."""
    if isinstance(period, str):
        chosen = _regular(period, times)
    elif isinstance(period, Sequence) and len(period):
        chosen = [periods.period("period", one) for one in period]
    else:
        raise InvalidInputError(f"period: got {period!r}, want a frequency such as 'MS', or a list of (start, stop)")
    found = [(one, np.flatnonzero(one.contains(times))) for one in chosen]
    found = [(one, dates) for one, dates in found if len(dates)]
    if not found:
        raise periods.no_dates("period: no date in any period", times)
    return found


def _regular(frequency: str, times: periods.Dates) -> list[periods.Period]:
    """The periods of a pandas frequency from the first date to the last."""
    try:
        step = pd.tseries.frequencies.to_offset(frequency)
    except ValueError:
        step = None
    ends = isinstance(step, pd.offsets.MonthEnd | pd.offsets.QuarterEnd | pd.offsets.YearEnd)
    if step is None or ends or step.n < 1:
        raise InvalidInputError(
            f"period: got {frequency!r}, want a pandas frequency that names starts or a length, such as 'MS', 'QS' or '90D'"
        )
    if not len(times):
        return []
    day = pd.Timestamp(times[0]).normalize()
    if isinstance(step, pd.offsets.Day | pd.offsets.Tick):
        length = pd.Timedelta(days=step.n) if isinstance(step, pd.offsets.Day) else pd.Timedelta(step)
        numbers = np.unique((times - day.to_datetime64()) // length.to_timedelta64()).tolist()
        return [periods.Period(day + n * length, day + (n + 1) * length) for n in numbers]
    edges = [step.rollback(day)]
    while edges[-1] <= pd.Timestamp(times[-1]):
        edges.append(edges[-1] + step)
    return [periods.Period(start, stop) for start, stop in itertools.pairwise(edges)]


def _dataset(
    arrays: dict[str, blocks.Array],
    stacks: list[xr.DataArray],
    chosen: list[periods.Period] | None,
    line: str,
    ds: xr.Dataset,
) -> xr.Dataset:
    like, names = stacks[0], [str(stack.name) for stack in stacks]
    time = () if chosen is None else ("time",)
    variables: dict[str, Any] = {
        name: ((*time, *like.dims[1:]), arrays[str(i)], _attributes(stack))
        for i, (name, stack) in enumerate(zip(names, stacks, strict=True))
    }
    counted = (*time, "band", *like.dims[1:])
    variables["n_valid"] = (counted, arrays["n_valid"], conventions.attributes("n_valid"))
    gone = ("band", "boa_offset_applied", "boa_add_offset")
    coords: dict[Any, Any] = {
        name: c.variable for name, c in like.coords.items() if "time" not in c.dims and name not in gone
    }
    coords["band"] = names
    if chosen is not None:
        starts, ends = ([getattr(one, side).to_datetime64() for one in chosen] for side in ("start", "stop"))
        coords["time"] = np.array(starts, "datetime64[ns]")
        coords["period_end"] = ("time", np.array(ends, "datetime64[ns]"), {"long_name": "end of the period, not in it"})
    result = xr.Dataset(variables, coords=coords, attrs={k: v for k, v in ds.attrs.items() if k == "history"})
    return conventions.add_history(conventions.carry_spatial_ref(result, ds), line)


def _attributes(band: xr.DataArray) -> dict[str, Any]:
    kept = {name: value for name, value in band.attrs.items() if name not in optical.SCALE_ATTRIBUTES}
    return kept | ({"units": "1"} if optical.scaled(band) or optical.is_optical(band) else {})


def _history(method: str, q: float | None, period: Any) -> str:
    more = "" if q is None else f", q={q:g}"
    if period is not None:
        more += f", period={period!r}" if isinstance(period, str) else f", {len(period)} periods"
    return f"composite({method!r}{more})"
