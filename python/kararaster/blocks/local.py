"""Work that needs a pixel, or a pixel and what lies around it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize

from kararaster import threads
from kararaster.blocks.carrier import (
    Array,
    Graph,
    Literal,
    WindowArray,
    aligned,
    block_windows,
    collect,
    contiguous,
    from_several,
    is_lazy,
    lazy_of,
    one_of,
)
from kararaster.lazy import Elementwise, Halo, LazyArray, Several, Window, grow, reading


def elementwise(function: Callable[..., npt.NDArray[Any]], *arrays: Array, dtype: npt.DTypeLike) -> Array:
    """`function(*blocks, window=...)` pixel by pixel; `window` is where the blocks lie in the arrays."""
    stacks = aligned(arrays)
    first = stacks[0]
    lazies = [lazy_of(a) for a in stacks]
    if all(lazy is not None for lazy in lazies):
        return WindowArray(Elementwise(tuple(lazies), function, np.dtype(dtype)), first.chunks)  # type: ignore[arg-type]
    if not is_lazy(first):
        return function(*map(contiguous, stacks), window=tuple(slice(0, n) for n in first.shape))
    name = f"elementwise-{tokenize(function, *stacks)}"
    graph: Graph = {
        (name, *at): (_apply, function, [(a.name, *at) for a in stacks], Literal(window))
        for at, window in block_windows(first.chunks)
    }
    return collect(name, graph, stacks, first.chunks, dtype)


def _apply(function: Any, blocks: list[npt.NDArray[Any]], window: Literal) -> Any:
    with threads.inside_task():
        return function(*map(contiguous, blocks), window=window.value)


def elementwise_several(
    function: Callable[..., list[npt.NDArray[Any]]], *arrays: Array, dtypes: Sequence[npt.DTypeLike]
) -> list[Array]:
    """As `elementwise`, with several results of one pass over the arrays: `function` returns a list, one array a dtype."""
    stacks = aligned(arrays)
    first, kinds = stacks[0], tuple(np.dtype(dtype) for dtype in dtypes)
    lazies = [lazy for lazy in map(lazy_of, stacks) if lazy is not None]
    if len(lazies) == len(stacks):
        return list(from_several(Several(tuple(lazies), function, kinds), first.chunks))
    if not is_lazy(first):
        return function(*map(contiguous, stacks), window=tuple(slice(0, n) for n in first.shape))
    name = f"several-{tokenize(function, *stacks)}"
    graph: Graph = {
        (name, *at): (_apply, function, [(a.name, *at) for a in stacks], Literal(window))
        for at, window in block_windows(first.chunks)
    }
    tasks = [one_of(name, graph, stacks, first.chunks, index) for index in range(len(kinds))]
    metas = [np.empty((0,) * first.ndim, kind) for kind in kinds]
    return [da.Array(graph, own, first.chunks, meta=meta) for (own, graph), meta in zip(tasks, metas, strict=True)]


def halo(
    function: Callable[..., npt.NDArray[Any]],
    array: Array,
    radius: tuple[int, int],
    dtype: npt.DTypeLike,
    numbers: Array | None = None,
) -> Array:
    """A filter that needs `radius` rows and columns around each pixel: `function(grown block, placement)`.

    With `numbers`, one for each image (the dimensions before rows and columns): `function(grown block, placement, numbers)`.
    """
    lazy = lazy_of(array)
    if lazy is not None and numbers is None:
        return WindowArray(Halo(lazy, function, radius, np.dtype(dtype)), array.chunks)
    if not is_lazy(array):
        whole = tuple(slice(0, n) for n in array.shape)
        placement = grow(whole, radius, array.shape)[1]
        return function(contiguous(array), placement, *(() if numbers is None else (numbers,)))
    name = f"halo-{tokenize(function, array, radius, numbers)}"
    sources = [array]
    if numbers is not None:
        numbers = numbers.rechunk(array.chunks[:-2])
        sources = [array, numbers] if lazy is None else [numbers]
    graph: Graph = {} if lazy is None else {f"{name}-source": lazy}
    for at, window in block_windows(array.chunks):
        grown, placement = grow(window, radius, array.shape)
        own = [] if numbers is None else [(numbers.name, *at[:-2])]
        if lazy is None:
            pieces, cuts = _pieces(array, at, grown)
            graph[(name, *at)] = (_filter, function, pieces, Literal((cuts, placement)), own)
        else:
            graph[(name, *at)] = (_filter_window, function, f"{name}-source", Literal((grown, placement)), own)
    return collect(name, graph, sources, array.chunks, dtype)


def _pieces(array: Array, at: tuple[int, ...], grown: Window) -> tuple[list[list[Hashable]], list[list[slice]]]:
    """Keys of the blocks, in rows and columns, that `grown` touches, and which rows and which columns of them."""
    rows, columns = (_overlapping(c, s) for c, s in zip(array.chunks[-2:], grown[-2:], strict=True))
    keys: list[list[Hashable]] = [[(array.name, *at[:-2], i, j) for j, _ in columns] for i, _ in rows]
    return keys, [[cut for _, cut in line] for line in (rows, columns)]


def _filter_window(function: Any, source: LazyArray, where: Literal, numbers: list[Any]) -> npt.NDArray[Any]:
    """Pixels are read once the numbers are there, so that a scene never waits for them in memory."""
    grown, placement = where.value
    with threads.inside_task(), reading():
        out: npt.NDArray[Any] = function(source.read(grown), placement, *numbers)
        return out


def _filter(
    function: Any, pieces: list[list[npt.NDArray[Any]]], where: Literal, numbers: list[Any]
) -> npt.NDArray[Any]:
    (rows, columns), placement = where.value
    parts = [
        np.concatenate([piece[..., r, c] for piece, c in zip(line, columns, strict=True)], axis=-1)
        for line, r in zip(pieces, rows, strict=True)
    ]
    with threads.inside_task():
        out: npt.NDArray[Any] = function(contiguous(np.concatenate(parts, axis=-2)), placement, *numbers)
        return out


def by_group(
    function: Callable[..., npt.NDArray[Any]], stack: Array, fields: Sequence[Array], group_of: Sequence[int]
) -> Array:
    """`function(dates of a tile, fields of the tile, groups of these dates)` of a lazy stack (time, rows, columns).

    `fields` are arrays (group, rows, columns), all groups in one chunk; `group_of` gives the group of each date.
    """
    name = f"by-group-{tokenize(function, stack, fields, group_of)}"
    fields = [field.rechunk((field.shape[0], *stack.chunks[1:])) for field in fields]
    lazy = lazy_of(stack)
    graph: Graph = {} if lazy is None else {f"{name}-source": lazy}
    for at, window in block_windows(stack.chunks):
        block = (stack.name, *at) if lazy is None else f"{name}-source"
        own = [(field.name, 0, *at[1:]) for field in fields]
        graph[(name, *at)] = (_apply_groups, function, block, own, Literal((window, list(group_of[window[0]]))))
    return collect(name, graph, fields if lazy is not None else [stack, *fields], stack.chunks, stack.dtype)


def _apply_groups(
    function: Any, block: npt.NDArray[Any] | LazyArray, fields: list[npt.NDArray[Any]], where: Literal
) -> npt.NDArray[Any]:
    """Of a lazy stack, dates are read once their fields are there."""
    window, groups = where.value
    with threads.inside_task(), reading():
        dates = block.read(window) if isinstance(block, LazyArray) else contiguous(block)
        out: npt.NDArray[Any] = function(dates, fields, groups)
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
