"""The before/after tests: from a stack, or a stored baseline and a stack, to a change map."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from kararaster import _kernels, blocks, conventions, periods, threads, thresholding
from kararaster.baseline import Baseline, read_baseline
from kararaster.changes.options import METHODS as TESTS
from kararaster.changes.options import TestOptions, checked_alpha, options
from kararaster.errors import InvalidInputError

MethodName = Literal["hotelling", "ttest", "logratio"]
METHODS: dict[str, str] = {name: test.summary for name, test in TESTS.items()}
"""Name -> one line, of every method `change` knows."""


def change(
    ds: xr.Dataset,
    *,
    event: Any = None,
    pre: Any = "365D",
    post: Any = "60D",
    method: MethodName | None = None,
    by: Hashable | None = "relative_orbit",
    combine: Literal["fisher", "stouffer"] = "fisher",
    alpha: float = 0.05,
    control: Literal["fdr"] | None = "fdr",
    baseline: xr.Dataset | None = None,
    **params: Any,
) -> xr.Dataset:
    """Test every pixel for a change at an event, with a known error rate, lazily.

    Relative orbits are never mixed inside one test: each is tested by itself and the p-values are joined. Dates are folded in
    date order, tile by tile, into running moments, so memory does not grow with their number and the bytes of the result do
    not depend on chunks or threads. Dates are taken as independent; serial correlation (moisture, season) raises the alarms.
    Of lazy input only the coordinates on time are read.

    Parameters
    ----------
    ds : Dataset
        Radar bands (vv, vh, hh, hv), float32 or float64 linear power, dimensions (time, y, x), with the coordinate
        `relative_orbit` on time. One band is enough.
    event : date
        First day after. Dates are UTC.
    pre, post : str or (start, stop)
        Lengths of time before and after the event, or explicit periods (half-open).
    method : {"hotelling", "ttest", "logratio"}
        "hotelling" (default): all bands jointly on the fourth root of power (Hawkins and Wixley 1986), pooled covariance,
        exact F tail; needs 3 dates before and 2 after. "ttest": pooled Student t on the logarithm of power, each band by
        itself, Sidak over bands. "logratio": ratio of mean powers against its F distribution for `enl` looks a date
        (Rignot and van Zyl 1993, doi 10.1109/36.239913); one date on each side is enough.
    by : str or None
        Coordinate that tells viewing geometries apart. None is your word that all dates share one.
    combine : {"fisher", "stouffer"}
        How orbits are joined: Fisher finds changes whatever their sign in each orbit; Stouffer adds signed scores, and a
        change whose sign differs between orbits cancels. With "hotelling" the sign of an orbit is that of the sum of the
        standardised differences of its bands, so use "stouffer" there only where both bands move the same way.
    alpha, control : float, {"fdr", None}
        `changed` holds the pixels found at this false discovery rate (Benjamini and Hochberg 1995) over the whole map; with
        control=None, the pixels with p <= alpha.
    baseline : Dataset, optional
        Moments of the period before, from `moments()`; then `ds` needs only the dates after the event, and `pre` is ignored.
    **params
        min_pre, min_post (fewest dates a side), bands (names of the bands to use), enl (logratio).

    Returns
    -------
    Dataset on the grid of `ds`: `statistic` (hotelling with "fisher": one-sided normal score of the joined p-value;
    hotelling with "stouffer" and ttest: signed normal score; logratio: natural logarithm of the ratio), `p_value`,
    `neg_log10_p`, `magnitude` (band, y, x; dB, after over before), `direction` (int8: 1 brighter, -1 darker, 0 where orbits or
    bands disagree or nothing was tested), `n_pre`, `n_post`, `n_orbits`, `changed` (bool); coordinate `p_threshold`: the
    largest p-value called changed. A pixel no orbit can test is NaN, with its counts. Power at or below zero, NaN and
    infinite samples are left out and not counted.

    Raises
    ------
    NoDatesError
        Too few dates before or after the event in every orbit; the message lists what there is.
    GeometryError
        No `relative_orbit`, or by=None on a stack that mixes orbits.
    UnitsError
        Decibel given: call ``from_db()`` first.
    InvalidInputError
        Unknown method or parameter, dates that occur twice in one orbit.

    Examples
    --------
    >>> import kararaster as kr
    >>> stack = kr.simulate.stack(shape=(64, 64))
    >>> result = stack.kara.change(event="2023-09-19")
    >>> int(result.n_orbits.max())
    2
    """
    conventions.require_dataset(ds)
    names = conventions.radar_bands(ds, params.pop("bands", None))
    test = options(method, combine, len(names), params)
    level = checked_alpha(alpha)
    if control not in ("fdr", None):
        raise InvalidInputError(f"control: got {control!r}, want 'fdr' or None")
    if event is None:
        raise InvalidInputError(
            "event: got None; the tests of this version compare two periods: give the date of the event"
        )
    ds = periods.in_date_order(ds)
    moment = periods.timestamp("event", event)
    when = _Periods(moment, periods.before(moment, pre), periods.after(moment, post))
    stacks = conventions.time_stacks(ds, names)
    if baseline is None:
        plan, orbits = _plan(ds, when, test, by)
        starts: list[list[Any]] | None = None
    else:
        stored = read_baseline(baseline, names, TESTS[test.method], stacks[0])
        plan, orbits, starts = _plan_on_baseline(ds, when, test, by, stored)
        when = _Periods(moment, stored.period, when.post)
    when.check()
    arrays = blocks.fold(plan, [stack.data for stack in stacks], starts)
    return _dataset(arrays, stacks[0], names, test, when, orbits, level, control, ds)


@dataclass(frozen=True)
class _Periods:
    event: pd.Timestamp
    pre: periods.Period
    post: periods.Period

    def check(self) -> None:
        """Refuse a date on both sides."""
        if self.pre.stop > self.post.start:
            raise InvalidInputError(
                f"pre, post: the period before ({self.pre}) must end when {self.post} begins, or earlier"
            )

    def named(self) -> dict[str, periods.Period]:
        return {f"before ({self.pre})": self.pre, f"after ({self.post})": self.post}


Groups = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def _plan(
    ds: xr.Dataset, when: _Periods, test: TestOptions, by: Hashable | None
) -> tuple[BeforeAfter, list[periods.Orbit]]:
    """The orbits that have enough dates on both sides, and their dates."""
    times = ds["time"].values
    groups = periods.by_orbit(ds, by)
    found, orbits = [], []
    for group in groups:
        pre, post = (group.dates[p.contains(times[group.dates])] for p in (when.pre, when.post))
        if len(pre) >= test.min_pre and len(post) >= test.min_post:
            found.append((tuple(map(int, pre)), tuple(map(int, post))))
            orbits.append(group.orbit)
    if not found:
        counts = periods.describe_counts(groups, times, when.named())
        raise periods.no_dates(
            f"event {when.event:%Y-%m-%d}: no orbit has {test.min_pre} dates before and {test.min_post} after ({counts})",
            times,
        )
    return BeforeAfter(test, tuple(found)), orbits


def _plan_on_baseline(
    ds: xr.Dataset, when: _Periods, test: TestOptions, by: Hashable | None, stored: Baseline
) -> tuple[BeforeAfter, list[periods.Orbit], list[list[Any]]]:
    """As `_plan`, with the period before taken from stored moments."""
    times = ds["time"].values
    found, orbits, starts = [], [], []
    groups = periods.by_orbit(ds, by)
    for group in groups:
        post = group.dates[when.post.contains(times[group.dates])]
        if group.orbit in stored.cells and len(post) >= test.min_post:
            found.append(((), tuple(map(int, post))))
            orbits.append(group.orbit)
            starts.append([stored.cells[group.orbit], None])
    if not found:
        counts = periods.describe_counts(groups, times, {f"after ({when.post})": when.post})
        raise periods.no_dates(
            f"event {when.event:%Y-%m-%d}: no orbit of the baseline ({', '.join(map(str, stored.cells))}) has "
            f"{test.min_post} dates after ({counts})",
            times,
        )
    return BeforeAfter(test, tuple(found)), orbits, starts


@dataclass(frozen=True)
class BeforeAfter:
    """The fold of a before/after test: a group an orbit, with one cell before and one after."""

    test: TestOptions
    groups: Groups

    @property
    def outputs(self) -> dict[str, blocks.Output]:
        return {
            "statistic": blocks.Output(np.dtype(np.float32)),
            "p_value": blocks.Output(np.dtype(np.float32)),
            "neg_log10_p": blocks.Output(np.dtype(np.float32)),
            "magnitude": blocks.Output(np.dtype(np.float32), (self.test.bands,)),
            "direction": blocks.Output(np.dtype(np.int8)),
            "n_pre": blocks.Output(np.dtype(np.uint16)),
            "n_post": blocks.Output(np.dtype(np.uint16)),
            "n_orbits": blocks.Output(np.dtype(np.uint8)),
        }

    def new_cell(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((_kernels.moment_fields(self.test.bands, TESTS[self.test.method].joint), pixels))

    def add(self, cell: npt.NDArray[np.float64], bands: list[npt.NDArray[Any]], dates: list[int]) -> None:
        how = TESTS[self.test.method]
        _kernels.fold(bands, dates, cell, transform=how.transform, joint=how.joint, num_threads=threads.resolve())

    def new_result(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((_kernels.evidence_fields(self.test.kernel()), pixels))

    def take(self, result: npt.NDArray[np.float64], group: int, cells: list[npt.NDArray[np.float64]]) -> None:
        before, after = cells
        _kernels.add_group(before, after, result, options=self.test.kernel(), num_threads=threads.resolve())

    def finish(self, result: npt.NDArray[np.float64], shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        out = self._empty(shape)
        _kernels.finish(result, out, options=self.test.kernel(), num_threads=threads.resolve())
        return out

    def at_once(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        out = self._empty((bands[0].shape[-2], bands[0].shape[-1]))
        groups = [(list(pre), list(post)) for pre, post in self.groups]
        _kernels.before_after(bands, groups, out, options=self.test.kernel(), num_threads=threads.resolve())
        return out

    def _empty(self, shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        return {name: np.empty((*out.lead, *shape), out.dtype) for name, out in self.outputs.items()}


def _dataset(
    arrays: dict[str, blocks.Array],
    like: xr.DataArray,
    names: list[str],
    test: TestOptions,
    when: _Periods,
    orbits: list[periods.Orbit],
    alpha: float,
    control: str | None,
    ds: xr.Dataset,
) -> xr.Dataset:
    """Named, described, on the grid of the stack, with the decision at `alpha`."""
    dims = like.dims[1:]
    limit = thresholding.critical_value(arrays["neg_log10_p"], alpha, control)
    arrays["changed"] = arrays["neg_log10_p"] >= limit
    coords = {name: c for name, c in like.coords.items() if "time" not in c.dims}
    variables = {
        name: (("band", *dims) if name == "magnitude" else dims, data, conventions.attributes(name))
        for name, data in arrays.items()
    }
    threshold = xr.Variable((), np.power(10.0, -limit), {"long_name": "largest p-value called changed", "units": "1"})
    result = xr.Dataset(variables, coords={**coords, "band": names, "p_threshold": threshold})
    tested = ", ".join("one geometry" if orbit is None else str(orbit) for orbit in orbits)
    settings = {
        "event": f"{when.event:%Y-%m-%dT%H:%M:%S}",
        "pre": str(when.pre),
        "post": str(when.post),
        "method": test.method,
        "combine": test.combine,
        "relative_orbits": tested,
        "alpha": alpha,
        "control": control or "none",
    }
    result.attrs = {**{k: v for k, v in ds.attrs.items() if k == "history"}, **settings}
    line = ", ".join(f"{key}={value}" for key, value in settings.items())
    return conventions.add_history(conventions.carry_spatial_ref(result, ds), f"change({line})")
