"""One band of one raster file as a lazy array, and what its header says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError
from rasterio.windows import Window as Part

from kararaster.errors import ProductError, UnsupportedProductError
from kararaster.lazy import LazyArray, Window


@dataclass(frozen=True)
class Header:
    """What a raster file says about itself; tuples hold one entry a band."""

    path: Path
    stamp: tuple[int, int]
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
    try:
        with rasterio.open(path) as file:
            header = Header(
                path=path,
                stamp=file_stamp(path),
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
        raise ProductError(f"{path}: not a readable raster ({error}); fetch the file again or take it out") from error
    if any(np.dtype(dtype).kind not in "uif" for dtype in header.dtypes):
        raise UnsupportedProductError(f"{path}: got pixels of type {header.dtypes[0]}, want integers or floats")
    return header


def file_stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change: with the path, what a file is made of."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, eq=False)
class RasterFile(LazyArray):
    """Band `band` (1, 2, ...) of a raster file. Opened for every window, so that any thread or process may read it."""

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
            with rasterio.open(self.header.path) as file:
                pixels: npt.NDArray[Any] = file.read(self.band, window=part)
        except RasterioIOError as error:
            where = f"rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}"
            raise ProductError(
                f"{self.header.path}: {where} cannot be read ({error}); the file is damaged, fetch it again"
            ) from error
        return pixels

    def __dask_tokenize__(self) -> object:
        return ("raster", str(self.header.path.resolve()), self.header.stamp, self.band)


def blank_nodata(pixels: npt.NDArray[Any], *, nodata: float, window: Window) -> npt.NDArray[Any]:
    """Float pixels with NaN in place of the file's nodata value."""
    return np.where(pixels == pixels.dtype.type(nodata), pixels.dtype.type(np.nan), pixels)
