"""Folding a stack over time, in date order, one tile at a time."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from kararaster import threads
from kararaster.blocks.carrier import (
    TILE,
    Array,
    Chunks,
    Graph,
    Literal,
    aligned,
    block_windows,
    contiguous,
    is_lazy,
    lazy_of,
)
from kararaster.lazy import InMemory, LazyArray, Window, reading

MANY_TILES = 32
"""Above so many tiles the result of a fold gets tiles of several source chunks, so that graphs stay small."""
DATES_AT_ONCE = 8
"""Dates read before they are folded: bounds memory, and spares passes over the moments."""
FOLD_PIXELS = 2**20
"""Most pixels folded at once inside a task: about 150 MB of moments for two bands."""


@dataclass(frozen=True)
class Output:
    """One result of a fold: its dtype and the dimensions in front of rows and columns."""

    dtype: np.dtype[Any]
    lead: tuple[int, ...] = ()


class TimeFold(Protocol):
    """What to do with the dates of a stack: groups (relative orbits) of cells (periods) of dates, each in date order.

    A cell is an array of running moments; `take` consumes the finished cells of a group into a result; `finish` turns the
    result into named arrays of `shape`. `at_once` does all of it for arrays in memory, with the same bytes.
    """

    @property
    def groups(self) -> Sequence[Sequence[Sequence[int]]]: ...
    @property
    def outputs(self) -> dict[str, Output]: ...
    def new_cell(self, pixels: int) -> npt.NDArray[np.float64]: ...
    def add(self, cell: npt.NDArray[np.float64], blocks: list[npt.NDArray[Any]], dates: list[int]) -> None: ...
    def new_result(self, pixels: int) -> npt.NDArray[np.float64]: ...
    def take(self, result: npt.NDArray[np.float64], group: int, cells: list[npt.NDArray[np.float64]]) -> None: ...
    def finish(self, result: npt.NDArray[np.float64], shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]: ...
    def at_once(self, bands: list[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]: ...


Starts = Sequence[Sequence[Array | None]]
"""For each group, for each of its cells: stored moments (fields, rows, columns) to go on from, or None."""


def fold(plan: TimeFold, bands: Sequence[Array], starts: Starts | None = None) -> dict[str, Array]:
    """Run `plan` over the stacks `bands` (time, rows, columns); memory does not grow with the number of dates."""
    stored = [start for group in starts or () for start in group if start is not None]
    stacks = aligned(bands)
    if not is_lazy(stacks[0]) and any(is_lazy(start) for start in stored):
        stacks = [da.from_array(a, (a.shape[0], *stored[0].chunks[1:])) for a in stacks]
    if not is_lazy(stacks[0]):
        arrays = [contiguous(a) for a in stacks]
        return plan.at_once(arrays) if starts is None else _fold_memory(plan, arrays, starts)
    lazies = [lazy for lazy in map(lazy_of, stacks) if lazy is not None]
    from_sources = len(lazies) == len(stacks)
    chunks = result_chunks(stacks[0].chunks[1:]) if from_sources else stacks[0].chunks[1:]
    starts, dependencies = _aligned_starts(starts, chunks)
    name = f"fold-{tokenize(plan, lazies if from_sources else stacks, chunks, starts)}"
    if from_sources:
        graph = _fold_lazies(name, plan, lazies, chunks, starts)
    else:
        graph = _fold_chunks(name, plan, stacks, starts)
        dependencies = [*dependencies, *stacks]
    layer = HighLevelGraph.from_collections(name, graph, dependencies=dependencies)
    return {key: field_of(name, layer, key, out, chunks) for key, out in plan.outputs.items()}


def _aligned_starts(starts: Starts | None, chunks: Chunks) -> tuple[Starts | None, list[Array]]:
    """Stored moments as dask arrays with all fields of a tile in one block."""
    if starts is None:
        return None, []

    def one(start: Array | None) -> Array | None:
        if start is None:
            return None
        whole = (start.shape[0], *chunks)
        return start.rechunk(whole) if is_lazy(start) else da.from_array(start, whole)

    aligned = [[one(start) for start in group] for group in starts]
    return aligned, [start for group in aligned for start in group if start is not None]


def _start_keys(starts: Starts | None, at: tuple[int, ...]) -> list[list[Any]] | None:
    """The graph keys of the stored moments of a tile."""
    if starts is None:
        return None
    return [[None if start is None else (start.name, 0, *at) for start in group] for group in starts]


def _fold_lazies(
    name: str, plan: TimeFold, lazies: Sequence[LazyArray], chunks: Chunks, starts: Starts | None
) -> Graph:
    """One task a tile, which asks the sources for its own windows."""
    sources: Graph = {f"{name}-source-{i}": lazy for i, lazy in enumerate(lazies)}
    graph = dict(sources)
    for at, window in block_windows(chunks):
        task = (_fold_windows, Literal(plan), list(sources), Literal(window), _start_keys(starts, at))
        graph[(name, *at)] = task
    return graph


def field_of(name: str, tiles: HighLevelGraph, key: str, out: Output, chunks: tuple[tuple[int, ...], ...]) -> Array:
    """One named array out of tiles that are dicts of arrays."""
    own = f"{key}-{name}"
    front = (0,) * len(out.lead)
    picks = {(own, *front, *at): (operator.getitem, (name, *at), key) for at, _ in block_windows(chunks)}
    layers = {**tiles.layers, own: picks}
    graph = HighLevelGraph(layers, {**tiles.dependencies, own: {name}})
    chunks = (*((n,) for n in out.lead), *chunks)
    return da.Array(graph, own, chunks, meta=np.empty((0,) * len(chunks), out.dtype))


def result_chunks(chunks: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Source chunks, joined into tiles of at most `TILE` pixels a side where the map has many of them."""
    if math.prod(map(len, chunks)) <= MANY_TILES:
        return chunks
    joined = []
    for sizes in chunks:
        out = [0]
        for n in sizes:
            if out[-1] and out[-1] + n > TILE:
                out.append(0)
            out[-1] += n
        joined.append(tuple(out))
    return tuple(joined)


