"""One Zarr store or NetCDF file as a time stack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from kararaster import blocks
from kararaster.conventions import POLARIZATIONS, add_history
from kararaster.errors import InvalidInputError, KararasterError, ProductError
from kararaster.grids import with_crs
from kararaster.lazy import Elementwise, LazyArray, Window, view
from kararaster.rasterfile import blank_nodata, file_stamp

Chunks = Literal["auto"] | int | tuple[int, ...] | dict[str, int] | None

DIMS = ("time", "y", "x")
_DIMS_WITH_BAND = ("time", "band", "y", "x")
"""Of what has a value for each band and is no band itself, such as the counts of a composite."""
_OTHER_NAMES = {"t": "time", "date": "time", "Y": "y", "X": "x", "northing": "y", "easting": "x"}


def carry(source: LazyArray, dims: tuple[str, ...], chunks: Chunks) -> Any:
    """`source` as the array that a Dataset holds; a dict of chunks goes by the names in `dims`."""
    if isinstance(chunks, tuple) and "band" in dims:
        chunks = dict(zip(DIMS, chunks[-len(DIMS) :], strict=False))
    by_axis: Any = chunks[-len(dims) :] if isinstance(chunks, tuple) else chunks
    if isinstance(chunks, dict):
        unknown = sorted(set(chunks) - set(DIMS), key=str)
        if unknown:
            raise InvalidInputError(f"chunks: got sizes for {unknown}, want some of {DIMS}")
        by_axis = {axis: chunks[dim] for axis, dim in enumerate(dims) if dim in chunks}
    return blocks.from_lazy(source, chunks=by_axis)


@dataclass(frozen=True, eq=False)
class StoreVariable(LazyArray):
    """A variable of a store that xarray opened without chunks: windows are read from the store itself."""

    path: Path
    name: str
    stamp: tuple[int, ...]
    variable: xr.Variable

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.variable.shape

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        dtype: np.dtype[Any] = self.variable.dtype
        return dtype.newbyteorder("=")  # NetCDF 3 is big-endian

    @property
    def native_chunks(self) -> tuple[int, ...] | None:
        stored = self.variable.encoding.get("preferred_chunks")
        if not stored:
            return None
        chunks = {_OTHER_NAMES.get(dim, dim): size for dim, size in stored.items()}
        return tuple(int(chunks[dim]) for dim in self.variable.dims)

    def read(self, window: Window) -> npt.NDArray[Any]:
        try:
            return np.ascontiguousarray(self.variable[window].values, self.dtype)
        except (OSError, RuntimeError, ValueError) as error:
            raise ProductError(
                f"{self.path}: {self.name} cannot be read at {window} ({error}); the store is truncated or damaged"
            ) from error

    def __dask_tokenize__(self) -> object:
        return ("store", str(self.path.resolve()), self.name, self.stamp)


def open_store(path: Path, engine: str, chunks: Chunks) -> xr.Dataset:
    """The Dataset of `open_stack` from a store; `engine` is that of xarray ("zarr" or "h5netcdf")."""
    stored = _open(path, engine)
    renames = {old: new for old, new in _OTHER_NAMES.items() if old in stored.dims and new not in stored.variables}
    stored = stored.rename(renames)
    times = _times(stored, path)
    order = np.argsort(times, kind="stable")
    orbits = stored["relative_orbit"].values if "relative_orbit" in stored else None
    _check_unique(times, orbits, path)
    small = [name for name in stored.variables if not {"y", "x"} <= set(stored[name].dims)]
    result = stored[small].load().assign_coords(time=times).isel(time=order)
    for name, variable in result.variables.items():
        if variable.dtype.kind in "OT":
            result[name] = (variable.dims, np.array(variable.values.tolist(), str), variable.attrs)
    result.attrs = dict(stored.attrs)
    for name in (str(n) for n in stored.data_vars if n not in small):
        result[name] = _variable(stored[name].variable, path, name, order, chunks)
    result = _with_spatial_ref(result)
    return add_history(result, f"open_stack: {path.name}")


def _open(path: Path, engine: str) -> xr.Dataset:
    if _is_netcdf3(path):
        engine = "scipy"
        if find_spec("scipy") is None:
            raise KararasterError(f"{path}: NetCDF 3 needs scipy: pip install 'kararaster[netcdf]'")
    try:
        # consolidated metadata spare requests to a server; a folder has none to spare
        options: dict[str, Any] = {"consolidated": False} if engine == "zarr" else {}
        stored: xr.Dataset = xr.open_dataset(
            path, engine=engine, chunks=None, cache=False, mask_and_scale=False, decode_coords="all", **options
        )
    except ImportError as error:
        raise KararasterError(
            f"{path}: {error}; NetCDF needs the extra netcdf: pip install 'kararaster[netcdf]'"
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ProductError(f"{path}: not a readable {engine} store ({error}); write or fetch it again") from error
    return stored


def _is_netcdf3(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(3) == b"CDF"
    except OSError:  # a folder, or what nobody may read
        return False


def _times(stored: xr.Dataset, path: Path) -> npt.NDArray[np.datetime64]:
    if not set(DIMS) <= set(stored.dims):
        raise InvalidInputError(
            f"{path}: got dimensions {tuple(stored.sizes)}, want {DIMS}; rename them and write it again"
        )
    if "time" not in stored.coords or stored["time"].dtype.kind != "M":
        raise InvalidInputError(f"{path}: the dimension time has no dates; want a coordinate time of datetime64")
    return stored["time"].values.astype("datetime64[ns]")


def _check_unique(times: npt.NDArray[np.datetime64], orbits: npt.NDArray[Any] | None, where: Path) -> None:
    """Raise InvalidInputError where a date is there twice, unless its relative orbits differ."""
    keys = list(zip(times.tolist(), [None] * times.size if orbits is None else orbits.tolist(), strict=True))
    twice = sorted({str(np.datetime64(time, "ns")) for (time, _), count in Counter(keys).items() if count > 1})
    if twice:
        more = "" if orbits is None else " in one relative orbit"
        raise InvalidInputError(
            f"{where}: the dates {', '.join(twice[:5])} are there more than once{more}; merge or drop the copies, or "
            "give each its `relative_orbit` along time"
        )


def _variable(variable: xr.Variable, path: Path, name: str, order: npt.NDArray[np.intp], chunks: Chunks) -> xr.Variable:
    """One band, lazy, in the order of time, floats with NaN for nodata."""
    dims = tuple(dim for dim in _DIMS_WITH_BAND if dim in variable.dims)
    if len(dims) != variable.ndim:
        raise InvalidInputError(
            f"{path}: {name} has dimensions {variable.dims}, want {DIMS}, {_DIMS_WITH_BAND} or ('y', 'x'); drop it or select "
            "one of the others, and write it again"
        )
    variable = variable.transpose(*dims)
    attrs = dict(variable.attrs)
    source: LazyArray = StoreVariable(path, name, _stamp(path, name), variable)
    if str(attrs.pop("_Unsigned", "false")).lower() == "true":
        unsigned = np.dtype(f"u{variable.dtype.itemsize}")
        source = Elementwise((source,), partial(_as_unsigned, dtype=unsigned), unsigned)
        if "_FillValue" in attrs:
            attrs["_FillValue"] = int(np.asarray(attrs["_FillValue"]).astype(unsigned))
    if source.dtype.kind == "f":
        nodata = attrs.pop("_FillValue", None)
        if nodata is not None and not np.isnan(nodata):
            source = Elementwise((source,), partial(blank_nodata, nodata=float(nodata)), source.dtype)
    if "time" in dims and not np.array_equal(order, np.arange(order.size)):
        source = view(source, (order,)) or source
    if name in POLARIZATIONS:
        attrs.setdefault("polarization", name.upper())
    return xr.Variable(dims, carry(source, dims, chunks), attrs)


def _as_unsigned(pixels: npt.NDArray[Any], *, dtype: np.dtype[Any], window: Window) -> npt.NDArray[Any]:
    """NetCDF 3 had no unsigned types; `_Unsigned` says that the bits are to be read as such."""
    return pixels.view(dtype)


def _stamp(path: Path, name: str) -> tuple[int, ...]:
    """Changes when the store is written again."""
    parts = (
        [path]
        if path.is_file()
        else [path, *(p for p in (path / name, path / name / "zarr.json", path / name / "c") if p.exists())]
    )
    return tuple(number for part in parts for number in file_stamp(part))


def _with_spatial_ref(result: xr.Dataset) -> xr.Dataset:
    """The grid mapping of the store, whatever its name was, as the coordinate `spatial_ref`."""
    mappings = [
        str(n) for n, v in result.variables.items() if v.ndim == 0 and ({"crs_wkt", "spatial_ref"} & set(v.attrs))
    ]
    if not mappings:
        return result
    if "spatial_ref" in mappings:
        return result.set_coords("spatial_ref")
    attrs = result[mappings[0]].attrs
    return with_crs(result.drop_vars(mappings), str(attrs.get("crs_wkt") or attrs["spatial_ref"]))
