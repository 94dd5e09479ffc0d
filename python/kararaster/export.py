"""Results to disk: Cloud Optimized GeoTIFFs, one a variable and date, or a Zarr store. Everything gets its name when it is
whole."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import rasterio.shutil
import xarray as xr
from rasterio.errors import RasterioError

from kararaster.conventions import MAP_DIMS, is_spatial
from kararaster.errors import InvalidInputError, InvalidTypeError, KararasterError, ProductError
from kararaster.grids import geobox
from kararaster.optical import scaling_of
from kararaster.rawfile import Progress, raw_path, write_raw

if TYPE_CHECKING:
    from os import PathLike

BLOCK = 512
_BOOL_NODATA = 255
_DATE_TAGS = ("relative_orbit", "platform", "orbit_state", "mgrs_tile", "processing_baseline")
"""Coordinates that tell one date from another: tags of its files."""
_OF_THE_VARIABLE = ("quantity", "units")
"""Attributes that `open_stack` reads back for each variable: those of the Dataset are not true of all (`scl`, a count)."""
_GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "uint64": "UInt64", "int64": "Int64", "float32": "Float32", "float64": "Float64",
}  # fmt: skip


def to_cog(
    result: xr.Dataset | xr.DataArray, folder: str | PathLike[str], *, progress: Progress | None = None
) -> list[Path]:
    """Write each map in `result` as a Cloud Optimized GeoTIFF `folder/<variable>.tif`. This computes.

    Maps are the variables with rows and columns. One with dates becomes one file a date,
    `<variable>_20230919T030110.tif` (UTC, to the second; dates of one second get their relative orbit behind it), which
    `open_stack` reads as a stack. Any other dimension in front of `y, x` becomes the bands of the file, named after its
    coordinate; behind dates named after the variable too (`n_valid_red`), as those names come back as variables. Floats are
    written with NaN as nodata, integers with their `_FillValue`, booleans as 0 and 1 (uint8, nodata 255), times as days since
    1970-01-01 (float64). The reference system is that of `spatial_ref`; attributes, and `relative_orbit`, `platform`,
    `orbit_state`, `mgrs_tile` and `processing_baseline` of the date, go into the tags. All variables are computed together
    and written chunk by chunk, so that tasks they share run once and no variable is ever whole in memory. A file of that name
    is replaced; where anything fails, nothing in `folder` has changed.

    progress : called as `progress(chunks_written, chunks)` from the threads that write; not for distributed workers.
    Returns the paths, in the order of the variables and their dates. Raises InvalidInputError without a `y, x` grid or
    a reference system and for dates that cannot be told apart, InvalidTypeError for values GeoTIFF cannot hold,
    UnitsError for dates that were joined with different offsets, ProductError where the disk refuses.
    """
    dataset = _times_as_days(_as_dataset(result))
    layers = [_layer(dataset[name]) for name in dataset.data_vars if is_spatial(dataset[name])]
    if not layers:
        raise InvalidInputError(
            f"result: no variable of {sorted(map(str, dataset.data_vars))} has the dimensions {MAP_DIMS}"
        )
    grid = _grid(dataset)
    target = Path(folder)
    with _disk_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        with _scratch(target) as scratch:
            write_raw({layer.name: _pixels(dataset[layer.name], layer) for layer in layers}, scratch, progress)
            whole = [path for layer in layers for path in _to_cogs(layer, grid, scratch, dataset.attrs)]
            paths = [target / temporary.name for temporary in whole]
            for temporary, path in zip(whole, paths, strict=True):
                os.replace(temporary, path)
    return paths


def to_zarr(result: xr.Dataset, store: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write `result` to a new Zarr store (format 3), chunks as they are. This computes.

    The store gets its name when it is whole. Returns its path. Raises InvalidInputError where `store` is there already
    and `overwrite` is False, ProductError where the disk refuses.
    """
    path = Path(store)
    if path.exists() and not overwrite:
        raise InvalidInputError(f"store: {path} is there already; choose another name or say overwrite=True")
    with _disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _scratch(path.parent) as scratch:
            whole = scratch / path.name
            _for_storage(_as_dataset(result)).to_zarr(whole, mode="w-", zarr_format=3, consolidated=False)
            _consolidate(whole)
            if path.exists():
                os.replace(path, scratch / "replaced")
            os.replace(whole, path)
    return path


@dataclass(frozen=True)
class _File:
    """One file of a variable: its bands lie behind each other in the raw pixels, from place `first` on."""

    name: str
    first: int
    bands: tuple[str, ...]
    tags: dict[str, str]


@dataclass(frozen=True)
class _Layer:
    """How one variable is stored."""

    name: str
    dtype: np.dtype[Any]
    nodata: float | int | None
    files: tuple[_File, ...]
    tags: dict[str, str]
    scale: float
    offset: float

    @property
    def resampling(self) -> str:
        """Averages of measurements, the nearest pixel of classes and flags."""
        return "AVERAGE" if self.dtype.kind == "f" else "NEAREST"