Stored = list[list[npt.NDArray[np.float64] | None]]


def _fold_windows(
    plan: Literal, lazies: list[LazyArray], window: Literal, starts: Stored | None
) -> dict[str, npt.NDArray[Any]]:
    """The task of one tile."""
    with threads.inside_task():
        return _fold_tile(plan.value, lazies, window.value, starts)


def _fold_memory(plan: TimeFold, arrays: list[npt.NDArray[Any]], starts: Starts) -> dict[str, npt.NDArray[Any]]:
    """Arrays in memory on top of stored moments."""
    stored = [[None if start is None else np.asarray(start) for start in group] for group in starts]
    whole = tuple(slice(0, n) for n in arrays[0].shape[1:])
    return _fold_tile(plan, [InMemory(a) for a in arrays], whole, stored)


def _fold_tile(
    plan: TimeFold, lazies: Sequence[LazyArray], window: Window, starts: Stored | None
) -> dict[str, npt.NDArray[Any]]:
    """Date after date from the sources, relative orbit after relative orbit, one part of the tile at a time."""
    shape = tuple(s.stop - s.start for s in window)
    tile = {key: np.empty((*out.lead, *shape), out.dtype) for key, out in plan.outputs.items()}
    for part in parts_of(window, lazies[0].native_chunks):
        rows, columns = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window, strict=True))
        own = None
        if starts is not None:
            own = [[None if s is None else s[:, rows, columns] for s in group] for group in starts]
        for key, values in _fold_part(plan, lazies, part, own).items():
            tile[key][..., rows, columns] = values
    return tile


def _fold_part(
    plan: TimeFold, lazies: Sequence[LazyArray], part: Window, starts: Stored | None
) -> dict[str, npt.NDArray[Any]]:
    shape = (part[0].stop - part[0].start, part[1].stop - part[1].start)
    result = plan.new_result(math.prod(shape))
    for number, periods in enumerate(plan.groups):
        cells = _new_cells(plan, number, shape, starts)
        for cell, dates in zip(cells, periods, strict=True):
            for batch in _batches(dates):
                with reading():
                    blocks = [np.concatenate([lazy.read((d, *part)) for d in _runs(batch)]) for lazy in lazies]
                plan.add(cell, blocks, list(range(len(batch))))
        plan.take(result, number, cells)
    return plan.finish(result, shape)


def _new_cells(
    plan: TimeFold, group: int, shape: tuple[int, ...], starts: Stored | None
) -> list[npt.NDArray[np.float64]]:
    """The cells of a group: empty, or a copy of the stored moments."""
    stored = [None] * len(plan.groups[group]) if starts is None else starts[group]
    pixels = math.prod(shape)
    return [plan.new_cell(pixels) if s is None else s.reshape(len(s), pixels).copy() for s in stored]


