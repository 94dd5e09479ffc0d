"""The multi-temporal speckle filter: dates of one viewing geometry lend each other looks."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from kararaster import _kernels, blocks, periods, threads
from kararaster.errors import InvalidInputError
from kararaster.lazy import Placement

if TYPE_CHECKING:
    from kararaster.speckle import SpeckleKernel

Groups = tuple[tuple[int, ...], ...]
"""Positions of dates, ascending; each date in one group."""


def groups_of(stack: xr.DataArray, by: Hashable | None, event: Any) -> Groups:
    """Dates of one orbit on one side of every event."""
    if "time" not in stack.dims or stack.ndim != 3:
        raise InvalidInputError(
            f"'quegan' filters over time: got dimensions {stack.dims}, want (time, rows, columns); select one of the others first"
        )
    periods.require_dates(stack)
    times = stack["time"].values
    several = np.iterable(event) and not isinstance(event, str)
    events = [] if event is None else list(event) if several else [event]
    edges = np.sort(np.array([periods.timestamp("event", e).to_datetime64() for e in events], "datetime64[ns]"))
    if len(edges) and len(times) and not (times.min() < edges[0] and edges[-1] <= times.max()):
        raise periods.no_dates(f"event: got {event!r}, but all dates lie on one side of it", times)
    side = np.searchsorted(edges, times, side="right")
    groups = []
    for orbit in periods.by_orbit(stack.to_dataset(name="_power"), by):
        groups += [orbit.dates[side[orbit.dates] == s] for s in pd.unique(side[orbit.dates])]
    return tuple(tuple(map(int, dates)) for dates in groups)


def filtered(stack: xr.DataArray, groups: Groups, smooth: SpeckleKernel) -> blocks.Array:
    """Each date as its spatial mean times the mean ratio of sample to spatial mean over the dates of its group.

    Two passes over the dates: one that adds up ratios, tile by tile, one that multiplies. What lies between them is one image
    of sums a group. A stack that can be read again is read twice, and memory does not grow with the dates; one chunked by hand
    is computed once, and the dates of a tile wait in memory for its sums.
    """
    data = stack.data
    if not data.size:
        return data
    if not blocks.is_lazy(data):
        return _at_once(data, groups, smooth)
    radius = smooth.radius
    source = blocks.shared(data)
    mean = blocks.halo(smooth, source, radius, data.dtype)
    # The same grown windows as the mean asks for: what was read for one serves the other.
    own = data if blocks.lazy_of(data) is None else blocks.halo(_centre, source, radius, data.dtype)
    sums = blocks.fold(RatioSums(groups), [own, mean])
    group_of = [0] * data.shape[0]
    for number, dates in enumerate(groups):
        for date in dates:
            group_of[date] = number
    return blocks.by_group(_multiplied, mean, [sums["ratio"], sums["count"]], group_of)


def _at_once(data: npt.NDArray[Any], groups: Groups, smooth: SpeckleKernel) -> npt.NDArray[Any]:
    data = blocks.contiguous(data)
    out = np.empty_like(data)
    frame = smooth.frame(Placement(0, 0, 0, *data.shape[1:]))
    looks = dict(smooth.parameters).get("enl", 1.0)
    _kernels.quegan(data, out, frame, groups=[list(g) for g in groups], spatial=smooth.kernel, enl=looks)
    return out


def _centre(grown: npt.NDArray[Any], placement: Placement) -> npt.NDArray[Any]:
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    return blocks.contiguous(grown[..., rows, columns])


def _multiplied(mean: npt.NDArray[Any], sums: list[npt.NDArray[Any]], groups: Sequence[int]) -> npt.NDArray[Any]:
    """The dates of one tile, each with the sums of its group."""
    out = np.empty_like(mean)
    for date, group in enumerate(groups):
        ratio, count = (blocks.contiguous(field[group]) for field in sums)
        part = slice(date, date + 1)
        _kernels.quegan_apply(mean[part], ratio, count, out[part], num_threads=threads.resolve())
    return out


@dataclass(frozen=True)
class RatioSums:
    """The fold of the first pass: a group a cell; sums of ratios and how many of them."""

    dates: Groups

    @property
    def groups(self) -> tuple[tuple[tuple[int, ...]], ...]:
        return tuple((dates,) for dates in self.dates)

    @property
    def outputs(self) -> dict[str, blocks.Output]:
        f8, lead = np.dtype(np.float64), (len(self.dates),)
        return {"ratio": blocks.Output(f8, lead), "count": blocks.Output(f8, lead)}

    def new_cell(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((2, pixels))

    def add(self, cell: npt.NDArray[np.float64], bands: list[npt.NDArray[Any]], dates: list[int]) -> None:
        own, mean = (blocks.contiguous(band[dates]) for band in bands)
        if not own.size:
            return
        ratio, count = (field.reshape(own.shape[1:]) for field in cell)
        _kernels.quegan_add(own, mean, ratio, count, num_threads=threads.resolve())

    def new_result(self, pixels: int) -> npt.NDArray[np.float64]:
        return np.zeros((2, len(self.dates), pixels))

    def take(self, result: npt.NDArray[np.float64], group: int, cells: list[npt.NDArray[np.float64]]) -> None:
        result[:, group] = cells[0]

    def finish(self, result: npt.NDArray[np.float64], shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        ratio, count = result.reshape(2, len(self.dates), *shape)
        return {"ratio": ratio, "count": count}

    def at_once(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        shape = bands[0].shape[1:]
        result = self.new_result(math.prod(shape))
        for group, dates in enumerate(self.dates):
            cell = self.new_cell(math.prod(shape))
            self.add(cell, bands, list(dates))
            self.take(result, group, [cell])
        return self.finish(result, (shape[0], shape[1]))