@dataclass(frozen=True)
class _Grid:
    height: int
    width: int
    crs: str
    transform: Any


def _as_dataset(result: xr.Dataset | xr.DataArray) -> xr.Dataset:
    if isinstance(result, xr.Dataset):
        return result
    return result.to_dataset(name=result.name or "data", promote_attrs=True)


def _times_as_days(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign({name: _days(array) for name, array in dataset.items() if array.dtype.kind == "M"})


def _days(times: xr.DataArray) -> xr.DataArray:
    """Times as numbers that GeoTIFF can hold."""
    days = (times - np.datetime64("1970-01-01", "ns")) / np.timedelta64(1, "D")
    return days.assign_attrs(times.attrs | {"units": "days since 1970-01-01"})


def _layer(array: xr.DataArray) -> _Layer:
    if array.dims[-2:] != MAP_DIMS or array.ndim > (4 if _is_dated(array) else 3):
        raise InvalidInputError(
            f"{array.name}: got dimensions {array.dims}, want y, x with at most one in front of them, and time before that; "
            "transpose it, or select one of the others"
        )
    if array.dtype.kind != "b" and array.dtype.name not in _GDAL_TYPES:
        raise InvalidTypeError(f"{array.name}: GeoTIFF cannot hold {array.dtype}; convert it to a number first")
    nodata: float | int | None = array.attrs.get("_FillValue")
    if array.dtype.kind == "b":
        nodata = _BOOL_NODATA
    elif array.dtype.kind == "f":
        nodata = float("nan")
    scale, offset, _ = scaling_of(array)
    kept = {key: value for key, value in array.attrs.items() if key not in ("_FillValue", "scale_factor", "add_offset")}
    return _Layer(
        name=str(array.name),
        dtype=np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype,
        nodata=nodata,
        files=_files(array),
        tags={key: _text(value) for key, value in kept.items()},
        scale=scale,
        offset=offset,
    )


def _files(array: xr.DataArray) -> tuple[_File, ...]:
    """One file a date, or one file of all bands where there are no dates."""
    name = str(array.name)
    if not _is_dated(array):
        return (_File(name, 0, _band_names(array), {}),)
    dates = [array.coords.to_dataset().isel(time=index) for index in range(array.sizes["time"])]
    tags = [{tag: _text(date[tag].values.item()) for tag in _DATE_TAGS if tag in date.coords} for date in dates]
    orbits = [tag.get("relative_orbit", "") for tag in tags]
    stamps = _stamps(array["time"].values, orbits)
    bands = (name,) if array.ndim == 3 else tuple(f"{name}_{band}" for band in _band_names(array.isel(time=0)))
    return tuple(_File(f"{name}_{stamp}", index * len(bands), bands, tags[index]) for index, stamp in enumerate(stamps))


def _is_dated(array: xr.DataArray) -> bool:
    return array.dims[0] == "time" and array["time"].dtype.kind == "M"


def _stamps(times: npt.NDArray[np.datetime64], orbits: list[str]) -> list[str]:
    """A name for every date that `open_stack` reads: `20230919T030110`, with the relative orbit where two share it."""
    if times.size == 0 or np.isnat(times).any():
        raise InvalidInputError(f"time: got {times}, want one or more dates without NaT; drop what has no date")
    seconds = [str(text).replace("-", "").replace(":", "") for text in np.datetime_as_string(times, "s")]
    count = Counter(seconds)
    stamps = [
        f"{second}_{orbit}" if count[second] > 1 else second for second, orbit in zip(seconds, orbits, strict=True)
    ]
    twice = [stamp for stamp, n in Counter(stamps).items() if n > 1]
    if twice:
        raise InvalidInputError(
            f"time: {twice[0].strip('_')} is there more than once, and a file is named to the second and orbit; merge or "
            "drop the copies, or give each its `relative_orbit` along time"
        )
    return stamps


def _band_names(array: xr.DataArray) -> tuple[str, ...]:
    if array.ndim == 2:
        return (str(array.name),)
    front = array.dims[0]
    if front not in array.coords:
        return tuple(f"{front} {index + 1}" for index in range(array.sizes[front]))
    return tuple(map(str, array.coords[front].values))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value.tolist() if isinstance(value, np.ndarray | np.generic) else value, default=str)


