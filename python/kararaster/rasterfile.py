"""One band of one raster file as a lazy array, what its header says, and the datasets that are kept open."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window as Part

from kararaster.errors import ProductError, UnsupportedProductError
from kararaster.lazy import LazyArray, Window

_FILES_KEPT_OPEN = 8

Stamp = tuple[int, int]
"""Size of a file in bytes, and the time at which it was last written in ns: tells it from the one that lay there before."""


class _Kept:
    """The datasets that one thread keeps open, the last used at the end."""

    def __init__(self) -> None:
        self.datasets: OrderedDict[tuple[int, str, Stamp], Any] = OrderedDict()

    def close(self) -> None:
        while self.datasets:
            self.datasets.popitem()[1].close()


class _OpenFiles(threading.local):
    """The last few datasets of each thread: GDAL's handles must not be shared, and opening inside a zip is slow."""

    def __init__(self) -> None:
        self._kept = _Kept()
        _of_all_threads.add(self._kept)

    def get(self, path: str, stamp: Stamp) -> Any:
        """The dataset at a GDAL path, opened in this thread of this process."""
        key, datasets = (os.getpid(), path, stamp), self._kept.datasets
        if key in datasets:
            datasets.move_to_end(key)
            return datasets[key]
        dataset = datasets[key] = rasterio.open(path)
        if len(datasets) > _FILES_KEPT_OPEN:
            datasets.popitem(last=False)[1].close()
        return dataset


_of_all_threads: weakref.WeakSet[_Kept] = weakref.WeakSet()
open_files = _OpenFiles()


@atexit.register
def close_files() -> None:
    """Close what all threads keep open: once the interpreter goes away, rasterio cannot do it without complaint."""
    for kept in list(_of_all_threads):
        kept.close()


def one_thread() -> rasterio.Env:
    """Decode in the thread of the caller.

    Threads of GDAL would run beside those of dask, and they swallow the errors of a JPEG 2000 file that was cut off, whose
    missing tiles then come out as zeros.
    """
    return rasterio.Env(GDAL_NUM_THREADS="1")


def read_pixels(path: str, stamp: Stamp, band: int, **part: Any) -> npt.NDArray[Any]:
    """Pixels of a band through a dataset that is kept open; `part` as rasterio's `read` takes it."""
    with one_thread():
        pixels: npt.NDArray[Any] = open_files.get(path, stamp).read(band, **part)
    return pixels


@dataclass(frozen=True)
class Header:
    """What a raster file says about itself; tuples hold one entry a band. `gdal_path` opens it, `name` is for messages."""

    gdal_path: str
    name: str
    stamp: Stamp
    shape: tuple[int, int]
    transform: Affine
    crs: CRS | None
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    descriptions: tuple[str | None, ...]
    blocks: tuple[tuple[int, int], ...]
    tags: dict[str, str]

    @property
    def path(self) -> Path:
        """The file as the caller named it."""
        return Path(self.name)

    def same_grid(self, other: Header) -> bool:
        """Equal shape and reference system, and corners within a thousandth of a pixel."""
        pixel = max(abs(self.transform.a), abs(self.transform.e))
        return (
            self.shape == other.shape
            and self.crs == other.crs
            and self.transform.almost_equals(other.transform, precision=1e-3 * pixel / max(self.shape))
        )


def read_header(path: Path) -> Header:
    """The header of the raster at `path`. Raises ProductError where it cannot be read."""
    return header_of(str(path.absolute()), name=str(path), stamp=file_stamp(path))


def header_of(gdal_path: str, *, name: str, stamp: Stamp) -> Header:
    """The header of anything that GDAL opens. Raises ProductError where it cannot be read."""
    try:
        with rasterio.open(gdal_path) as file:
            header = Header(
                gdal_path=gdal_path,
                name=name,
                stamp=stamp,
                shape=(file.height, file.width),
                transform=file.transform,
                crs=file.crs,
                dtypes=file.dtypes,
                nodata=file.nodatavals,
                scales=file.scales,
                offsets=file.offsets,
                descriptions=file.descriptions,
                blocks=tuple(file.block_shapes),
                tags={key.lower(): value for key, value in file.tags().items()},
            )
    except RasterioIOError as error:
        raise ProductError(f"{name}: not a readable raster ({error}); fetch the file again or take it out") from error
    if any(np.dtype(dtype).kind not in "uif" for dtype in header.dtypes):
        raise UnsupportedProductError(f"{name}: got pixels of type {header.dtypes[0]}, want integers or floats")
    return header


def file_stamp(path: Path) -> Stamp:
    """Size and time of the last change: with the path, what a file is made of."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, eq=False)
class RasterFile(LazyArray):
    """Band `band` (1, 2, ...) of a raster file; any thread or process may read it, each through its own dataset."""

    header: Header
    band: int

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        return self.header.shape

    @cached_property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return np.dtype(self.header.dtypes[self.band - 1])

    @property
    def native_chunks(self) -> tuple[int, int]:
        return self.header.blocks[self.band - 1]

    def read(self, window: Window) -> npt.NDArray[Any]:
        rows, columns = window
        part = Part.from_slices(rows, columns)
        try:
            return read_pixels(self.header.gdal_path, self.header.stamp, self.band, window=part)
        except (RasterioError, OSError) as error:
            where = f"rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}"
            raise ProductError(
                f"{self.header.name}: {where} cannot be read ({error.__cause__ or error}); the file is damaged, fetch it again"
            ) from error

    def __dask_tokenize__(self) -> object:
        return ("raster", self.header.gdal_path, self.header.stamp, self.band)


def blank_nodata(pixels: npt.NDArray[Any], *, nodata: float, window: Window) -> npt.NDArray[Any]:
    """Float pixels with NaN in place of the file's nodata value."""
    return np.where(pixels == pixels.dtype.type(nodata), pixels.dtype.type(np.nan), pixels)
