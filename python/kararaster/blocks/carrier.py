"""The dask array that remembers the lazy array behind it, and what the four shapes share."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import normalize_token, tokenize
from dask.highlevelgraph import HighLevelGraph

from kararaster import threads
from kararaster.errors import InvalidInputError
from kararaster.lazy import Concatenated, LazyArray, Pick, Several, Shared, Stack, Window, reading, view

Array = Any
"""numpy.ndarray or dask.array.Array (which has no type stubs)."""

Chunks = Any
Graph = dict[Hashable, Any]

BAND_PIXELS = 2**24
"""Aim for full-width bands of striped files: 16 Mpx, 32 MB of digital numbers."""
TILE = 2048
"""Largest side of an automatic tile, in pixels."""


@normalize_token.register((LazyArray, Several))  # type: ignore[untyped-decorator]
def _token(lazy: LazyArray | Several) -> object:
    """Dask itself would print what `__dask_tokenize__` returns: long arrays in brief, functions with their address."""
    return tokenize(lazy.__dask_tokenize__())


Tasks = tuple[str, HighLevelGraph]
"""Name and graph of a dask array, where these are not simply one read a chunk."""


class WindowArray(da.Array):  # type: ignore[misc]
    """A dask array that remembers the lazy array behind it."""

    def __new__(cls, lazy: LazyArray, chunks: Chunks, tasks: Tasks | None = None) -> WindowArray:
        chunks = _normalized(chunks, lazy)
        meta = np.empty((0,) * lazy.ndim, lazy.dtype)
        if tasks is None:
            name = f"window-{tokenize(lazy, chunks)}"
            graph = da.from_array(lazy, chunks, name=name, getitem=read_block, meta=meta, inline_array=False).dask
        else:
            name, graph = tasks
        self: WindowArray = super().__new__(cls, graph, name, chunks, dtype=lazy.dtype, meta=meta)
        self._remembered = (name, lazy)
        return self

    @property
    def lazy(self) -> LazyArray | None:
        """The lazy array behind this one. None once pixels were assigned: dask then changes an array in place, and its name."""
        name, lazy = self._remembered
        return lazy if self.name == name else None

    def __getitem__(self, index: Any) -> Array:
        lazy = self.lazy
        part = None if lazy is None else _index(lazy, index)
        if part is None:
            return super().__getitem__(index)
        return self if part is lazy else _like(part, self.chunks, index)

    def rechunk(self, chunks: Chunks = "auto", **options: Any) -> Array:
        lazy = self.lazy
        if lazy is None:
            return super().rechunk(chunks, **options)
        if isinstance(chunks, str) and chunks == "auto":
            return from_lazy(lazy, chunks="auto")
        wanted: Any = chunks
        if isinstance(chunks, dict):
            by_axis = {axis % self.ndim: c for axis, c in chunks.items()}
            wanted = tuple(by_axis.get(axis, old) for axis, old in enumerate(self.chunks))
        if isinstance(wanted, tuple | list):
            wanted = tuple(old if c is None else c for c, old in zip(wanted, self.chunks, strict=True))
        new = da.core.normalize_chunks(
            wanted, self.shape, dtype=self.dtype, previous_chunks=self.chunks, limit=options.get("block_size_limit")
        )
        return self if new == self.chunks else WindowArray(lazy, new)

    def copy(self) -> Array:
        lazy = self.lazy
        return super().copy() if lazy is None else WindowArray(lazy, self.chunks)

    def __reduce__(self) -> Any:
        lazy = self.lazy
        return super().__reduce__() if lazy is None else (WindowArray, (lazy, self.chunks))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in (np.stack, np.concatenate) and (joined := _join(func, *args, **kwargs)) is not None:
            return joined
        return super().__array_function__(func, types, args, kwargs)


def _normalized(chunks: Chunks, lazy: LazyArray) -> tuple[tuple[int, ...], ...]:
    try:
        sizes: tuple[tuple[int, ...], ...] = da.core.normalize_chunks(chunks, lazy.shape, dtype=lazy.dtype)
    except (ValueError, TypeError, ZeroDivisionError, NotImplementedError) as error:
        raise InvalidInputError(
            f"chunks: got {chunks!r} for the shape {lazy.shape}, want 'auto', a number, one size a dimension, or None ({error})"
        ) from None
    return sizes


def read_block(lazy: LazyArray, window: Window) -> npt.NDArray[Any]:
    """The task of one chunk."""
    with threads.inside_task(), reading():
        return lazy.read(window)


def from_several(several: Several, chunks: Chunks) -> list[WindowArray]:
    """A window array for each of several arrays; a task a chunk computes them all."""
    token = tokenize(several)
    picks = [Pick(several, index, token) for index in range(len(several.dtypes))]
    chunks = _normalized(chunks, picks[0])
    name = f"several-{tokenize(token, chunks)}"
    graph: Graph = {f"{name}-source": several}
    graph |= {(name, *at): (_read_several, f"{name}-source", Literal(window)) for at, window in block_windows(chunks)}
    return [WindowArray(pick, chunks, one_of(name, graph, (), chunks, pick.index)) for pick in picks]


def one_of(name: str, graph: Graph, sources: Sequence[Array], chunks: Chunks, index: int) -> Tasks:
    """The tasks that pick array `index` out of the lists which the tasks of `graph` return."""
    layers = HighLevelGraph.from_collections(name, graph, dependencies=list(sources))
    own = f"{name}-{index}"
    picks = {(own, *at): (operator.getitem, (name, *at), index) for at, _ in block_windows(chunks)}
    return own, HighLevelGraph({**layers.layers, own: picks}, {**layers.dependencies, own: {name}})


def _read_several(several: Several, window: Literal) -> list[npt.NDArray[Any]]:
    with threads.inside_task(), reading():
        return several.read(window.value)


def shared(array: Array) -> Array:
    """`array` such that a task which needs it for several results reads it once."""
    lazy = lazy_of(array)
    return array if lazy is None else WindowArray(Shared(lazy, tokenize(lazy)), array.chunks)


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
    if kwargs or axis != 0:
        return None
    lazies = tuple(lazy for lazy in map(lazy_of, arrays) if lazy is not None)
    if not lazies or len(lazies) != len(arrays):
        return None
    first = arrays[0]
    tail = slice(None) if func is np.stack else slice(1, None)
    if any(a.dtype != first.dtype or a.shape[tail] != first.shape[tail] for a in arrays):
        return None
    if func is np.stack and first.ndim == 2:
        return WindowArray(Stack(lazies), ((1,) * len(lazies), *first.chunks))
    if func is np.concatenate and first.ndim == 3:
        return WindowArray(Concatenated(lazies), (sum((a.chunks[0] for a in arrays), ()), *first.chunks[1:]))
    return None


@dataclass(frozen=True)
class Literal:
    """A value inside a task that dask must not look into (tuples in a graph are calls)."""

    value: Any


def aligned(arrays: Sequence[Array]) -> list[Array]:
    """Arrays of one shape; if any is lazy all are, with the chunks of the first lazy one."""
    shapes = {a.shape for a in arrays}
    if len(shapes) != 1:
        raise InvalidInputError(f"bands: got shapes {sorted(shapes)}, want one shape; put them on one grid first")
    lazy = next((a for a in arrays if is_lazy(a)), None)
    if lazy is None:
        return list(arrays)
    return [a.rechunk(lazy.chunks) if is_lazy(a) else da.from_array(a, lazy.chunks) for a in arrays]


def contiguous(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`array` as kernels take it: in C order, and aligned, which it need not be when it comes from another process.

    Without a copy where it is so; unlike `ascontiguousarray` it leaves a number a number.
    """
    return np.require(array, requirements=["C", "ALIGNED"])


def block_windows(chunks: tuple[tuple[int, ...], ...]) -> Iterator[tuple[tuple[int, ...], Window]]:
    """Position and window of every block."""
    edges = [list(itertools.accumulate(sizes, initial=0)) for sizes in chunks]
    for at in itertools.product(*(range(len(sizes)) for sizes in chunks)):
        yield at, tuple(slice(edge[i], edge[i + 1]) for edge, i in zip(edges, at, strict=True))


def collect(name: str, graph: Graph, sources: Sequence[Array], chunks: Chunks, dtype: npt.DTypeLike) -> Array:
    """The dask array whose tasks are `graph`, on top of `sources`."""
    layer = HighLevelGraph.from_collections(name, graph, dependencies=list(sources))
    return da.Array(layer, name, chunks, meta=np.empty((0,) * len(chunks), dtype))
