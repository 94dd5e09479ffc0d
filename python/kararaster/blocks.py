"""From lazy arrays to dask and back: the only module that imports dask arrays.

A lazy array becomes a `WindowArray`: a dask array with one task a chunk that remembers the lazy array behind it, and goes on
remembering through slicing, indexing, rechunking, copying, pickling, stacking and concatenating. A later stage finds the lazy
array there and extends it instead of stacking graph on graph. Anything else dask does to it gives an ordinary dask array.

There are exactly four shapes of work: `elementwise`, `halo` (in rows and columns), `fold` (over time, in date order) and
`global_number`. Each takes three roads with the same bytes: NumPy in, kernels at once on all threads; lazy arrays, one task a
chunk that reads its own window; dask arrays chunked by hand, one task a chunk that takes its neighbours.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from kararaster import threads
from kararaster.errors import InvalidInputError
from kararaster.lazy import Concatenated, Elementwise, Halo, InMemory, LazyArray, Placement, Stack, Window, grow, view

Array = Any
"""numpy.ndarray or dask.array.Array (which has no type stubs)."""

Chunks = Any
Graph = dict[Hashable, Any]

BAND_PIXELS = 2**24
"""Aim for full-width bands of striped files: 16 Mpx, 32 MB of digital numbers."""
TILE = 2048
"""Largest side of an automatic tile, in pixels."""
MANY_TILES = 32
"""Above so many tiles the result of a fold gets tiles of several source chunks, so that graphs stay small."""
DATES_AT_ONCE = 8
"""Dates read before they are folded: bounds memory, and spares passes over the moments."""
FOLD_PIXELS = 2**20
"""Most pixels folded at once inside a task: about 150 MB of moments for two bands."""


# --- the carrier -------------------------------------------------------------------------------------------------------


class WindowArray(da.Array):  # type: ignore[misc]
    """A dask array that remembers the lazy array behind it."""

    def __new__(cls, lazy: LazyArray, chunks: Chunks) -> WindowArray:
        chunks = da.core.normalize_chunks(chunks, lazy.shape, dtype=lazy.dtype)
        name = f"window-{tokenize(lazy, chunks)}"
        meta = np.empty((0,) * lazy.ndim, lazy.dtype)
        plain = da.from_array(lazy, chunks, name=name, getitem=read_block, meta=meta, inline_array=False)
        self: WindowArray = super().__new__(cls, plain.dask, name, chunks, dtype=lazy.dtype, meta=meta)
        self.lazy = lazy
        return self

    lazy: LazyArray

    def __getitem__(self, index: Any) -> Array:
        part = _index(self.lazy, index)
        if part is None:
            return super().__getitem__(index)
        return self if part is self.lazy else _like(part, self.chunks, index)

    def rechunk(self, chunks: Chunks = "auto", **options: Any) -> Array:
        if chunks == "auto":
            return from_lazy(self.lazy, chunks="auto")
        wanted: Any = chunks
        if isinstance(chunks, dict):
            by_axis = {axis % self.ndim: c for axis, c in chunks.items()}
            wanted = tuple(by_axis.get(axis, old) for axis, old in enumerate(self.chunks))
        if isinstance(wanted, tuple | list):
            wanted = tuple(old if c is None else c for c, old in zip(wanted, self.chunks, strict=True))
        new = da.core.normalize_chunks(
            wanted, self.shape, dtype=self.dtype, previous_chunks=self.chunks, limit=options.get("block_size_limit")
        )
        return self if new == self.chunks else WindowArray(self.lazy, new)

    def copy(self) -> WindowArray:
        return WindowArray(self.lazy, self.chunks)

    def __reduce__(self) -> Any:
        return WindowArray, (self.lazy, self.chunks)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in (np.stack, np.concatenate) and (joined := _join(func, *args, **kwargs)) is not None:
            return joined
        return super().__array_function__(func, types, args, kwargs)


def read_block(lazy: LazyArray, window: Window) -> npt.NDArray[Any]:
    """The task of one chunk."""
    with threads.inside_task():
        return lazy.read(window)


def from_lazy(lazy: LazyArray, *, chunks: Chunks = "auto") -> Array:
    """A dask array over `lazy` with one task a chunk; with `chunks=None` the pixels themselves.

    `chunks="auto"` follows the storage: full-width bands of a striped file, whole blocks of a tiled one, one date each. A
    number is the side of a tile, one date each. A dict (by axis) overrides the automatic choice.
    """
    if chunks is None:
        return lazy.read(lazy.whole())
    if isinstance(chunks, str) and chunks == "auto":
        chunks = automatic_chunks(lazy)
    elif isinstance(chunks, int):
        chunks = (*(1 for _ in lazy.shape[:-2]), chunks, chunks)
    elif isinstance(chunks, dict):
        automatic = automatic_chunks(lazy)
        chunks = tuple(chunks.get(axis, automatic[axis]) for axis in range(lazy.ndim))
    return WindowArray(lazy, chunks)


def automatic_chunks(lazy: LazyArray) -> tuple[int, ...]:
    """One date; in rows and columns whole blocks of the storage."""
    *front, height, width = lazy.shape
    ny, nx = (lazy.native_chunks or (512, 512))[-2:]
    if nx >= width and ny < height:
        rows = max(1, BAND_PIXELS // max(1, width) // ny) * ny
        size = (min(rows, TILE) if ny <= TILE else ny, width)
    else:
        size = (ny * max(1, TILE // ny), nx * max(1, TILE // nx))
    return (*(1 for _ in front), max(1, min(size[0], height)), max(1, min(size[1], width)))


def lazy_of(array: Array) -> LazyArray | None:
    """The lazy array behind `array`, if there is one."""
    return array.lazy if isinstance(array, WindowArray) else None


def is_lazy(array: Array) -> bool:
    """Whether `array` is computed later (a dask array of any kind)."""
    return isinstance(array, da.Array)


def _index(lazy: LazyArray, index: Any) -> LazyArray | None:
    index = index if isinstance(index, tuple) else (index,)
    if any(isinstance(k, da.Array) for k in index):
        return None
    if Ellipsis in [k for k in index if not isinstance(k, np.ndarray | list)]:
        at = next(i for i, k in enumerate(index) if k is Ellipsis)
        missing = lazy.ndim - sum(k is not None for k in index) + 1
        index = (*index[:at], *(slice(None) for _ in range(missing)), *index[at + 1 :])
    if index and index[0] is None:
        rest = _index(lazy, index[1:])
        return None if rest is None or rest.ndim != 2 else Stack((rest,))
    return view(lazy, index)


def _like(part: LazyArray, chunks: tuple[tuple[int, ...], ...], index: Any) -> WindowArray:
    """A part of a window array, cut where the whole was cut."""
    template = da.empty(tuple(map(sum, chunks)), chunks=chunks, dtype=part.dtype)
    return WindowArray(part, template[index].chunks)


def _join(func: Any, arrays: Sequence[Array], axis: int = 0, **kwargs: Any) -> WindowArray | None:
    """Stack images, or concatenate stacks, along time."""
    if kwargs or axis != 0 or not all(isinstance(a, WindowArray) for a in arrays):
        return None
    first = arrays[0]
    tail = slice(None) if func is np.stack else slice(1, None)
    if any(a.dtype != first.dtype or a.shape[tail] != first.shape[tail] for a in arrays):
        return None
    lazies = tuple(a.lazy for a in arrays)
    if func is np.stack and first.ndim == 2:
        return WindowArray(Stack(lazies), ((1,) * len(lazies), *first.chunks))
    if func is np.concatenate and first.ndim == 3:
        return WindowArray(Concatenated(lazies), (sum((a.chunks[0] for a in arrays), ()), *first.chunks[1:]))
    return None


# --- shape 1: elementwise ------------------------------------------------------------------------------------------------


def elementwise(function: Callable[..., npt.NDArray[Any]], *arrays: Array, dtype: npt.DTypeLike) -> Array:
    """`function(*blocks, window=...)` pixel by pixel; `window` is where the blocks lie in the arrays."""
    stacks = _aligned(arrays)
    first = stacks[0]
    lazies = [lazy_of(a) for a in stacks]
    if all(lazy is not None for lazy in lazies):
        return WindowArray(Elementwise(tuple(lazies), function, np.dtype(dtype)), first.chunks)  # type: ignore[arg-type]
    if not is_lazy(first):
        return function(*map(np.ascontiguousarray, stacks), window=tuple(slice(0, n) for n in first.shape))
    name = f"elementwise-{tokenize(function, *stacks)}"
    graph: Graph = {
        (name, *at): (_apply, function, [(a.name, *at) for a in stacks], _Literal(window))
        for at, window in _blocks(first.chunks)
    }
    return _collect(name, graph, stacks, first.chunks, dtype)


def _apply(function: Any, blocks: list[npt.NDArray[Any]], window: _Literal) -> npt.NDArray[Any]:
    with threads.inside_task():
        out: npt.NDArray[Any] = function(*map(np.ascontiguousarray, blocks), window=window.value)
        return out


# --- shape 2: halo in rows and columns -----------------------------------------------------------------------------------


def halo(
    function: Callable[[npt.NDArray[Any], Placement], npt.NDArray[Any]],
    array: Array,
    radius: tuple[int, int],
    dtype: npt.DTypeLike,
) -> Array:
    """A filter that needs `radius` rows and columns around each pixel: `function(grown block, placement)`."""
    lazy = lazy_of(array)
    if lazy is not None:
        return WindowArray(Halo(lazy, function, radius, np.dtype(dtype)), array.chunks)
    if not is_lazy(array):
        whole = tuple(slice(0, n) for n in array.shape)
        return function(np.ascontiguousarray(array), grow(whole, radius, array.shape)[1])
    name = f"halo-{tokenize(function, array, radius)}"
    graph: Graph = {}
    for at, window in _blocks(array.chunks):
        grown, placement = grow(window, radius, array.shape)
        pieces = [
            [(array.name, *at[:-2], i, j) for j, _ in _overlapping(array.chunks[-1], grown[-1])]
            for i, _ in _overlapping(array.chunks[-2], grown[-2])
        ]
        cuts = [[cut for _, cut in _overlapping(c, s)] for c, s in zip(array.chunks[-2:], grown[-2:], strict=True)]
        graph[(name, *at)] = (_filter, function, pieces, _Literal((cuts, placement)))
    return _collect(name, graph, [array], array.chunks, dtype)


def _filter(function: Any, pieces: list[list[npt.NDArray[Any]]], where: _Literal) -> npt.NDArray[Any]:
    (rows, columns), placement = where.value
    parts = [
        np.concatenate([piece[..., r, c] for piece, c in zip(line, columns, strict=True)], axis=-1)
        for line, r in zip(pieces, rows, strict=True)
    ]
    with threads.inside_task():
        out: npt.NDArray[Any] = function(np.ascontiguousarray(np.concatenate(parts, axis=-2)), placement)
        return out


def _overlapping(chunks: tuple[int, ...], part: slice) -> list[tuple[int, slice]]:
    """Which chunks a slice touches, and which part of each."""
    found: list[tuple[int, slice]] = []
    start = 0
    for i, n in enumerate(chunks):
        low, high = max(part.start, start), min(part.stop, start + n)
        if low < high or (part.start == part.stop == start and not found):
            found.append((i, slice(low - start, max(low, high) - start)))
        start += n
    return found


# --- shape 3: fold over time, in date order ------------------------------------------------------------------------------


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
    stacks = _aligned(bands)
    if not is_lazy(stacks[0]) and any(is_lazy(start) for start in stored):
        stacks = [da.from_array(a, (a.shape[0], *stored[0].chunks[1:])) for a in stacks]
    if not is_lazy(stacks[0]):
        arrays = [np.ascontiguousarray(a) for a in stacks]
        return plan.at_once(arrays) if starts is None else _fold_memory(plan, arrays, starts)
    lazies = [lazy_of(a) for a in stacks]
    chunks = stacks[0].chunks[1:]
    if all(lazy is not None for lazy in lazies):
        chunks = _result_chunks(chunks)
    starts, dependencies = _aligned_starts(starts, chunks)
    name = f"fold-{tokenize(plan, [lazy or a for lazy, a in zip(lazies, stacks, strict=True)], chunks, starts)}"
    if all(lazy is not None for lazy in lazies):
        graph = _fold_lazies(name, plan, lazies, chunks, starts)
    else:
        graph = _fold_chunks(name, plan, stacks, starts)
        dependencies = [*dependencies, *stacks]
    layer = HighLevelGraph.from_collections(name, graph, dependencies=dependencies)
    return {key: _field(name, layer, key, out, chunks) for key, out in plan.outputs.items()}


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
    name: str, plan: TimeFold, lazies: Sequence[LazyArray | None], chunks: Chunks, starts: Starts | None
) -> Graph:
    """One task a tile, which asks the sources for its own windows."""
    sources: Graph = {f"{name}-source-{i}": lazy for i, lazy in enumerate(lazies)}
    graph = dict(sources)
    for at, window in _blocks(chunks):
        task = (_fold_windows, _Literal(plan), list(sources), _Literal(window), _start_keys(starts, at))
        graph[(name, *at)] = task
    return graph


def _field(name: str, tiles: HighLevelGraph, key: str, out: Output, chunks: tuple[tuple[int, ...], ...]) -> Array:
    """One named array out of tiles that are dicts of arrays."""
    own = f"{key}-{name}"
    front = (0,) * len(out.lead)
    picks = {(own, *front, *at): (operator.getitem, (name, *at), key) for at, _ in _blocks(chunks)}
    layers = {**tiles.layers, own: picks}
    graph = HighLevelGraph(layers, {**tiles.dependencies, own: {name}})
    chunks = (*((n,) for n in out.lead), *chunks)
    return da.Array(graph, own, chunks, meta=np.empty((0,) * len(chunks), out.dtype))


def _result_chunks(chunks: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
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
    plan: _Literal, lazies: list[LazyArray], window: _Literal, starts: Stored | None
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
    for part in _parts(window, lazies[0].native_chunks):
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


def _parts(window: Window, native: tuple[int, ...] | None) -> Iterator[Window]:
    """Cut a tile into parts of at most about `FOLD_PIXELS`, along the blocks of the storage where it can."""
    ny, nx = (native or (512, 512))[-2:]
    width = window[1].stop - window[1].start
    columns = max(1, min(width, nx * max(1, 1024 // nx), FOLD_PIXELS))
    rows = max(1, FOLD_PIXELS // columns)
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
    graph: Graph = {}
    for at, window in _blocks(stacks[0].chunks[1:]):
        shape = _Literal(tuple(s.stop - s.start for s in window))
        cells: Any = (f"{name}-start", *at)
        graph[cells] = (_fold_start, _Literal(plan), shape, _start_keys(starts, at))
        for number, step in enumerate(_steps(plan, times)):
            key = (f"{name}-step-{number}", *at)
            held = _Literal([d for i in step for d in range(edges[i], edges[i + 1])])
            graph[key] = (_fold_step, _Literal(plan), cells, [[(a.name, i, *at) for i in step] for a in stacks], held)
            cells = key
        graph[(name, *at)] = (_fold_finish, _Literal(plan), cells, shape)
    return graph


def _steps(plan: TimeFold, times: tuple[int, ...]) -> list[list[int]]:
    """The chunks along time that hold wanted dates, a few dates a step."""
    wanted = {d for periods in plan.groups for dates in periods for d in dates}
    steps: list[list[int]] = []
    start = 0
    for i, n in enumerate(times):
        if not wanted.isdisjoint(range(start, start + n)):
            if steps and sum(times[k] for k in (*steps[-1], i)) <= DATES_AT_ONCE:
                steps[-1].append(i)
            else:
                steps.append([i])
        start += n
    return steps


Cells = list[list[npt.NDArray[np.float64]]]


def _fold_start(plan: _Literal, shape: _Literal, starts: Stored | None) -> Cells:
    return [_new_cells(plan.value, number, shape.value, starts) for number in range(len(plan.value.groups))]


def _fold_step(plan: _Literal, before: Cells, blocks: list[list[npt.NDArray[Any]]], held: _Literal) -> Cells:
    fold_plan: TimeFold = plan.value
    cells = [[cell.copy() for cell in group] for group in before]
    bands = [np.ascontiguousarray(np.concatenate(parts)) for parts in blocks]
    position = {date: i for i, date in enumerate(held.value)}
    with threads.inside_task():
        for group, periods in zip(cells, fold_plan.groups, strict=True):
            for cell, dates in zip(group, periods, strict=True):
                fold_plan.add(cell, bands, [position[d] for d in dates if d in position])
    return cells


def _fold_finish(plan: _Literal, cells: Cells, shape: _Literal) -> dict[str, npt.NDArray[Any]]:
    fold_plan: TimeFold = plan.value
    with threads.inside_task():
        result = fold_plan.new_result(math.prod(shape.value))
        for number, group in enumerate(cells):
            fold_plan.take(result, number, group)
        return fold_plan.finish(result, shape.value)


# --- shape 4: one number from everything ---------------------------------------------------------------------------------


class Reduction(Protocol):
    """A number from a whole array: `partial` of each block, `merge` of partials in block order, `total` of what is left."""

    def partial(self, block: npt.NDArray[Any]) -> Any: ...
    def merge(self, parts: list[Any]) -> Any: ...
    def total(self, part: Any) -> npt.NDArray[Any]: ...


def global_number(reduction: Reduction, array: Array, dtype: npt.DTypeLike) -> Array:
    """`reduction` over all blocks of `array`: a 0-d array. Partials are merged eight at a time."""
    if not is_lazy(array):
        return reduction.total(reduction.merge([reduction.partial(np.ascontiguousarray(array))]))
    name = f"number-{tokenize(reduction, array)}"
    what = _Literal(reduction)
    graph: Graph = {}
    level: list[Hashable] = []
    for at, _ in _blocks(array.chunks):
        graph[(key := (f"{name}-part", *at))] = (_partial, what, (array.name, *at))
        level.append(key)
    for depth in itertools.count():
        groups = [level[i : i + 8] for i in range(0, len(level), 8)]
        level = []
        for i, group in enumerate(groups):
            graph[(key := (f"{name}-merge-{depth}", i))] = (_merge, what, group)
            level.append(key)
        if len(level) == 1:
            break
    graph[(name,)] = (_total, what, level[0])
    return _collect(name, graph, [array], (), dtype)


def _partial(reduction: _Literal, block: npt.NDArray[Any]) -> Any:
    with threads.inside_task():
        return reduction.value.partial(np.ascontiguousarray(block))


def _merge(reduction: _Literal, parts: list[Any]) -> Any:
    return reduction.value.merge(parts)


def _total(reduction: _Literal, part: Any) -> Any:
    return reduction.value.total(part)


# --- shared --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Literal:
    """A value inside a task that dask must not look into (tuples in a graph are calls)."""

    value: Any


def _aligned(arrays: Sequence[Array]) -> list[Array]:
    """Arrays of one shape; if any is lazy all are, with the chunks of the first lazy one."""
    shapes = {a.shape for a in arrays}
    if len(shapes) != 1:
        raise InvalidInputError(f"bands: got shapes {sorted(shapes)}, want one shape; put them on one grid first")
    lazy = next((a for a in arrays if is_lazy(a)), None)
    if lazy is None:
        return list(arrays)
    return [a.rechunk(lazy.chunks) if is_lazy(a) else da.from_array(a, lazy.chunks) for a in arrays]


def _blocks(chunks: tuple[tuple[int, ...], ...]) -> Iterator[tuple[tuple[int, ...], Window]]:
    """Position and window of every block."""
    edges = [list(itertools.accumulate(sizes, initial=0)) for sizes in chunks]
    for at in itertools.product(*(range(len(sizes)) for sizes in chunks)):
        yield at, tuple(slice(edge[i], edge[i + 1]) for edge, i in zip(edges, at, strict=True))


def _collect(name: str, graph: Graph, sources: Sequence[Array], chunks: Chunks, dtype: npt.DTypeLike) -> Array:
    layer = HighLevelGraph.from_collections(name, graph, dependencies=list(sources))
    return da.Array(layer, name, chunks, meta=np.empty((0,) * len(chunks), dtype))
