"""The pixels of a Sentinel-1 GRD product: a lazy array over the measurement TIFF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.errors import RasterioError
from rasterio.windows import Window as Part

from kararaster.container import Container
from kararaster.errors import ProductError
from kararaster.lazy import LazyArray, Window
from kararaster.rasterfile import Stamp, open_files

_BAND_PIXELS = 2**24
_BAND_ROWS = (512, 1024)
"""Strips are read in bands of full width: square windows make every thread read the same strips again."""


@dataclass(frozen=True, eq=False)
class Measurement(LazyArray):
    """uint16 digital numbers (line, pixel); 0 is nodata. `problem` says why there is nothing to read, if so.

    `name` is for messages; `stamp` (size, time) tells a file from the one that lay there before.
    """

    gdal_path: str
    name: str
    stamp: Stamp
    shape: tuple[int, int]
    chunks: tuple[int, int]
    problem: str | None = None

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """uint16, always."""
        return np.dtype(np.uint16)

    @property
    def native_chunks(self) -> tuple[int, int]:
        """Bands of full width for striped files, blocks for tiled ones."""
        return self.chunks

    def read(self, window: Window) -> npt.NDArray[Any]:
        """The digital numbers of `window`; `ProductError` if the file is missing, damaged or another one."""
        rows, columns = window
        if self.problem:
            raise ProductError(self.problem)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return np.empty((max(0, rows.stop - rows.start), max(0, columns.stop - columns.start)), self.dtype)
        try:
            dataset = open_files.get(self.gdal_path, self.stamp)
            self._require_as_annotated(dataset)
            return np.ascontiguousarray(dataset.read(1, window=Part.from_slices(rows, columns)))
        except (RasterioError, OSError) as error:
            raise ProductError(
                f"{self.name} cannot be read: {error}; the file is damaged, download it again"
            ) from error

    def _require_as_annotated(self, dataset: Any) -> None:
        got = (dataset.count, *dataset.shape, dataset.dtypes[0])
        want = (1, *self.shape, "uint16")
        if got != want:
            raise ProductError(
                f"{self.name}: the image is (bands, lines, samples, dtype) {got}, but the annotation says {want}; "
                "the files belong to different products"
            )

    def __dask_tokenize__(self) -> object:
        return ("sentinel-1 measurement", self.gdal_path, self.stamp, self.shape, self.problem)


def measurement(container: Container, name: str | None, *, polarization: str, shape: tuple[int, int]) -> Measurement:
    """The lazy image of one polarisation. A missing or damaged file is no error before its pixels are asked for."""
    if name is None:
        problem = (
            f"{container.path.name} has no measurement TIFF for {polarization.upper()}, only its annotation; "
            "download the whole product to read pixels"
        )
        return Measurement("", container.path.name, (0, 0), shape, _bands(shape), problem)
    path, stamp = container.gdal_path(name), container.stamp(name)
    return Measurement(path, container.describe(name), stamp, shape, _native_chunks(path, stamp, shape))


def _native_chunks(path: str, stamp: Stamp, shape: tuple[int, int]) -> tuple[int, int]:
    try:
        block = open_files.get(path, stamp).block_shapes[0]
    except (RasterioError, OSError):  # told when pixels are read
        return _bands(shape)
    return _bands(shape) if block[1] >= shape[1] else (block[0], block[1])


def _bands(shape: tuple[int, int]) -> tuple[int, int]:
    rows = _BAND_PIXELS // shape[1] // 64 * 64
    return min(shape[0], max(_BAND_ROWS[0], min(_BAND_ROWS[1], rows))), shape[1]
