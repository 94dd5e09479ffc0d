"""The floor no kernel gets below: moving the bytes once.

Copies of float32 images of the size of the output (a filtered stack: all its dates), into memory that is newly allocated
(page faults included, what a user pays) and into memory that was touched before; for a test of a stack, reading every
sample once.
"""

from __future__ import annotations

import numpy as np

from contest import Array, Contestant, Params, Rasters, in_pieces

COPY, COPY_TOUCHED, READ = "copy, new memory", "copy, touched memory", "read once"
_kept: dict[tuple[int, ...], tuple[Array, Array]] = {}


def copy_new(rasters: Rasters, params: Params, threads: int) -> Array:
    source, _ = _images(rasters)
    return _copied(source, np.empty_like(source), threads)


def copy_touched(rasters: Rasters, params: Params, threads: int) -> Array:
    return _copied(*_images(rasters), threads)


def read_once(rasters: Rasters, params: Params, threads: int) -> Array:
    """The maximum of all samples: NumPy takes it with full vectors, so it runs at the speed of memory."""
    parts = [in_pieces(np.max, threads, raster.reshape(-1)) for raster in rasters.values()]
    return np.array(parts).max()


def _copied(source: Array, target: Array, threads: int) -> Array:
    in_pieces(np.copyto, threads, target.reshape(-1), source.reshape(-1))
    return target


def _images(rasters: Rasters) -> tuple[Array, Array]:
    """float32 pixels of the shape of the output and a place for their copy, both in memory already."""
    shape = rasters["stack"].shape if "stack" in rasters else next(iter(rasters.values())).shape[-2:]
    if shape not in _kept:
        _kept[shape] = np.ones(shape, np.float32), np.ones(shape, np.float32)
    return _kept[shape]


FLOORS = [
    Contestant("floor", COPY, copy_new),
    Contestant("floor", COPY_TOUCHED, copy_touched),
    Contestant("floor", READ, read_once, takes=lambda params: "before" in params),
]
