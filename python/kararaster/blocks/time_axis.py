"""Work that needs all dates of a pixel at once: medians, regressions over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from kararaster import threads
from kararaster.blocks.carrier import Array, Graph, Literal, aligned, block_windows, contiguous, is_lazy, lazy_of
from kararaster.blocks.folding import DATES_AT_ONCE, Output, field_of, parts_of, result_chunks
from kararaster.lazy import LazyArray, Window, reading

SERIES_BYTES = 2**28
"""Samples held at once inside a task. A tile with more of them is done in parts, so that memory does not grow with the dates;
blocks of the storage larger than a part are then read more than once."""


class TimeSeries(Protocol):
    """What to do with all dates of some pixels: arrays (dates, rows, columns) to named arrays (..., rows, columns)."""

    @property
    def outputs(self) -> dict[str, Output]: ...
    def compute(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]: ...


def series(plan: TimeSeries, bands: Sequence[Array]) -> dict[str, Array]:
    """Run `plan` over the stacks `bands` (time, rows, columns); memory does not grow with the number of dates."""
    stacks = aligned(bands)
    if not is_lazy(stacks[0]):
        return plan.compute([contiguous(stack) for stack in stacks])
    lazies = [lazy for lazy in map(lazy_of, stacks) if lazy is not None]
    from_sources = len(lazies) == len(stacks)
    chunks = result_chunks(stacks[0].chunks[1:]) if from_sources else stacks[0].chunks[1:]
    name = f"series-{tokenize(plan, lazies if from_sources else stacks, chunks)}"
    if from_sources:
        sources: Graph = {f"{name}-source-{i}": lazy for i, lazy in enumerate(lazies)}
        graph = dict(sources)
        for at, window in block_windows(chunks):
            graph[(name, *at)] = (_series_windows, Literal(plan), list(sources), Literal(window))
    else:
        dates = range(len(stacks[0].chunks[0]))
        graph = {
            (name, *at): (_series_chunks, Literal(plan), [[(a.name, i, *at) for i in dates] for a in stacks])
            for at, _ in block_windows(chunks)
        }
    layer = HighLevelGraph.from_collections(name, graph, dependencies=[] if from_sources else stacks)
    return {key: field_of(name, layer, key, out, chunks) for key, out in plan.outputs.items()}


def _series_windows(plan: Literal, lazies: list[LazyArray], window: Literal) -> dict[str, npt.NDArray[Any]]:
    """The task of one tile: part after part."""
    rows, columns = window.value
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    tile = {key: np.empty((*out.lead, *shape), out.dtype) for key, out in plan.value.outputs.items()}
    each = lazies[0].shape[0] * sum(lazy.dtype.itemsize for lazy in lazies)
    with threads.inside_task():
        for part in parts_of(window.value, lazies[0].native_chunks, max(1, SERIES_BYTES // max(1, each))):
            done = plan.value.compute(_read_dates(lazies, part))
            at = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window.value, strict=True))
            for key, values in done.items():
                tile[key][..., at[0], at[1]] = values
    return tile


def _read_dates(lazies: list[LazyArray], part: Window) -> list[npt.NDArray[Any]]:
    """All dates of a part, read a few at a time so that what lies between source and result stays small."""
    count, shape = lazies[0].shape[0], [s.stop - s.start for s in part]
    bands = [np.empty((count, *shape), lazy.dtype) for lazy in lazies]
    for start in range(0, count, DATES_AT_ONCE):
        dates = slice(start, min(start + DATES_AT_ONCE, count))
        with reading():
            for band, lazy in zip(bands, lazies, strict=True):
                band[dates] = lazy.read((dates, *part))
    return bands


def _series_chunks(plan: Literal, parts: list[list[npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """The task of one tile of a stack chunked by hand, which holds its dates in memory anyway."""
    with threads.inside_task():
        done: dict[str, npt.NDArray[Any]] = plan.value.compute([contiguous(np.concatenate(blocks)) for blocks in parts])
        return done
