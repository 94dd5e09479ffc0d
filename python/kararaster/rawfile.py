"""Arrays to raw files, chunk by chunk, in one computation.

Every chunk is a place in a memory-mapped file that no other chunk touches. So any thread or process may write it, in
any order, without a lock, and a variable that needs another one whole (a threshold, say) does not force either into
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

Progress = Callable[[int, int], None]
"""Called with the number of chunks written and the number there are."""


def raw_path(folder: Path, name: str) -> Path:
    """Where the pixels of variable `name` are."""
    return folder / f"{name}.raw"


def write_raw(arrays: dict[str, Any], folder: Path, progress: Progress | None = None) -> None:
    """Write each array to `raw_path(folder, name)`, C order, native byte order. Dask arrays are computed together."""
    lazy = {name: array for name, array in arrays.items() if hasattr(array, "dask")}
    count = _Count(progress, sum(prod(array.numblocks) for array in lazy.values())) if progress else None
    written = {}
    for name, array in arrays.items():
        path = raw_path(folder, name)
        path.touch()
        if 0 not in array.shape:
            np.memmap(path, array.dtype, "w+", shape=array.shape)
        if name not in lazy:
            _write(array, _everything(array), path, array.shape)
            continue
        done = array.map_blocks(
            _write_chunk, path=path, whole=array.shape, count=count,
            chunks=tuple((1,) * n for n in array.numblocks), dtype=np.uint8, meta=np.empty((0,) * array.ndim, np.uint8),
        )  # fmt: skip
        written[name] = xr.Variable([f"{name}_{axis}" for axis in range(array.ndim)], done)
    if written:
        xr.Dataset(written).compute()


@dataclass
class _Count:
    """Tells how many chunks are written, one call at a time."""

    progress: Progress
    total: int
    done: int = 0
    lock: Any = field(default_factory=Lock)

    def advance(self) -> None:
        with self.lock:
            self.done += 1
            self.progress(self.done, self.total)


def _write_chunk(
    pixels: npt.NDArray[Any], *, path: Path, whole: tuple[int, ...], count: _Count | None, block_info: Any = None
) -> npt.NDArray[np.uint8]:
    """The task of one chunk: one byte says that it is written."""
    where = tuple(slice(start, stop) for start, stop in block_info[0]["array-location"])
    _write(pixels, where, path, whole)
    if count is not None:
        count.advance()
    return np.ones((1,) * pixels.ndim, np.uint8)


def _write(pixels: npt.NDArray[Any], where: tuple[slice, ...], path: Path, whole: tuple[int, ...]) -> None:
    if pixels.size:
        np.memmap(path, pixels.dtype, "r+", shape=whole)[where] = pixels


def _everything(array: npt.NDArray[Any]) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in array.shape)