def _grid(dataset: xr.Dataset) -> _Grid:
    box = geobox(dataset)
    if box is None or box.crs is None:
        raise InvalidInputError(
            "result: no evenly spaced y and x with a reference system; set it with .rio.write_crs(...), "
            "and select contiguous rows and columns"
        )
    height, width = box.shape
    return _Grid(height, width, box.crs.to_wkt(), box.affine)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A hidden folder beside the target (so that a rename is atomic), gone afterwards whatever happens."""
    path = Path(mkdtemp(prefix=".kararaster-", dir=folder))
    try:
        yield path
    finally:
        _remove(path)


def _remove(folder: Path) -> None:
    """Delete `folder`. After a failure other tasks may still be writing into it for a moment: try again while it fills."""
    for pause in (0.0, 0.05, 0.2, 1.0, 3.0):
        time.sleep(pause)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def _pixels(array: xr.DataArray, layer: _Layer) -> Any:
    """The array that is written: y, x behind one axis or, with dates and bands, two. NumPy stays NumPy and dask stays dask."""
    data = array.data.astype(layer.dtype)
    return data[np.newaxis] if data.ndim == 2 else data


def _to_cogs(layer: _Layer, grid: _Grid, scratch: Path, attrs: dict[Any, Any]) -> list[Path]:
    """The finished COGs of one variable, still in the scratch folder, from its raw pixels, which go."""
    whole = [_to_cog(layer, file, grid, scratch, attrs) for file in layer.files]
    raw_path(scratch, layer.name).unlink()
    return whole


def _to_cog(layer: _Layer, file: _File, grid: _Grid, scratch: Path, attrs: dict[Any, Any]) -> Path:
    header = scratch / f"{file.name}.vrt"
    ElementTree.ElementTree(_virtual(layer, file, grid, attrs)).write(header)
    whole = scratch / f"{file.name}.tif"
    options = {
        "BLOCKSIZE": BLOCK, "LEVEL": 1, "PREDICTOR": "YES", "OVERVIEWS": "IGNORE_EXISTING", "BIGTIFF": "IF_SAFER",
        "OVERVIEW_RESAMPLING": layer.resampling, "NUM_THREADS": "ALL_CPUS",
    }  # fmt: skip
    try:
        rasterio.shutil.copy(header, whole, driver="COG", COMPRESS="ZSTD", **options)
    except RasterioError:
        # GDAL builds without Zstandard; a second failure is no matter of compression and goes up
        rasterio.shutil.copy(header, whole, driver="COG", COMPRESS="DEFLATE", **options)
    return whole


def _virtual(layer: _Layer, file: _File, grid: _Grid, attrs: dict[Any, Any]) -> ElementTree.Element:
    """A GDAL virtual raster over the raw pixels, which says what they are."""
    add = ElementTree.SubElement
    root = ElementTree.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    add(root, "SRS").text = grid.crs
    add(root, "GeoTransform").text = ", ".join(repr(float(number)) for number in grid.transform.to_gdal())
    metadata = add(root, "Metadata")
    shared = {str(key): _text(value) for key, value in attrs.items() if key not in _OF_THE_VARIABLE}
    for key, value in {**shared, **layer.tags, **file.tags}.items():
        add(metadata, "MDI", key=key).text = value
    size = layer.dtype.itemsize
    for index, name in enumerate(file.bands):
        band = add(
            root,
            "VRTRasterBand",
            dataType=_GDAL_TYPES[layer.dtype.name],
            band=str(index + 1),
            subClass="VRTRawRasterBand",
        )
        add(band, "Description").text = name
        if layer.nodata is not None:
            add(band, "NoDataValue").text = repr(layer.nodata)
        add(band, "Offset").text, add(band, "Scale").text = repr(layer.offset), repr(layer.scale)
        add(band, "SourceFilename", relativeToVRT="1").text = raw_path(Path(), layer.name).name
        add(band, "ImageOffset").text = str((file.first + index) * grid.height * grid.width * size)
        add(band, "PixelOffset").text, add(band, "LineOffset").text = str(size), str(grid.width * size)
        add(band, "ByteOrder").text = "LSB" if sys.byteorder == "little" else "MSB"
    return root


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (RasterioError, OSError) as error:
        if isinstance(error, KararasterError):
            raise
        raise ProductError(f"folder: cannot write to {folder} ({error}); is there space, and may you write?") from error


def _consolidate(store: Path) -> None:
    """All metadata in one place, as readers over a network look for them; that format 3 has no word on it is known."""
    import zarr  # noqa: PLC0415 (takes long to import)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(store, zarr_format=3)


def _for_storage(dataset: xr.Dataset) -> xr.Dataset:
    """Without the encodings of the file it came from, which may not fit; chunks as Zarr wants them, equal but for the
    last."""
    clean = dataset.drop_encoding()
    for name, array in clean.variables.items():
        if array.dtype.kind == "U":
            # fixed-length strings have no Zarr 3 specification
            clean[name] = array.astype(object)
        elif array.chunks is not None and any(len(set(sizes[:-1]) | {max(sizes)}) > 1 for sizes in array.chunks):
            clean[name] = array.chunk({dim: max(sizes) for dim, sizes in zip(array.dims, array.chunks, strict=True)})
    return clean