def parts_of(window: Window, native: tuple[int, ...] | None, most: int = FOLD_PIXELS) -> Iterator[Window]:
    """Cut a tile into parts of at most about `most` pixels, along the blocks of the storage where it can."""
    ny, nx = (native or (512, 512))[-2:]
    width = window[1].stop - window[1].start
    columns = max(1, min(width, nx * max(1, 1024 // nx), most))
    rows = max(1, most // columns)
    rows = rows // ny * ny or rows
    for y in range(window[0].start, window[0].stop, rows):
        for x in range(window[1].start, window[1].stop, columns):
            yield slice(y, min(y + rows, window[0].stop)), slice(x, min(x + columns, window[1].stop))


def _batches(dates: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for i in range(0, len(dates), DATES_AT_ONCE):
        yield tuple(dates[i : i + DATES_AT_ONCE])


def _runs(dates: Sequence[int]) -> list[slice]:
    """Consecutive dates as slices."""
    runs: list[slice] = []
    for d in dates:
        if runs and runs[-1].stop == d:
            runs[-1] = slice(runs[-1].start, d + 1)
        else:
            runs.append(slice(d, d + 1))
    return runs


def _fold_chunks(name: str, plan: TimeFold, stacks: Sequence[Array], starts: Starts | None) -> Graph:
    """A stack chunked by hand: a chain of tasks a tile, each folding the next few dates into a copy of the moments."""
    times = stacks[0].chunks[0]
    edges = list(itertools.accumulate(times, initial=0))
    stages = _stages(plan, times)
    graph: Graph = {}
    for at, window in block_windows(stacks[0].chunks[1:]):
        shape = Literal(tuple(s.stop - s.start for s in window))
        stored, result = _start_keys(starts, at), None
        for stage, (groups, steps) in enumerate(stages):
            what, cells = Literal((plan, groups, shape.value)), None
            for number, step in enumerate(steps):
                key = (f"{name}-step-{stage}-{number}", *at)
                held = Literal([d for i in step for d in range(edges[i], edges[i + 1])])
                parts = [[(a.name, i, *at) for i in step] for a in stacks]
                graph[key] = (_fold_step, what, stored if cells is None else None, cells, parts, held)
                cells = key
            taken = (f"{name}-taken-{stage}", *at)
            graph[taken] = (_fold_take, what, stored if cells is None else None, cells, result)
            result = taken
        graph[(name, *at)] = (_fold_finish, Literal(plan), result, shape)
    return graph


Stage = tuple[tuple[int, ...], list[list[int]]]
"""Groups that are folded together, and the chunks along time of each step."""


def _stages(plan: TimeFold, times: tuple[int, ...]) -> list[Stage]:
    """Group after group, so that only one has moments in memory; all together where chunks along time mix them."""
    number_of = {d: i for i, periods in enumerate(plan.groups) for dates in periods for d in dates}
    wanted: list[set[int]] = []
    start = 0
    for n in times:
        wanted.append({number_of[d] for d in range(start, start + n) if d in number_of})
        start += n
    together: list[tuple[int, ...]]
    if all(len(groups) <= 1 for groups in wanted):
        together = [(number,) for number in range(len(plan.groups))]
    else:
        together = [tuple(range(len(plan.groups)))]
    return [(groups, _steps([i for i, w in enumerate(wanted) if w.intersection(groups)], times)) for groups in together]


def _steps(chunks: list[int], times: tuple[int, ...]) -> list[list[int]]:
    """Chunks along time, a few dates a step."""
    steps: list[list[int]] = []
    for i in chunks:
        if steps and sum(times[k] for k in (*steps[-1], i)) <= DATES_AT_ONCE:
            steps[-1].append(i)
        else:
            steps.append([i])
    return steps


Cells = list[list[npt.NDArray[np.float64]]]
"""The cells of each group of a stage."""


def _fold_step(
    what: Literal, stored: Stored | None, before: Cells | None, parts: list[list[npt.NDArray[Any]]], held: Literal
) -> Cells:
    plan, groups, shape = what.value
    if before is None:
        cells = [_new_cells(plan, number, shape, stored) for number in groups]
    else:  # a task may run twice: never change what another task made
        cells = [[cell.copy() for cell in group] for group in before]
    bands = [contiguous(np.concatenate(blocks)) for blocks in parts]
    position = {date: i for i, date in enumerate(held.value)}
    with threads.inside_task():
        for number, group in zip(groups, cells, strict=True):
            for cell, dates in zip(group, plan.groups[number], strict=True):
                plan.add(cell, bands, [position[d] for d in dates if d in position])
    return cells


def _fold_take(
    what: Literal, stored: Stored | None, cells: Cells | None, before: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64]:
    plan, groups, shape = what.value
    result: npt.NDArray[np.float64] = plan.new_result(math.prod(shape)) if before is None else before.copy()
    with threads.inside_task():
        for i, number in enumerate(groups):
            taken = _new_cells(plan, number, shape, stored) if cells is None else map(contiguous, cells[i])
            plan.take(result, number, list(taken))
    return result


def _fold_finish(plan: Literal, result: npt.NDArray[np.float64], shape: Literal) -> dict[str, npt.NDArray[Any]]:
    with threads.inside_task():
        done: dict[str, npt.NDArray[Any]] = plan.value.finish(contiguous(result), shape.value)
        return done
