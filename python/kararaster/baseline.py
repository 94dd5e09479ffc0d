"""Moments of a period, per relative orbit: the baseline that makes tomorrow's acquisition a matter of minutes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import _kernels, blocks, conventions, periods, speckle, threads
from kararaster.errors import GeometryError, InvalidInputError, MissingVariableError

if TYPE_CHECKING:
    from kararaster.changes.options import Method

TransformName = Literal["fourth_root", "log"]
TRANSFORMS = ("fourth_root", "log")
NO_ORBIT = -1
"""Stands for "one geometry, not named" on the dimension relative_orbit."""


def moments(
    ds: xr.Dataset,
    period: Any,
    *,
    by: Hashable | None = "relative_orbit",
    transform: TransformName = "fourth_root",
    despeckle: str | dict[str, Any] | None = None,
    bands: tuple[str, ...] | None = None,
) -> xr.Dataset:
    """Count, mean and spread of a period for each relative orbit and band, lazily: a baseline for `change(baseline=...)`.

    Folded in date order with Welford's update in float64, so that a test on stored moments has the bytes of the test on the
    whole stack. Of lazy input only the coordinates on time are read.

    Parameters
    ----------
    ds : Dataset
        Radar bands, float32 or float64 linear power, dimensions (time, y, x).
    period : (start, stop) or slice or "start/stop"
        Half-open, UTC.
    by : str or None
        Coordinate that tells viewing geometries apart; None: all dates share one.
    transform : {"fourth_root", "log"}
        What is averaged. "fourth_root" (for hotelling) counts dates valid in all bands and keeps their cross product; "log"
        (for ttest and logratio) treats each band by itself.
    despeckle : str or dict, optional
        Filter first: a method name, or the arguments of `despeckle`. Filter the stack given to `change` the same way.
    bands : names, optional
        Default: all radar bands of the Dataset.

    Returns
    -------
    Dataset with dimensions (relative_orbit, band, y, x): `n`, `mean`, `m2` (sum of squared deviations), `power_sum`, and with
    "fourth_root" of two bands `cross` (sum of products of deviations); float64. Samples that are NaN, infinite or at or below
    zero power are left out.

    Raises
    ------
    NoDatesError
        No date in the period.
    GeometryError, UnitsError, InvalidInputError
        As in `change`.

    Examples
    --------
    >>> import kararaster as kr
    >>> stack = kr.simulate.stack(shape=(32, 32))
    >>> base = stack.kara.moments(("2022-09-19", "2023-09-19"))
    >>> sorted(base.data_vars)
    ['cross', 'm2', 'mean', 'n', 'power_sum']
    """
    conventions.require_dataset(ds)
    if transform not in TRANSFORMS:
        raise InvalidInputError(f"transform: got {transform!r}, want one of {', '.join(map(repr, TRANSFORMS))}")
    if despeckle is not None:
        how: dict[str, Any] = {"method": despeckle} if isinstance(despeckle, str) else despeckle
        ds = speckle.despeckle(ds, **how)
    names = conventions.radar_bands(ds, bands)
    joint = transform == "fourth_root"
    ds = periods.in_date_order(ds)
    chosen = periods.period("period", period)
    times = ds["time"].values
    groups = [(group.orbit, group.dates[chosen.contains(times[group.dates])]) for group in periods.by_orbit(ds, by)]
    groups = [(orbit, dates) for orbit, dates in groups if len(dates)]
    if not groups:
        raise periods.no_dates(f"period {chosen}: no date in it", times)
    stacks = conventions.time_stacks(ds, names)
    plan = Moments(transform, joint, len(names), tuple((tuple(map(int, dates)),) for _, dates in groups))
    arrays = blocks.fold(plan, [stack.data for stack in stacks])
    orbits = [NO_ORBIT if orbit is None else orbit for orbit, _ in groups]
    return _dataset(arrays, stacks[0], names, orbits, transform, chosen, ds)


@dataclass(frozen=True)
class Moments:
    """The fold of `moments`: a group an orbit, one cell each, handed out as it is."""

    transform: str
    joint: bool
    bands: int
    groups: tuple[tuple[tuple[int, ...]], ...]

    @property
    def outputs(self) -> dict[str, blocks.Output]:
        f8, orbits = np.dtype(np.float64), len(self.groups)
        per_band = blocks.Output(f8, (orbits, self.bands))
        out = {"n": blocks.Output(f8, (orbits,)) if self.joint else per_band}
        out |= {"mean": per_band, "m2": per_band, "power_sum": per_band}
        if self.joint and self.bands == 2:
            out["cross"] = blocks.Output(f8, (orbits,))
        return out

    def new_cell(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((_kernels.moment_fields(self.bands, self.joint), pixels))

    def add(self, cell: npt.NDArray[np.float64], bands: list[npt.NDArray[Any]], dates: list[int]) -> None:
        _kernels.fold(bands, dates, cell, transform=self.transform, joint=self.joint, num_threads=threads.resolve())

    def new_result(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((len(self.groups) * len(self.new_cell(0)), pixels))

    def take(self, result: npt.NDArray[np.float64], group: int, cells: list[npt.NDArray[np.float64]]) -> None:
        fields = len(cells[0])
        result[group * fields : (group + 1) * fields] = cells[0]

    def finish(self, result: npt.NDArray[np.float64], shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        fields = result.reshape((len(self.groups), -1, *shape))
        first, step = (1, 3) if self.joint else (1, 4)
        per_band = {
            name: fields[:, first + i : first + i + step * (self.bands - 1) + 1 : step]
            for i, name in enumerate(("mean", "m2", "power_sum"))
        }
        out = {"n": fields[:, 0] if self.joint else fields[:, ::4], **per_band}
        if "cross" in self.outputs:
            out["cross"] = fields[:, -1]
        return {name: np.ascontiguousarray(values) for name, values in out.items()}

    def at_once(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        shape = (bands[0].shape[-2], bands[0].shape[-1])
        pixels = shape[0] * shape[1]
        result = self.new_result(pixels)
        for number, (dates,) in enumerate(self.groups):
            cell = self.new_cell(pixels)
            self.add(cell, bands, list(dates))
            self.take(result, number, [cell])
        return self.finish(result, shape)


def _dataset(
    arrays: dict[str, blocks.Array],
    like: xr.DataArray,
    names: list[str],
    orbits: list[Any],
    transform: str,
    period: periods.Period,
    ds: xr.Dataset,
) -> xr.Dataset:
    dims = like.dims[1:]
    variables = {
        name: (("relative_orbit", "band", *dims) if data.ndim == 4 else ("relative_orbit", *dims), data)
        for name, data in arrays.items()
    }
    coords = {name: c for name, c in like.coords.items() if "time" not in c.dims}
    result = xr.Dataset(variables, coords={**coords, "relative_orbit": orbits, "band": names})
    result.attrs = {k: v for k, v in ds.attrs.items() if k == "history"}
    result.attrs |= {"transform": transform, "period": str(period)}
    result = conventions.carry_spatial_ref(result, ds)
    return conventions.add_history(result, f"moments({period}, transform={transform!r})")


@dataclass(frozen=True)
class Baseline:
    """Stored moments in the layout of the kernels: (fields, rows, columns) for each orbit."""

    period: periods.Period
    cells: dict[periods.Orbit, Any]


def read_baseline(stored: xr.Dataset, names: list[str], method: Method, like: xr.DataArray) -> Baseline:
    """Check that `stored` fits the test and the grid, and lay it out for the kernels."""
    cross = ["cross"] if method.joint and len(names) == 2 else []
    missing = [name for name in ("n", "mean", "m2", "power_sum", *cross) if name not in stored]
    missing += [name for name in ("transform", "period") if name not in stored.attrs]
    missing += [dim for dim in ("relative_orbit", "band") if dim not in stored.dims]
    if missing:
        raise MissingVariableError(f"baseline: lacks {', '.join(missing)}; make it with ds.kara.moments(period)")
    if stored.attrs["transform"] != method.baseline:
        raise InvalidInputError(
            f"baseline: was made with transform={stored.attrs['transform']!r}, this method needs {method.baseline!r}"
        )
    if [str(b) for b in stored["band"].values] != names:
        raise InvalidInputError(f"baseline: has the bands {list(stored['band'].values)}, the stack has {names}")
    for dim in like.dims[1:]:
        if dim not in stored.coords or dim not in like.coords:
            same = stored.sizes.get(dim) == like.sizes[dim]
        else:
            same = np.array_equal(stored[dim].values, like[dim].values)
        if not same:
            raise GeometryError(f"baseline: its {dim} differs from that of the stack; both must be on one grid")
    systems = [obj.coords["spatial_ref"].attrs.get("crs_wkt") for obj in (stored, like) if "spatial_ref" in obj.coords]
    if len(systems) == 2 and systems[0] != systems[1]:
        raise GeometryError("baseline: its reference system differs from that of the stack; both must be on one grid")
    stored = stored.transpose("relative_orbit", "band", *like.dims[1:], missing_dims="ignore")
    cells: dict[periods.Orbit, Any] = {}
    for i, orbit in enumerate(stored["relative_orbit"].values.tolist()):
        cells[None if orbit == NO_ORBIT else orbit] = _cell(stored.isel(relative_orbit=i), method.joint)
    return Baseline(periods.period("baseline period", stored.attrs["period"]), cells)


def _cell(orbit: xr.Dataset, joint: bool) -> Any:
    fields = [orbit["n"].data] if joint else []
    for band in range(orbit.sizes["band"]):
        fields += [] if joint else [orbit["n"].isel(band=band).data]
        fields += [orbit[name].isel(band=band).data for name in ("mean", "m2", "power_sum")]
    if "cross" in orbit:
        fields.append(orbit["cross"].data)
    return np.stack([field.astype(np.float64) for field in fields])
