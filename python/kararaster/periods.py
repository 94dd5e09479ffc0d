"""Events, periods before and after them, and which dates of a stack fall into them, relative orbit by relative orbit."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from kararaster.errors import GeometryError, InvalidInputError, MissingVariableError, NoDatesError

Dates = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Period:
    """Half-open interval of time, UTC: start <= t < stop."""

    start: pd.Timestamp
    stop: pd.Timestamp

    def __post_init__(self) -> None:
        if not self.start < self.stop:
            raise InvalidInputError(f"period: got {self}, want a start before its end")

    def contains(self, times: Dates) -> npt.NDArray[np.bool_]:
        return (times >= self.start.to_datetime64()) & (times < self.stop.to_datetime64())

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%M:%S}/{self.stop:%Y-%m-%dT%H:%M:%S}"


def timestamp(name: str, value: Any) -> pd.Timestamp:
    """A moment in UTC without a time zone; aware times are converted."""
    try:
        moment = pd.NaT if isinstance(value, int | float) else pd.Timestamp(value)
    except (TypeError, ValueError):
        moment = pd.NaT
    if not isinstance(moment, pd.Timestamp):
        raise InvalidInputError(f"{name}: got {value!r}, want a date such as '2023-09-19'")
    return moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment


def before(event: pd.Timestamp, pre: Any) -> Period:
    """The period before an event: a length ("365D") that ends at it, or an explicit (start, stop)."""
    explicit = _explicit("pre", pre)
    return explicit or Period(event - _length("pre", pre), event)


def after(event: pd.Timestamp, post: Any) -> Period:
    """The period after an event: a length ("60D") that begins at it, or an explicit (start, stop)."""
    explicit = _explicit("post", post)
    return explicit or Period(event, event + _length("post", post))


def period(name: str, value: Any) -> Period:
    """An explicit period: slice or pair of dates, or an ISO 8601 interval "start/stop"."""
    found = _explicit(name, value)
    if found is None:
        raise InvalidInputError(f"{name}: got {value!r}, want a (start, stop) pair of dates")
    return found


def _explicit(name: str, value: Any) -> Period | None:
    if isinstance(value, str) and "/" in value:
        value = tuple(value.split("/", 1))
    if isinstance(value, slice):
        value = (value.start, value.stop)
    if isinstance(value, Period):
        return value
    if isinstance(value, tuple | list) and len(value) == 2:
        return Period(timestamp(name, value[0]), timestamp(name, value[1]))
    return None


def _length(name: str, value: Any) -> pd.Timedelta:
    bare = isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdigit())
    try:
        length = pd.Timedelta(0) if bare else pd.Timedelta(value)
    except (TypeError, ValueError):
        length = pd.Timedelta(0)
    if pd.isna(length) or length <= pd.Timedelta(0):
        raise InvalidInputError(f"{name}: got {value!r}, want a length of time such as '60D', or a (start, stop) pair")
    return length


def require_dates(ds: xr.Dataset | xr.DataArray) -> None:
    """Refuse a stack without dates."""
    if "time" not in ds.dims or "time" not in ds.coords:
        raise MissingVariableError("time: there is no dimension 'time' with dates; stack dated scenes first")
    times = ds["time"].values
    if times.dtype.kind != "M":
        raise InvalidInputError(f"time: got dtype {times.dtype}, want datetime64[ns] (UTC)")
    if np.isnat(times).any():
        raise InvalidInputError(f"time: {int(np.isnat(times).sum())} dates are NaT; drop or date them first")


def in_date_order(ds: xr.Dataset) -> xr.Dataset:
    """`ds` with its dates ascending; refuses a stack without dates."""
    require_dates(ds)
    order = np.argsort(ds["time"].values, kind="stable")
    return ds if (np.diff(order) == 1).all() else ds.isel(time=order)


Orbit = int | float | str | None
"""Value of the coordinate that tells viewing geometries apart; None: there is only one."""


@dataclass(frozen=True)
class OrbitDates:
    """The dates (positions in the stack, ascending) of one viewing geometry."""

    orbit: Orbit
    dates: npt.NDArray[np.intp]


def by_orbit(ds: xr.Dataset, by: Hashable | None) -> list[OrbitDates]:
    """Dates grouped by viewing geometry, in ascending order of the orbit.

    `by=None` is the caller's word that all dates share one geometry; it is refused where the stack itself says otherwise.
    """
    count = ds.sizes["time"]
    if by is None:
        known = np.unique(ds["relative_orbit"].values) if "relative_orbit" in ds.coords else np.array([0])
        if len(known) > 1:
            raise GeometryError(
                f"by=None: the stack mixes the relative orbits {', '.join(map(str, known))}; backscatter differs between "
                "viewing geometries. Use by='relative_orbit', or select one orbit: ds.sel(time=ds.relative_orbit == "
                f"{known[0]})"
            )
        require_each_once(ds["time"].values, None)
        return [OrbitDates(None, np.arange(count))]
    if by not in ds.coords or ds[by].dims != ("time",):
        raise GeometryError(
            f"by={by!r}: the stack has no coordinate {by!r} on time, so dates of different viewing geometry cannot be told "
            "apart. Assign it (ds.assign_coords(relative_orbit=('time', [...]))), or say by=None if all dates share one"
        )
    values = ds[by].values
    if unknown := int(pd.isna(values).sum()):
        raise GeometryError(f"{by}: unknown (NaN) for {unknown} of {count} dates; drop or name them first")
    if values.dtype.kind == "f" and (values == np.round(values)).all():
        values = values.astype(np.int64)
    groups = [OrbitDates(orbit, np.flatnonzero(values == orbit)) for orbit in np.unique(values).tolist()]
    for group in groups:
        require_each_once(ds["time"].values[group.dates], group.orbit)
    return groups


def require_each_once(times: Dates, orbit: Orbit = None) -> None:
    """Refuse dates that occur twice: the two halves of one pass are no two observations."""
    unique, counts = np.unique(times, return_counts=True)
    if (counts > 1).any():
        which = ", ".join(str(t)[:19] for t in unique[counts > 1][:5])
        where = "" if orbit is None else f" in relative orbit {orbit}"
        raise InvalidInputError(
            f"time: dates occur twice{where}: {which}; merge slices of one pass first (ds.groupby('time').first())"
        )


def describe_counts(groups: list[OrbitDates], times: Dates, periods: dict[str, Period]) -> str:
    """How many dates each orbit has in each period, for messages."""
    lines = []
    for group in groups:
        counts = ", ".join(f"{int(p.contains(times[group.dates]).sum())} {name}" for name, p in periods.items())
        lines.append(f"{'all dates' if group.orbit is None else f'relative orbit {group.orbit}'}: {counts}")
    return "; ".join(lines)


def no_dates(message: str, times: Dates) -> NoDatesError:
    """A NoDatesError that says what the stack covers."""
    span = f"{str(times.min())[:10]} to {str(times.max())[:10]}" if len(times) else "no date at all"
    return NoDatesError(f"{message}. The stack covers {span} ({len(times)} dates)")
