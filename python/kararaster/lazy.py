"""Lazy arrays: shape, dtype, token and `read(window)`.

Stages of a pipeline do not hand each other dask arrays; they hand each other lazy arrays that can be asked for a window. A
reader is one (its window comes from the file); a filter is one (it asks its source for the window plus its halo and trims).
Requests flow backwards, pixels flow forwards, halos add up by themselves, and nothing between two stages is ever stored. This
module knows NumPy only; `blocks` turns a lazy array into a dask array with one task a chunk, and finds it again behind one.

The last two dimensions of a lazy array are rows and columns; a dimension in front of them is time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Window = tuple[slice, ...]
"""One slice a dimension: unit step, start and stop inside the array."""


@dataclass(frozen=True)
class Placement:
    """Where the wanted output lies inside a halo-grown window, and where that window lies in the whole image.

    `origin_row`: row number, in the whole image, of the window's first row. `top`, `left`: rows above and columns left of the
    first wanted pixel. `height`, `width`: size of the wanted output.
    """

    origin_row: int
    top: int
    left: int
    height: int
    width: int


class LazyArray(ABC):
    """An array that is not there yet. Immutable and picklable; `read` may be called from any thread or process."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        """Chunk shape that the storage reads best (blocks of a tiled file, full-width bands of a striped one), if it has one."""
        return None

    @abstractmethod
    def read(self, window: Window) -> npt.NDArray[Any]:
        """The pixels of `window`, C-contiguous. The caller does not write into them."""

    @abstractmethod
    def __dask_tokenize__(self) -> object:
        """What this array is made of: equal for equal content, so that names of dask arrays are deterministic."""

    def whole(self) -> Window:
        """The window that covers everything."""
        return tuple(slice(0, n) for n in self.shape)


@dataclass(frozen=True, eq=False)
class InMemory(LazyArray):
    """An array that is there already."""

    values: npt.NDArray[Any]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.values.shape

    def read(self, window: Window) -> npt.NDArray[Any]:
        return np.require(self.values[window], requirements=["C", "ALIGNED"])

    def __dask_tokenize__(self) -> object:
        return ("in-memory", self.values)


def spatial(window: Window) -> tuple[slice, slice]:
    """The row and column slices of a window."""
    return window[-2], window[-1]


@dataclass(frozen=True, eq=False)
class Elementwise(LazyArray):
    """`function(*arrays, window=...)` of several lazy arrays of one shape, pixel by pixel.

    `function` must be importable by name or a `functools.partial` of such a function, so that it pickles small.
    """

    sources: tuple[LazyArray, ...]
    function: Callable[..., npt.NDArray[Any]]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.sources[0].shape

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        return self.sources[0].native_chunks

    def read(self, window: Window) -> npt.NDArray[Any]:
        return self.function(*(source.read(window) for source in self.sources), window=window)

    def __dask_tokenize__(self) -> object:
        return ("elementwise", self.sources, self.function, self.dtype.str)


@dataclass(frozen=True, eq=False)
class Halo(LazyArray):
    """A filter: `function(grown, placement)` of the window grown by `radius` rows and columns, clipped at the image edge."""

    source: LazyArray
    function: Callable[..., npt.NDArray[Any]]
    radius: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.source.shape

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        return self.source.native_chunks

    def read(self, window: Window) -> npt.NDArray[Any]:
        grown, placement = grow(window, self.radius, self.shape)
        return self.function(self.source.read(grown), placement)

    def __dask_tokenize__(self) -> object:
        return ("halo", self.source, self.function, self.radius, self.dtype.str)


def grow(window: Window, radius: tuple[int, int], shape: tuple[int, ...]) -> tuple[Window, Placement]:
    """`window` grown by `radius` in rows and columns and clipped to `shape`, and where the old window lies in it."""
    (rows, columns), grown = spatial(window), []
    for part, r, n in zip((rows, columns), radius, shape[-2:], strict=True):
        grown.append(slice(max(0, part.start - r), min(n, part.stop + r)))
    placement = Placement(
        origin_row=grown[0].start,
        top=rows.start - grown[0].start,
        left=columns.start - grown[1].start,
        height=rows.stop - rows.start,
        width=columns.stop - columns.start,
    )
    return (*window[:-2], *grown), placement


Key = slice | int | tuple[int, ...]
"""How a view picks along one dimension: a unit-step slice, one index (the dimension goes away), or a tuple of indices."""


@dataclass(frozen=True, eq=False)
class View(LazyArray):
    """A part of a lazy array: unit-step slices anywhere, single indices or index lists in front of rows and columns."""

    source: LazyArray
    keys: tuple[Key, ...]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.source.dtype

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(_length(key) for key in self.keys if not isinstance(key, int))

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        chunks = self.source.native_chunks
        if chunks is None:
            return None
        kept = [(c, key) for c, key in zip(chunks, self.keys, strict=True) if not isinstance(key, int)]
        return tuple(min(c, max(1, _length(key))) for c, key in kept)

    def read(self, window: Window) -> npt.NDArray[Any]:
        wanted = iter(window)
        lists: list[tuple[int, tuple[int, ...]]] = []
        asked: list[slice] = []
        drop: list[int] = []
        for axis, key in enumerate(self.keys):
            if isinstance(key, int):
                asked.append(slice(key, key + 1))
                drop.append(axis)
                continue
            part = next(wanted)
            if isinstance(key, slice):
                asked.append(slice(key.start + part.start, key.start + part.stop))
            else:
                picked = key[part]
                lists.append((axis, picked))
                asked.append(_run(picked))
        if all(picked == tuple(range(asked[axis].start, asked[axis].stop)) for axis, picked in lists):
            out = self.source.read(tuple(asked))
        else:
            out = self._gather(asked, lists)
        return out.reshape([n for axis, n in enumerate(out.shape) if axis not in drop]) if drop else out

    def _gather(self, asked: list[slice], lists: list[tuple[int, tuple[int, ...]]]) -> npt.NDArray[Any]:
        """Scattered dates: read each by itself rather than everything between the first and the last."""
        (axis, picked), *more = lists
        parts = []
        for index in picked:
            one = [*asked]
            one[axis] = slice(index, index + 1)
            parts.append(self._gather(one, more) if more else self.source.read(tuple(one)))
        return np.concatenate(parts, axis=axis)

    def __dask_tokenize__(self) -> object:
        return ("view", self.source, self.keys)


def _length(key: Key) -> int:
    return key.stop - key.start if isinstance(key, slice) else len(key) if isinstance(key, tuple) else 1


def _run(picked: tuple[int, ...]) -> slice:
    return slice(picked[0], picked[0] + len(picked)) if picked else slice(0, 0)


def view(source: LazyArray, index: Sequence[Any]) -> LazyArray | None:
    """`source[index]` as a lazy array, or None where that is not a plain window (steps, fancy rows or columns, new axes)."""
    plain = all(isinstance(k, slice | int | np.integer | np.ndarray | list) and not isinstance(k, bool) for k in index)
    if not plain or len(index) > source.ndim:
        return None
    full = [*index, *(slice(None) for _ in range(source.ndim - len(index)))]
    keys: list[Key] = []
    for axis, (k, n) in enumerate(zip(full, source.shape, strict=True)):
        key = _key(k, n, in_front=axis < source.ndim - 2)
        if key is None:
            return None
        keys.append(key)
    if sum(isinstance(key, tuple) for key in keys) > 1:
        return None
    if all(isinstance(key, slice) and key == slice(0, n) for key, n in zip(keys, source.shape, strict=True)):
        return source
    return View(source, tuple(keys))


def _key(k: Any, n: int, *, in_front: bool) -> Key | None:
    if isinstance(k, slice):
        start, stop, step = k.indices(n)
        if step == 1:
            return slice(start, max(start, stop))
        return tuple(range(start, stop, step)) if in_front else None
    if not in_front:
        return None
    if isinstance(k, int | np.integer):
        return int(k) % n if -n <= k < n else None
    picked = np.asarray(k) if len(k) else np.empty(0, np.intp)
    if picked.dtype == bool and picked.shape == (n,):
        picked = np.flatnonzero(picked)
    if (
        picked.ndim != 1
        or picked.dtype.kind not in "iu"
        or (picked.size and not -n <= picked.min() <= picked.max() < n)
    ):
        return None
    return tuple(int(i) % n for i in picked)


@dataclass(frozen=True, eq=False)
class Stack(LazyArray):
    """Lazy images of one shape and dtype behind each other along a new first dimension (time)."""

    sources: tuple[LazyArray, ...]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.sources[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (len(self.sources), *self.sources[0].shape)

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        chunks = self.sources[0].native_chunks
        return None if chunks is None else (1, *chunks)

    def read(self, window: Window) -> npt.NDArray[Any]:
        dates, *rest = window
        parts = [source.read(tuple(rest)) for source in self.sources[dates]]
        if len(parts) == 1:
            return parts[0][np.newaxis]
        if not parts:
            return np.empty((0, *(s.stop - s.start for s in rest)), self.dtype)
        return np.stack(parts)

    def __dask_tokenize__(self) -> object:
        return ("stack", self.sources)


@dataclass(frozen=True, eq=False)
class Concatenated(LazyArray):
    """Lazy stacks behind each other along their first dimension."""

    sources: tuple[LazyArray, ...]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.sources[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (sum(source.shape[0] for source in self.sources), *self.sources[0].shape[1:])

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        return self.sources[0].native_chunks

    def read(self, window: Window) -> npt.NDArray[Any]:
        dates, rest, before = window[0], window[1:], 0
        parts = []
        for source in self.sources:
            start, stop = max(dates.start - before, 0), min(dates.stop - before, source.shape[0])
            if start < stop:
                parts.append(source.read((slice(start, stop), *rest)))
            before += source.shape[0]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, *(s.stop - s.start for s in rest)), self.dtype)

    def __dask_tokenize__(self) -> object:
        return ("concatenated", self.sources)


_Read = TypeVar("_Read")
_READ: ContextVar[dict[object, Any] | None] = ContextVar("what has been read", default=None)


@contextmanager
def reading() -> Iterator[None]:
    """Inside, a window that several results share is read once (`Shared`, `Pick`). The outermost use counts."""
    if _READ.get() is not None:
        yield
        return
    token = _READ.set({})
    try:
        yield
    finally:
        _READ.reset(token)


def _once(identity: str, window: Window, read: Callable[[Window], _Read]) -> _Read:
    known = _READ.get()
    if known is None:
        return read(window)
    key = (identity, *((part.start, part.stop) for part in window))
    if key not in known:
        known[key] = read(window)
    found: _Read = known[key]
    return found


@dataclass(frozen=True, eq=False)
class Shared(LazyArray):
    """A lazy array that several others ask for the same window, such as the cloud mask of all bands."""

    source: LazyArray
    identity: str

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.source.dtype

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.source.shape

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        return self.source.native_chunks

    def read(self, window: Window) -> npt.NDArray[Any]:
        return _once(self.identity, window, self.source.read)

    def __dask_tokenize__(self) -> object:
        return ("shared", self.source)


@dataclass(frozen=True, eq=False)
class Several:
    """Several arrays from one pass over the sources: `function(*arrays, window=...)` returns a list, one array a dtype."""

    sources: tuple[LazyArray, ...]
    function: Callable[..., list[npt.NDArray[Any]]]
    dtypes: tuple[np.dtype[Any], ...]

    def read(self, window: Window) -> list[npt.NDArray[Any]]:
        return self.function(*(source.read(window) for source in self.sources), window=window)

    def __dask_tokenize__(self) -> object:
        return ("several", self.sources, self.function, [dtype.str for dtype in self.dtypes])


@dataclass(frozen=True, eq=False)
class Pick(LazyArray):
    """One of several arrays; whoever asks for another of the same window gets what has been computed."""

    several: Several
    index: int
    identity: str

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.several.dtypes[self.index]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.several.sources[0].shape

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        return self.several.sources[0].native_chunks

    def read(self, window: Window) -> npt.NDArray[Any]:
        return _once(self.identity, window, self.several.read)[self.index]

    def __dask_tokenize__(self) -> object:
        return ("pick", self.several, self.index)
