"""Time stacks from disk: a folder of dated rasters, or one Zarr or NetCDF store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from kararaster.conventions import POLARIZATIONS, add_history
from kararaster.errors import GeometryError, InvalidInputError, ProductError, ProductNotFoundError
from kararaster.grids import grid_coords
from kararaster.lazy import Elementwise, LazyArray, Stack
from kararaster.optical import OPTICAL_BANDS, with_pending_offset
from kararaster.rasterfile import Header, RasterFile, blank_nodata, read_header
from kararaster.sentinel2.layout import BANDS as SENTINEL2
from kararaster.store import DIMS, Chunks, carry, open_store

if TYPE_CHECKING:
    from os import PathLike

BANDS = (*POLARIZATIONS, *OPTICAL_BANDS, "scl")
"""Band names that are recognised in file names."""
_DATE = re.compile(
    r"(?<!\d)(?P<date>(?:19|20)\d\d(-?)(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T_ ](?:[01]\d|2[0-3]):?[0-5]\d:?[0-5]\d(?:Z|[+-]\d\d:?\d\d)?)?)(?!\d)"
)
_NUMBERED = {band.number.lower(): band.name for band in SENTINEL2}
_BAND = re.compile(rf"(?<![a-z0-9])(?P<band>{'|'.join((*BANDS, *_NUMBERED))})(?![a-z0-9])", re.IGNORECASE)
_SENTINEL2_NAME = re.compile(
    r"(?<![A-Z0-9])(?:S2[A-D]?|SENTINEL-?2|T?\d\d[C-HJ-NP-X][A-HJ-NP-Z]{2})(?![A-Z0-9])", re.IGNORECASE
)
"""What a path must have before B04 in it is taken for a band of Sentinel-2: Landsat numbers its bands otherwise."""
_ORBIT_TAGS = ("relative_orbit", "sat:relative_orbit", "relativeorbitnumber", "relative_orbit_number")
_RASTERS = {".tif", ".tiff"}
_NETCDF = {".nc", ".nc4", ".h5", ".netcdf"}


def open_stack(source: str | PathLike[str], *, pattern: str | None = None, chunks: Chunks = "auto") -> xr.Dataset:
    """Open a time stack on a map grid; pixels are read when they are needed.

    Parameters
    ----------
    source : a folder (with subfolders) of GeoTIFFs or COGs, or one Zarr store, or one NetCDF file.
        In a folder every file name, or else a folder above it, carries a date: `20230919`, `2023-09-19`, with a time of
        day if known: `20230919T030110`. The band is in the name as well (`vv`, `vh`, `hh`, `hv`, `red`, `nir` ...; `B04`
        where the name has a Sentinel-2 tile or satellite), or in the band descriptions of a file with several; a band
        without a name is called `band1`. The relative orbit is
        read from the tag `relative_orbit`, if there is one.
    pattern : for other names, a regular expression searched in the path below `source`, with the named groups `date`
        and, as there are, `band` and `orbit`: r"S1_(?P<orbit>\\d{3})_(?P<date>\\d{8})_(?P<band>VV|VH)". Folders only.
    chunks : "auto" (one date, whole blocks of the file), a number, a tuple in the order of the dimensions, a dict by
        name, or None to read everything now.

    Returns
    -------
    Dataset (time, y, x), sorted by time (UTC, datetime64[ns]); coordinates `relative_orbit` (time) where known and
    `spatial_ref`. The dtype is that of the files. Nodata is NaN in floats; integers stay as they are, with
    `_FillValue`, `scale_factor`, `add_offset` and `saturated_value` as attributes; where these are the scale of a reflectance
    (`quantity`), the coordinate `boa_add_offset` (time) has the offset in digital numbers.

    Raises
    ------
    ProductNotFoundError : nothing there that is a stack. ProductError : a damaged file. GeometryError : files on
    different grids. InvalidInputError : a name without date, a date twice for one band and orbit, a band without some
    date.
    """
    path = Path(source)
    if path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata")):
        kind = "zarr"
    elif path.is_file() and path.suffix.lower() in _NETCDF:
        kind = "h5netcdf"
    elif path.is_dir():
        return with_pending_offset(_open_folder(path, pattern, chunks))
    else:
        what = "does not exist" if not path.exists() else "is not a stack"
        raise ProductNotFoundError(f"source: {path} {what}; want a folder of GeoTIFFs, a Zarr store or a NetCDF file")
    if pattern is not None:
        raise InvalidInputError(f"pattern: got {pattern!r} for the store {path}; a pattern is for folders of GeoTIFFs")
    ds = open_store(path, kind, chunks)
    if kind == "zarr":  # which lists its variables as the file system does
        names: list[str] = sorted(map(str, ds.data_vars), key=_rank)
        ds = ds[names]
    return with_pending_offset(ds)


@dataclass(frozen=True)
class _Image:
    """One band of one date."""

    time: np.datetime64
    orbit: int | None
    band: str
    source: RasterFile

    @property
    def path(self) -> Path:
        return self.source.header.path


def _open_folder(folder: Path, pattern: str | None, chunks: Chunks) -> xr.Dataset:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _RASTERS)
    if not paths:
        raise ProductNotFoundError(f"source: {folder} holds no .tif or .tiff file and is no Zarr store{_hint(folder)}")
    headers = [read_header(path) for path in paths]
    _check_grids(headers)
    name = _compiled(pattern)
    images = [image for header in headers for image in _images(header, folder, name)]
    acquisitions = _acquisitions(images, folder)
    bands = {
        band: _band([_only(images, key, band) for key in acquisitions], chunks)
        for band in sorted({image.band for image in images}, key=_rank)
    }
    coords: dict[str, Any] = {
        "time": np.array([time for time, _ in acquisitions], "datetime64[ns]"),
        **grid_coords(headers[0].shape, headers[0].transform, headers[0].crs),
    }
    if acquisitions[0][1] is not None:
        coords["relative_orbit"] = ("time", np.array([orbit for _, orbit in acquisitions], np.int16))
    return add_history(xr.Dataset(bands, coords), f"open_stack: {len(paths)} files of {folder.name}")


def _hint(folder: Path) -> str:
    """What else the folder may be meant for."""
    if any(path.suffix.lower() in (".safe", ".zip") for path in (folder, *folder.iterdir())):
        return "; products are opened by open_sentinel1 and open_sentinel2, folders of many by sentinel2_stack(folder, grid=...)"
    return ""


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    if not isinstance(pattern, str):
        raise InvalidInputError(f"pattern: got {pattern!r}, want a regular expression")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidInputError(f"pattern: {pattern!r} is not a regular expression ({error})") from None
    if "date" not in compiled.groupindex:
        raise InvalidInputError(f"pattern: {pattern!r} has no group named date; write (?P<date>...) around the date")
    return compiled


def _check_grids(headers: list[Header]) -> None:
    """All on the grid that most files have; the others are named."""
    groups: list[list[Header]] = []
    for header in headers:
        for group in groups:
            if header.same_grid(group[0]):
                group.append(header)
                break
        else:
            groups.append([header])
    if len(groups) > 1:
        groups.sort(key=len, reverse=True)
        usual, odd = groups[0][0], groups[1][0]
        raise GeometryError(
            f"{odd.path}: {_describe(odd)}, but {usual.path.name} and {len(groups[0]) - 1} more have "
            f"{_describe(usual)}; bring all files onto one grid first"
        )


def _describe(header: Header) -> str:
    crs = header.crs.to_string() if header.crs else "no crs"
    rows, columns = header.shape
    corner = (header.transform.c, header.transform.f)
    return f"{rows} x {columns} pixels of {header.transform.a:g} in {crs} from {corner}"


def _images(header: Header, folder: Path, pattern: re.Pattern[str] | None) -> list[_Image]:
    """The bands of one file."""
    inside = header.path.relative_to(folder).with_suffix("")
    found = pattern.search(inside.as_posix()) if pattern else _nearest(_DATE, inside)
    if found is None or found["date"] is None:
        want = f"something like {pattern.pattern!r}" if pattern else "a date such as 20230919 or 2023-09-19"
        raise InvalidInputError(
            f"{header.path}: no date in the name, want {want}; rename it or give a `pattern` that finds one"
        )
    groups = found.groupdict()
    time = parse_time(groups["date"], header.path)
    in_name = _nearest(_BAND, inside)
    band = groups.get("band") or (in_name["band"] if in_name and pattern is None else None)
    orbit = groups.get("orbit") or next((header.tags[tag] for tag in _ORBIT_TAGS if tag in header.tags), None)
    if orbit is not None and not orbit.strip().isdecimal():
        raise InvalidInputError(f"{header.path}: got relative orbit {orbit!r}, want a whole number")
    return [
        _Image(
            time,
            None if orbit is None else int(orbit),
            _band_name(header, index, band, inside),
            RasterFile(header, index),
        )
        for index in range(1, len(header.dtypes) + 1)
    ]


def _nearest(pattern: re.Pattern[str], inside: Path) -> re.Match[str] | None:
    """The match in the file name, else in the nearest folder above it: a folder may carry the date of a download."""
    return next((found for part in reversed(inside.parts) if (found := pattern.search(part))), None)


def _band_name(header: Header, index: int, in_name: str | None, inside: Path) -> str:
    """From the file name, else from the description of the band; numbers of Sentinel-2 bands become their names."""
    described = (header.descriptions[index - 1] or "").strip()
    name = in_name if in_name and len(header.dtypes) == 1 else described or f"band{index}"
    numbered = _NUMBERED.get(name.lower()) if _SENTINEL2_NAME.search(inside.as_posix()) else None
    return numbered or name.lower()


def parse_time(text: str, where: Path) -> np.datetime64:
    """A date, with or without time of day and zone, as UTC. Without a zone it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text.replace("_", "T").replace(" ", "T"))
    except ValueError:
        raise InvalidInputError(
            f"{where}: {text!r} is not a date; want 20230919, 2023-09-19 or 20230919T030110"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(moment, "ns")


def _acquisitions(images: list[_Image], folder: Path) -> list[tuple[np.datetime64, int | None]]:
    """Date and orbit of every acquisition, in the order of time."""
    unknown = [image for image in images if image.orbit is None]
    if unknown and len(unknown) < len(images):
        raise InvalidInputError(
            f"{unknown[0].path}: no relative orbit, but other files of {folder} have one; tag all or none"
        )
    return sorted({(image.time, image.orbit) for image in images}, key=lambda key: (key[0], key[1] or 0))


def _only(images: list[_Image], key: tuple[np.datetime64, int | None], band: str) -> _Image:
    found = [image for image in images if (image.time, image.orbit) == key and image.band == band]
    time = str(key[0])[:19]
    if len(found) > 1:
        names = ", ".join(str(image.path) for image in found)
        raise InvalidInputError(
            f"{names}: {len(found)} files for {band} of {time}; keep one, or tag their relative orbits"
            + ("; if they are different bands, give a `pattern` with a group `band`" if band == "band1" else "")
        )
    if not found:
        other = next(image for image in images if (image.time, image.orbit) == key)
        raise InvalidInputError(
            f"{other.path}: there is no {band} for {time}, but there is for other dates; add or drop it"
        )
    return found[0]


def _band(images: list[_Image], chunks: Chunks) -> tuple[tuple[str, ...], Any, dict[str, Any]]:
    """The images of one band behind each other, with their attributes."""
    first = _encoding(images[0])
    for image in images:
        if _encoding(image) != first:
            raise InvalidInputError(
                f"{image.path}: {image.band} is stored as {_encoding(image)}, but as {first} in {images[0].path.name}; "
                "convert one of them"
            )
    stacked: LazyArray = Stack(tuple(image.source for image in images))
    attrs = {key: value for key, value in first.items() if key != "dtype"}
    if stacked.dtype.kind == "f":
        nodata = attrs.pop("_FillValue", None)
        if nodata is not None and not np.isnan(nodata):
            stacked = Elementwise((stacked,), partial(blank_nodata, nodata=nodata), stacked.dtype)
    if images[0].band in POLARIZATIONS:
        attrs["polarization"] = images[0].band.upper()
    return DIMS, carry(stacked, DIMS, chunks), attrs


def _encoding(image: _Image) -> dict[str, Any]:
    header, index = image.source.header, image.source.band - 1
    encoding: dict[str, Any] = {"dtype": header.dtypes[index]}
    nodata = header.nodata[index]
    if nodata is not None and not np.isnan(nodata):
        encoding["_FillValue"] = int(nodata) if np.dtype(header.dtypes[index]).kind in "iu" else nodata
    if header.scales[index] != 1 or header.offsets[index] != 0:
        encoding.update(scale_factor=header.scales[index], add_offset=header.offsets[index])
    for tag in ("units", "quantity"):
        if tag in header.tags:
            encoding[tag] = header.tags[tag]
    if "saturated_value" in header.tags:
        encoding["saturated_value"] = _saturated(header)
    return encoding


def _saturated(header: Header) -> float:
    stated = header.tags["saturated_value"]
    try:
        return int(stated) if stated.strip().isdecimal() else float(stated)
    except ValueError:
        raise ProductError(
            f"{header.path}: got the tag saturated_value {stated!r}, want a number; correct it"
        ) from None


def _rank(band: str) -> tuple[int, str]:
    return (BANDS.index(band) if band in BANDS else len(BANDS), band)
